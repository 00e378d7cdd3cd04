package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
)

// let reads let = { name = expression, … }: values under a name, known in the rest
// of the rule. They are computed once, before the rule edits anything.
func (l *loader) let(r *policy.Rule, b *block) {
	a := b.attr("let")
	if a == nil {
		return
	}
	list, _ := l.items(a.Expr, "let")
	for _, it := range list {
		if len(r.Let) == policy.MaxLets {
			l.report(it.rng, "", "a let has at most %d names", policy.MaxLets)
			return
		}
		v := l.expr(it.expr)
		if !l.want(&v, textual|anyOf(number, truth, row), "as let."+it.name) {
			l.lets[it.name] = value{} // no second report for each use
			continue
		}
		l.lets[it.name] = l.keep(r, v)
	}
}

// keep makes of a value one that is computed once and read from then on. What is
// fixed needs no place.
func (l *loader) keep(r *policy.Rule, v value) value {
	if v.fixed {
		return v
	}
	at := len(r.Let)
	kept := value{kind: v.kind, fold: v.fold, words: v.words, uri: v.uri, table: v.table}
	switch v.kind {
	case number:
		r.Let = append(r.Let, policy.KeepNumber(at, v.number))
		kept.number = policy.LetNumber(at)
	case truth:
		r.Let = append(r.Let, policy.KeepBool(at, v.truth))
		kept.truth = policy.LetBool(at)
	case address:
		r.Let = append(r.Let, policy.KeepAddr(at, v.addr))
		kept.addr = policy.LetAddr(at)
	case row:
		r.Let = append(r.Let, policy.KeepRow(at, v.row))
		kept.row = policy.LetRow(at)
	case method: // no edit changes it
		return v
	default:
		r.Let = append(r.Let, policy.KeepText(at, v.asText()))
		kept.text = policy.LetText(at)
		if v.asNumber != nil {
			kept.asNumber = policy.ParsedNumber(kept.text)
		}
		if v.asTruth != nil {
			kept.asTruth = policy.Equal(kept.text, policy.Const("true"))
		}
	}
	return kept
}

// letName is let.x, or let.x.column of a row.
func (l *loader) letName(e *hclsyntax.ScopeTraversalExpr, path []string, index *string) value {
	bad := value{rng: e.SrcRange}
	if len(path) < 2 || index != nil {
		l.report(e.SrcRange, "write let.x", "let needs the name of a value")
		return bad
	}
	v, ok := l.lets[path[1]]
	switch {
	case l.lets == nil:
		l.report(e.SrcRange, "a let belongs to its rule, and is known after its when", "%s is not known here", strings.Join(path, "."))
		return bad
	case !ok:
		l.report(e.SrcRange, didYouMeanOr(path[1], names(l.lets)), "the let of this rule has no %q", path[1])
		return bad
	case v.kind == row && len(path) == 3:
		return l.column(&v, path[2], e.SrcRange)
	case v.kind != 0 && len(path) > 2:
		l.report(e.SrcRange, "", "let.%s has no parts", path[1])
		return bad
	}
	v.rng = e.SrcRange
	return v
}

// column is a column of a row.
func (l *loader) column(r *value, name string, rng hcl.Range) value {
	t := r.table
	n := t.Column(name)
	if n < 0 {
		var all []string
		for _, c := range t.Columns() {
			all = append(all, c.Name)
		}
		l.report(rng, didYouMeanOr(name, all), "table %q has no column %q", t.Name, name)
		return value{rng: rng}
	}
	v := value{kind: text, rng: rng, text: policy.ColumnText(t, n, r.row), uri: true}
	if t.Columns()[n].Number {
		v.asNumber = policy.ColumnNumber(t, n, r.row)
	}
	if t.Columns()[n].Truth {
		v.asTruth = policy.ColumnTruth(t, n, r.row)
	}
	return v
}
