package policy

import (
	"net/netip"
	"strings"

	"viaduct/sip"
)

// Domains is the set of domains that this server answers for: names without
// regard to case, literals by value. The nil set is empty.
type Domains struct {
	names map[string]struct{} // lower case, without a final dot
	addrs map[netip.Addr]struct{}
}

// maxName is the longest domain name (RFC 1035 §2.3.4); a longer host is in no set.
const maxName = 255

// NewDomains makes a set of domain names and addresses; an IPv6 address may
// stand with or without its brackets. Empty names are left out.
func NewDomains(names ...string) *Domains {
	d := &Domains{names: map[string]struct{}{}, addrs: map[netip.Addr]struct{}{}}
	for _, n := range names {
		bare := strings.TrimSuffix(strings.TrimPrefix(n, "["), "]")
		if a, err := netip.ParseAddr(bare); err == nil {
			d.addrs[a.Unmap().WithZone("")] = struct{}{}
			continue
		}
		if n = strings.ToLower(strings.TrimSuffix(n, ".")); n != "" {
			d.names[n] = struct{}{}
		}
	}
	return d
}

// Contains reports whether host, as written in a URI or Via, is in the set.
func (d *Domains) Contains(host []byte) bool {
	if d == nil || len(host) == 0 || len(host) > maxName {
		return false
	}
	if looksNumeric(host) {
		if a, ok := sip.HostAddr(host); ok {
			_, in := d.addrs[a.Unmap()]
			return in
		}
	}
	var buf [maxName]byte
	n := copy(buf[:], host)
	for i := range n {
		buf[i] = lower(buf[i])
	}
	if buf[n-1] == '.' {
		n--
	}
	_, in := d.names[string(buf[:n])]
	return in
}

// looksNumeric reports whether host may be an address rather than a name: it
// is in brackets or ends in a digit. The last label of a name begins with a
// letter, and names that also end in a digit only pay for a second look.
func looksNumeric(host []byte) bool {
	last := host[len(host)-1]
	return host[0] == '[' || '0' <= last && last <= '9'
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
