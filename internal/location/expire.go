package location

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// gone is the end of a binding whose flow has ended. Every now lies after it.
const gone clock.Instant = 1

// later is when an AOR is looked at again that cannot be cleaned now: changes of
// it wait, or the store takes no more.
const later = time.Second

// Expire removes what has expired, of at most most AORs, and reports whether
// there may be more. Lookups do not see what has expired anyhow (RFC 3261 §10.3);
// this gives its memory back, and has the store forget it.
func (d *Directory) Expire(now clock.Instant, most int) (more bool) {
	for i := range d.stripes {
		s := &d.stripes[i]
		s.mu.Lock()
		for len(s.heap) > 0 && s.slots[s.heap[0]].due <= now {
			if most == 0 {
				s.mu.Unlock()
				return true
			}
			most--
			s.expire(d, now, s.heap[0])
		}
		s.mu.Unlock()
	}
	return false
}

// expire looks at slot i, whose time has come.
func (s *stripe) expire(d *Directory, now clock.Instant, i uint32) {
	r := s.record(i)
	due, _ := r.firstEnd()
	if due > now { // refreshed since
		s.postpone(i, due)
		return
	}
	if _, waits := s.waiting[i]; waits {
		// What waits may be the refresh of what has expired: no ID of it may be
		// taken out behind its back.
		s.postpone(i, now.Add(later))
		return
	}
	e := &s.edit
	e.begin(now, d.limits.Load())
	e.read(r)
	c := s.take()
	if d.store != nil {
		c.stripe = s
		c.listGone(e)
		if d.enqueue(c) != nil {
			s.give(c)
			s.postpone(i, now.Add(later))
			return
		}
	}
	s.scratch = appendRecord(s.scratch[:0], r.aor(), i, e.bindings)
	s.link(d, i, r, s.scratch)
	s.postpone(i, now.Add(later)) // what is left tells better, in install
	s.install(d, i, s.scratch)
	d.counts.bindings.Add(-int64(len(e.gone)))
	d.counts.expired.Add(uint64(len(e.gone)))
	if d.store == nil {
		s.give(c)
	}
}

// RemoveFlow ends the bindings that are reached by f and by nothing else: it is
// known to have ended (RFC 5626 §7). Others by f lose it and are reached by their
// Contact or Path. Lookups do not see them from here on; their
// memory goes with the next Expire. It takes time in proportion to the bindings of
// f, so a connection that carries thousands is better removed outside of a shard.
func (d *Directory) RemoveFlow(now clock.Instant, f flow.Flow) (removed int) {
	for _, where := range d.flows.appendAll(nil, f) {
		s := &d.stripes[where>>slotBits]
		s.mu.Lock()
		removed += s.removeFlow(now, where&(1<<slotBits-1), f)
		s.mu.Unlock()
	}
	d.counts.flowsGone.Add(uint64(removed))
	return removed
}

// removeFlow marks the bindings of slot i by f as gone, in what lookups see and
// in what waits.
func (s *stripe) removeFlow(now clock.Instant, i uint32, f flow.Flow) (removed int) {
	if s.slots[i].at == (place{}) {
		return 0
	}
	removed = s.record(i).endFlow(now, f)
	for c := s.waiting[i].first; c != nil; c = c.next {
		c.record.endFlow(now, f)
	}
	if removed > 0 {
		s.watch(i, gone)
	}
	return removed
}

func (r record) endFlow(now clock.Instant, f flow.Flow) (ended int) {
	for p := r.bindings(); len(p) > 0; p = p.next() {
		if p.expires() <= now || !same(p.flow(), f) {
			continue
		}
		var b Binding
		if p.read(&b); b.ByFlow() {
			p.setExpires(gone)
			ended++
		} else {
			p.forgetFlow()
		}
	}
	return ended
}

// FlowBindings hands out the bindings by f, of whatever AOR; at most most AORs are
// looked at. No lock is held while see runs; what it gets is valid during the call.
func (d *Directory) FlowBindings(now clock.Instant, f flow.Flow, most int, see func(aor []byte, b *Binding)) {
	var found Found
	wheres := d.flows.appendAll(nil, f)
	for _, where := range wheres[:min(most, len(wheres))] {
		aor := d.copySlot(where, &found)
		found.read(now)
		for i := range found.Bindings {
			if same(found.Bindings[i].Flow, f) {
				see(aor, &found.Bindings[i])
			}
		}
	}
}
