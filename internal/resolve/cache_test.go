package resolve

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

func oneHop(last byte) Hops {
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, last}), 5060)
	return newHops(flow.UDP, []target{newTarget("x", 0, 0, []netip.AddrPort{addr})})
}

func named(name string) Query { return Query{Host: []byte(name), Speaks: everything} }

func keyOf(q Query) string { return string(q.AppendTo(nil)) }

func TestWhatTheCacheServesWhen(t *testing.T) {
	t.Parallel()
	limits := Limits{}.withDefaults()
	const t0 = clock.Instant(time.Hour)
	c, q := newCache(limits), named("example.com")
	expect := func(after time.Duration, want State, last byte) {
		t.Helper()
		h, got := c.Get(t0.Add(after), q)
		if got != want {
			t.Errorf("after %v: got state %d, want %d", after, got, want)
		}
		if usable := got == Hit || got == Stale; usable != (h.Len() == 1) || usable && walkOf(h, 0)[0] != fmt.Sprintf("udp:192.0.2.%d:5060", last) {
			t.Errorf("after %v: got hops %v", after, walkOf(h, 0))
		}
	}
	put := func(after time.Duration, h Hops, err error, ttl time.Duration) error {
		_, err = c.put(t0.Add(after), keyOf(q), h, err, t0.Add(after+ttl))
		return err
	}
	expect(0, Miss, 0)
	put(0, oneHop(1), nil, time.Minute)
	expect(59*time.Second, Hit, 1)
	expect(60*time.Second, Stale, 1)
	expect(61*time.Second, Hit, 1) // one refresh at a time
	expect(65*time.Second, Stale, 1)
	if err := put(66*time.Second, Hops{}, ErrSilent, 0); err != nil {
		t.Errorf("a failed refresh tells %v, want the hops that are still good", err)
	}
	expect(67*time.Second, Hit, 1)
	expect(71*time.Second, Stale, 1)
	expect(60*time.Second+10*time.Minute-1, Stale, 1)
	expect(60*time.Second+10*time.Minute, Miss, 1)

	put(700*time.Second, oneHop(2), nil, time.Second)
	expect(700*time.Second, Hit, 2)
	put(702*time.Second, Hops{}, fmt.Errorf("%w: gone", ErrNoName), 30*time.Second) // an answer, so it replaces the hops
	expect(703*time.Second, Negative, 0)
	expect(732*time.Second, Miss, 0)

	if err := put(800*time.Second, Hops{}, ErrServers, time.Hour); !errors.Is(err, ErrServers) {
		t.Errorf("got %v, want ErrServers", err)
	}
	expect(804*time.Second, Failed, 0)
	expect(805*time.Second, Miss, 0) // RFC 9520: remembered for 5 s only
	want := CacheStats{Hits: 4, Stales: 4, Negatives: 1, Failures: 1, Misses: 4, Names: 1}
	if got := c.Stats(); got != want {
		t.Errorf("counters: got %+v, want %+v", got, want)
	}
}

func TestEqualQueriesAreOneEntryAndOthersAreNot(t *testing.T) {
	t.Parallel()
	c := newCache(Limits{}.withDefaults())
	c.put(1, keyOf(named("Example.COM.")), oneHop(1), nil, 1000)
	if _, state := c.Get(2, named("eXample.com")); state != Hit {
		t.Errorf("case and the last dot: got state %d, want a hit", state)
	}
	others := []Query{
		{Host: []byte("example.com"), Speaks: everything, Port: 5060},
		{Host: []byte("example.com"), Speaks: everything, Transport: flow.UDP},
		{Host: []byte("example.com"), Speaks: everything, SIPS: true},
		{Host: []byte("example.com"), Speaks: speaking("udp4")},
		{Host: []byte("example.co"), Speaks: everything},
	}
	for _, q := range others {
		if _, state := c.Get(2, q); state != Miss {
			t.Errorf("%+v: got state %d, want a miss", q, state)
		}
		back, ok := ParseQuery(q.AppendTo(nil))
		if !ok || string(back.Host) != string(q.Host) || back.Port != q.Port || back.Transport != q.Transport || back.SIPS != q.SIPS || back.Speaks != q.Speaks {
			t.Errorf("ParseQuery gives %+v for %+v", back, q)
		}
	}
	if _, state := c.Get(2, named(strings.Repeat("a", maxName+1))); state != Negative {
		t.Error("a name that is too long is not negative")
	}
	if _, state := c.Get(2, Query{Host: []byte("example.com"), Speaks: speaking("udp4"), Transport: flow.TCP}); state != Failed {
		t.Error("a transport that is not spoken does not fail at once")
	}
}

func TestTheCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c := newCache(Limits{Names: 160}.withDefaults())
	used := named("used.example")
	c.put(1, keyOf(used), oneHop(1), nil, 1000)
	for i := range 5000 {
		c.put(1, keyOf(named(fmt.Sprintf("n%d.example", i))), oneHop(2), nil, 1000)
		if _, state := c.Get(2, used); state != Hit {
			t.Fatalf("the name in use was evicted after %d others", i)
		}
	}
	s := c.Stats()
	if s.Names != 160 || s.Evicted != 5001-160 {
		t.Errorf("holds %d names after evicting %d, want 160 and %d", s.Names, s.Evicted, 5001-160)
	}
	c.clear()
	if _, state := c.Get(2, used); state != Miss || c.Stats().Names != 0 {
		t.Error("clear leaves something")
	}
	c.put(1, keyOf(used), oneHop(1), nil, 1000)
	if _, state := c.Get(2, used); state != Hit {
		t.Error("cannot be used after clear")
	}
}
