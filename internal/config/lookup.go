package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
)

// lookup compiles table.N[key] and table.N[key].column, which the parser has as an
// index and as a name behind it; ok is false for what is neither.
func (l *loader) lookup(e hclsyntax.Expression) (v value, ok bool) {
	switch x := e.(type) {
	case *hclsyntax.IndexExpr:
		root, isName := x.Collection.(*hclsyntax.ScopeTraversalExpr)
		if !isName || root.Traversal.RootName() != "table" {
			return value{}, false
		}
		path, index, good := l.path(root)
		if !good {
			return value{rng: x.SrcRange}, true
		}
		name, named := tableName(path, index)
		if !named {
			return l.tableNeedsKey(x.SrcRange), true
		}
		key := l.expr(x.Key)
		return l.row(name, &key, root.SrcRange, x.SrcRange), true
	case *hclsyntax.RelativeTraversalExpr:
		r, isRow := l.lookup(x.Source)
		if !isRow {
			return value{}, false
		}
		return l.columnOf(&r, x.Traversal, x.SrcRange), true
	case *hclsyntax.ScopeTraversalExpr:
		if x.Traversal.RootName() != "table" {
			return value{}, false
		}
		return l.fixedLookup(x), true
	}
	return value{}, false
}

// tableName is table.N or table["N"].
func tableName(path []string, index *string) (string, bool) {
	switch {
	case len(path) == 2 && index == nil:
		return path[1], true
	case len(path) == 1 && index != nil:
		return *index, true
	}
	return "", false
}

func (l *loader) tableNeedsKey(rng hcl.Range) value {
	l.report(rng, "write table.X[key].column, or has(table.X[key])", "a table is asked with a key")
	return value{rng: rng}
}

// fixedLookup is table.N["key"].column, which the parser has as one name.
func (l *loader) fixedLookup(x *hclsyntax.ScopeTraversalExpr) value {
	t := x.Traversal
	var name string
	if len(t) >= 3 {
		switch s := t[1].(type) {
		case hcl.TraverseAttr:
			name = s.Name
		case hcl.TraverseIndex:
			if s.Key.Type().FriendlyName() == "string" {
				name = s.Key.AsString()
			}
		}
	}
	if name == "" {
		return l.tableNeedsKey(x.SrcRange)
	}
	s, isIndex := t[2].(hcl.TraverseIndex)
	if !isIndex || s.Key.Type().FriendlyName() != "string" {
		return l.tableNeedsKey(x.SrcRange)
	}
	key := fixedText(s.Key.AsString(), s.SrcRange)
	r := l.row(name, &key, x.SrcRange, x.SrcRange)
	return l.columnOf(&r, t[3:], x.SrcRange)
}

// columnOf is what stands behind a row: one column, or nothing.
func (l *loader) columnOf(r *value, t hcl.Traversal, rng hcl.Range) value {
	if r.kind == bad || len(t) == 0 {
		return *r
	}
	name := ""
	switch s := t[0].(type) {
	case hcl.TraverseAttr:
		name = s.Name
	case hcl.TraverseIndex:
		if s.Key.Type().FriendlyName() == "string" {
			name = s.Key.AsString()
		}
	}
	if name == "" || len(t) > 1 {
		l.report(rng, "", "a row has columns, and these have no parts")
		return value{rng: rng}
	}
	return l.column(r, name, rng)
}

// row finds a row. Domains are looked up without regard to case and addresses by
// value, whatever the rows look like.
func (l *loader) row(name string, key *value, at, rng hcl.Range) value {
	t := l.tables[name]
	if t == nil {
		l.report(at, didYouMeanOr(name, names(l.tables)), "no table is named %q", name)
		return value{rng: rng}
	}
	if !l.want(key, textual|anyOf(number), "as a key") || t.policy == nil {
		return value{rng: rng}
	}
	form := policy.AsWritten
	switch {
	case key.kind == address && t.policy.Longest:
		l.report(key.rng, `match = "longest" is for numbers; network.X holds networks`, "addresses have no longest match")
		return value{rng: rng}
	case key.kind == address:
		form = policy.Numeric
	case key.fold:
		form = policy.Folded
	}
	x := t.index[form]
	if x == nil {
		var err error
		if x, err = t.policy.Index(form); err != nil {
			l.report(at, "", "table %q: %s", name, l.rowFault(err, t.policy.Key))
			return value{rng: rng}
		}
		t.index[form] = x
	}
	return value{kind: row, rng: rng, table: t.policy, row: policy.Lookup(x, key.asText())}
}
