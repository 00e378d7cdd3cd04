// Package slab keeps many small things of one kind without giving the garbage
// collector work: stable slots in chunks, and byte buffers by size class.
//
// Both belong to one shard and are guarded by its lock.
package slab

// Slots holds values of T in slots that never move. The zero Slots is empty and
// unbounded; set Max to bound it.
type Slots[T any] struct {
	Max    int // most slots in use at once, 0: no bound
	chunks []*[chunkLen]T
	free   []uint32
	used   int
	next   uint32
}

const chunkLen = 256

// Take returns a free slot and its index, or nil at the bound. The slot holds
// what its last user left in it; slot numbers start at 0.
func (s *Slots[T]) Take() (*T, uint32) {
	if s.Max > 0 && s.used >= s.Max {
		return nil, 0
	}
	s.used++
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return s.At(i), i
	}
	i := s.next
	s.next++
	if int(i/chunkLen) == len(s.chunks) {
		s.chunks = append(s.chunks, new([chunkLen]T))
	}
	return s.At(i), i
}

// At returns the slot i, which must have been taken once.
func (s *Slots[T]) At(i uint32) *T { return &s.chunks[i/chunkLen][i%chunkLen] }

// Has reports whether slot i was ever taken, for numbers that come from outside.
func (s *Slots[T]) Has(i uint32) bool { return i < s.next }

// Give frees slot i.
func (s *Slots[T]) Give(i uint32) {
	s.used--
	s.free = append(s.free, i)
}

// Used is the number of slots taken.
func (s *Slots[T]) Used() int { return s.used }

// Bytes lends byte buffers by size class. The zero Bytes is ready.
type Bytes struct {
	free  [classes][][]byte
	held  int // bytes lent
	spare int // bytes in free
}

const (
	granule = 64      // buffers are multiples of it, so that a copy wastes 32 bytes on average
	classes = 64      // the largest class is 4 KiB; more comes from the heap
	keep    = 8 << 20 // most bytes kept for the next user; what exceeds it goes to the collector
)

// Copy returns a buffer with a copy of b.
func (s *Bytes) Copy(b []byte) []byte { return append(s.Take(len(b)), b...) }

// Take returns an empty buffer with room for size bytes.
func (s *Bytes) Take(size int) []byte {
	c := (size + granule - 1) / granule
	if c == 0 {
		return nil
	}
	s.held += c * granule
	if c >= classes {
		return make([]byte, 0, c*granule)
	}
	if n := len(s.free[c]); n > 0 {
		b := s.free[c][n-1]
		s.free[c][n-1] = nil
		s.free[c] = s.free[c][:n-1]
		s.spare -= c * granule
		return b
	}
	return make([]byte, 0, c*granule)
}

// Give takes a buffer back. Nobody may hold a view into it. nil is fine.
func (s *Bytes) Give(b []byte) {
	c := cap(b) / granule
	if c == 0 {
		return
	}
	s.held -= c * granule
	if c < classes && s.spare < keep {
		s.spare += c * granule
		s.free[c] = append(s.free[c], b[:0])
	}
}

// Held is the number of bytes lent.
func (s *Bytes) Held() int { return s.held }
