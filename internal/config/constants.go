package config

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
)

// Attributes that must be known when the file is loaded. Each reader takes an
// attribute that may be nil, and then reports nothing.

// constant reads a text.
func (l *loader) constant(a *hclsyntax.Attribute) (s string, rng hcl.Range, ok bool) {
	if a == nil {
		return "", rng, false
	}
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(text), "as "+a.Name) || !l.known(&v, a.Name) {
		return "", v.rng, false
	}
	return v.str, v.rng, true
}

// known reports a value that depends on the message.
func (l *loader) known(v *value, name string) bool {
	if !v.fixed {
		l.report(v.rng, "", "%s must be known when the file is loaded", name)
	}
	return v.fixed
}

// texts reads a text or a list of texts; the values are all fixed texts.
func (l *loader) texts(a *hclsyntax.Attribute) []value {
	if a == nil {
		return nil
	}
	v := l.expr(a.Expr)
	items := []value{v}
	if v.kind == list {
		items = v.items
	}
	var good []value
	for i := range items {
		if l.want(&items[i], anyOf(text), "in "+a.Name) && l.known(&items[i], a.Name) {
			good = append(good, items[i])
		}
	}
	return good
}

// choice reads a text that must be one of some words.
func (l *loader) choice(a *hclsyntax.Attribute, words ...string) (string, bool) {
	s, rng, ok := l.constant(a)
	if !ok {
		return "", false
	}
	if !slices.Contains(words, s) {
		l.report(rng, didYouMeanOr(s, quoted(words)), "%s cannot be %q", a.Name, s)
		return "", false
	}
	return s, true
}

// duration reads a text such as "32s" from min to max.
func (l *loader) duration(a *hclsyntax.Attribute, min, max time.Duration, why string) (time.Duration, bool) {
	s, rng, ok := l.constant(a)
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		l.report(rng, `as in "500ms", "32s", "10m" or "1h30m"`, "%q is no duration", s)
	case d < min && why != "":
		l.report(rng, why, "%s is too short", a.Name)
	case d < min || d > max:
		l.report(rng, "from "+min.String()+" to "+max.String(), "%s is too %s", a.Name, map[bool]string{true: "short", false: "long"}[d < min])
	default:
		return d, true
	}
	return 0, false
}

// count reads a whole number from min to max.
func (l *loader) count(a *hclsyntax.Attribute, min, max int, _ string) (int, bool) {
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(number), "as "+a.Name) || !l.known(&v, a.Name) {
		return 0, false
	}
	if v.n < int64(min) || v.n > int64(max) {
		l.report(v.rng, "", "%s must be from %d to %d", a.Name, min, max)
		return 0, false
	}
	return int(v.n), true
}

// networkList reads networks: one, or a list.
func (l *loader) networkList(a *hclsyntax.Attribute) *policy.Prefixes {
	if a == nil {
		return nil
	}
	v := l.expr(a.Expr)
	if !l.want(&v, anyOf(text, set, list), "as "+a.Name) {
		return nil
	}
	p, _ := l.prefixes(&v)
	return p
}
