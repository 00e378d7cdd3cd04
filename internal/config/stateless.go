package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/sip"
)

// modeOf reads the mode of a server or a listen block.
func (l *loader) modeOf(b *block, stateless *bool) {
	if v, ok := l.choice(b.attr("mode"), "stateful", "stateless"); ok {
		*stateless = v == "stateless"
	}
}

// laterBalances are the words of balance that this version does not have.
var laterBalances = []string{"round_robin", "least_calls", "random_two"}

// balance reads how a group chooses one of its targets.
func (l *loader) balance(g *policy.Group, a *hclsyntax.Attribute) {
	if a == nil {
		return
	}
	switch e := a.Expr.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		switch word := e.Traversal.RootName(); {
		case len(e.Traversal) > 1:
		case word == "priority":
			g.Balance = policy.BalancePriority
			return
		case slices.Contains(laterBalances, word):
			l.report(e.SrcRange, "", notYet, "balance = "+word)
			return
		}
	case *hclsyntax.FunctionCallExpr:
		if e.Name != "hash" {
			break
		}
		if v := l.expr(e); v.kind == number {
			g.Balance, g.Key = policy.BalanceHash, v.number
		}
		return
	}
	l.report(a.Expr.Range(), "write priority, or hash(call_id) with whatever is to stay together", "balance cannot be this")
}

// Stateless mode restricts what a rule can say, because where a request goes must
// be a pure function of what its copies, its CANCEL and its ACK carry too (RFC 3261
// §16.11, seams.md §8). The rest of this file finds what breaks that. It is for a
// file without other faults.

// statefulWords are what a rule can say only where something is kept of the
// request, and why.
var statefulWords = map[string]string{
	"authenticate": "a challenge is for the servers behind",
	"register":     "a registrar is never stateless (RFC 3261 §10.3)",
	"ring":         "there is no timer in stateless mode",
	"otherwise":    "what comes of a request is not seen in stateless mode",
	"failover":     "what comes of a request is not seen in stateless mode",
	"choose":       "a request has one target in stateless mode",
	"media":        "a relay keeps calls apart, which stateless mode cannot",
	"ask":          "there is nothing to wait in, in stateless mode",
	"redirects":    "a 3xx is passed on in stateless mode",
}

// suitStateless reports what rules say that does not suit a stateless listener. A
// rule is checked as soon as there is one, unless its condition names other
// listeners only.
func (l *loader) suitStateless(file *block) {
	var stateful alternatives
	stateless := false
	for _, x := range l.config.Snapshot.Listeners {
		switch {
		case x.Protocol == flow.None || x.Gone:
		case x.Stateless:
			stateless = true
		default:
			stateful = append(stateful, isListener(&x))
		}
	}
	if !stateless {
		return
	}
	groups := map[string]*block{}
	file.each(groupSpec, func(b *block) { groups[b.label] = b })
	i := 0
	blocks := ruleBlocks(file)
	for r := range l.config.Snapshot.Program.All {
		b := blocks[i]
		i++
		if !slices.ContainsFunc(conjuncts(condition(b)), func(c alternatives) bool { return c.within(stateful) }) {
			l.suits(r, b, groups)
		}
	}
}

// isListener is the canonical form of listener == "X".
func isListener(x *proxy.Listener) string {
	return fmt.Sprintf("(listener==text(%#v))", cty.StringVal(x.Name))
}

// ruleBlocks are the rules in the order of policy.Program.All.
func ruleBlocks(file *block) (list []*block) {
	collect := func(b *block) {
		for _, x := range b.blocks {
			if x.spec.name == ruleSpec.name {
				list = append(list, x)
			}
		}
	}
	collect(file)
	for _, x := range file.blocks {
		if x.spec.name == "route" {
			collect(x)
		}
	}
	return list
}

