package resolve

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"viaduct/internal/flow"
)

// targetsOf makes targets of one IPv4 address each from priority, weight pairs.
func targetsOf(pairs ...uint16) []target {
	var targets []target
	for i := 0; i < len(pairs); i += 2 {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i/2 + 1)}), 5060)
		name := string(rune('a' + i/2))
		targets = append(targets, newTarget(name, pairs[i], pairs[i+1], []netip.AddrPort{addr}))
	}
	return targets
}

// Proves: NH-6
func TestTargetsAreChosenByTheirWeights(t *testing.T) {
	t.Parallel()
	const draws = 20_000
	for _, c := range []struct {
		name    string
		weights []uint16
		want    []float64 // share of first places; RFC 2782 draws from 0 to the sum, both included
	}{
		{"three to one", []uint16{30, 10}, []float64{31.0 / 41, 10.0 / 41}},
		{"a weight of 0 has a small chance", []uint16{0, 9}, []float64{0.1, 0.9}},
		{"all weights 0 are equal", []uint16{0, 0, 0, 0}, []float64{.25, .25, .25, .25}},
		{"large weights", []uint16{65535, 65535, 65535}, []float64{1. / 3, 1. / 3, 1. / 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var pairs []uint16
			for _, w := range c.weights {
				pairs = append(pairs, 7, w)
			}
			h := newHops(flow.UDP, targetsOf(pairs...))
			rng := rand.New(rand.NewPCG(1, 2))
			firsts := make([]int, len(c.weights))
			for range draws {
				it := h.Iterator(rng.Uint64())
				_, to, _ := it.Next()
				firsts[to.Addr().As4()[3]-1]++
			}
			for i, want := range c.want {
				got := float64(firsts[i]) / draws
				if margin := 5 * math.Sqrt(want*(1-want)/draws); math.Abs(got-want) > margin {
					t.Errorf("target %d of weight %d: got a share of %.4f, want %.4f ± %.4f", i, c.weights[i], got, want, margin)
				}
			}
		})
	}
}

// Proves: NH-6
func TestEveryWalkTriesAllHopsAndPrioritiesInOrder(t *testing.T) {
	t.Parallel()
	h := newHops(flow.TCP, targetsOf(20, 5, 10, 0, 10, 7, 20, 0, 30, 1, 10, 65535))
	priority := map[byte]int{2: 10, 3: 10, 6: 10, 1: 20, 4: 20, 5: 30}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		seen, last := map[byte]bool{}, 0
		it := h.Iterator(rng.Uint64())
		for {
			p, to, ok := it.Next()
			if !ok {
				break
			}
			n := to.Addr().As4()[3]
			if p != flow.TCP || seen[n] || priority[n] < last {
				t.Fatalf("hop %s %s: twice, or after priority %d", p, to, last)
			}
			seen[n], last = true, priority[n]
		}
		if len(seen) != 6 {
			t.Fatalf("walked %d hops, want 6", len(seen))
		}
		if _, _, ok := it.Next(); ok {
			t.Fatal("a hop after the last")
		}
	}
}

func TestTheOrderOfTheAnswerDoesNotMatter(t *testing.T) {
	t.Parallel()
	pairs := []uint16{1, 0, 1, 0, 1, 50, 1, 50, 2, 1, 2, 2}
	want := walkOf(newHops(flow.UDP, targetsOf(pairs...)), 12345)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		targets := targetsOf(pairs...)
		rng.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
		if got := walkOf(newHops(flow.UDP, targets), 12345); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestFamiliesTakeTurns(t *testing.T) {
	t.Parallel()
	addrs := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"}
	rng := rand.New(rand.NewPCG(7, 8))
	starts := map[string]int{}
	for range 400 {
		rng.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
		var list []netip.AddrPort
		for _, a := range addrs {
			list = append(list, netip.AddrPortFrom(netip.MustParseAddr(a), 5060))
		}
		got := walkOf(newHops(flow.UDP, []target{newTarget("x", 0, 0, list)}), rng.Uint64())
		var families strings.Builder
		for _, to := range got {
			families.WriteByte("46"[strings.Count(to, "[")])
		}
		if families.String() != "64644" || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 5 {
			t.Fatalf("got %v, want families 6 4 6 4 4 and each address once", got)
		}
		starts[got[0]]++
		starts[got[1]]++
	}
	for to, n := range starts {
		if n < 80 {
			t.Errorf("%s came first of its family %d times of 400", to, n)
		}
	}
	if len(starts) != 5 {
		t.Errorf("only %d of 5 addresses ever came first", len(starts))
	}
}

func TestHopsAreBounded(t *testing.T) {
	t.Parallel()
	var list []netip.AddrPort
	for i := range 40 {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if i%2 == 0 {
			a = netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)})
		}
		list = append(list, netip.AddrPortFrom(a, 5060))
	}
	for n := range len(list) {
		first := newTarget("first", 0, 0, slices.Clone(list[:n]))
		second := newTarget("second", 1, 0, slices.Clone(list))
		h := newHops(flow.UDP, []target{second, first})
		if h.Len() != maxHops || len(walkOf(h, uint64(n))) != maxHops {
			t.Errorf("%d and 40 addresses: %d hops and %d walked, want %d", n, h.Len(), len(walkOf(h, 0)), maxHops)
		}
	}
	h := newHops(flow.UDP, []target{newTarget("x", 0, 0, list)})
	if h.targets[0].sixes != maxHops/2 {
		t.Errorf("kept %d IPv6 addresses of %d, want half", h.targets[0].sixes, maxHops)
	}
	if it := (Hops{}).Iterator(1); len(walkOf(Hops{}, 1)) != 0 || it.begun {
		t.Error("the zero Hops has a hop")
	}
}
