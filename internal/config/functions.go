package config

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
)

// function is something that an expression can call. A word that this version
// does not have is a row with later set.
type function struct {
	name    string
	usage   string // its arguments, for messages
	least   int    // how many arguments it needs
	repeats bool   // the last kind of argument may come any number of times
	later   bool
	args    []argument
	build   func(l *loader, v []value, rng hcl.Range) value
}

// argument is what one argument may be.
type argument struct {
	kinds kinds
	fixed bool // known at load
}

var (
	anyText  = argument{kinds: textual}
	fixedArg = argument{kinds: anyOf(text), fixed: true}
	scalar   = argument{kinds: textual | anyOf(number)}
)

// functions returns everything that an expression can call.
func functions() []function {
	return []function{
		{name: "has", usage: "x", least: 1, args: []argument{{kinds: scalar.kinds | anyOf(row, peer)}}, build: (*loader).has},
		{name: "local", usage: "domain", least: 1, args: []argument{{kinds: anyOf(domain, text)}}, build: (*loader).local},
		{name: "within", usage: "address, network.X", least: 2, args: []argument{{kinds: anyOf(address, domain, text)}, {kinds: anyOf(set, list, text)}}, build: (*loader).within},
		{name: "one_of", usage: "x, a, b, …", least: 2, repeats: true, args: []argument{{kinds: scalar.kinds | anyOf(peer)}, scalar}, build: (*loader).oneOf},
		{name: "matches", usage: `text, "expression"`, least: 2, args: []argument{anyText, fixedArg}, build: (*loader).matches},
		{name: "like", usage: `text, "dial plan"`, least: 2, args: []argument{anyText, fixedArg}, build: (*loader).like},
		{name: "starts_with", usage: "text, beginning", least: 2, args: []argument{anyText, anyText}, build: comparing(policy.StartsWith)},
		{name: "ends_with", usage: "text, ending", least: 2, args: []argument{anyText, anyText}, build: comparing(policy.EndsWith)},
		{name: "contains", usage: "text, part", least: 2, args: []argument{anyText, anyText}, build: comparing(policy.Contains)},
		{name: "replace_prefix", usage: "text, prefix, replacement", least: 2, args: []argument{anyText, {kinds: textual | anyOf(row)}, anyText}, build: (*loader).replacePrefix},
		{name: "lower", usage: "text", least: 1, args: []argument{anyText}, build: (*loader).lower},
		{name: "hash", usage: "x, …", least: 1, repeats: true, args: []argument{scalar}, build: (*loader).hash},
		{name: "env", usage: `"NAME"`, least: 1, args: []argument{fixedArg}, build: (*loader).env},
		{name: "file", usage: `"path"`, least: 1, args: []argument{fixedArg}, build: (*loader).file},
		{name: "up", later: true},
	}
}

// call checks and compiles a call.
func (l *loader) call(e *hclsyntax.FunctionCallExpr) value {
	rng := e.Range()
	var f *function
	var known []string
	for i := range l.functions {
		if x := &l.functions[i]; x.name == e.Name {
			f = x
		} else if !x.later {
			known = append(known, x.name)
		}
	}
	args := make([]value, len(e.Args))
	for i, a := range e.Args {
		args[i] = l.expr(a)
	}
	switch {
	case f == nil:
		l.report(e.NameRange, didYouMean(e.Name, known), "unknown function %q", e.Name)
		return value{rng: rng}
	case f.later:
		l.report(e.NameRange, "", notYet, e.Name+"()")
		return value{rng: rng}
	case e.ExpandFinal:
		l.report(rng, "", "… after an argument is not supported")
		return value{rng: rng}
	case len(args) < f.least, len(args) > len(f.args) && !f.repeats:
		l.report(rng, "write "+f.name+"("+f.usage+")", "%s takes other arguments", f.name)
		return value{rng: rng}
	}
	if !l.checkArgs(f, args) {
		return value{rng: rng}
	}
	return f.build(l, args, rng)
}

func (l *loader) checkArgs(f *function, args []value) bool {
	good := true
	for i := range args {
		want := f.args[min(i, len(f.args)-1)]
		if !l.want(&args[i], want.kinds, "in "+f.name+"(…)") {
			good = false
			continue
		}
		if want.fixed && !args[i].fixed {
			l.report(args[i].rng, "", "%s needs a text here that is known when the file is loaded", f.name)
			good = false
		}
	}
	return good
}

func (l *loader) has(v []value, rng hcl.Range) value {
	x := &v[0]
	switch {
	case x.present != nil:
		return truthOf(x.present, rng, *x)
	case x.kind == row:
		return value{kind: truth, rng: rng, truth: policy.Found(x.row)}
	case x.kind == number:
		return truthOf(policy.NotZero(x.number), rng, *x)
	case x.kind == address:
		return truthOf(policy.HasAddr(x.addr), rng, *x)
	}
	return truthOf(policy.NotEmpty(x.asText()), rng, *x)
}

