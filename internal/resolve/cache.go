package resolve

import (
	"hash/maphash"
	"sync"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// State is what the cache knows of a Query.
type State uint8

// The states. Hit, Stale, Negative and Failed are final for a request; only on a
// Miss it has to ask and wait.
const (
	Miss     State = iota // nothing is known: ask
	Hit                   // the hops to use
	Stale                 // the same, and this caller should have them refreshed; nobody waits for that
	Negative              // there is no such name or no address: 408 (RFC 3261 §16.6 step 7)
	Failed                // the servers could not tell a moment ago, or nothing here speaks that: 503
)

const cacheShards = 16

// Cache holds the hops of Queries. Any goroutine may use it; a Get holds one
// short leaf lock and allocates nothing, so that it may be called under the lock
// of a shard of the core.
type Cache struct {
	limits Limits
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

type cacheShard struct {
	mu      sync.Mutex
	entries table[entry]
	stats   CacheStats
	_       [64]byte // keeps the locks on lines of their own
}

type entry struct {
	hops  Hops
	err   error // why there are none
	until clock.Instant
	stale clock.Instant // the end of the time that the hops are served after until
	retry clock.Instant // when the next refresh may be asked for
}

func (e *entry) state() State {
	switch {
	case e.err == nil:
		return Hit
	case isAnswer(e.err):
		return Negative
	}
	return Failed
}

// CacheStats counts what Get returned, and what is held.
type CacheStats struct {
	Hits, Stales, Negatives, Failures, Misses uint64
	Evicted                                   uint64 // names that gave way to others
	Names                                     int
}

func newCache(limits Limits) *Cache {
	c := &Cache{limits: limits, seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].entries = newTable[entry]((limits.Names + cacheShards - 1) / cacheShards)
	}
	return c
}

// Get returns what is known of q at now. A numeric host is always known. The
// hops of an entry that has expired are still served for Limits.StaleFor, once
// in a while as Stale.
func (c *Cache) Get(now clock.Instant, q Query) (Hops, State) {
	if h, ok := q.literal(); ok {
		if h.Len() == 0 {
			return h, Failed
		}
		return h, Hit
	}
	switch {
	case len(q.name()) > maxName:
		return Hops{}, Negative
	case q.protocol() == flow.None:
		return Hops{}, Failed
	}
	var buf [maxKey]byte
	key := q.AppendTo(buf[:0])
	s := c.shardOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries.get(key)
	if e == nil {
		s.stats.Misses++
		return Hops{}, Miss
	}
	state := e.at(now)
	s.stats.count(state)
	if state == Stale {
		e.retry = now.Add(c.limits.Failure)
	}
	if state == Stale || state == Hit {
		return e.hops, state
	}
	return Hops{}, state
}

// at is the state of an entry at now.
func (e *entry) at(now clock.Instant) State {
	switch state := e.state(); {
	case now < e.until:
		return state
	case state != Hit || now >= e.stale:
		return Miss
	case now < e.retry:
		return Hit
	}
	return Stale
}

func (s *CacheStats) count(state State) {
	switch state {
	case Hit:
		s.Hits++
	case Stale:
		s.Stales++
	case Negative:
		s.Negatives++
	case Failed:
		s.Failures++
	case Miss:
		s.Misses++
	}
}

func (c *Cache) shardOf(key []byte) *cacheShard {
	return &c.shards[maphash.Bytes(c.seed, key)%cacheShards]
}

// fresh returns an entry that has not expired, for those who are about to ask.
func (c *Cache) fresh(now clock.Instant, key string) (h Hops, ok bool, err error) {
	s := c.shardOf([]byte(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries.get([]byte(key)); e != nil && now < e.until {
		return e.hops, true, e.err
	}
	return Hops{}, false, nil
}

// put stores the outcome of a walk, which is good until then, and returns what
// those who wait are told. A failure says nothing about the name, so it does not
// replace hops that may still be served; an answer that there are none does.
func (c *Cache) put(now clock.Instant, key string, h Hops, err error, until clock.Instant) (Hops, error) {
	s := c.shardOf([]byte(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !isAnswer(err) {
		until = now.Add(c.limits.Failure) // RFC 9520: so that a name that fails is not asked for by every request
		if e := s.entries.get([]byte(key)); e != nil && e.err == nil && now < e.stale {
			e.retry = until
			return e.hops, nil
		}
	}
	e := entry{hops: h, err: err, until: until, stale: until}
	if err == nil {
		e.stale = until.Add(c.limits.StaleFor)
	}
	s.entries.put(key, e)
	return h, err
}

// clear forgets everything: the configuration has changed.
func (c *Cache) clear() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.entries.clear()
		s.mu.Unlock()
	}
}

// Stats adds up the counters of all shards.
func (c *Cache) Stats() CacheStats {
	var sum CacheStats
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		sum.Hits += s.stats.Hits
		sum.Stales += s.stats.Stales
		sum.Negatives += s.stats.Negatives
		sum.Failures += s.stats.Failures
		sum.Misses += s.stats.Misses
		sum.Evicted += s.entries.evicted
		sum.Names += s.entries.len()
		s.mu.Unlock()
	}
	return sum
}
