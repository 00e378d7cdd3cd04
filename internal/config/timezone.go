package config

import (
	"time"
	_ "time/tzdata" // machines without a database of time zones

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// timezone reads where the clock hangs that rules read; nil: that of the system.
func (l *loader) timezone(a *hclsyntax.Attribute) *time.Location {
	s, rng, ok := l.constant(a)
	if !ok {
		return nil
	}
	zone, err := time.LoadLocation(s)
	if err != nil || s == "" || s == "Local" {
		l.report(rng, `as in "Europe/Amsterdam" or "UTC"`, "%q is no time zone", s)
		return nil
	}
	return zone
}
