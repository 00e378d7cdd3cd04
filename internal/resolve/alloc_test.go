package resolve

import (
	"testing"
)

func TestAllocGet(t *testing.T) {
	c := newCache(Limits{}.withDefaults())
	q := named("Gateway.Example.com")
	c.put(1, keyOf(q), oneHop(1), nil, 1000)
	for _, q := range []Query{q, named("missing.example"), named("192.0.2.1"), named("[2001:db8::1]")} {
		if n := testing.AllocsPerRun(100, func() { c.Get(2, q) }); n != 0 {
			t.Errorf("Get(%s) allocates %v times, want 0", q.Host, n)
		}
	}
}

func TestAllocIterate(t *testing.T) {
	h := newHops(0, targetsOf(1, 10, 1, 20, 1, 0, 2, 1, 2, 2))
	random := uint64(0)
	if n := testing.AllocsPerRun(100, func() { random++; drain(h, random) }); n != 0 {
		t.Errorf("a walk allocates %v times, want 0", n)
	}
}

func drain(h Hops, random uint64) (n int) {
	for it := h.Iterator(random); ; n++ {
		if _, _, ok := it.Next(); !ok {
			return n
		}
	}
}

func TestAllocAppendQuery(t *testing.T) {
	q, buf := named("Gateway.Example.com"), make([]byte, 0, maxKey)
	if n := testing.AllocsPerRun(100, func() { buf = q.AppendTo(buf[:0]) }); n != 0 {
		t.Errorf("AppendTo allocates %v times, want 0", n)
	}
}

func BenchmarkGet(b *testing.B) {
	c := newCache(Limits{}.withDefaults())
	q := named("gateway.example.com")
	c.put(1, keyOf(q), oneHop(1), nil, 1000)
	for _, bench := range []struct {
		name string
		q    Query
	}{{"hit", q}, {"miss", named("missing.example")}, {"numeric", named("192.0.2.1")}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Get(2, bench.q)
			}
		})
	}
}

func BenchmarkIterator(b *testing.B) {
	h := newHops(0, targetsOf(1, 10, 1, 20, 1, 0, 2, 1, 2, 2))
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		random := uint64(0)
		for b.Loop() {
			random++
			it := h.Iterator(random)
			it.Next()
		}
	})
	b.Run("all-5", func(b *testing.B) {
		b.ReportAllocs()
		random := uint64(0)
		for b.Loop() {
			random++
			drain(h, random)
		}
	})
}
