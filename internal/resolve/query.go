package resolve

import (
	"encoding/binary"
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// Set is what this server can send by: pairs of a transport and an address
// family. The zero Set is empty.
type Set uint16

// With returns s and p toward addresses of the family of addr. WebSocket is left
// out: a client of it is reached by its connection only (RFC 7118 §5.3).
func (s Set) With(p flow.Protocol, addr netip.Addr) Set {
	if p == flow.None || p > flow.TLS {
		return s
	}
	return s | pair(p, addr)
}

// Speaks reports whether s has p in any family.
func (s Set) Speaks(p flow.Protocol) bool { return s&(pair(p, v4)|pair(p, v6)) != 0 }

// Reaches reports whether addr can be sent to by p.
func (s Set) Reaches(p flow.Protocol, addr netip.Addr) bool { return s&pair(p, addr) != 0 }

var v4, v6 = netip.IPv4Unspecified(), netip.IPv6Unspecified()

func pair(p flow.Protocol, addr netip.Addr) Set {
	bit := 2 * uint(p)
	if !addr.Unmap().Is4() {
		bit++
	}
	return 1 << bit
}

// Query is what has to be located: the TARGET of RFC 3263 §4, which is the host
// or the maddr parameter of a URI, or the sent-by of a Via (§5), and all that
// the choice depends on. Two equal Queries have equal answers.
type Query struct {
	Host      []byte        // a name or an address, as in a URI; not kept by Get or Ask
	Port      uint16        // 0: none was given
	Transport flow.Protocol // of the transport parameter or the Via; None: none was given
	SIPS      bool          // the URI, or the Request-URI, is a sips URI
	Speaks    Set
}

const (
	fixedLen = 6   // port, transport, sips, set
	maxName  = 253 // RFC 1035 §3.1: 255 bytes on the wire, without the root's dot
	maxKey   = fixedLen + maxName
)

// AppendTo appends q in the form that ParseQuery reads: that of an effect.Ask.
// It is also the key of the cache: names that differ in case or in a last dot
// are one name.
func (q *Query) AppendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, q.Port)
	sips := byte(0)
	if q.SIPS {
		sips = 1
	}
	dst = append(dst, byte(q.Transport), sips)
	dst = binary.BigEndian.AppendUint16(dst, uint16(q.Speaks))
	for _, c := range q.name() {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// ParseQuery is the reverse of AppendTo. The Host is a view into b.
func ParseQuery(b []byte) (q Query, ok bool) {
	if len(b) <= fixedLen {
		return Query{}, false
	}
	return Query{
		Port:      binary.BigEndian.Uint16(b),
		Transport: flow.Protocol(b[2]),
		SIPS:      b[3] != 0,
		Speaks:    Set(binary.BigEndian.Uint16(b[4:])),
		Host:      b[fixedLen:],
	}, true
}

// name is the host without the dot of the root.
func (q *Query) name() []byte {
	if n := len(q.Host); n > 1 && q.Host[n-1] == '.' {
		return q.Host[:n-1]
	}
	return q.Host
}

// Numeric is the one hop of a numeric host: RFC 3263 §4.2 needs no DNS for it.
// ok is false for a name. None says that nothing here can send there.
func (q *Query) Numeric() (p flow.Protocol, to netip.AddrPort, ok bool) {
	addr, ok := sip.HostAddr(q.Host)
	if !ok {
		return flow.None, netip.AddrPort{}, false
	}
	addr = addr.Unmap() // a mapped address is reached over IPv4
	p = q.protocol()
	to = netip.AddrPortFrom(addr, q.portOf(p))
	if !q.Speaks.Reaches(p, addr) {
		p = flow.None
	}
	return p, to, true
}

// literal is Numeric as Hops; an address that cannot be sent to has none.
func (q *Query) literal() (h Hops, ok bool) {
	p, to, ok := q.Numeric()
	if p == flow.None {
		return Hops{}, ok
	}
	return Hops{protocol: p, one: to}, ok
}

// protocol is the transport that needs no DNS to be found: RFC 3263 §4.1 for a
// transport parameter, a numeric host, a port, and a domain without SRV. None
// says that nothing here speaks it.
func (q *Query) protocol() flow.Protocol {
	p := q.Transport
	switch {
	case q.SIPS && (p == flow.None || p == flow.TCP):
		p = flow.TLS // RFC 3261 §19.1.2: transport=tcp of a sips URI is TLS over TCP
	case q.SIPS && p == flow.UDP:
		return flow.None // there is no TLS over UDP
	case p == flow.None:
		return q.usual()
	}
	if !q.Speaks.Speaks(p) {
		return flow.None
	}
	return p
}

// usual is UDP for a sip URI. RFC 3263 §4.1 says SHOULD, for it is what
// everybody speaks; a server that does not goes on with what it has.
func (q *Query) usual() flow.Protocol {
	for p := flow.UDP; p <= flow.TLS; p++ {
		if q.Speaks.Speaks(p) {
			return p
		}
	}
	return flow.None
}

func (q *Query) portOf(p flow.Protocol) uint16 {
	if q.Port != 0 {
		return q.Port
	}
	return p.DefaultPort()
}

// isName reports whether s can be asked for: labels of letters, digits, hyphens
// and underscores, in lower case and without the last dot. What is longer or
// odder could not be asked for without escapes, and no SIP host has those.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0
}
