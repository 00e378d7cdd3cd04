package resolve

import (
	"errors"
	"sync/atomic"
)

// Stats is a reading of the counters of a Resolver, and of how full it is.
type Stats struct {
	Asked   uint64 // questions taken, those included that joined another's
	Refused uint64 // questions refused at a bound
	Found   uint64 // Queries that ended with hops
	None    uint64 // with the answer that there are none
	Failed  uint64 // without an answer

	Queries   uint64 // questions to servers
	Silences  uint64 // of these, without an answer when the next was due; a later one counts all the same
	Refusals  uint64 // answered with a code that says nothing about the name
	Truncated uint64 // answered by TCP, for the datagram was too short
	Panics    uint64 // recovered: each is a bug

	Open    int // Queries that are worked on
	Waiting int // questions that wait for them
	Cache   CacheStats
}

// counts are the counters, all atomic.
type counts struct {
	asked, refused, found, none, failed            atomic.Uint64
	queries, silences, refusals, truncated, panics atomic.Uint64
}

func (c *counts) outcome(err error) {
	switch {
	case err == nil:
		c.found.Add(1)
	case isAnswer(err):
		c.none.Add(1)
	case !errors.Is(err, ErrStopped):
		c.failed.Add(1)
	}
}

// Stats reads the counters.
func (r *Resolver) Stats() Stats {
	c := &r.counts
	r.mu.Lock()
	open, waiting := len(r.open), r.waiting
	r.mu.Unlock()
	return Stats{
		Asked: c.asked.Load(), Refused: c.refused.Load(),
		Found: c.found.Load(), None: c.none.Load(), Failed: c.failed.Load(),
		Queries: c.queries.Load(), Silences: c.silences.Load(), Refusals: c.refusals.Load(),
		Truncated: c.truncated.Load(), Panics: c.panics.Load(),
		Open: open, Waiting: waiting, Cache: r.cache.Stats(),
	}
}
