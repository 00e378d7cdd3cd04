package location

import "viaduct/internal/clock"

// ByOptions says beside Keepalive that the keepalive is an OPTIONS.
const ByOptions Flags = 1 << 3

// Share is a part of the directory: how far a walk shall have come.
type Share uint64

// Whole is all of a directory.
const Whole Share = 1 << 32

// Kept hands out the bindings with the flag Keepalive from a cursor on until a
// share of the directory has been passed or most were handed out, and says where
// it stopped. What it looks at lies in memory side by side, and so a walk over
// bindings without the flag costs little.
//
// see runs under a leaf lock: it is short, calls no method of the Directory, and
// keeps nothing of b.
func (d *Directory) Kept(now clock.Instant, from Cursor, until Share, most int, see func(b *Binding)) Cursor {
	last := Cursor(until >> 24)
	w := walk{now: now, most: most, see: see}
	for n := from >> slotBits; n < stripes && n <= last; n++ {
		part := uint64(1 << 24)
		if n == last {
			part = uint64(until & (1<<24 - 1))
		}
		if from = d.stripes[n].kept(&w, from, part); from>>slotBits == n {
			break
		}
	}
	return from
}

// walk is one call of Kept.
type walk struct {
	now     clock.Instant
	most    int // how many may still be handed out
	see     func(b *Binding)
	binding Binding
}

// kept walks one stripe up to a part of it, in 2^-24, and returns the cursor after
// it: in the next stripe when it is through.
func (s *stripe) kept(w *walk, from Cursor, part uint64) Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, end := uint64(from)&(1<<slotBits-1), uint64(len(s.slots))*part>>24
	for ; i < end; i++ {
		if w.most <= 0 {
			return Cursor(s.number)<<slotBits | Cursor(i)
		}
		if s.slots[i].at == (place{}) {
			continue
		}
		for p := s.record(uint32(i)).bindings(); len(p) > 0; p = p.next() {
			if Flags(p[atFlags])&Keepalive == 0 || p.expires() <= w.now {
				continue
			}
			p.read(&w.binding)
			w.see(&w.binding)
			w.most--
		}
	}
	if part == 1<<24 {
		return Cursor(s.number+1) << slotBits
	}
	return Cursor(s.number)<<slotBits | Cursor(i)
}
