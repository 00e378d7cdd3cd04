package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A condition as a set of conjuncts, each a set of alternatives:
//
//	method == INVITE && one_of(dest.user, "1", "2")
//	{ {method == INVITE}, {dest.user == "1", dest.user == "2"} }
//
// Alternatives are compared as canonical text. A conjunct implies another when
// its alternatives are among the other's; a condition implies another when each
// conjunct of the other is implied by one of its own. That proves implications
// and never invents one, because expressions are pure: the same text has the
// same value for the same message.
type alternatives []string

// conjuncts takes a condition apart. No condition is the empty set: it always holds.
func conjuncts(e hclsyntax.Expression) []alternatives {
	switch x := e.(type) {
	case nil:
		return nil
	case *hclsyntax.ParenthesesExpr:
		return conjuncts(x.Expression)
	case *hclsyntax.LiteralValueExpr:
		if x.Val.IsKnown() && !x.Val.IsNull() && x.Val.Type() == cty.Bool && x.Val.True() {
			return nil
		}
	case *hclsyntax.BinaryOpExpr:
		if x.Op == hclsyntax.OpLogicalAnd {
			return append(conjuncts(x.LHS), conjuncts(x.RHS)...)
		}
	}
	return []alternatives{disjuncts(e)}
}

// disjuncts takes an alternative apart.
func disjuncts(e hclsyntax.Expression) alternatives {
	switch x := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return disjuncts(x.Expression)
	case *hclsyntax.BinaryOpExpr:
		if x.Op == hclsyntax.OpLogicalOr {
			return append(disjuncts(x.LHS), disjuncts(x.RHS)...)
		}
	case *hclsyntax.FunctionCallExpr:
		if x.Name == "one_of" && len(x.Args) > 1 {
			var list alternatives
			for _, a := range x.Args[1:] {
				list = append(list, commutative("==", x.Args[0], a))
			}
			return list
		}
	}
	return alternatives{canonical(e)}
}

// operators are the signs of binary operators; those that may be turned around
// are listed apart.
var operators = map[*hclsyntax.Operation]string{
	hclsyntax.OpSubtract: "-", hclsyntax.OpDivide: "/", hclsyntax.OpModulo: "%",
	hclsyntax.OpLessThan: "<", hclsyntax.OpLessThanOrEqual: "<=", hclsyntax.OpGreaterThan: ">", hclsyntax.OpGreaterThanOrEqual: ">=",
}

var commutes = map[*hclsyntax.Operation]string{
	hclsyntax.OpEqual: "==", hclsyntax.OpNotEqual: "!=", hclsyntax.OpAdd: "+", hclsyntax.OpMultiply: "*",
	hclsyntax.OpLogicalAnd: "&&", hclsyntax.OpLogicalOr: "||",
}

// canonical writes an expression so that the same meaning in another layout, with
// other parentheses or with swapped sides gives the same text.
func canonical(e hclsyntax.Expression) string {
	switch x := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return canonical(x.Expression)
	case *hclsyntax.LiteralValueExpr:
		return fmt.Sprintf("%#v", x.Val)
	case *hclsyntax.TemplateExpr:
		return "text" + canonicalList(x.Parts)
	case *hclsyntax.TemplateWrapExpr:
		return "text(" + canonical(x.Wrapped) + ")"
	case *hclsyntax.ScopeTraversalExpr:
		return canonicalPath(x.Traversal)
	case *hclsyntax.FunctionCallExpr:
		return x.Name + canonicalList(x.Args)
	case *hclsyntax.IndexExpr:
		return canonical(x.Collection) + "[" + canonical(x.Key) + "]"
	case *hclsyntax.RelativeTraversalExpr:
		return canonical(x.Source) + canonicalPath(x.Traversal)
	case *hclsyntax.TupleConsExpr:
		return "list" + canonicalList(x.Exprs)
	case *hclsyntax.UnaryOpExpr:
		if x.Op == hclsyntax.OpLogicalNot {
			return "!(" + canonical(x.Val) + ")"
		}
		return "-(" + canonical(x.Val) + ")"
	case *hclsyntax.ConditionalExpr:
		return "choose" + canonicalList([]hclsyntax.Expression{x.Condition, x.TrueResult, x.FalseResult})
	case *hclsyntax.BinaryOpExpr:
		if sign, ok := commutes[x.Op]; ok {
			return commutative(sign, x.LHS, x.RHS)
		}
		return "(" + canonical(x.LHS) + operators[x.Op] + canonical(x.RHS) + ")"
	}
	// what is not compiled is equal to nothing, not even to itself elsewhere
	return fmt.Sprintf("at %d", e.Range().Start.Byte)
}

