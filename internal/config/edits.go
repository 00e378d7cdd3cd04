package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// edits reads what a rule changes: the Request-URI, header fields of the request
// and of the responses to it.
func (l *loader) edits(r *policy.Rule, b *block) {
	l.set(r, b.attr("set"))
	b.each(headerSpec, func(h *block) { r.Headers = l.edit(r.Headers, h) })
	b.each(responseHeaderSpec, func(h *block) { r.ResponseHeaders = l.edit(r.ResponseHeaders, h) })
}

// item is one name = value of { … } as a value.
type item struct {
	name string
	rng  hcl.Range // of the name
	expr hclsyntax.Expression
}

// items takes { a = 1, b = 2 } apart. A name stands in it once.
func (l *loader) items(e hclsyntax.Expression, what string) (list []item, ok bool) {
	o, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		l.report(e.Range(), "write { name = value, … }", "%s needs names with values", what)
		return nil, false
	}
	for _, x := range o.Items {
		it := item{rng: x.KeyExpr.Range(), expr: x.ValueExpr}
		if key, isKey := x.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); isKey && !key.ForceNonLiteral {
			it.name = hcl.ExprAsKeyword(key.Wrapped)
			if t, isText := key.Wrapped.(*hclsyntax.TemplateExpr); isText && it.name == "" && t.IsStringLiteral() {
				v, _ := t.Value(nil) // a literal: nothing to evaluate, nothing to fail
				it.name = v.AsString()
			}
		}
		switch {
		case it.name == "":
			l.report(it.rng, "", "a name in %s is a plain word", what)
			ok = false
		case slices.ContainsFunc(list, func(old item) bool { return old.name == it.name }):
			l.report(it.rng, "", "%s has %q twice", what, it.name)
			ok = false
		default:
			list = append(list, it)
		}
	}
	return list, ok
}

// setWords are what set can change.
var setWords = []string{"dest_user", "dest_domain", "dest_port", "dest_uri", "dest_params"}

// set reads set = { dest_user = …, … }.
func (l *loader) set(r *policy.Rule, a *hclsyntax.Attribute) {
	if a == nil {
		return
	}
	list, _ := l.items(a.Expr, "set")
	s := new(policy.SetDest)
	for _, it := range list {
		switch it.name {
		case "dest_uri":
			if len(list) > 1 {
				l.report(it.rng, "leave the other parts out", "dest_uri is the whole Request-URI")
			}
			s.URI, _ = l.uri(it.expr, newRequestURI)
		case "dest_user":
			s.User = l.uriPart(it.expr, it.name, policy.AsUser)
		case "dest_domain":
			s.Domain = l.uriPart(it.expr, it.name, policy.AsHost)
		case "dest_params":
			s.Params = l.params(it.expr)
		case "dest_port":
			s.Port = l.port(it.expr)
		default:
			l.unknownSet(it)
		}
	}
	if a.Expr != nil && len(list) == 0 && len(l.diags) == 0 {
		l.report(a.Expr.Range(), allowedHere(setWords), "set changes nothing")
	}
	r.Set = s
}

// unknownSet reports what set cannot change. From and To belong to the caller's
// phone: another proxy or the callee may have signed or remembered them.
func (l *loader) unknownSet(it item) {
	for _, party := range []string{"from", "to", "contact"} {
		if it.name == party || strings.HasPrefix(it.name, party+"_") {
			l.report(it.rng, `a caller's number is header "P-Asserted-Identity" { set = … }`, "%s is not a proxy's to change (RFC 3261 §16.6)", strings.ToUpper(party[:1])+party[1:])
			return
		}
	}
	l.report(it.rng, didYouMeanOr(it.name, setWords), "set cannot change %q", it.name)
}

// uriPart compiles a part of the Request-URI.
func (l *loader) uriPart(e hclsyntax.Expression, name string, as func(policy.Text) policy.Text) policy.Text {
	v := l.expr(e)
	if !l.want(&v, textual|anyOf(number), "as "+name) {
		return policy.Const("")
	}
	t := as(v.asText())
	if v.fixed {
		s := string(t(new(policy.Facts)))
		if name == "dest_domain" && !l.host(string(v.asText()(new(policy.Facts))), v.rng) {
			return policy.Const("")
		}
		return policy.Const(s)
	}
	return t
}

