package config

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// ends are the attributes of which a rule has exactly one.
var ends = []string{"send", "reply", "drop", "redirect"}

// companions are the attributes that go with one end only.
var companions = map[string]string{"redirects": "send", "from": "send", "status": "redirect"}

// rules compiles all rules in file order.
func (l *loader) rules(file *block) {
	program := l.config.Snapshot.Program
	seen := map[uint32]*block{}
	file.each(ruleSpec, func(b *block) {
		r := policy.Rule{Name: b.label, Hash: policy.HashName("rule", b.label)}
		if old := seen[r.Hash]; old != nil {
			if old.label == b.label {
				l.report(b.labelR, "", "a second rule named %q; the first is in line %d", b.label, old.rng.Start.Line)
			} else {
				l.report(b.labelR, "another name will do", "rule %q cannot be told from rule %q by its hash", b.label, old.label)
			}
		} else {
			seen[r.Hash] = b
		}
		l.when(&r, b)
		l.end(&r, b)
		program.Rules = append(program.Rules, r)
	})
	program.Reads = l.reads
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

// end compiles the end of a rule, and its companions.
func (l *loader) end(r *policy.Rule, b *block) {
	var end *hclsyntax.Attribute
	for _, name := range ends {
		a := b.attr(name)
		switch {
		case a == nil:
		case end == nil:
			end = a
		default:
			first, second := end, a
			if second.SrcRange.Start.Byte < first.SrcRange.Start.Byte {
				first, second = second, first
			}
			l.report(second.NameRange, "one of "+first.Name+" and "+second.Name+" must go", "rule %q has two ends: %s in line %d and %s", r.Name, first.Name, first.NameRange.Start.Line, second.Name)
			return
		}
	}
	if end == nil {
		if !l.hasLater(b) {
			l.report(b.rng, "write "+allowedHere(ends), "rule %q has no end", r.Name)
		}
		return
	}
	for name, of := range companions {
		if a := b.attr(name); a != nil && of != end.Name {
			l.report(a.NameRange, "", "%s goes with %s, not with %s", name, of, end.Name)
		}
	}
	switch end.Name {
	case "send":
		l.send(r, b, end)
	case "reply":
		l.reply(r, b, end)
	case "drop":
		l.drop(r, end)
	case "redirect":
		l.redirect(r, b, end)
	}
}

// hasLater reports whether something in the rule was refused as not supported
// yet: it may have been the end.
func (l *loader) hasLater(b *block) bool { return l.laterIn[b.rng.Start.Byte] }

func (l *loader) send(r *policy.Rule, b *block, a *hclsyntax.Attribute) {
	r.Kind = policy.Send
	for _, e := range listOf(a.Expr) {
		if t, ok := l.sendTarget(e); ok {
			r.Targets = append(r.Targets, t)
		}
	}
	if t, ok := a.Expr.(*hclsyntax.TupleConsExpr); ok && len(t.Exprs) == 0 {
		l.report(t.SrcRange, "", "send needs a target")
	}
	r.Redirects = l.redirects(b.attr("redirects"), policy.RedirectsDefault)
	if f := b.attr("from"); f != nil {
		r.From, r.HasFrom = l.from(f)
	}
}

// listOf is what a list holds, or the expression alone.
func listOf(e hclsyntax.Expression) []hclsyntax.Expression {
	if t, ok := e.(*hclsyntax.TupleConsExpr); ok {
		return t.Exprs
	}
	return []hclsyntax.Expression{e}
}

// sendTarget compiles one value of send.
func (l *loader) sendTarget(e hclsyntax.Expression) (policy.Target, bool) {
	if t, ok := e.(*hclsyntax.ScopeTraversalExpr); ok {
		switch root := t.Traversal.RootName(); {
		case root == "request_uri" && len(t.Traversal) == 1:
			return policy.Target{Kind: policy.ToRequestURI, Q: fullQ}, true
		case root == "group":
			v := l.expr(e)
			if v.group == nil {
				return policy.Target{}, false
			}
			return policy.Target{Kind: policy.ToGroup, Group: v.group.policy, Q: fullQ}, true
		}
	}
	uri, ok := l.uri(e, nextHop)
	return policy.Target{Kind: policy.ToURI, URI: uri, Q: fullQ}, ok
}

func (l *loader) drop(r *policy.Rule, a *hclsyntax.Attribute) {
	r.Kind = policy.Drop
	v := l.expr(a.Expr)
	if l.want(&v, anyOf(truth), "as drop") && (!v.fixed || !v.b) {
		l.report(v.rng, "leave drop out, or put the condition in when", "drop can only be true")
	}
}

// redirectStatus are the answers that name other places (RFC 3261 §21.3).
var redirectStatus = []int64{300, 301, 302, 305, 380}

func (l *loader) redirect(r *policy.Rule, b *block, a *hclsyntax.Attribute) {
	r.Kind, r.Status = policy.Redirect, 302
	for _, e := range listOf(a.Expr) {
		if t, ok := l.uri(e, redirectTo); ok {
			r.Contact = append(r.Contact, t)
		}
	}
	if t, ok := a.Expr.(*hclsyntax.TupleConsExpr); ok && len(t.Exprs) == 0 {
		l.report(t.SrcRange, "", "redirect needs a URI")
	}
	s := b.attr("status")
	if s == nil {
		return
	}
	v := l.expr(s.Expr)
	if !l.want(&v, anyOf(number), "as status") || !l.known(&v, "status") {
		return
	}
	for _, known := range redirectStatus {
		if v.n == known {
			r.Status = int(v.n)
			return
		}
	}
	l.report(v.rng, "one of 300, 301, 302, 305 or 380", "a redirect cannot have status %d", v.n)
}

func (l *loader) reply(r *policy.Rule, b *block, a *hclsyntax.Attribute) {
	r.Kind = policy.Reply
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(text, number), "as reply") || !l.known(&v, "reply") {
		return
	}
	said := v.str
	if v.kind == number {
		said = strconv.FormatInt(v.n, 10)
	}
	code, phrase, _ := strings.Cut(said, " ")
	status, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || status < 100 || status > 699 {
		l.report(v.rng, `as in "404 Not Found"`, "%q is no status", said)
		return
	}
	if !l.replyable(b, status, v.rng) {
		return
	}
	phrase = strings.TrimSpace(phrase)
	if strings.ContainsFunc(phrase, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		l.report(v.rng, "", "a reason phrase is one line of text")
		return
	}
	if phrase == "" {
		phrase = sip.StatusText(status)
	}
	r.Status, r.Reason = status, phrase
}

// replyable reports a status that a rule must not answer with.
func (l *loader) replyable(b *block, status int, rng hcl.Range) bool {
	switch {
	case status < 200:
		l.report(rng, "", "a rule cannot answer with %d: it is no final answer", status)
	case status < 300 && !l.onlyHarmless(b):
		l.report(rng, "name the methods in when, as in method == OPTIONS", "a rule can answer %d only where when leaves no INVITE, SUBSCRIBE, REFER, REGISTER or PUBLISH", status)
	case status >= 300 && status < 400:
		l.report(rng, "", "an answer %d needs a place to go: write redirect = …", status)
	case status == 401 || status == 407:
		l.report(rng, "a challenge is made by authenticate, which this version does not have", "an answer %d needs a challenge", status)
	default:
		return true
	}
	return false
}
