package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// ends are the words of which a rule has exactly one; laterEnds those of them that
// an `otherwise` has.
var (
	ends      = []string{"send", "register", "reply", "drop", "redirect", "jump", "next"}
	laterEnds = []string{"send", "reply", "redirect"}
)

// companions are the words that go with one end only.
var companions = map[string]string{
	"redirects": "send", "from": "send", "ring": "send", "in_dialog": "send", "record_route": "send", "path": "send", "otherwise": "send",
	"status": "redirect",
}

// word is an attribute or a block by its name.
type word struct {
	name string
	rng  hcl.Range
}

// word finds an attribute or a block of b by its name.
func (b *block) word(name string) (word, bool) {
	if a := b.attr(name); a != nil {
		return word{name, a.NameRange}, true
	}
	if x := b.named(name); x != nil {
		return word{name, x.rng}, true
	}
	return word{}, false
}

// what names the block in a message.
func (b *block) what() string {
	if b.label == "" {
		return b.spec.name
	}
	return b.spec.name + " " + strconv.Quote(b.label)
}

// end compiles the end of a rule or an otherwise, and its companions.
func (l *loader) end(e *policy.End, b *block) {
	allowed := ends
	if b.spec == otherwiseSpec {
		allowed = laterEnds
	}
	var found []word
	for _, name := range allowed {
		if w, ok := b.word(name); ok {
			found = append(found, w)
		}
	}
	if len(found) == 0 {
		if !l.hasLater(b) {
			l.report(b.rng, "write "+allowedHere(allowed), "%s has no end", b.what())
		}
		return
	}
	slices.SortFunc(found, func(x, y word) int { return x.rng.Start.Byte - y.rng.Start.Byte })
	first := found[0]
	if len(found) > 1 {
		second := found[1]
		l.report(second.rng, "one of "+first.name+" and "+second.name+" must go", "%s has two ends: %s in line %d and %s", b.what(), first.name, first.rng.Start.Line, second.name)
		return
	}
	for _, name := range names(companions) {
		if w, ok := b.word(name); ok && companions[name] != first.name {
			l.report(w.rng, "", "%s goes with %s, not with %s", name, companions[name], first.name)
		}
	}
	a := b.attr(first.name)
	switch first.name {
	case "send":
		l.send(e, b, a)
	case "register":
		l.register(e, b)
	case "reply":
		l.reply(e, b, a)
	case "drop":
		e.Kind = policy.Drop
		l.onlyTrue(a)
	case "redirect":
		l.redirect(e, b, a)
	case "jump":
		l.jump(e, a)
	case "next":
		e.Kind = policy.Next
		l.onlyTrue(a)
	}
}

// onlyTrue reads an attribute that says something by being there.
func (l *loader) onlyTrue(a *hclsyntax.Attribute) {
	v := l.expr(a.Expr)
	if l.want(&v, anyOf(truth), "as "+a.Name) && (!v.fixed || !v.b) {
		l.report(v.rng, "leave "+a.Name+" out, or put the condition in when", "%s can only be true", a.Name)
	}
}

// flag reads an attribute that is true or false at load; false when there is none.
func (l *loader) flag(a *hclsyntax.Attribute) (set, ok bool) {
	if a == nil {
		return false, false
	}
	v := l.expr(a.Expr)
	return v.b, l.want(&v, anyOf(truth), "as "+a.Name) && l.known(&v, a.Name)
}

func (l *loader) send(e *policy.End, b *block, a *hclsyntax.Attribute) {
	e.Kind = policy.Send
	for _, x := range listOf(a.Expr) {
		if t, ok := l.sendTarget(x); ok {
			e.Targets = append(e.Targets, t)
		}
	}
	if t, ok := a.Expr.(*hclsyntax.TupleConsExpr); ok && len(t.Exprs) == 0 {
		l.report(t.SrcRange, "", "send needs a target")
	}
	e.Redirects = l.redirects(b.attr("redirects"), policy.RedirectsDefault)
	if f := b.attr("from"); f != nil {
		e.From, e.HasFrom = l.from(f)
	}
	if r := b.attr("ring"); r != nil {
		e.Ring, _ = l.duration(r, time.Second, maxRing, "")
	}
	if yes, ok := l.flag(b.attr("record_route")); ok {
		e.RecordRoute = policy.No
		if yes {
			e.RecordRoute = policy.Yes
		}
	}
	e.Path, _ = l.flag(b.attr("path"))
	e.InDialog = l.inDialog(b.attr("in_dialog"))
	l.otherwise(e, b)
}

// maxRing is how long a `ring` may be: the default of server.timers.ring, which
// bounds all that a call tries.
const maxRing = 10 * time.Minute

// alwaysInDialog are the methods without which a call could not be set up or ended.
var alwaysInDialog = []sip.Method{sip.ACK, sip.CANCEL, sip.BYE, sip.PRACK}

