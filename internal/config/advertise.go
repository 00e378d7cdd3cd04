package config

import (
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/proxy"
	"viaduct/sip"
)

// maxAdvertised bounds the networks of one listener: each message goes through them.
const maxAdvertised = 64

// advertised is one item of advertise = { network = host }. Its network may be named
// by a block that has not been read yet.
type advertised struct {
	network hclsyntax.Expression
	as      string
}

// advertise reads what a listener shows of itself: host or host:port, to all or to the
// peers of a network each.
func (l *loader) advertise(a *hclsyntax.Attribute) (all string, some []advertised) {
	if a == nil {
		return "", nil
	}
	o, ok := a.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return l.shownHost(a.Expr), nil
	}
	found := false
	for _, x := range o.Items {
		as := l.shownHost(x.ValueExpr)
		key, isKey := x.KeyExpr.(*hclsyntax.ObjectConsKeyExpr)
		switch {
		case !isKey || hcl.ExprAsKeyword(key.Wrapped) != "default":
			some = append(some, advertised{x.KeyExpr, as})
		case found:
			l.report(x.KeyExpr.Range(), "", "advertise has default twice")
		default:
			all, found = as, true
		}
	}
	if len(some) == 0 {
		l.report(o.SrcRange, `as in advertise = { network.inside = "10.0.0.5", default = "203.0.113.9" }`, "advertise names no network")
	}
	return all, some
}

// shownHost reads host or host:port, which is a name of this server from then on.
func (l *loader) shownHost(e hclsyntax.Expression) string {
	v := l.expr(e)
	if !l.want(&v, anyOf(text), "as advertise") || !l.known(&v, "advertise") {
		return ""
	}
	u, err := sip.ParseURI([]byte("sip:" + v.str))
	if err != nil || u.HasUser || len(u.Params) > 0 || u.Headers != nil {
		l.report(v.rng, `as in "203.0.113.9" or "sip.example.com:5060"`, "%q is no host to advertise", v.str)
		return ""
	}
	l.names = append(l.names, string(u.Host))
	return v.str
}

// advertisedTo finds the networks, now that they are known.
func (l *loader) advertisedTo(some []advertised) (list []proxy.Advertised) {
	taken := func(p netip.Prefix) bool {
		return slices.ContainsFunc(list, func(old proxy.Advertised) bool { return old.Network == p })
	}
	for i := range some {
		e := some[i].network
		if key, ok := e.(*hclsyntax.ObjectConsKeyExpr); ok {
			e = key.Wrapped
		}
		v := l.expr(e)
		if !l.want(&v, anyOf(text, set), "as a network of advertise") {
			continue
		}
		p, ok := l.prefixes(&v)
		if !ok {
			continue
		}
		for _, n := range p.All() {
			if taken(n) {
				l.report(e.Range(), "a peer is shown what the smallest of its networks says", "advertise has %s twice", n)
				continue
			}
			list = append(list, proxy.Advertised{Network: n, As: some[i].as})
		}
	}
	if len(list) > maxAdvertised {
		l.report(some[0].network.Range(), "", "advertise has more than %d networks", maxAdvertised)
	}
	return list
}
