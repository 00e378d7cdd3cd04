package location

import "viaduct/internal/clock"

// Cursor is how far a listing has come. The zero Cursor is its beginning, and,
// when Page returns it, its end.
type Cursor uint64

// Page hands out up to most AORs with their bindings as lookups see them, and
// says where the next page begins. What is there from the first page to the last
// is handed out once; what comes or goes meanwhile perhaps. No lock is held while
// see runs; what it gets is valid during the call.
func (d *Directory) Page(now clock.Instant, from Cursor, most int, see func(aor []byte, bindings []Binding)) Cursor {
	var found Found
	for ; from>>slotBits < stripes; from = (from>>slotBits + 1) << slotBits {
		for most > 0 {
			aor, ok := d.copyFrom(&from, &found)
			if !ok {
				break
			}
			if found.read(now); len(found.Bindings) > 0 {
				see(aor, found.Bindings)
				most--
			}
		}
		if most <= 0 {
			return from
		}
	}
	return 0
}

// copyFrom copies the first AOR of a stripe from a cursor on, and moves the
// cursor behind it.
func (d *Directory) copyFrom(from *Cursor, found *Found) (aor []byte, ok bool) {
	s := &d.stripes[*from>>slotBits]
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := uint32(*from) & (1<<slotBits - 1); int(i) < len(s.slots); i++ {
		*from++
		if s.slots[i].at != (place{}) {
			return s.copy(i, found), true
		}
	}
	return nil, false
}

// copySlot copies the AOR of a slot; none when it is free.
func (d *Directory) copySlot(where uint32, found *Found) (aor []byte) {
	s := &d.stripes[where>>slotBits]
	s.mu.Lock()
	defer s.mu.Unlock()
	found.bytes, found.Bindings = found.bytes[:0], found.Bindings[:0]
	if i := where & (1<<slotBits - 1); s.slots[i].at != (place{}) {
		return s.copy(i, found)
	}
	return nil
}

// copy takes the record of slot i out from under the lock.
func (s *stripe) copy(i uint32, found *Found) (aor []byte) {
	r := s.record(i)
	found.Bindings = found.Bindings[:0]
	found.bytes = append(found.bytes[:0], r.bindings()...)
	found.aor = append(found.aor[:0], r.aor()...)
	return found.aor
}
