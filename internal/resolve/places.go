package resolve

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"viaduct/internal/clock"
)

// Places are addresses, each remembered until a time of its own: next hops that have
// failed lately, or where TCP was refused. All shards share one, because the one that
// saw a failure is seldom the one that has the next request.
//
// Its lock is a leaf: nothing is called under it. The zero value is ready for use.
type Places struct {
	latest    atomic.Int64 // the last time of any, a clock.Instant: after it nobody takes the lock
	held      atomic.Int32
	forgotten atomic.Uint64

	mu     sync.Mutex
	recent Recent[netip.AddrPort]
}

// maxPlaces bounds what is remembered, some 300 KiB. At the bound the oldest makes
// room; it is tried again a little sooner then.
const maxPlaces = 4096

// Has reports whether a is still remembered.
func (p *Places) Has(now clock.Instant, a netip.AddrPort) bool {
	if now >= clock.Instant(p.latest.Load()) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recent.Has(now, a)
}

// Add remembers a.
func (p *Places) Add(a netip.AddrPort, until clock.Instant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recent.Add(a, until, maxPlaces) {
		p.forgotten.Add(1)
	}
	p.held.Store(int32(p.recent.Len()))
	p.latest.Store(max(p.latest.Load(), int64(until)))
}

// Held is how many are remembered, those included whose time is over; forgotten
// counts those that made room for others.
func (p *Places) Held() (n int, forgotten uint64) { return int(p.held.Load()), p.forgotten.Load() }
