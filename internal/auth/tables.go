package auth

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
)

// bucketSize is how many entries share a bucket and its lock.
const bucketSize = 8

// bucketsFor is how many buckets hold size entries: a power of two.
func bucketsFor(size int) int {
	n := max(size/bucketSize, 1)
	return 1 << bits.Len(uint(n-1))
}

// nonceTable remembers which nc values of which nonces were used.
type nonceTable struct {
	buckets []nonceBucket
	evicted atomic.Uint64
}

type nonceBucket struct {
	mu      sync.Mutex
	floor   seconds // nonces made before and not in entries count as used
	entries [bucketSize]usedNonce
}

// usedNonce is one nonce that right credentials came with. The window lets
// datagrams overtake each other: an nc that is up to 63 below the highest one is
// accepted once.
type usedNonce struct {
	id   uint64
	seen uint64 // bit i: high-i was used; 0: the entry is free
	made seconds
	till seconds // after this the nonce is too old in any case
	high uint32  // the highest nc
}

const ncWindow = 64

func newNonceBuckets(size int, floor seconds) []nonceBucket {
	buckets := make([]nonceBucket, bucketsFor(size))
	for i := range buckets {
		buckets[i].floor = floor
	}
	return buckets
}

// use reports whether nc may be used with n, and notes it.
func (t *nonceTable) use(n nonce, nc uint32, now seconds) bool {
	b := &t.buckets[n.id%uint64(len(t.buckets))]
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		if e := &b.entries[i]; e.seen != 0 && e.id == n.id {
			return e.use(nc)
		}
	}
	if n.made.since(b.floor) < 0 {
		return false
	}
	e := b.room()
	if e.seen != 0 {
		if e.till.since(now) >= 0 {
			t.evicted.Add(1)
		}
		// The floor rises even for one that was too old: a reload may give nonces a
		// longer life.
		if e.made.since(b.floor) >= 0 {
			b.floor = e.made + 1
		}
	}
	*e = usedNonce{id: n.id, seen: 1, made: n.made, till: n.till, high: nc}
	return true
}

// used reports whether nc counts as used with n.
func (t *nonceTable) used(n nonce, nc uint32) bool {
	b := &t.buckets[n.id%uint64(len(t.buckets))]
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		if e := &b.entries[i]; e.seen != 0 && e.id == n.id {
			return e.used(nc)
		}
	}
	return n.made.since(b.floor) < 0
}

// inUse counts the nonces that are remembered and not too old.
func (t *nonceTable) inUse(now seconds) (n int) {
	for i := range t.buckets {
		b := &t.buckets[i]
		b.mu.Lock()
		for j := range b.entries {
			if e := &b.entries[j]; e.seen != 0 && e.till.since(now) >= 0 {
				n++
			}
		}
		b.mu.Unlock()
	}
	return n
}

// room is a free entry, or else the oldest.
func (b *nonceBucket) room() *usedNonce {
	oldest := &b.entries[0]
	for i := range b.entries {
		e := &b.entries[i]
		if e.seen == 0 {
			return e
		}
		if e.made.since(oldest.made) < 0 {
			oldest = e
		}
	}
	return oldest
}

func (e *usedNonce) use(nc uint32) bool {
	if nc > e.high {
		e.seen = e.seen<<min(nc-e.high, ncWindow) | 1
		e.high = nc
		return true
	}
	if e.used(nc) {
		return false
	}
	e.seen |= 1 << (e.high - nc)
	return true
}

// used reports whether nc was used, or is too far behind to know.
func (e *usedNonce) used(nc uint32) bool {
	back := e.high - nc
	return nc <= e.high && (back >= ncWindow || e.seen>>back&1 == 1)
}

// markTable keeps an instant for each of many keys. A mark that has passed is as
// good as none.
type markTable struct {
	buckets []markBucket
}

type markBucket struct {
	mu      sync.Mutex
	entries [bucketSize]mark
}

type mark struct {
	key uint64
	at  clock.Instant
}

func newMarkTable(size int) markTable {
	return markTable{buckets: make([]markBucket, bucketsFor(size))}
}

func (t *markTable) bucket(key uint64) *markBucket {
	return &t.buckets[key%uint64(len(t.buckets))]
}

// at returns the mark of key, 0 without one.
func (t *markTable) at(key uint64) clock.Instant {
	b := t.bucket(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.entries {
		if b.entries[i].key == key {
			return b.entries[i].at
		}
	}
	return 0
}

// push moves the mark of key d further from now, or from where it is when that
// has not passed.
func (t *markTable) push(key uint64, now clock.Instant, d time.Duration) {
	b := t.bucket(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(key)
	e.at = max(e.at, now).Add(d)
}

// set moves the mark of key.
func (t *markTable) set(key uint64, at clock.Instant) {
	b := t.bucket(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entry(key).at = at
}

// entry is that of key; at the bound the one whose mark passes first is given up.
func (b *markBucket) entry(key uint64) *mark {
	first := &b.entries[0]
	for i := range b.entries {
		e := &b.entries[i]
		if e.key == key {
			return e
		}
		if e.at < first.at {
			first = e
		}
	}
	*first = mark{key: key}
	return first
}

// ahead counts the marks that have not passed.
func (t *markTable) ahead(now clock.Instant) (n int) {
	for i := range t.buckets {
		b := &t.buckets[i]
		b.mu.Lock()
		for j := range b.entries {
			if b.entries[j].at > now {
				n++
			}
		}
		b.mu.Unlock()
	}
	return n
}
