package resolve

import "viaduct/internal/clock"

// Recent remembers things until a time each, and of more than it may hold the ones
// that came last. The zero value is ready for use, by one goroutine at a time.
type Recent[K comparable] struct {
	until  map[K]clock.Instant
	order  []K // a ring of what is in the map
	oldest int
}

// Has reports whether k is still remembered.
func (r *Recent[K]) Has(now clock.Instant, k K) bool {
	until, ok := r.until[k]
	return ok && now < until
}

// Add remembers k, among most at the most, and tells whether the oldest has made room
// for it.
func (r *Recent[K]) Add(k K, until clock.Instant, most int) (forgotten bool) {
	if r.until == nil {
		r.until = map[K]clock.Instant{}
	}
	if _, known := r.until[k]; !known {
		if forgotten = len(r.order) >= most; forgotten {
			delete(r.until, r.order[r.oldest])
			r.order[r.oldest] = k
			r.oldest = (r.oldest + 1) % len(r.order)
		} else {
			r.order = append(r.order, k)
		}
	}
	r.until[k] = until
	return forgotten
}

// Len is how many are remembered, those included whose time is over.
func (r *Recent[K]) Len() int { return len(r.order) }
