package config

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/identity"
	"viaduct/internal/policy"
)

// trust reads the trust domain (RFC 3325 §1: Spec(T)): networks, and listeners that
// only those in it can use.
func (l *loader) trust(a *hclsyntax.Attribute) *policy.Prefixes {
	if a == nil {
		return nil
	}
	var all []netip.Prefix
	for _, e := range listOf(a.Expr) {
		if t, ok := e.(*hclsyntax.ScopeTraversalExpr); ok && t.Traversal.RootName() == "listen" {
			if at, ok := l.listenerNamed(t, "trust = [listen.X]"); ok {
				for _, i := range at.index {
					l.config.Snapshot.Listeners[i].Trusted = true
				}
			}
			continue
		}
		v := l.expr(e)
		if l.want(&v, anyOf(text, set), "as trust") {
			l.addPrefixes(&v, &all)
		}
	}
	return policy.NewPrefixes(all...)
}

// identity reads what is told of callers, and to whom (RFC 3325, RFC 3323).
func (l *loader) identity(b *block) {
	p := &l.config.Snapshot.Identity
	switch v, _ := l.choice(b.attr("assert"), "trusted", "all", "none"); v {
	case "all":
		p.Assert = identity.ToAll
	case "none":
		p.Assert = identity.ToNobody
	}
	if v, ok := l.choice(b.attr("withhold"), "on-request", "always"); ok {
		p.Withhold = v == "always"
	}
	if v, ok := l.choice(b.attr("privacy"), "relay", "id"); ok {
		p.Service = v == "id"
	}
}
