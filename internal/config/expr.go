package config

import (
	"net/netip"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// expr checks and compiles an expression. What is wrong is reported, and the
// value is then bad, which nobody reports again.
func (l *loader) expr(e hclsyntax.Expression) value {
	if v, ok := l.lookup(e); ok {
		return v
	}
	if l.unsupportedForm(e) {
		return value{rng: e.Range()}
	}
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		v := l.expr(e.Expression)
		v.rng = e.SrcRange
		return v
	case *hclsyntax.LiteralValueExpr:
		return l.literal(e)
	case *hclsyntax.TemplateExpr:
		return l.template(e.Parts, e.SrcRange)
	case *hclsyntax.TemplateWrapExpr:
		return l.template([]hclsyntax.Expression{e.Wrapped}, e.SrcRange)
	case *hclsyntax.ScopeTraversalExpr:
		return l.bareName(e)
	case *hclsyntax.FunctionCallExpr:
		return l.call(e)
	case *hclsyntax.UnaryOpExpr:
		return l.unary(e)
	case *hclsyntax.BinaryOpExpr:
		return l.binary(e)
	case *hclsyntax.ConditionalExpr:
		return l.conditional(e)
	case *hclsyntax.TupleConsExpr:
		v := value{kind: list, rng: e.SrcRange, fixed: true}
		for _, x := range e.Exprs {
			v.items = append(v.items, l.expr(x))
		}
		return v
	}
	l.report(e.Range(), "", "this form of expression is not supported")
	return value{rng: e.Range()}
}

// unsupportedForm reports what HCL parses and the language does not have.
func (l *loader) unsupportedForm(e hclsyntax.Expression) bool {
	rng := e.Range()
	source := l.source(rng)
	switch x := e.(type) {
	case *hclsyntax.ForExpr:
		l.report(rng, "one_of(…) and matches(…) compare with several values", "for is not supported: an expression has no loop")
	case *hclsyntax.SplatExpr:
		l.report(x.MarkerRange, "name one value", "[*] is not supported")
	case *hclsyntax.ObjectConsExpr:
		l.report(rng, "", "a table {…} is not supported here")
	case *hclsyntax.IndexExpr:
		if root, ok := x.Collection.(*hclsyntax.ScopeTraversalExpr); ok && isLater(root.Traversal.RootName()) {
			l.report(rng, "", notYet, root.Traversal.RootName())
			break
		}
		l.report(x.BracketRange, `write it out, as in header["Subject"]`, "the name in […] must be a plain text")
	case *hclsyntax.RelativeTraversalExpr:
		if _, ok := x.Source.(*hclsyntax.IndexExpr); ok {
			return l.unsupportedForm(x.Source)
		}
		l.report(rng, "", "a result has no parts")
	case *hclsyntax.TemplateJoinExpr:
		l.report(rng, "", "%%{for} is not supported: an expression has no loop")
	case *hclsyntax.TemplateExpr:
		if !strings.HasPrefix(source, "<<") {
			return false
		}
		l.report(rng, `write a text in quotes: "…"`, "heredocs are not supported")
	case *hclsyntax.ConditionalExpr:
		if !strings.HasPrefix(source, "%{") {
			return false
		}
		l.report(rng, "write ${condition ? a : b}", "%%{if} is not supported")
	default:
		return false
	}
	return true
}

// source is what stands at rng in the file.
func (l *loader) source(rng hcl.Range) string {
	if rng.Start.Byte < 0 || rng.End.Byte > len(l.src) || rng.Start.Byte > rng.End.Byte {
		return ""
	}
	return string(l.src[rng.Start.Byte:rng.End.Byte])
}

