package config

import (
	"net/netip"

	"viaduct/internal/policy"
)

// readNetworks reads all network blocks. A network may name networks above it.
func (l *loader) readNetworks(file *block) {
	lines := map[string]int{}
	file.each(networkSpec, func(b *block) {
		if line, twice := lines[b.label]; twice {
			l.report(b.labelR, "", "a second network named %q; the first is in line %d", b.label, line)
			return
		}
		lines[b.label] = b.rng.Start.Line
		p := l.networkList(b.attr("cidrs"))
		if p == nil {
			p = policy.NewPrefixes()
		}
		l.networks[b.label] = p
		l.named = append(l.named, p.All()...)
	})
}

// prefixes reads networks: network.X, group.X, "192.0.2.0/24", "192.0.2.1" or a
// list of these.
func (l *loader) prefixes(v *value) (*policy.Prefixes, bool) {
	if v.kind == set {
		return v.prefix, true
	}
	var all []netip.Prefix
	if !l.addPrefixes(v, &all) {
		return nil, false
	}
	return policy.NewPrefixes(all...), true
}

func (l *loader) addPrefixes(v *value, into *[]netip.Prefix) bool {
	switch {
	case v.kind == set:
		*into = append(*into, v.prefix.All()...)
		return true
	case v.kind == list:
		good := true
		for i := range v.items {
			if v.items[i].kind == list {
				l.report(v.items[i].rng, "", "a list in a list")
				good = false
			} else if !l.addPrefixes(&v.items[i], into) {
				good = false
			}
		}
		return good
	case !l.want(v, anyOf(text, set), "in a list of networks"):
		return false
	case !v.fixed:
		l.report(v.rng, `write it out: "192.0.2.0/24"`, "a network must be known when the file is loaded")
		return false
	}
	p, err := parseNetwork(v.str)
	if err != "" {
		l.report(v.rng, err, "%q is no network", v.str)
		return false
	}
	*into = append(*into, p)
	return true
}

// parseNetwork reads "192.0.2.0/24" or a single address; what is wrong comes as a hint.
func parseNetwork(s string) (netip.Prefix, string) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), ""
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, `networks are written "192.0.2.0/24" or "2001:db8::/32", addresses "192.0.2.1"`
	case p.Masked() != p:
		return p, "did you mean " + p.Masked().String() + "? or the address " + p.Addr().String() + " alone"
	}
	return p, ""
}
