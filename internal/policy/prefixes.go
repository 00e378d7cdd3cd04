package policy

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Prefixes is an immutable set of networks. The nil set is empty.
type Prefixes struct {
	table bart.Lite
	list  []netip.Prefix
}

// NewPrefixes makes a set. IPv4-mapped IPv6 networks count as the IPv4 networks
// they map; host bits are ignored, invalid prefixes left out.
func NewPrefixes(list ...netip.Prefix) *Prefixes {
	p := new(Prefixes)
	for _, x := range list {
		if x.Addr().Is4In6() && x.Bits() >= 96 {
			x = netip.PrefixFrom(x.Addr().Unmap(), x.Bits()-96)
		}
		if x = x.Masked(); x.IsValid() && !p.table.Get(x) {
			p.table.Insert(x)
			p.list = append(p.list, x)
		}
	}
	return p
}

// Contains reports whether a is in one of the networks. IPv4-mapped addresses
// count as IPv4, zones are ignored, and the zero Addr is in none.
func (p *Prefixes) Contains(a netip.Addr) bool {
	return p != nil && p.table.Contains(a.Unmap())
}

// Empty reports whether the set has no network.
func (p *Prefixes) Empty() bool { return p == nil || len(p.list) == 0 }

// All returns the networks, each once, in the order given. Not to be changed.
func (p *Prefixes) All() []netip.Prefix {
	if p == nil {
		return nil
	}
	return p.list
}
