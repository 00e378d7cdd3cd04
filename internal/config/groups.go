package config

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// group is a group block.
type group struct {
	policy *policy.Group
	rng    hcl.Range
}

// readGroups reads all group blocks.
func (l *loader) readGroups(file *block) {
	file.each(groupSpec, func(b *block) {
		if old := l.groups[b.label]; old != nil {
			l.report(b.labelR, "", "a second group named %q; the first is in line %d", b.label, old.rng.Start.Line)
			return
		}
		g := &group{policy: &policy.Group{Name: b.label, Hash: policy.HashName("group", b.label)}, rng: b.rng}
		l.groups[b.label] = g
		count := 0
		b.each(targetSpec, func(t *block) {
			count++
			l.target(g.policy, t)
		})
		if count == 0 {
			l.report(b.rng, `such as target "sip:192.0.2.1" {}`, "group %q has no target", b.label)
		}
		l.balance(g.policy, b.attr("balance"))
		g.policy.Members = policy.NewPrefixes(hosts(g.policy.Targets)...)
	})
}

// hosts are the literal hosts of targets.
func hosts(list []policy.GroupTarget) (all []netip.Prefix) {
	for _, t := range list {
		u, err := sip.ParseURI(t.URI)
		if err != nil {
			continue
		}
		if a, ok := u.Addr(); ok {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return all
}

// target reads one target of a group.
func (l *loader) target(g *policy.Group, b *block) {
	t := policy.GroupTarget{URI: []byte(b.label), Q: fullQ}
	if a := b.attr("q"); a != nil {
		t.Q = l.q(a)
	}
	t.Name, _, _ = l.constant(b.attr("name"))
	if !l.checkURI(b.label, b.labelR, nextHop) {
		return
	}
	u, _ := sip.ParseURI(t.URI)
	for _, old := range g.Targets {
		if v, err := sip.ParseURI(old.URI); err == nil && u.Equal(&v) {
			// RFC 3261 §16.5: a URI enters the target set once
			l.report(b.labelR, "no URI is tried twice (RFC 3261 §16.5)", "group %q has this target already", g.Name)
			return
		}
	}
	g.Targets = append(g.Targets, t)
}

// fullQ is q = 1.0 in thousandths, and the default.
const fullQ = 1000

// q reads a preference from 0 to 1 (RFC 3261 §20.10: at most three decimals).
func (l *loader) q(a *hclsyntax.Attribute) int {
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(number, fraction), "as q") || !l.known(&v, "q") {
		return fullQ
	}
	q := float64(v.n)
	if v.kind == fraction {
		q, _ = v.frac.Float64()
	}
	if q < 0 || q > 1 {
		l.report(v.rng, "", "q must be from 0 to 1")
		return fullQ
	}
	return int(q*fullQ + 0.5)
}