func commutative(sign string, a, b hclsyntax.Expression) string {
	x, y := canonical(a), canonical(b)
	if y < x {
		x, y = y, x
	}
	return "(" + x + sign + y + ")"
}

func canonicalList(list []hclsyntax.Expression) string {
	var parts []string
	for _, e := range list {
		parts = append(parts, canonical(e))
	}
	return "(" + strings.Join(parts, ",") + ")"
}

// canonicalPath makes group.X and group["X"] the same.
func canonicalPath(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			fmt.Fprintf(&b, "[%q]", s.Name)
		case hcl.TraverseIndex:
			if s.Key.Type() == cty.String {
				fmt.Fprintf(&b, "[%q]", s.Key.AsString())
			} else {
				fmt.Fprintf(&b, "[%#v]", s.Key)
			}
		}
	}
	return b.String()
}

// implies reports whether a condition with conjuncts a holds only where one with
// conjuncts b does.
func implies(a, b []alternatives) bool {
	for _, want := range b {
		if !slices.ContainsFunc(a, func(have alternatives) bool { return have.within(want) }) {
			return false
		}
	}
	return true
}

func (a alternatives) within(b alternatives) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

// unreachable reports the rules that can never match because an earlier one takes
// all that they would. It is for a program without other faults.
func (l *loader) unreachable(file *block) {
	l.unreachableIn(file)
	for _, b := range l.routeBlocks {
		l.unreachableIn(b)
	}
}

// unreachableIn looks through one list of rules. A rule that asks who the caller is
// counts for nothing here, as it may come to an end of its own. After a rule that
// changes something and lets the next be tried, the same words may read something
// else: what was said before it proves nothing about what follows.
func (l *loader) unreachableIn(rules *block) {
	type earlier struct {
		b    *block
		list []alternatives
	}
	var before []earlier
	rules.each(ruleSpec, func(b *block) {
		list := conjuncts(condition(b))
		for _, x := range before {
			if implies(list, x.list) {
				l.report(b.rng, "put it before that rule, or take it out", "rule %q can never match: rule %q (line %d) already takes %s", b.label, x.b.label, x.b.rng.Start.Line, l.taken(x.b))
				return
			}
		}
		next, asks := b.attr("next") != nil, b.attr("authenticate") != nil
		switch {
		case next && (asks || b.attr("set") != nil || b.first(headerSpec) != nil):
			before = nil
		case !next && !asks:
			before = append(before, earlier{b, list})
		}
	})
}

func condition(b *block) hclsyntax.Expression {
	if a := b.attr("when"); a != nil {
		return a.Expr
	}
	return nil
}

// taken says in words what a rule takes.
func (l *loader) taken(b *block) string {
	e := condition(b)
	if e == nil || conjuncts(e) == nil {
		return "every request"
	}
	return "every request with " + strings.Join(strings.Fields(l.source(e.Range())), " ")
}

// harmful are the methods that a rule must not answer with success: the answer
// would make a dialog, a binding or a state that nobody holds.
var harmful = []string{"INVITE", "SUBSCRIBE", "REFER", "REGISTER", "PUBLISH"}

// onlyHarmless reports whether the condition of a rule leaves none of them.
func (l *loader) onlyHarmless(b *block) bool {
	for _, c := range conjuncts(condition(b)) {
		named := true
		for _, alternative := range c {
			name, ok := strings.CutSuffix(alternative, "==method)")
			name = strings.TrimPrefix(name, "(")
			if !ok || slices.Contains(harmful, name) || !slices.Contains(methodNames, name) {
				named = false
			}
		}
		if named && len(c) > 0 {
			return true
		}
	}
	return false
}
