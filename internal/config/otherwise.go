package config

import (
	"strconv"
	"strings"

	"viaduct/internal/policy"
)

// otherwise reads what is done when a send fails: each an end of its own.
func (l *loader) otherwise(e *policy.End, b *block) {
	var all *block
	b.each(otherwiseSpec, func(o *block) {
		if all != nil {
			l.report(o.rng, "put it before that one, or take it out", "this otherwise is never come to: the one in line %d takes every failure", all.rng.Start.Line)
		}
		x := policy.Otherwise{}
		a := o.attr("on")
		switch {
		case a == nil:
			all = o
		default:
			for _, v := range l.texts(a) {
				if on, ok := l.on(&v); ok {
					x.On = append(x.On, on)
				}
			}
			if len(listOf(a.Expr)) == 0 {
				l.report(a.Expr.Range(), "without on it takes every failure", "on needs a failure")
			}
		}
		l.end(&x.End, o)
		e.Otherwise = append(e.Otherwise, x)
	})
}

// on reads one failure: a word, "486", or "5xx".
func (l *loader) on(v *value) (policy.On, bool) {
	var words []string
	for _, c := range policy.Classes {
		if words = append(words, c.String()); v.str == c.String() {
			return policy.On{Class: c}, true
		}
	}
	if digit, ok := strings.CutSuffix(strings.ToLower(v.str), "xx"); ok && len(digit) == 1 && digit >= "3" && digit <= "6" {
		return policy.On{Status: int(digit[0] - '0')}, true
	}
	if n, err := strconv.Atoi(v.str); err == nil && n >= 300 && n <= 699 {
		return policy.On{Status: n}, true
	}
	hint := didYouMean(v.str, words)
	if hint == "" {
		hint = "one of " + strings.Join(quoted(words), ", ") + `, a status such as "486", or "5xx"`
	}
	l.report(v.rng, hint, "%q is no failure", v.str)
	return policy.On{}, false
}
