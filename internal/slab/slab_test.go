package slab

import "testing"

// A buffer given back is the next one taken of its class, and what is lent is
// counted.
func TestBytesAreReused(t *testing.T) {
	t.Parallel()
	var s Bytes
	b := s.Copy([]byte("INVITE"))
	if s.Held() != granule {
		t.Errorf("held %d bytes, want %d", s.Held(), granule)
	}
	first := &b[0]
	s.Give(b)
	if s.Held() != 0 {
		t.Errorf("held %d bytes after the return, want 0", s.Held())
	}
	if c := s.Copy([]byte("BYE")); &c[0] != first {
		t.Error("a buffer of the same class was not reused")
	}
	if s.Take(0) != nil {
		t.Error("an empty buffer is not nil")
	}
	s.Give(nil)
}

// What is kept for the next user is bounded.
func TestSpareBytesAreBounded(t *testing.T) {
	t.Parallel()
	var s Bytes
	var all [][]byte
	for range keep/1024 + 100 {
		all = append(all, s.Take(1000))
	}
	for _, b := range all {
		s.Give(b)
	}
	if s.spare > keep+1024 {
		t.Errorf("%d bytes are kept, the bound is %d", s.spare, keep)
	}
}

// Buffers larger than the classes come from the heap and are still counted.
func TestLargeBuffers(t *testing.T) {
	t.Parallel()
	var s Bytes
	b := s.Take(60 << 10)
	if cap(b) < 60<<10 || s.Held() < 60<<10 {
		t.Errorf("cap %d, held %d", cap(b), s.Held())
	}
	s.Give(b)
	if s.Held() != 0 || s.spare != 0 {
		t.Errorf("held %d, spare %d after the return", s.Held(), s.spare)
	}
}

// Slots keep their place, are bounded, and are counted.
func TestSlots(t *testing.T) {
	t.Parallel()
	s := Slots[int]{Max: chunkLen + 1}
	for i := range chunkLen + 1 {
		v, slot := s.Take()
		if slot != uint32(i) {
			t.Fatalf("slot %d, want %d", slot, i)
		}
		*v = i
	}
	if v, _ := s.Take(); v != nil {
		t.Error("a slot beyond the bound")
	}
	if *s.At(chunkLen) != chunkLen || !s.Has(chunkLen) || s.Has(chunkLen+1) {
		t.Error("slots moved, or Has is wrong")
	}
	s.Give(7)
	if _, slot := s.Take(); slot != 7 || s.Used() != chunkLen+1 {
		t.Errorf("took slot %d, used %d", slot, s.Used())
	}
}
