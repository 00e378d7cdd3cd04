package engine

import (
	"viaduct/internal/clock"
	"viaduct/internal/overload"
)

// sieveHolds is how long a filter stays when its reader says nothing.
const sieveHolds = 3 * overload.Interval

// sieve keeps a part of the new work from a reader for which even to refuse it all
// would take too long (overload.Valve).
type sieve struct {
	refused bool // the kernel takes no filter
}

// look adjusts the filter of the socket that w reads from, once an interval.
func (s *sieve) look(w *worker) {
	if w.reads == nil || s.refused || !w.gate.Behind() {
		return
	}
	if w.gate.Valve.Share() != 0 && !w.reads.Sieved() { // the ticker has taken it away
		w.gate.Valve.Open()
	}
	over, changed := w.gate.Valve.Step(w.now)
	if !over {
		return
	}
	until := w.now.Add(sieveHolds)
	switch share := w.gate.Valve.Share(); {
	case !changed:
		w.reads.HoldSieve(until)
	case share == 0:
		w.reads.DropSieve(until) // however long it was to hold
	default:
		s.put(w, share, until)
	}
}

func (s *sieve) put(w *worker, share uint32, until clock.Instant) {
	program, err := overload.Sieve(share)
	if err != nil || !w.reads.Sieve(program, until) {
		s.refused = true
		w.gate.Valve.Open()
		w.reads.DropSieve(until)
		w.e.log.Warn("the kernel takes no socket filter: more of an overload has to be refused", "error", err)
	}
}

// dropSieves takes the filters away whose readers have had nothing to do since.
func (e *Engine) dropSieves(now clock.Instant) {
	for _, b := range e.inForce.Load().listeners {
		if b.udp == nil {
			continue
		}
		for _, s := range b.udp.Sockets() {
			s.DropSieve(now)
		}
	}
}