// inDialog reads the methods that may follow in a dialog.
func (l *loader) inDialog(a *hclsyntax.Attribute) (set policy.Methods) {
	if a == nil {
		return 0
	}
	for _, m := range alwaysInDialog {
		set = set.With(m)
	}
	for _, x := range listOf(a.Expr) {
		if v := l.expr(x); l.want(&v, anyOf(method), "in in_dialog") && l.known(&v, "in_dialog") {
			set = set.With(v.method)
		}
	}
	return set
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
	switch x := e.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		switch root := x.Traversal.RootName(); {
		case root == "request_uri" && len(x.Traversal) == 1:
			return policy.Target{Kind: policy.ToRequestURI, Q: fullQ}, true
		case root == "location" && len(x.Traversal) == 1:
			return policy.Target{Kind: policy.ToLocation, Q: fullQ}, true
		case root == "group":
			v := l.expr(e)
			if v.group == nil {
				return policy.Target{}, false
			}
			return policy.Target{Kind: policy.ToGroup, Group: v.group.policy, Q: fullQ}, true
		}
	case *hclsyntax.FunctionCallExpr:
		if x.Name == "location" {
			return l.locationOf(x)
		}
	}
	uri, ok := l.uri(e, nextHop)
	return policy.Target{Kind: policy.ToURI, URI: uri, Q: fullQ}, ok
}

// locationOf compiles location("sip:…"): the bindings of another address of record
// than the Request-URI.
func (l *loader) locationOf(x *hclsyntax.FunctionCallExpr) (policy.Target, bool) {
	if len(x.Args) != 1 || x.ExpandFinal {
		l.report(x.Range(), `write location, or location("sip:alice@example.com")`, "location takes one address of record")
		return policy.Target{}, false
	}
	uri, ok := l.uri(x.Args[0], addressOfRecord)
	return policy.Target{Kind: policy.ToLocation, URI: uri, Q: fullQ}, ok
}

// redirectStatus are the answers that name other places (RFC 3261 §21.3).
var redirectStatus = []int64{300, 301, 302, 305, 380}

func (l *loader) redirect(e *policy.End, b *block, a *hclsyntax.Attribute) {
	e.Kind, e.Status = policy.Redirect, 302
	for _, x := range listOf(a.Expr) {
		if t, ok := l.uri(x, redirectTo); ok {
			e.Contact = append(e.Contact, t)
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
	if !slices.Contains(redirectStatus, v.n) {
		l.report(v.rng, "one of 300, 301, 302, 305 or 380", "a redirect cannot have status %d", v.n)
		return
	}
	e.Status = int(v.n)
}

func (l *loader) reply(e *policy.End, b *block, a *hclsyntax.Attribute) {
	e.Kind = policy.Reply
	status, phrase := l.status(a)
	if status == 0 || !l.replyable(b, status, a.Expr.Range()) {
		return
	}
	if phrase == "" {
		phrase = sip.StatusText(status)
	}
	e.Status, e.Reason = status, phrase
}

// status reads "404 Not Found", or 404; 0 when that is not what it says.
func (l *loader) status(a *hclsyntax.Attribute) (status int, phrase string) {
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(text, number), "as "+a.Name) || !l.known(&v, a.Name) {
		return 0, ""
	}
	said := v.str
	if v.kind == number {
		said = strconv.FormatInt(v.n, 10)
	}
	code, phrase, _ := strings.Cut(said, " ")
	status, err := strconv.Atoi(code)
	if err != nil || len(code) != 3 || status < 100 || status > 699 {
		l.report(v.rng, `as in "404 Not Found"`, "%q is no status", said)
		return 0, ""
	}
	if phrase = strings.TrimSpace(phrase); !oneLine(phrase) {
		l.report(v.rng, "", "a reason phrase is one line of text")
		return 0, ""
	}
	return status, phrase
}

// replyable reports a status that a rule must not answer with.
func (l *loader) replyable(b *block, status int, rng hcl.Range) bool {
	switch {
	case status < 200:
		l.report(rng, "", "a rule cannot answer with %d: it is no final answer", status)
	case status < 300 && b.spec == otherwiseSpec:
		l.report(rng, "", "what failed cannot be answered with %d", status)
	case status < 300 && !l.onlyHarmless(b):
		l.report(rng, "name the methods in when, as in method == OPTIONS", "a rule can answer %d only where when leaves no INVITE, SUBSCRIBE, REFER, REGISTER or PUBLISH", status)
	case status >= 300 && status < 400:
		l.report(rng, "", "an answer %d needs a place to go: write redirect = …", status)
	case status == 401 || status == 407:
		l.report(rng, "write authenticate = users.X", "an answer %d needs a challenge", status)
	default:
		return true
	}
	return false
}
