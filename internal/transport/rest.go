package transport

import (
	"time"

	"viaduct/internal/clock"
)

// This file keeps an idle connection small. A turn needs a deep stack, which the
// collector never makes as small as that of a new goroutine. So when nothing has come
// for a while the goroutine of a connection leaves it to a new one, which does nothing
// but wait until there is something to read.
//
//	serve ── quiet for Rest ──▶ doze: wait ── readable ──▶ serve, with the same goroutine

// quiet reports whether c has been idle for long enough to rest.
func (c *Conn) quiet(now clock.Instant) bool {
	return !c.resting.Load() && c.since.Load() == 0 && now.Sub(clock.Instant(c.alive.Load())) > c.s.limits.Rest
}

// rest has the goroutine of c look up from its wait.
func (c *Conn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connOpen && c.reason.Load() == uint32(notEnded) {
		_ = c.net.SetReadDeadline(past) // closed: then its goroutine knows
	}
}

// lieDown reports whether the goroutine of c was woken to rest, and not to end: then
// another goes on. What TLS has read and not given out yet makes the socket no more
// readable, so that with that in it the other one reads instead.
func (c *Conn) lieDown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason.Load() != uint32(notEnded) || c.net.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	if c.tls != nil && !c.tls.dry {
		c.s.group.Go(c.serve)
		return true
	}
	c.resting.Store(true)
	c.s.group.Go(c.doze)
	return true
}

// doze waits until there is something to read, or the end.
func (c *Conn) doze() {
	err := c.await()
	c.resting.Store(false)
	if err != nil {
		c.over(err)
		return
	}
	c.serve()
}
