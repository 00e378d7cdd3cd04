package resolve

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
)

// Type is a type of DNS records.
type Type uint16

// The types that locating SIP servers knows (RFC 1035, 3596, 2782, 3403).
const (
	TypeA     Type = 1
	TypeCNAME Type = 5
	TypeAAAA  Type = 28
	TypeSRV   Type = 33
	TypeNAPTR Type = 35
)

func (t Type) String() string {
	switch t {
	case TypeA:
		return "A"
	case TypeCNAME:
		return "CNAME"
	case TypeAAAA:
		return "AAAA"
	case TypeSRV:
		return "SRV"
	case TypeNAPTR:
		return "NAPTR"
	}
	return fmt.Sprintf("TYPE%d", uint16(t))
}

// Question is one name and one type. Names are in lower case without the last
// dot, everywhere in this package; "" is the root.
type Question struct {
	Name string
	Type Type
}

func (q Question) String() string { return q.Type.String() + " " + q.Name }

// key is the question as the key of a table.
func (q Question) key() string { return string([]byte{byte(q.Type >> 8), byte(q.Type)}) + q.Name }

// Record is one resource record; its Type says which of the fields count.
type Record struct {
	Name       string
	Type       Type
	TTL        uint32     // seconds
	Addr       netip.Addr // A, AAAA
	Target     string     // CNAME; SRV; the replacement of a NAPTR
	Priority   uint16     // SRV
	Weight     uint16     // SRV
	Port       uint16     // SRV
	Order      uint16     // NAPTR, and those below
	Preference uint16
	Flags      string
	Service    string
	Regexp     string
}

// String is what people read: `SRV 10 60 5060 gw1.example.com`.
func (r Record) String() string {
	switch r.Type {
	case TypeA, TypeAAAA:
		return fmt.Sprintf("%s %s", r.Type, r.Addr)
	case TypeSRV:
		return fmt.Sprintf("SRV %d %d %d %s.", r.Priority, r.Weight, r.Port, r.Target)
	case TypeNAPTR:
		return fmt.Sprintf("NAPTR %d %d %q %q %q %s.", r.Order, r.Preference, r.Flags, r.Service, r.Regexp, r.Target)
	}
	return fmt.Sprintf("%s %s.", r.Type, r.Target)
}

// The response codes that mean something here (RFC 1035 §4.1.1). All others say
// that the server could not answer.
const (
	CodeNoError  = 0
	CodeNXDomain = 3
)

// Reply is what a server answered, as far as it matters here.
type Reply struct {
	Code     int
	Records  []Record // of the answer section
	SOA      bool     // the authority section has one
	Negative uint32   // its TTL or its minimum, the smaller (RFC 2308 §5), in seconds
	TCP      bool     // it did not fit in a datagram
}

// maxLinks bounds a chain of CNAMEs, so a loop of them too.
const maxLinks = 8

// chase follows question through the CNAMEs of a reply (RFC 1034 §3.6.2). It
// returns the records of its type at the end of the chain, or none, the name at
// the end, how many links led there, and the shortest TTL of all that was used.
func (r *Reply) chase(q Question) (found []Record, end string, links int, ttl uint32) {
	end, ttl = q.Name, math.MaxInt32
	for {
		var alias *Record
		for i := range r.Records {
			switch rec := &r.Records[i]; {
			case rec.Name != end:
			case rec.Type == q.Type:
				found = append(found, *rec)
				ttl = min(ttl, positive(rec.TTL))
			case rec.Type == TypeCNAME && alias == nil:
				alias = rec
			}
		}
		if len(found) > 0 || alias == nil || links > maxLinks {
			return found, end, links, ttl
		}
		ttl = min(ttl, positive(alias.TTL))
		end = alias.Target
		links++
	}
}

// positive is RFC 2181 §8: a TTL with the top bit set is 0.
func positive(ttl uint32) uint32 {
	if ttl > math.MaxInt32 {
		return 0
	}
	return ttl
}

// normal is a name as this package writes it.
func normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