// suits checks one rule.
func (l *loader) suits(r *policy.Rule, b *block, groups map[string]*block) {
	for name, a := range b.attrs {
		if why, ok := statefulWords[name]; ok {
			l.report(a.NameRange, why, "%s needs a stateful listener: name one in when", name)
		}
	}
	for _, x := range b.blocks {
		if why, ok := statefulWords[x.spec.name]; ok {
			l.report(x.rng, why, "%s needs a stateful listener: name one in when", x.spec.name)
		}
	}
	if a := b.attr("send"); a != nil {
		if len(r.Targets) > 1 {
			l.report(a.Expr.Range(), "put them in a group: one is chosen by the Call-ID, or as its balance says", "a stateless listener sends to one target")
		}
		for _, t := range hclsyntax.Variables(a.Expr) {
			if t.RootName() == "location" {
				l.report(t.SourceRange(), "look users up where the registrar is", "location needs a stateful listener: name one in when")
			}
		}
	}
	if l.readsTime(b) || l.neverInvite(b) {
		return
	}
	beyond := beyondCancel(b)
	if r.Kind == policy.Reply || r.Kind == policy.Drop || r.Kind == policy.Redirect {
		r.InviteOnly = len(beyond) > 0
		return
	}
	for i := range r.Targets {
		if g := r.Targets[i].Group; g != nil && groups[g.Name] != nil {
			beyond = append(beyond, beyondCancel(groups[g.Name])...)
		}
	}
	for _, t := range beyond {
		l.report(t.SourceRange(), "it would go elsewhere than its INVITE; requests other than INVITE may read it", "a stateless listener cannot send by %s: no CANCEL carries it", l.source(t.SourceRange()))
	}
}

// readsTime reports what a rule reads of the clock: a copy that comes later would be
// decided otherwise, whatever its method.
func (l *loader) readsTime(b *block) (found bool) {
	for _, a := range b.attrs {
		for _, t := range hclsyntax.Variables(a.Expr) {
			if t.RootName() == "time" {
				l.report(t.SourceRange(), "a copy, a CANCEL or an ACK that comes later would be decided otherwise", "time needs a stateful listener: name one in when")
				found = true
			}
		}
	}
	for _, x := range b.blocks {
		if x.spec.name != "header" && x.spec.name != "response_header" { // they do not change where it goes
			found = l.readsTime(x) || found
		}
	}
	return found
}

// neverInvite reports whether the condition of a rule leaves out INVITE.
func (l *loader) neverInvite(b *block) bool {
	for _, c := range conjuncts(condition(b)) {
		if !slices.ContainsFunc(c, func(s string) bool {
			name, ok := strings.CutSuffix(s, "==method)")
			return s != "(INVITE!=method)" && (!ok || name == "(INVITE" || !slices.Contains(methodNames, strings.TrimPrefix(name, "(")))
		}) {
			return true
		}
	}
	return false
}

// beyondCancel finds what the attributes of b read that the CANCEL and the ACK of
// an INVITE do not have, or have otherwise. What only edits header fields is left
// out: it does not change where the request goes.
func beyondCancel(b *block) (list []hcl.Traversal) {
	for _, a := range b.attrs {
		for _, t := range hclsyntax.Variables(a.Expr) {
			if !carriedByCancel(t) {
				list = append(list, t)
			}
		}
	}
	for _, x := range b.blocks {
		if x.spec.name != "header" && x.spec.name != "response_header" {
			list = append(list, beyondCancel(x)...)
		}
	}
	return list
}

// copied are the header fields that a CANCEL and the ACK of a non-2xx take over
// as they are (RFC 3261 §9.1, §17.1.1.3). To gets its tag, CSeq its method.
var copied = []sip.HeaderID{sip.From, sip.CallID, sip.Route}

func carriedByCancel(t hcl.Traversal) bool {
	if step, ok := t[min(1, len(t)-1)].(hcl.TraverseAttr); ok && t.RootName() == "original" {
		t = append(hcl.Traversal{hcl.TraverseRoot{Name: step.Name, SrcRange: step.SrcRange}}, t[2:]...)
	}
	var part string
	if len(t) > 1 {
		switch step := t[1].(type) {
		case hcl.TraverseAttr:
			part = step.Name
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				part = step.Key.AsString()
			}
		}
	}
	switch t.RootName() {
	case "contact", "user_agent", "auth", "body":
		return false
	case "to":
		return part != "tag"
	case "header":
		return slices.Contains(copied, sip.HeaderOf(part))
	}
	return true
}
