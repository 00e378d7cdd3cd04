package location

import (
	"bytes"
	"sync"

	"viaduct/internal/clock"
)

// stripe is a part of the directory under one lock, by the hash of the AOR. The
// lock is a leaf of a shard's: it is held for the time of a look or of one change
// in memory, never while anything waits. Below it stand only those of flows.
type stripe struct {
	mu      sync.Mutex
	number  uint32
	index   index
	slots   []slot
	free    uint32 // first free slot plus one
	arena   arena
	heap    []uint32           // slots by due; due.go
	waiting map[uint32]waiting // by slot: changes that wait for the store
	spare   []*change
	edit    Edit
	scratch []byte
	_       [64]byte
}

// waiting are the changes of one AOR that are not stored yet, in order.
type waiting struct{ first, last *change }

const (
	stripes  = 256
	slotBits = 24 // of a number that names stripe and slot
)

// where names a slot in the whole directory.
func (s *stripe) where(i uint32) uint32 { return s.number<<slotBits | i }

func (s *stripe) record(i uint32) record { return s.arena.at(s.slots[i].at) }

// find returns the slot of an AOR.
func (s *stripe) find(hash uint64, aor []byte) (i uint32, ok bool) {
	return s.index.find(uint32(hash>>32), func(n uint32) bool { return bytes.Equal(s.record(n).aor(), aor) })
}

// newest is the state that the next change of slot i begins with: that of the
// last change that waits, or what lookups see.
func (s *stripe) newest(i uint32) record {
	if w, ok := s.waiting[i]; ok {
		return w.last.record
	}
	return s.record(i)
}

// open gives an AOR that has none a slot, with no binding.
func (s *stripe) open(hash uint64, aor []byte) (i uint32, ok bool) {
	switch {
	case s.free != 0:
		i = s.free - 1
		s.free = s.slots[i].next
	case len(s.slots) == 1<<slotBits:
		return 0, false
	default:
		i = uint32(len(s.slots))
		s.slots = append(s.slots, slot{})
	}
	s.scratch = appendRecord(s.scratch[:0], aor, i, nil)
	s.slots[i] = slot{at: s.keep(s.scratch)}
	s.index.insert(uint32(hash>>32), i)
	return i, true
}

// keep copies a record into the arena.
func (s *stripe) keep(r record) place {
	p, to := s.arena.add(len(r))
	copy(to, r)
	return p
}

// drop ends the record at p.
func (s *stripe) drop(p place) {
	if number := s.arena.remove(p); number != 0 {
		s.arena.empty(number, func(owner uint32, to place) { s.slots[owner].at = to })
	}
}

// close frees slot i, whose AOR has no binding and no change that waits.
func (s *stripe) close(d *Directory, i uint32) {
	s.index.remove(uint32(d.hash(s.record(i).aor())>>32), i)
	s.unwatch(i)
	p := s.slots[i].at
	s.slots[i] = slot{next: s.free}
	s.free = i + 1
	s.drop(p)
}

// install makes r what lookups see of slot i. r is copied; its nodes are linked.
func (s *stripe) install(d *Directory, i uint32, r record) {
	old := s.record(i)
	for o := old.bindings(); len(o) > 0; o = o.next() {
		if !r.hasNode(o.node()) {
			d.flows.unlink(o.node())
		}
	}
	switch before, after := old.count(), r.count(); {
	case before == 0 && after > 0:
		d.counts.aors.Add(1)
	case before > 0 && after == 0:
		d.counts.aors.Add(-1)
	}
	if len(r) == old.size() { // a refresh: nothing moves
		copy(old, r)
	} else {
		p := s.slots[i].at
		s.slots[i].at = s.keep(r)
		s.drop(p)
	}
	if due, ok := r.firstEnd(); ok {
		s.watch(i, due)
	} else if _, waits := s.waiting[i]; !waits {
		s.close(d, i)
	}
}

// link enters the bindings of r, the next state of slot i after base, into the
// index of flows; those that have the flow that they had in base keep their nodes.
// This happens before r is seen: its flow may end while it waits for the store.
func (s *stripe) link(d *Directory, i uint32, base, r record) {
	for n := r.bindings(); len(n) > 0; n = n.next() {
		f := n.flow()
		if o := base.find(n.id()); o != nil && same(o.flow(), f) {
			n.setNode(o.node())
		} else if f.Remote.IsValid() {
			n.setNode(d.flows.link(f, s.where(i)))
		}
	}
}

// unlink undoes the links of r that seen does not have, and has those behind r in
// the chain forget them.
func (c *change) unlink(d *Directory, seen record) {
	for p := c.record.bindings(); len(p) > 0; p = p.next() {
		node := p.node()
		if node == 0 || seen.hasNode(node) {
			continue
		}
		d.flows.unlink(node)
		for o := c; o != nil; o = o.next {
			o.record.forgetNode(node)
		}
	}
}

func (r record) hasNode(node uint32) bool {
	for p := r.bindings(); len(p) > 0; p = p.next() {
		if p.node() == node {
			return true
		}
	}
	return false
}

func (r record) forgetNode(node uint32) {
	for p := r.bindings(); len(p) > 0; p = p.next() {
		if p.node() == node {
			p.setNode(0)
		}
	}
}

// find returns the binding with an ID, nil when there is none.
func (r record) find(id uint64) packed {
	for p := r.bindings(); len(p) > 0; p = p.next() {
		if p.id() == id {
			return p
		}
	}
	return nil
}

// firstEnd is when the first binding expires; false when there is none.
func (r record) firstEnd() (first clock.Instant, ok bool) {
	for p := r.bindings(); len(p) > 0; p = p.next() {
		if e := p.expires(); !ok || e < first {
			first, ok = e, true
		}
	}
	return first, ok
}
