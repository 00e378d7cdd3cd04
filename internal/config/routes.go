package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
)

// routeNames notes the route blocks, so that rules above them can name them.
func (l *loader) routeNames(file *block) {
	file.each(routeSpec, func(b *block) {
		if n, twice := l.routes[b.label]; twice {
			l.report(b.labelR, "", "a second route named %q; the first is in line %d", b.label, l.routeBlocks[n].rng.Start.Line)
			return
		}
		l.routes[b.label] = len(l.routeBlocks)
		l.routeBlocks = append(l.routeBlocks, b)
	})
}

// jump reads `jump = route.X`.
func (l *loader) jump(e *policy.End, a *hclsyntax.Attribute) {
	e.Kind = policy.Jump
	name, rng, ok := l.nameOfKind(a, "route")
	if !ok {
		return
	}
	n, ok := l.routes[name]
	if !ok {
		l.report(rng, didYouMeanOr(name, names(l.routes)), "no route is named %q", name)
		return
	}
	e.Route = n
	l.jumps = append(l.jumps, jump{from: l.inRoute, to: n, rng: rng})
}

// jump is one that a rule makes: from a route, or from the main one (-1).
type jump struct {
	from, to int
	rng      hcl.Range
}

// jumpCycles reports the jumps by which a request could come back to a route that
// it has left: it would go round for ever.
func (l *loader) jumpCycles() {
	const unseen, open, done = 0, 1, 2
	state := make([]int, len(l.routeBlocks))
	var visit func(int)
	visit = func(at int) {
		state[at] = open
		for _, j := range l.jumps {
			switch {
			case j.from != at:
			case state[j.to] == open:
				l.report(j.rng, "a jump does not return, and must not lead back", "route %q would be come to again from itself", l.routeBlocks[j.to].label)
			case state[j.to] == unseen:
				visit(j.to)
			}
		}
		state[at] = done
	}
	for i := range state {
		if state[i] == unseen {
			visit(i)
		}
	}
}
