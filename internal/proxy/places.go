package proxy

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// recent remembers things until a time each.
type recent[K comparable] struct {
	until   map[K]clock.Instant
	order   []K // a ring of what is in the map
	oldest  int
	evicted uint64
}

// maxRecent bounds what is remembered, some 100 KiB. At the bound the oldest
// makes room; it is tried again a little sooner then.
const maxRecent = 1024

// has reports whether a is still remembered.
func (p *recent[K]) has(now clock.Instant, a K) bool {
	until, ok := p.until[a]
	return ok && now < until
}

// add remembers a.
func (p *recent[K]) add(a K, until clock.Instant) {
	if p.until == nil {
		p.until = map[K]clock.Instant{}
	}
	if _, known := p.until[a]; !known {
		if len(p.order) < maxRecent {
			p.order = append(p.order, a)
		} else {
			p.evicted++
			delete(p.until, p.order[p.oldest])
			p.order[p.oldest] = a
			p.oldest = (p.oldest + 1) % maxRecent
		}
	}
	p.until[a] = until
}

const (
	// avoidedFor is how long a hop is passed by that gave no answer or could not be
	// sent to, while its name has others (RFC 4321 §1.3).
	avoidedFor = 30 * time.Second
	// maxRetryAfter bounds what a 503 can ask for.
	maxRetryAfter = 10 * time.Minute
)

// avoid passes the hop of b by for a while, if it is one of a name.
func (c *Core) avoid(now clock.Instant, b *Branch, hop *flow.Hop) {
	if c.ofName(b) {
		c.config.Avoided.Add(hop.Remote, now.Add(avoidedFor))
	}
}

// ofName reports whether b is one of the hops of a name: only these have others.
func (c *Core) ofName(b *Branch) bool {
	return c.contexts.At(b.context).phase != answered && c.targets.At(b.target).search != 0
}

// heed passes a hop by for as long as its 503 asks for (RFC 3261 §21.5.4).
func (c *Core) heed(now clock.Instant, b *Branch, hop *flow.Hop, m *sip.Message) {
	v, ok := m.First(sip.RetryAfter)
	if !ok || !c.ofName(b) {
		return // §21.5.4: without it a 503 says no more than a 500
	}
	digits := 0
	for digits < len(v.Text) && '0' <= v.Text[digits] && v.Text[digits] <= '9' {
		digits++
	}
	if seconds, ok := sip.ParseNumber(v.Text[:digits], 1<<32-1); ok && seconds > 0 {
		c.config.Avoided.Add(hop.Remote, now.Add(min(time.Duration(seconds)*time.Second, maxRetryAfter)))
	}
}