// params compiles the parameters of the Request-URI: "" or all of them, each with
// its semicolon.
func (l *loader) params(e hclsyntax.Expression) policy.Text {
	v := l.expr(e)
	switch {
	case !l.want(&v, anyOf(text), "as dest_params"):
	case !v.fixed:
		l.report(v.rng, `write them out, as in ";user=phone"; ${} may stand in dest_uri`, "dest_params must be known when the file is loaded")
	case v.str == "":
		return v.text
	default:
		if u, err := sip.ParseURI([]byte("sip:a@192.0.2.1" + v.str)); err != nil || v.str[0] != ';' || string(u.Params) != v.str {
			l.report(v.rng, `as in ";user=phone"`, "%q are no parameters of a URI", v.str)
		}
	}
	return v.text
}

func (l *loader) port(e hclsyntax.Expression) policy.Number {
	v := l.expr(e)
	if !l.want(&v, anyOf(number), "as dest_port") {
		return policy.Int(0)
	}
	if v.fixed && (v.n < 0 || v.n > 65535) {
		l.report(v.rng, "0 leaves it out", "a port is a number from 1 to 65535")
	}
	return v.number
}

// keptFields are the header fields that no rule edits, and why.
var keptFields = map[sip.HeaderID]string{
	sip.Via:           "the proxy writes it, and responses come back by it (RFC 3261 §16.6 step 8)",
	sip.Route:         "the proxy takes off its own values and follows the others (RFC 3261 §16.4, §16.6 step 6)",
	sip.RecordRoute:   "the proxy writes it: record_route switches it (RFC 3261 §16.6 step 4)",
	sip.CSeq:          "it tells transactions apart (RFC 3261 §17.1.3)",
	sip.CallID:        "it tells calls apart (RFC 3261 §12)",
	sip.From:          `it is the caller's, with the tag of the dialog (RFC 3261 §12); a number is told by P-Asserted-Identity`,
	sip.To:            "it is the caller's, with the tag of the dialog (RFC 3261 §12); set changes where the request goes",
	sip.Contact:       "the other side sends its next requests there (RFC 3261 §12.1)",
	sip.MaxForwards:   "the proxy counts in it (RFC 3261 §16.6 step 3)",
	sip.MaxBreadth:    "the proxy counts in it (RFC 5393 §5.3)",
	sip.ContentLength: "it measures the body (RFC 3261 §18.3)",
}

// edit reads a header or response_header block.
func (l *loader) edit(list []policy.Edit, b *block) []policy.Edit {
	name := b.label
	if strings.ContainsFunc(name, notToken) {
		l.report(b.labelR, "", "%q cannot be the name of a header field", name)
		return list
	}
	x := policy.Edit{ID: sip.HeaderOf(name), Name: name, When: l.partWhen(b)}
	if x.ID != sip.OtherHeader {
		x.Name = sip.HeaderName(x.ID)
	}
	if why, kept := keptFields[x.ID]; kept {
		l.report(b.labelR, why, "%s cannot be edited", x.Name)
		return list
	}
	var done *hclsyntax.Attribute
	for _, what := range []string{"set", "add", "remove"} {
		a := b.attr(what)
		switch {
		case a == nil:
			continue
		case done != nil:
			l.report(a.NameRange, "write a block for each", "%s has both %s and %s", b.what(), done.Name, what)
			return list
		}
		done = a
		switch what {
		case "set":
			x.Op, x.Value = policy.SetHeader, l.headerValue(a)
		case "add":
			x.Op, x.Value = policy.AddHeader, l.headerValue(a)
		case "remove":
			x.Op = policy.RemoveHeader
			l.onlyTrue(a)
		}
	}
	if done == nil {
		l.report(b.rng, "write set = …, add = … or remove = true", "%s does nothing", b.what())
	}
	return append(list, x)
}

// headerValue compiles the value of a header field.
func (l *loader) headerValue(a *hclsyntax.Attribute) policy.Text {
	v := l.expr(a.Expr)
	switch {
	case !l.want(&v, textual|anyOf(number), "as "+a.Name):
		return nil
	case v.fixed && !oneLine(string(v.asText()(new(policy.Facts)))):
		l.report(v.rng, "", "a header field is one line of text")
	}
	return v.asText()
}
