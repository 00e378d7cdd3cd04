package transport

import (
	"net/netip"
	"testing"
	"time"

	"viaduct/internal/clock"
)

func TestSourceOfLoopback(t *testing.T) {
	s := NewSources()
	for dst, want := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1", "::ffff:127.0.0.1": "127.0.0.1"} {
		if got, ok := s.Source(netip.MustParseAddr(dst)); !ok || got != netip.MustParseAddr(want) {
			t.Errorf("toward %s: got %s %t, want %s", dst, got, ok, want)
		}
	}
	if got, ok := s.Source(netip.Addr{}); ok {
		t.Errorf("toward nothing: got %s", got)
	}
}

// fakeSources counts what it asks a made-up routing table.
func fakeSources(now *clock.Instant, asked *int, table map[netip.Addr]netip.Addr) *Sources {
	s := NewSources()
	s.now = func() clock.Instant { return *now }
	s.probe = func(dst netip.Addr) (netip.Addr, bool) {
		*asked++
		src, ok := table[prefixOf(dst)]
		return src, ok
	}
	return s
}

func TestSourcesAreRemembered(t *testing.T) {
	now, asked := clock.Instant(1), 0
	s := fakeSources(&now, &asked, map[netip.Addr]netip.Addr{
		netip.MustParseAddr("192.0.2.0"):   netip.MustParseAddr("192.0.2.1"),
		netip.MustParseAddr("2001:db8::"):  netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("fe80::1%eth"): netip.MustParseAddr("fe80::2%eth"),
	})
	for _, step := range []struct {
		after   time.Duration
		dst     string
		src     string // "": no route
		queries int
	}{
		{0, "192.0.2.7", "192.0.2.1", 1},
		{0, "192.0.2.8", "192.0.2.1", 1},
		{0, "2001:db8::5", "2001:db8::1", 2},
		{0, "2001:db8::5:5:5:5", "2001:db8::1", 2},
		{0, "fe80::1%eth", "fe80::2%eth", 3},
		{sourceLife - 1, "192.0.2.7", "192.0.2.1", 3},
		{1, "192.0.2.7", "192.0.2.1", 4},
		{0, "198.51.100.1", "", 5},
		{sourceMissing - 1, "198.51.100.2", "", 5},
		{1, "198.51.100.2", "", 6}, // a route that was missing is looked for soon
	} {
		now = now.Add(step.after)
		got, ok := s.Source(netip.MustParseAddr(step.dst))
		if ok != (step.src != "") || ok && got != netip.MustParseAddr(step.src) || asked != step.queries {
			t.Errorf("%s: got %s %t after %d queries, want %q after %d", step.dst, got, ok, asked, step.src, step.queries)
		}
	}
}

// However many prefixes there are, the cache keeps its size and answers right.
func TestSourcesAreBounded(t *testing.T) {
	now, asked := clock.Instant(1), 0
	s := fakeSources(&now, &asked, nil)
	s.probe = func(dst netip.Addr) (netip.Addr, bool) { return prefixOf(dst).Next(), true }
	for i := range 4 * sourceSlots {
		dst := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 200})
		if got, ok := s.Source(dst); !ok || got != prefixOf(dst).Next() {
			t.Fatalf("toward %s: got %s", dst, got)
		}
	}
}

func TestSourceHitAllocatesNothing(t *testing.T) {
	s, dst := NewSources(), netip.MustParseAddr("127.0.0.1")
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Source(dst) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSourceHit(b *testing.B) {
	s, dst := NewSources(), netip.MustParseAddr("127.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Source(dst)
	}
}
