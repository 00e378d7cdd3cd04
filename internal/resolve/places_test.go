package resolve_test

import (
	"net/netip"
	"sync"
	"testing"

	"viaduct/internal/clock"
	"viaduct/internal/resolve"
)

// Each is remembered until its own time, and there are never more than 4,096: the
// oldest makes room.
func TestPlaces(t *testing.T) {
	t.Parallel()
	var p resolve.Places
	place := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 5060)
	}
	if p.Has(0, place(0)) {
		t.Error("an empty one has something")
	}
	for i := range 4096 {
		p.Add(place(i), clock.Instant(1000+i))
	}
	p.Add(place(0), 5000) // known: no other makes room
	if n, forgotten := p.Held(); n != 4096 || forgotten != 0 {
		t.Errorf("%d are held, %d forgotten", n, forgotten)
	}
	if !p.Has(4999, place(0)) || p.Has(5000, place(0)) || !p.Has(1000, place(1)) || p.Has(1001, place(1)) {
		t.Error("not until its time")
	}
	p.Add(place(5000), 9000)
	if n, forgotten := p.Held(); n != 4096 || forgotten != 1 || p.Has(0, place(0)) || !p.Has(0, place(1)) || !p.Has(8999, place(5000)) {
		t.Errorf("%d are held, %d forgotten", n, forgotten)
	}
}

// Shards use it at the same time.
func TestPlacesOfManyShards(t *testing.T) {
	t.Parallel()
	var p resolve.Places
	var all sync.WaitGroup
	for shard := range 4 {
		all.Go(func() {
			for i := range 2000 {
				at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(shard), byte(i >> 8), byte(i)}), 5060)
				p.Add(at, 10)
				p.Has(5, at)
			}
		})
	}
	all.Wait()
	if n, forgotten := p.Held(); n != 4096 || forgotten != 4*2000-4096 {
		t.Errorf("%d are held, %d forgotten", n, forgotten)
	}
}
