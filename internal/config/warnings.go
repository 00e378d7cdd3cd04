package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// warn notes at rng what is allowed and most likely not meant. hint may be "".
func (l *loader) warn(rng hcl.Range, hint, format string, args ...any) {
	d := l.diagnostic(rng, hint, fmt.Sprintf(format, args...))
	d.Warning = true
	l.config.Warnings = append(l.config.Warnings, d)
}

// doubts looks for what is allowed and most likely not meant. It is for a program
// without faults.
func (l *loader) doubts(file *block) {
	for _, rules := range append([]*block{file}, l.routeBlocks...) {
		rules.each(ruleSpec, func(b *block) {
			l.denyBeforeSet(b)
			l.idleSet(b)
			l.idleLets(b)
		})
	}
	l.unprovenAddresses()
	l.config.Warnings = l.config.Warnings.sorted()
}

// unprovenAddresses warns of TLS listeners that show their address (RFC 5922 §7.5).
func (l *loader) unprovenAddresses() {
	for i := range l.streamBlocks {
		if b := l.streamBlocks[i].block; b.label == "tls" && b.attr("advertise") == nil {
			l.warn(b.rng, `advertise = "sip.example.com", or a name and a port: what the certificate is for`,
				"the listener shows its address, which no certificate proves: whoever checks it cannot connect anew inside a dialog")
		}
	}
}

// denyBeforeSet warns of a deny that reads what set of the same rule changes: it
// takes effect before, whatever the order of the lines.
func (l *loader) denyBeforeSet(b *block) {
	set := b.attr("set")
	if set == nil {
		return
	}
	changed := changedBy(l, set)
	b.each(denySpec, func(d *block) {
		for _, t := range d.attrs["when"].Expr.Variables() {
			if part, ok := destOf(t); ok && changed(part) {
				name := strings.TrimSuffix("dest."+part, ".")
				if part == "" {
					name = "request_uri"
				}
				l.warn(t.SourceRange(), "put it into a rule that follows, or write original."+name+" if that is meant",
					"deny reads %s before set changes it", name)
			}
		}
	})
}

// changedBy tells which parts of the Request-URI a set changes; "" is the whole.
func changedBy(l *loader, set *hclsyntax.Attribute) func(part string) bool {
	list, _ := l.items(set.Expr, "set")
	return func(part string) bool {
		return slices.ContainsFunc(list, func(it item) bool {
			return part == "" || it.name == "dest_uri" || it.name == "dest_"+part
		})
	}
}

// destOf is the part of the Request-URI that a name reads, "" for the whole; ok is
// false for another name, and for the Request-URI as it was received.
func destOf(t hcl.Traversal) (part string, ok bool) {
	switch root := t.RootName(); {
	case root == "request_uri":
		return "", true
	case root != "dest" || len(t) < 2:
		return "", false
	}
	a, ok := t[1].(hcl.TraverseAttr)
	return a.Name, ok
}

// idleSet warns of a set in a rule that goes nowhere with it: it answers, and
// nothing that is computed afterwards reads the Request-URI.
func (l *loader) idleSet(b *block) {
	set := b.attr("set")
	if set == nil {
		return
	}
	end := ""
	for _, name := range []string{"reply", "drop", "redirect"} {
		if b.attr(name) != nil {
			end = name
		}
	}
	if end == "" {
		return
	}
	after := []*block{{attrs: map[string]*hclsyntax.Attribute{end: b.attr(end)}}}
	b.each(headerSpec, func(h *block) { after = append(after, h) })
	b.each(responseHeaderSpec, func(h *block) { after = append(after, h) })
	for _, x := range after {
		for _, t := range x.variables() {
			if _, ok := destOf(t); ok {
				return
			}
		}
	}
	l.warn(set.NameRange, "take it out", "nothing reads what set changes: the rule ends with %s", end)
}

// idleLets warns of values that got a name and are never read.
func (l *loader) idleLets(b *block) {
	lets := b.attr("let")
	if lets == nil {
		return
	}
	list, _ := l.items(lets.Expr, "let")
	read := map[string]bool{}
	for _, t := range b.variables() {
		if t.RootName() == "let" && len(t) > 1 {
			if a, ok := t[1].(hcl.TraverseAttr); ok {
				read[a.Name] = true
			}
		}
	}
	for _, it := range list {
		if !read[it.name] {
			l.warn(it.rng, "take it out", "nothing in the rule reads let.%s", it.name)
		}
	}
}

// variables are the names that are read anywhere in a block.
func (b *block) variables() (list []hcl.Traversal) {
	for _, a := range b.attrs {
		list = append(list, a.Expr.Variables()...)
	}
	for _, x := range b.blocks {
		list = append(list, x.variables()...)
	}
	return list
}
