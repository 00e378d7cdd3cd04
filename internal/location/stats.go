package location

import "sync/atomic"

// Stats is a reading of the counters of a Directory, and of how full it is.
type Stats struct {
	AORs     int // that have a binding
	Bindings int // those that expired and were not removed yet, and those that wait for the store, included
	Waiting  int // changes that wait for the store
	Bytes    int // held for records, gaps included

	Commits   uint64 // transactions
	Failures  uint64 // of these, that the store did not take
	Failing   bool   // the last transaction is among these
	Panics    uint64 // of the store, recovered: each is a bug
	Busy      uint64 // updates refused because too many changes waited
	Full      uint64 // updates refused because the directory was full
	Expired   uint64 // bindings removed because their time, or their flow, had ended
	FlowsGone uint64 // bindings ended with their flow

	LoadExpired uint64 // rows left out at the start: expired, or their flow was gone
	LoadRefused uint64 // rows left out at the start: above a bound
}

// counts are the counters, all atomic.
type counts struct {
	aors, bindings                                            atomic.Int64
	commits, failures, panics, busy, full, expired, flowsGone atomic.Uint64
	loadExpired, loadRefused                                  atomic.Uint64
	failing                                                   atomic.Bool
}

func (c *counts) commit(err error) {
	c.commits.Add(1)
	c.failing.Store(err != nil)
	if err != nil {
		c.failures.Add(1)
	}
}

// Stats reads the counters.
func (d *Directory) Stats() Stats {
	c := &d.counts
	held := 0
	for i := range d.stripes {
		s := &d.stripes[i]
		s.mu.Lock()
		held += s.arena.held
		s.mu.Unlock()
	}
	return Stats{
		AORs: int(c.aors.Load()), Bindings: int(c.bindings.Load()), Waiting: len(d.queue), Bytes: held,
		Commits: c.commits.Load(), Failures: c.failures.Load(), Failing: c.failing.Load(), Panics: c.panics.Load(),
		Busy: c.busy.Load(), Full: c.full.Load(), Expired: c.expired.Load(), FlowsGone: c.flowsGone.Load(),
		LoadExpired: c.loadExpired.Load(), LoadRefused: c.loadRefused.Load(),
	}
}
