package transport

import "viaduct/internal/clock"

// Sieved reports whether the socket has a filter.
func (s *Socket) Sieved() bool { return s.sieve.Load() != 0 }

// HoldSieve lets the filter, if there is one, hold until then.
func (s *Socket) HoldSieve(until clock.Instant) {
	if old := s.sieve.Load(); old != 0 {
		s.sieve.CompareAndSwap(old, int64(until))
	}
}

// DropSieve takes the filter away when it holds no longer than now. It is for
// somebody else than the reader, who is asleep as long as all that comes is dropped.
func (s *Socket) DropSieve(now clock.Instant) {
	if until := s.sieve.Load(); until == 0 || clock.Instant(until) > now {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countDrops()
	detach(s.raw)
	s.sieve.Store(0)
	s.taken.Add(1)
}