func (l *loader) literal(e *hclsyntax.LiteralValueExpr) value {
	v := value{rng: e.SrcRange}
	switch {
	case !e.Val.IsKnown(): // the parser's placeholder for what it reported
	case e.Val.IsNull():
		l.report(e.SrcRange, "leave the attribute out", "null is not supported")
	case e.Val.Type() == cty.Bool:
		return fixedTruth(e.Val.True(), e.SrcRange)
	case e.Val.Type() == cty.String:
		return fixedText(e.Val.AsString(), e.SrcRange)
	case e.Val.Type() == cty.Number:
		f := e.Val.AsBigFloat()
		if n, exact := f.Int64(); exact == 0 {
			return fixedNumber(n, e.SrcRange)
		}
		v.kind, v.fixed, v.frac = fraction, true, f
	}
	return v
}

// template is a text with ${}; parts are joined as texts.
func (l *loader) template(parts []hclsyntax.Expression, rng hcl.Range) value {
	var texts []policy.Text
	var from []value
	for _, p := range parts {
		v := l.expr(p)
		if !l.want(&v, textual|anyOf(number), "in a text") {
			return value{rng: rng}
		}
		from = append(from, v)
		texts = append(texts, v.asText())
	}
	if len(texts) == 1 {
		return textOf(texts[0], rng, from...)
	}
	return textOf(policy.Concat(texts...), rng, from...)
}

// want reports whether v is of one of the kinds, and says so if not.
func (l *loader) want(v *value, allowed kinds, where string) bool {
	if v.kind == bad {
		return false
	}
	if v.turn(allowed); allowed.has(v.kind) {
		return true
	}
	hint := ""
	if v.kind == row {
		hint = "name a column, as in table.X[key].column, or ask has(…)"
	}
	if v.kind == fraction && allowed.has(number) {
		hint = "numbers are whole"
	}
	said := v.describe()
	if l.isSecret(v.rng) {
		said = v.kind.String()
	}
	l.report(v.rng, hint, "%s stands %s, where %s is needed", said, where, allowed)
	return false
}

func (l *loader) unary(e *hclsyntax.UnaryOpExpr) value {
	v := l.expr(e.Val)
	if e.Op == hclsyntax.OpLogicalNot {
		if !l.want(&v, anyOf(truth), "after !") {
			return value{rng: e.SrcRange}
		}
		return truthOf(policy.Not(v.truth), e.SrcRange, v)
	}
	if !l.want(&v, anyOf(number), "after -") {
		return value{rng: e.SrcRange}
	}
	return numberOf(policy.Negate(v.number), e.SrcRange, v)
}

// numeric are the operators of two numbers that yield one.
var numeric = map[*hclsyntax.Operation]struct {
	sign  string
	build func(a, b policy.Number) policy.Number
}{
	hclsyntax.OpAdd:      {"+", policy.Add},
	hclsyntax.OpSubtract: {"-", policy.Subtract},
	hclsyntax.OpMultiply: {"*", policy.Multiply},
	hclsyntax.OpDivide:   {"/", policy.Divide},
	hclsyntax.OpModulo:   {"%", policy.Modulo},
}

// ordering are the operators that compare two numbers.
var ordering = map[*hclsyntax.Operation]struct {
	sign  string
	build func(a, b policy.Number) policy.Bool
}{
	hclsyntax.OpLessThan:           {"<", policy.Less},
	hclsyntax.OpLessThanOrEqual:    {"<=", policy.LessOrEqual},
	hclsyntax.OpGreaterThan:        {">", func(a, b policy.Number) policy.Bool { return policy.Less(b, a) }},
	hclsyntax.OpGreaterThanOrEqual: {">=", func(a, b policy.Number) policy.Bool { return policy.LessOrEqual(b, a) }},
}

// junction are the operators of two bools.
var junction = map[*hclsyntax.Operation]struct {
	sign  string
	build func(list ...policy.Bool) policy.Bool
}{
	hclsyntax.OpLogicalAnd: {"&&", policy.And},
	hclsyntax.OpLogicalOr:  {"||", policy.Or},
}

