package location

import "viaduct/internal/clock"

// slot is what is kept of an AOR beside its record.
type slot struct {
	at   place         // zero: the slot is free
	due  clock.Instant // when it is to be looked at: no later than its first binding expires
	heap uint32        // where it stands in the heap plus one, 0: not in it
	next uint32        // next free slot plus one
}

// watch has slot i looked at when its first binding expires. A refresh makes that
// later, and nothing is done: when the old time comes, the heap learns the new one.
func (s *stripe) watch(i uint32, due clock.Instant) {
	sl := &s.slots[i]
	switch {
	case sl.heap == 0:
		sl.due = due
		s.heap = append(s.heap, i)
		sl.heap = uint32(len(s.heap))
		s.up(len(s.heap) - 1)
	case due < sl.due:
		sl.due = due
		s.up(int(sl.heap) - 1)
	}
}

// postpone moves slot i, which is in the heap, to a later time.
func (s *stripe) postpone(i uint32, due clock.Instant) {
	s.slots[i].due = due
	s.down(int(s.slots[i].heap) - 1)
}

// unwatch takes slot i out of the heap.
func (s *stripe) unwatch(i uint32) {
	at := int(s.slots[i].heap) - 1
	if at < 0 {
		return
	}
	last := len(s.heap) - 1
	s.swap(at, last)
	s.heap = s.heap[:last]
	s.slots[i].heap = 0
	if at < last {
		s.down(at)
		s.up(at)
	}
}

func (s *stripe) less(a, b int) bool { return s.slots[s.heap[a]].due < s.slots[s.heap[b]].due }

func (s *stripe) swap(a, b int) {
	h := s.heap
	h[a], h[b] = h[b], h[a]
	s.slots[h[a]].heap, s.slots[h[b]].heap = uint32(a+1), uint32(b+1)
}

func (s *stripe) up(i int) {
	for i > 0 && s.less(i, (i-1)/2) {
		s.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (s *stripe) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(s.heap) {
			return
		}
		if child+1 < len(s.heap) && s.less(child+1, child) {
			child++
		}
		if !s.less(child, i) {
			return
		}
		s.swap(i, child)
		i = child
	}
}
