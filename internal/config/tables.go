package config

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
)

// The bounds of a table's file.
const (
	maxTableFile = 512 << 20
	maxColumns   = 64
)

// table is a table block: its data and the forms in which its keys were asked for.
type table struct {
	policy *policy.Table
	rng    hcl.Range
	source string // digest of what it was made of
	index  map[policy.KeyForm]*policy.Index
}

// readTables reads all table blocks.
func (l *loader) readTables(file *block) {
	file.each(tableSpec, func(b *block) {
		if old := l.tables[b.label]; old != nil {
			l.report(b.labelR, "", "a second table named %q; the first is in line %d", b.label, old.rng.Start.Line)
			return
		}
		t := &table{rng: b.rng, index: map[policy.KeyForm]*policy.Index{}}
		l.tables[b.label] = t // a broken one has no second fault at each use
		key, _, _ := l.constant(b.attr("key"))
		match, _ := l.choice(b.attr("match"), "exact", "longest")
		rows, from := b.attr("rows"), b.attr("file")
		switch {
		case rows != nil && from != nil:
			l.report(from.NameRange, "one of rows and file must go", "table %q has both rows and file", b.label)
		case rows == nil && from == nil:
			if !l.hasLater(b) {
				l.report(b.rng, `write rows = [{ … }] or file = "….csv"`, "table %q has no rows", b.label)
			}
		case key == "":
		case rows != nil:
			l.inlineRows(t, b.label, key, match == "longest", rows)
		default:
			l.fileRows(t, b.label, key, match == "longest", from)
		}
	})
	l.config.tables = l.tables
}

// inlineRows reads rows = [{ user = "112" }, …]. The columns are all that occur.
func (l *loader) inlineRows(t *table, name, key string, longest bool, a *hclsyntax.Attribute) {
	list, ok := a.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		l.report(a.Expr.Range(), `write rows = [{ user = "112" }, …]`, "rows needs a list of { … }")
		return
	}
	columns := []string{key}
	var rows []map[string]string
	good := true
	for _, e := range list.Exprs {
		items, ok := l.items(e, "a row")
		good = good && ok
		cells := map[string]string{}
		for _, it := range items {
			if !slices.Contains(columns, it.name) {
				columns = append(columns, it.name)
			}
			s, ok := l.cell(it)
			good = good && ok
			cells[it.name] = s
		}
		rows = append(rows, cells)
	}
	if !good {
		return
	}
	p := policy.NewTable(name, key, longest, columns...)
	for i, cells := range rows {
		values := make([]string, len(columns))
		for j, c := range columns {
			values[j] = cells[c]
		}
		if err := p.Add(values...); err != nil {
			l.report(list.Exprs[i].Range(), "", "%s", l.rowFault(err, key))
			return
		}
	}
	t.policy = p
}

// cell reads a value of a row: a text, a number or a bool that is known at load.
func (l *loader) cell(it item) (string, bool) {
	v := l.expr(it.expr)
	if !l.want(&v, anyOf(text, number, truth), "in a row") || !l.known(&v, it.name) {
		return "", false
	}
	switch v.kind {
	case number:
		return strconv.FormatInt(v.n, 10), true
	case truth:
		return strconv.FormatBool(v.b), true
	}
	return v.str, true
}

// rowFault says what is wrong with a row.
func (l *loader) rowFault(err error, key string) string {
	fault := new(policy.RowError)
	if !errors.As(err, &fault) {
		return err.Error()
	}
	if errors.Is(err, policy.ErrNoKey) {
		return fmt.Sprintf("the row has no %s, which is the key", key)
	}
	return fmt.Sprintf("the row with %s %q %s", key, fault.Key, fault.Err)
}

// fileRows reads a CSV file whose first line names the columns.
func (l *loader) fileRows(t *table, name, key string, longest bool, a *hclsyntax.Attribute) {
	said, rng, ok := l.constant(a)
	if !ok {
		return
	}
	path := l.beside(said)
	src, err := l.opts.ReadFile(path)
	switch {
	case err != nil:
		l.report(rng, "", "cannot read the file: %s", reason(err))
		return
	case len(src) > maxTableFile:
		l.report(rng, "", "%s has more than 512 MiB", said)
		return
	}
	l.input("file", said, string(src))
	t.source = digest(name + "\x00" + key + "\x00" + strconv.FormatBool(longest) + "\x00" + string(src))
	if old := l.unchanged(name, t.source); old != nil {
		t.policy, t.index = old.policy, old.index
		return
	}
	p, err := parseCSV(src, name, key, longest)
	if err != nil {
		l.report(rng, "", "%s", said+err.Error())
		return
	}
	t.policy = p
}

// beside is a path relative to the configuration file.
func (l *loader) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(l.name), path)
}

// unchanged finds the same table in the running configuration, so that a reload
// does not keep a large one twice. Its indexes are copied: those of the running
// configuration are read by others.
func (l *loader) unchanged(name, source string) *table {
	if l.opts.Running == nil {
		return nil
	}
	old := l.opts.Running.tables[name]
	if old == nil || old.policy == nil || old.source != source {
		return nil
	}
	shared := &table{policy: old.policy, index: map[policy.KeyForm]*policy.Index{}}
	for form, x := range old.index {
		shared.index[form] = x
	}
	return shared
}

// parseCSV reads the lines of a file; an error begins with ":line: ".
func parseCSV(src []byte, name, key string, longest bool) (*policy.Table, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))))
	r.Comment, r.TrimLeadingSpace, r.ReuseRecord = '#', true, true
	at := func(err error) error {
		if bad := new(csv.ParseError); errors.As(err, &bad) {
			if errors.Is(bad.Err, csv.ErrFieldCount) {
				return fmt.Errorf(":%d: not as many values as columns", bad.Line)
			}
			return fmt.Errorf(":%d: %w", bad.Line, bad.Err)
		}
		line, _ := r.FieldPos(0)
		return fmt.Errorf(":%d: %w", line, err)
	}
	columns, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New(": the first line names the columns, and there is none")
	}
	if err != nil {
		return nil, at(err)
	}
	columns = slices.Clone(columns)
	if err := checkColumns(columns, key); err != nil {
		return nil, at(err)
	}
	t := policy.NewTable(name, key, longest, columns...)
	for {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, at(err)
		}
		if err := t.Add(values...); err != nil {
			fault := new(policy.RowError)
			errors.As(err, &fault)
			return nil, at(fmt.Errorf("the row with %s %q %w", key, fault.Key, fault.Err))
		}
	}
}

func checkColumns(columns []string, key string) error {
	for i, c := range columns {
		switch {
		case c == "":
			return errors.New("a column has no name")
		case slices.Contains(columns[:i], c):
			return fmt.Errorf("two columns are named %q", c)
		}
	}
	switch {
	case len(columns) > maxColumns:
		return fmt.Errorf("more than %d columns", maxColumns)
	case !slices.Contains(columns, key):
		return fmt.Errorf("no column is named %q, which is the key", key)
	}
	return nil
}