func (l *loader) binary(e *hclsyntax.BinaryOpExpr) value {
	a, b := l.expr(e.LHS), l.expr(e.RHS)
	if op, ok := numeric[e.Op]; ok && l.bothAre(&a, &b, number, op.sign) {
		return numberOf(op.build(a.number, b.number), e.SrcRange, a, b)
	}
	if op, ok := ordering[e.Op]; ok && l.bothAre(&a, &b, number, op.sign) {
		return truthOf(op.build(a.number, b.number), e.SrcRange, a, b)
	}
	if op, ok := junction[e.Op]; ok && l.bothAre(&a, &b, truth, op.sign) {
		return truthOf(op.build(a.truth, b.truth), e.SrcRange, a, b)
	}
	switch e.Op {
	case hclsyntax.OpEqual:
		return l.equal(&a, &b, e.SrcRange)
	case hclsyntax.OpNotEqual:
		v := l.equal(&a, &b, e.SrcRange)
		if v.kind == bad {
			return v
		}
		return truthOf(policy.Not(v.truth), e.SrcRange, v)
	}
	return value{rng: e.SrcRange}
}

// bothAre checks the operands of an operator.
func (l *loader) bothAre(a, b *value, k kind, sign string) bool {
	where := "beside " + sign
	left := l.want(a, anyOf(k), where)
	return l.want(b, anyOf(k), where) && left
}

func (l *loader) conditional(e *hclsyntax.ConditionalExpr) value {
	c, a, b := l.expr(e.Condition), l.expr(e.TrueResult), l.expr(e.FalseResult)
	result := value{rng: e.SrcRange}
	if !l.want(&c, anyOf(truth), "before ?") || a.kind == bad || b.kind == bad {
		return result
	}
	a.turn(anyOf(b.kind))
	b.turn(anyOf(a.kind))
	from := []value{c, a, b}
	texts := anyOf(text, domain)
	switch {
	case a.kind == domain && b.kind == domain:
		result = textOf(policy.Choose(c.truth, a.text, b.text), e.SrcRange, from...)
		result.kind, result.fold = domain, true
	case texts.has(a.kind) && texts.has(b.kind):
		result = textOf(policy.Choose(c.truth, a.text, b.text), e.SrcRange, from...)
	case a.kind == number && b.kind == number:
		result = numberOf(policy.Choose(c.truth, a.number, b.number), e.SrcRange, from...)
	case a.kind == truth && b.kind == truth:
		result = truthOf(policy.Choose(c.truth, a.truth, b.truth), e.SrcRange, from...)
	case a.kind == b.kind:
		l.report(e.SrcRange, "", "?: cannot choose between values that are %s", a.kind)
	default:
		l.report(e.SrcRange, "", "?: needs values of one type, not %s and %s", a.describe(), b.describe())
	}
	return result
}

// equal is a == b.
func (l *loader) equal(a, b *value, rng hcl.Range) value {
	if a.kind == bad || b.kind == bad {
		return value{rng: rng}
	}
	a.turn(anyOf(b.kind))
	b.turn(anyOf(a.kind))
	if b.kind == method && !b.fixed || b.kind == address && a.kind != address || a.kind == text && b.kind == domain {
		a, b = b, a // the more particular side first
	}
	texts := anyOf(text, domain)
	if b.kind == peer {
		a, b = b, a
	}
	switch {
	case a.kind == peer && texts.has(b.kind):
		return l.equalPeer(a, b, rng)
	case a.kind == number && b.kind == number:
		return truthOf(policy.EqualNumber(a.number, b.number), rng, *a, *b)
	case a.kind == truth && b.kind == truth:
		return truthOf(policy.EqualBool(a.truth, b.truth), rng, *a, *b)
	case a.kind == method && b.kind == method:
		return l.equalMethod(a, b, rng)
	case a.kind == address && (b.kind == address || texts.has(b.kind)):
		return l.equalAddress(a, b, rng)
	case a.kind == domain && texts.has(b.kind):
		return truthOf(policy.EqualDomain(a.text, b.text), rng, *a, *b)
	case a.kind == text && b.kind == text:
		return l.equalText(a, b, rng)
	}
	l.report(rng, comparisonHint(a, b), "cannot compare %s with %s", a.describe(), b.describe())
	return value{rng: rng}
}

