package users

import (
	"sync"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
)

// cache keeps what the service said. A lookup holds its lock for a moment and
// allocates nothing. Who is known and who is not are kept apart, each up to the
// bound, so that a flood of made-up names displaces no user; of each the one that
// was not looked up for longest gives way.
type cache struct {
	mu      sync.Mutex
	known   lru
	unknown lru
	stats   CacheStats
}

// CacheStats counts what lookups found, and what is held.
type CacheStats struct {
	Hits, Negatives, Stales, Failures, Misses uint64
	Evicted                                   uint64 // users that gave way to others
	Known, Unknown                            int
}

// item is what is known of a user.
type item struct {
	user       string
	ha1        *auth.HA1     // nil: the service has said that there is none, or nothing yet
	failed     bool          // the service did not answer the last time
	until      clock.Instant // as long as this is the answer
	stale      clock.Instant // as long as what it said before serves when it does not answer
	prev, next *item
}

func newCache(size int) *cache {
	c := &cache{}
	c.known.init(size)
	c.unknown.init(size)
	return c
}

// find is HTTP.Find.
func (c *cache) find(now clock.Instant, user []byte) (*auth.HA1, auth.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known.get(user)
	if e == nil {
		e = c.unknown.get(user)
	}
	switch {
	case e == nil || now >= e.until:
		c.stats.Misses++
		return nil, auth.Ask
	case e.failed && now < e.stale:
		c.stats.Stales++
	case e.failed:
		c.stats.Failures++
		return nil, auth.Failed
	case e.ha1 == nil:
		c.stats.Negatives++
	default:
		c.stats.Hits++
	}
	return e.said()
}

// said is what the service has said of the user, when it has answered.
func (e *item) said() (*auth.HA1, auth.Answer) {
	if e.ha1 == nil {
		return nil, auth.Unknown
	}
	return e.ha1, auth.Known
}

// put keeps an answer and returns what those who wait are told: of a user it was
// asked for before, a service that fails now changes nothing for a while, whether
// there is one or not: else its failure would tell who exists.
func (c *cache) put(now clock.Instant, user string, h *auth.HA1, a auth.Answer, l *Limits) (*auth.HA1, auth.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch a {
	case auth.Known:
		c.unknown.remove(user)
		e := c.known.entry(user, &c.stats.Evicted)
		e.ha1, e.failed, e.until = h, false, now.Add(l.Kept)
		e.stale = e.until.Add(l.StaleFor)
	case auth.Unknown:
		c.known.remove(user)
		e := c.unknown.entry(user, &c.stats.Evicted)
		e.failed, e.until = false, now.Add(l.Kept)
		e.stale = e.until.Add(l.StaleFor)
	default:
		e := c.known.peek(user)
		if e == nil || now >= e.stale {
			c.known.remove(user)
			e = c.unknown.entry(user, &c.stats.Evicted)
		}
		e.failed, e.until = true, now.Add(l.Failure)
		if now < e.stale {
			return e.said()
		}
	}
	return h, a
}

func (c *cache) read() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Known, s.Unknown = len(c.known.items), len(c.unknown.items)
	return s
}

// lru is a bounded map in the order of use. end.next is the latest.
type lru struct {
	items map[string]*item
	end   item
	size  int
}

func (l *lru) init(size int) {
	l.items, l.size = map[string]*item{}, size
	l.end.prev, l.end.next = &l.end, &l.end
}

// get finds an item and makes it the latest.
func (l *lru) get(user []byte) *item {
	e := l.items[string(user)]
	if e != nil {
		l.unlink(e)
		l.link(e)
	}
	return e
}

func (l *lru) peek(user string) *item { return l.items[user] }

// entry finds or makes an item and makes it the latest.
func (l *lru) entry(user string, evicted *uint64) *item {
	e := l.items[user]
	switch {
	case e != nil:
		l.unlink(e)
	case len(l.items) >= l.size:
		l.remove(l.end.prev.user)
		*evicted++
		fallthrough
	default:
		e = &item{user: user}
		l.items[user] = e
	}
	l.link(e)
	return e
}

func (l *lru) remove(user string) {
	if e := l.items[user]; e != nil {
		l.unlink(e)
		delete(l.items, user)
	}
}

func (l *lru) unlink(e *item) { e.prev.next, e.next.prev = e.next, e.prev }

func (l *lru) link(e *item) {
	e.prev, e.next = &l.end, l.end.next
	e.prev.next, e.next.prev = e, e
}