func (l *loader) local(v []value, rng hcl.Range) value {
	return value{kind: truth, rng: rng, truth: policy.Local(v[0].text, l.ours)}
}

func (l *loader) within(v []value, rng hcl.Range) value {
	a := v[0].addr
	if v[0].kind != address {
		a = policy.HostAddr(v[0].text)
	}
	networks, ok := l.prefixes(&v[1])
	if !ok {
		return value{rng: rng}
	}
	return truthOf(policy.Within(a, networks), rng, v...)
}

func (l *loader) oneOf(v []value, rng hcl.Range) value {
	var list []policy.Bool
	for i := 1; i < len(v); i++ {
		a, b := v[0], v[i]
		c := l.equal(&a, &b, v[i].rng)
		if c.kind == bad {
			return value{rng: rng}
		}
		list = append(list, c.truth)
	}
	return truthOf(policy.Or(list...), rng, v...)
}

func (l *loader) matches(v []value, rng hcl.Range) value {
	re, err := regexp.Compile(v[1].str)
	if err != nil {
		l.report(v[1].rng, "the syntax is that of RE2; a backslash is doubled in a text", "bad regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return value{rng: rng}
	}
	return truthOf(policy.Matches(v[0].asText(), re), rng, v...)
}

func (l *loader) like(v []value, rng hcl.Range) value {
	pattern := v[1].str
	p, err := policy.NewPattern(pattern)
	if err != nil {
		l.report(v[1].rng, "X is a digit, Z 1-9, N 2-9, [0-9] one of these, a final point the rest", "bad dial plan: %v", err)
		return value{rng: rng}
	}
	return truthOf(policy.Like(v[0].asText(), p), rng, v...)
}

// comparing is the body of a function that looks for one text in another.
func comparing(build func(s, part policy.Text) policy.Bool) func(*loader, []value, hcl.Range) value {
	return func(_ *loader, v []value, rng hcl.Range) value {
		part := v[1].asText()
		if v[0].fold {
			part = policy.Lower(part)
			if v[1].fixed {
				part = policy.Const(strings.ToLower(v[1].str))
			}
		}
		return truthOf(build(v[0].asText(), part), rng, v...)
	}
}

// replacePrefix replaces a prefix, or by a row of a table of prefixes: its key by
// its other column.
func (l *loader) replacePrefix(v []value, rng hcl.Range) value {
	switch {
	case v[1].kind == row && len(v) == 2:
		t := v[1].table
		other := 1 - t.Column(t.Key)
		if len(t.Columns()) != 2 {
			l.report(v[1].rng, "name the columns: replace_prefix(x, prefix, replacement)", "table %q has more than a key and one column", t.Name)
			return value{rng: rng}
		}
		return textOf(policy.ReplacePrefix(v[0].asText(), policy.KeyText(t, v[1].row), policy.ColumnText(t, other, v[1].row)), rng, v...)
	case v[1].kind == row || len(v) == 2:
		l.report(rng, "write replace_prefix(text, prefix, replacement), or replace_prefix(text, table.X[text])", "replace_prefix takes other arguments")
		return value{rng: rng}
	}
	return textOf(policy.ReplacePrefix(v[0].asText(), v[1].asText(), v[2].asText()), rng, v...)
}

func (l *loader) lower(v []value, rng hcl.Range) value {
	r := textOf(policy.Lower(v[0].asText()), rng, v...)
	r.fold = !r.fixed
	return r
}

func (l *loader) hash(v []value, rng hcl.Range) value {
	var texts []policy.Text
	for i := range v {
		texts = append(texts, v[i].asText())
	}
	return numberOf(policy.Hash(texts...), rng, v...)
}

func (l *loader) env(v []value, rng hcl.Range) value {
	s, ok := l.opts.LookupEnv(v[0].str)
	if !ok {
		l.report(rng, "", "the environment variable %s is not set", v[0].str)
		return value{rng: rng}
	}
	l.input("env", v[0].str, s)
	return fixedText(s, rng)
}

// maxFile bounds what file("…") reads: it is for secrets and names.
const maxFile = 64 << 10

func (l *loader) file(v []value, rng hcl.Range) value {
	path := v[0].str
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(l.name), path)
	}
	b, err := l.opts.ReadFile(path)
	switch {
	case err != nil:
		l.report(rng, "", "cannot read the file: %s", reason(err))
		return value{rng: rng}
	case len(b) > maxFile:
		l.report(rng, "", "%s has more than 64 KiB", path)
		return value{rng: rng}
	}
	s := strings.TrimRight(string(b), "\r\n")
	l.input("file", v[0].str, s)
	return fixedText(s, rng)
}