// comparisonHint helps with the usual confusions.
func comparisonHint(a, b *value) string {
	switch {
	case a.kind == set || b.kind == set:
		return "write within(src.ip, …)"
	case a.kind == list || b.kind == list:
		return "write one_of(x, …)"
	case a.kind == method && b.kind == text && b.fixed, b.kind == method && a.kind == text && a.fixed:
		return "methods stand without quotes: INVITE"
	case a.kind == number && b.kind == text && b.fixed, b.kind == number && a.kind == text && a.fixed:
		return "numbers stand without quotes"
	case a.kind == number && b.kind == text, b.kind == number && a.kind == text:
		return `write the text in quotes: "…"`
	}
	return ""
}

// equalPeer asks whether a peer speaks for a domain.
func (l *loader) equalPeer(a, b *value, rng hcl.Range) value {
	if b.fixed && strings.Contains(b.str, "*") {
		l.report(b.rng, "name the domain that the certificate is for", "%q is the name of nobody (RFC 5922 §7.2)", b.str)
		return value{rng: rng}
	}
	return truthOf(policy.PeerIs(b.text), rng, *a, *b)
}

func (l *loader) equalMethod(a, b *value, rng hcl.Range) value {
	switch {
	case a.fixed && b.fixed:
		return fixedTruth(a.method == b.method, rng)
	case b.fixed:
		return value{kind: truth, rng: rng, truth: policy.IsMethod(b.method)}
	case a.fixed:
		return value{kind: truth, rng: rng, truth: policy.IsMethod(a.method)}
	}
	return fixedTruth(true, rng) // method == method
}

func (l *loader) equalAddress(a, b *value, rng hcl.Range) value {
	other := b.addr
	if b.kind != address {
		other = policy.HostAddr(b.text)
	}
	if b.kind == text && b.fixed {
		ip, err := netip.ParseAddr(b.str)
		if err != nil {
			l.report(b.rng, `an address is written "192.0.2.1" or "2001:db8::1"`, "%q is no address", b.str)
			return value{rng: rng}
		}
		other = policy.FixedAddr(ip)
	}
	return truthOf(policy.EqualAddr(a.addr, other), rng, *a, *b)
}

// equalText compares texts. Where one of them reads in lower case, the other is
// taken in lower case too; where it can only be one of some words, it must be.
func (l *loader) equalText(a, b *value, rng hcl.Range) value {
	if b.words != nil || b.fold && !a.fold {
		a, b = b, a
	}
	l.checkWord(a, b)
	return truthOf(policy.Equal(a.text, folded(a, b)), rng, *a, *b)
}

// checkWord reports a text that a can never be.
func (l *loader) checkWord(a, b *value) {
	if a.words == nil || !b.fixed || b.kind != text {
		return
	}
	said := b.str
	if a.fold {
		said = strings.ToLower(said)
	}
	for _, w := range a.words {
		if w == said {
			return
		}
	}
	l.report(b.rng, didYouMeanOr(b.str, quoted(a.words)), "%s is never %q", l.source(a.rng), b.str)
}

// folded is the text of b as it must be to be compared with a.
func folded(a, b *value) policy.Text {
	switch {
	case !a.fold:
		return b.text
	case b.fixed:
		return policy.Const(strings.ToLower(b.str))
	}
	return policy.Lower(b.text)
}

func quoted(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, `"`+s+`"`)
	}
	return out
}

var methodNames = func() (list []string) {
	for m := sip.INVITE; m <= sip.PUBLISH; m++ {
		list = append(list, m.String())
	}
	return list
}()
