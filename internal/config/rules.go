package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// rules compiles all rules in file order: those of the main route and those of
// each route block.
func (l *loader) rules(file *block) {
	program := l.config.Snapshot.Program
	l.routeNames(file)
	seen := map[uint32]*block{}
	l.inRoute = -1
	file.each(ruleSpec, func(b *block) {
		program.Rules = append(program.Rules, l.rule(b, policy.HashName("rule", b.label), seen))
	})
	for i, b := range l.routeBlocks {
		l.inRoute = i
		route := policy.Route{Name: b.label}
		b.each(ruleSpec, func(x *block) {
			route.Rules = append(route.Rules, l.rule(x, policy.HashName("rule of "+b.label, x.label), seen))
		})
		if len(route.Rules) == 0 {
			l.report(b.rng, `such as rule "x" { send = request_uri }`, "route %q has no rule", b.label)
		}
		program.Routes = append(program.Routes, route)
	}
	l.jumpCycles()
	l.registrars(program)
	program.Reads = l.reads
}

// rule compiles one rule, its parts in the order in which they take effect. seen
// has the rules by their hash, which Route cookies know them by.
func (l *loader) rule(b *block, hash uint32, seen map[uint32]*block) policy.Rule {
	r := policy.Rule{Name: b.label, Hash: hash}
	switch old := seen[hash]; {
	case old == nil:
		seen[hash] = b
	case old.label != b.label:
		l.report(b.labelR, "another name will do", "rule %q cannot be told from rule %q by its hash", b.label, old.label)
	default:
		l.report(b.labelR, "", "a second rule named %q; the first is in line %d", b.label, old.rng.Start.Line)
	}
	l.when(&r, b)
	l.lets = map[string]value{}
	l.let(&r, b)
	l.authenticate(&r, b)
	l.deny(&r, b)
	l.edits(&r, b)
	l.end(&r.End, b)
	l.lets = nil
	return r
}

func (l *loader) when(r *policy.Rule, b *block) {
	a := b.attr("when")
	if a == nil {
		return
	}
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(truth), "as when") {
		return
	}
	if v.fixed && !v.b {
		l.report(v.rng, "", "rule %q can never match: its condition never holds", r.Name)
	}
	r.When = v.truth
}

// partWhen reads the when of a part of a rule; nil when it has none.
func (l *loader) partWhen(b *block) policy.Bool {
	a := b.attr("when")
	if a == nil {
		return nil
	}
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(truth), "as when") {
		return nil
	}
	if v.fixed && !v.b {
		l.report(v.rng, "take it out", "%s never has an effect: its condition never holds", b.spec.name)
	}
	return v.truth
}

// authenticate reads whom a rule asks for.
func (l *loader) authenticate(r *policy.Rule, b *block) {
	a, identity := b.attr("authenticate"), b.attr("identity")
	if a == nil {
		if identity != nil {
			l.report(identity.NameRange, "", "identity goes with authenticate")
		}
		return
	}
	name, rng, ok := l.nameOfKind(a, "users")
	if !ok {
		return
	}
	realm := l.realms[name]
	if realm == nil {
		l.report(rng, didYouMeanOr(name, names(l.realms)), "no users are named %q", name)
		return
	}
	l.readsHeader(sip.Authorization)
	r.Authenticate = &policy.Authenticate{Realm: realm}
	if v, ok := l.choice(identity, "caller", "any"); ok {
		r.Authenticate.Any = v == "any"
	}
}

// nameOfKind reads `what = kind.X`, or kind["X"].
func (l *loader) nameOfKind(a *hclsyntax.Attribute, kind string) (name string, rng hcl.Range, ok bool) {
	rng = a.Expr.Range()
	t, isName := a.Expr.(*hclsyntax.ScopeTraversalExpr)
	if !isName {
		l.report(rng, "write "+a.Name+" = "+kind+".X", "%s needs a name", a.Name)
		return "", rng, false
	}
	path, index, ok := l.path(t)
	if !ok {
		return "", rng, false
	}
	switch {
	case path[0] == kind && len(path) == 2 && index == nil:
		return path[1], rng, true
	case path[0] == kind && len(path) == 1 && index != nil:
		return *index, rng, true
	}
	l.report(rng, "write "+a.Name+" = "+kind+".X", "%s needs a name of %s", a.Name, kind)
	return "", rng, false
}

// deny reads what a rule refuses of what it takes.
func (l *loader) deny(r *policy.Rule, b *block) {
	b.each(denySpec, func(d *block) {
		x := policy.Deny{When: l.partWhen(d), Status: 403}
		if a := d.attr("reply"); a != nil {
			x.Status, x.Reason = l.status(a)
			if x.Status != 0 && (x.Status < 400 || x.Status == 401 || x.Status == 407) {
				l.report(a.Expr.Range(), `such as "403 Not From Here"`, "deny cannot answer with %d", x.Status)
			}
		}
		r.Deny = append(r.Deny, x)
	})
}

// registrars marks what is asked before a register{}: there a REGISTER is
// challenged by a registrar, elsewhere by a proxy (RFC 3261 §22.1).
func (l *loader) registrars(p *policy.Program) {
	if len(l.diags) > 0 { // a cycle of jumps would have no end
		return
	}
	known := map[int]bool{}
	var mark func(rules []policy.Rule) bool
	route := func(n int) bool {
		if _, ok := known[n]; !ok {
			known[n] = mark(p.Routes[n].Rules)
		}
		return known[n]
	}
	mark = func(rules []policy.Rule) (registers bool) {
		for i := len(rules) - 1; i >= 0; i-- {
			r := &rules[i]
			may := r.Kind == policy.ToRegister || r.Kind == policy.Jump && route(r.Route) || r.Kind == policy.Next && registers
			if r.Authenticate != nil {
				r.Authenticate.Registers = may
			}
			registers = registers || may
		}
		return registers
	}
	mark(p.Rules)
	for i := range p.Routes {
		route(i)
	}
}

// hasLater reports whether something in the rule was refused as not supported
// yet: it may have been the end.
func (l *loader) hasLater(b *block) bool { return l.laterIn[b.rng.Start.Byte] }

// oneLine reports whether s can be a header value or a phrase: it has no control
// characters.
func oneLine(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
