package proxy

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/sip"
)

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
