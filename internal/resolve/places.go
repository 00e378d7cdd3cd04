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
	held      atomic.Int32 // while there are none, nobody takes the lock
	forgotten atomic.Uint64

	mu     sync.Mutex
	until  map[netip.AddrPort]clock.Instant
	order  []netip.AddrPort // a ring of what is in the map
	oldest int
}

// maxPlaces bounds what is remembered, some 300 KiB. At the bound the oldest makes
// room; it is tried again a little sooner then.
const maxPlaces = 4096

// Has reports whether a is still remembered.
func (p *Places) Has(now clock.Instant, a netip.AddrPort) bool {
	if p.held.Load() == 0 {
		return false
	}
	p.mu.Lock()
	until, ok := p.until[a]
	p.mu.Unlock()
	return ok && now < until
}

// Add remembers a.
func (p *Places) Add(a netip.AddrPort, until clock.Instant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = map[netip.AddrPort]clock.Instant{}
	}
	if _, known := p.until[a]; !known {
		if len(p.order) < maxPlaces {
			p.order = append(p.order, a)
		} else {
			p.forgotten.Add(1)
			delete(p.until, p.order[p.oldest])
			p.order[p.oldest] = a
			p.oldest = (p.oldest + 1) % maxPlaces
		}
	}
	p.until[a] = until
	p.held.Store(int32(len(p.until)))
}

// Held is how many are remembered, those included whose time is over; forgotten
// counts those that made room for others.
func (p *Places) Held() (n int, forgotten uint64) { return int(p.held.Load()), p.forgotten.Load() }
