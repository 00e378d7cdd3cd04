package resolve

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"

	"viaduct/internal/flow"
)

// maxHops bounds the addresses kept for a Query: more could not be tried within
// the time that a request has.
const maxHops = 16

// Hops is the answer to a Query: addresses by SRV target, with priorities and
// weights. It is immutable and small enough to be passed by value; the zero Hops
// is empty.
type Hops struct {
	protocol flow.Protocol
	one      netip.AddrPort // the hop of a numeric host
	targets  []target       // by priority; nil for a numeric host
}

// target is one SRV record with its addresses, or a host without SRV. The
// addresses are sorted, IPv6 before IPv4, so that an answer in another order is
// the same Hops (RFC 3263 §4.4).
type target struct {
	name     string
	priority uint16
	weight   uint16
	addrs    []netip.AddrPort
	sixes    int // how many of addrs are IPv6
}

// newHops puts the targets in their order and bounds them. The slice is taken
// over. Targets without addresses are left out.
func newHops(p flow.Protocol, targets []target) Hops {
	targets = slices.DeleteFunc(targets, func(t target) bool { return len(t.addrs) == 0 })
	slices.SortFunc(targets, func(a, b target) int {
		return cmp.Or(
			cmp.Compare(a.priority, b.priority),
			// RFC 2782: those of weight 0 first, or they would have no chance at all.
			cmp.Compare(min(a.weight, 1), min(b.weight, 1)),
			cmp.Compare(a.name, b.name),
			cmp.Compare(a.addrs[0].Port(), b.addrs[0].Port()),
			cmp.Compare(a.weight, b.weight),
		)
	})
	room := maxHops
	for i := range targets {
		t := &targets[i]
		if room == 0 {
			targets = targets[:i]
			break
		}
		t.trim(room)
		room -= len(t.addrs)
	}
	return Hops{protocol: p, targets: targets}
}

// newTarget sorts the addresses of a target.
func newTarget(name string, priority, weight uint16, addrs []netip.AddrPort) target {
	slices.SortFunc(addrs, func(a, b netip.AddrPort) int { // IPv6 first
		if a.Addr().Is4() != b.Addr().Is4() {
			if a.Addr().Is4() {
				return 1
			}
			return -1
		}
		return a.Compare(b)
	})
	addrs = slices.Compact(addrs)
	sixes := slices.IndexFunc(addrs, func(a netip.AddrPort) bool { return a.Addr().Is4() })
	if sixes < 0 {
		sixes = len(addrs)
	}
	return target{name: name, priority: priority, weight: weight, addrs: addrs, sixes: sixes}
}

// trim leaves at most room addresses, of both families when there are two.
func (t *target) trim(room int) {
	if len(t.addrs) <= room {
		return
	}
	fours := min(len(t.addrs)-t.sixes, max(room/2, room-t.sixes))
	sixes := room - fours
	kept := append(slices.Clone(t.addrs[:sixes]), t.addrs[t.sixes:t.sixes+fours]...)
	t.addrs, t.sixes = kept, sixes
}

// Protocol is the transport of all hops (RFC 3263 §4.1 selects one).
func (h Hops) Protocol() flow.Protocol { return h.protocol }

// Len is the number of addresses.
func (h Hops) Len() int {
	if h.one.IsValid() {
		return 1
	}
	n := 0
	for i := range h.targets {
		n += len(h.targets[i].addrs)
	}
	return n
}

// Iterator walks all hops of one request, best first. It is a plain value: a
// request keeps it while it fails over, and the records that it began with stay.
type Iterator struct {
	hops   Hops
	random uint64
	tried  uint32 // targets given out, by index; maxHops fit
	at     int    // the target that is running
	next   int    // its addresses given out
	begun  bool
}

// Iterator starts a walk: priorities in order, within one the targets by RFC
// 2782's weighted random choice, and of each target all addresses, IPv6 and IPv4
// in turn (RFC 3263 §4.2 leaves the order open; in turn, a family that is broken
// costs one attempt), each family from a random start.
//
// The same hops and the same random give the same walk. A stateful caller passes
// a random number; a stateless one a hash of what all messages of the
// transaction have in common, so that every copy goes to one address (RFC 3263
// §4.4).
func (h Hops) Iterator(random uint64) Iterator { return Iterator{hops: h, random: random} }

// Peek returns what Next would.
func (it Iterator) Peek() (p flow.Protocol, to netip.AddrPort, ok bool) { return it.Next() }

// Next returns the next hop; ok is false when there is none left.
func (it *Iterator) Next() (p flow.Protocol, to netip.AddrPort, ok bool) {
	h := &it.hops
	if h.one.IsValid() {
		ok, it.begun = !it.begun, true
		return h.protocol, h.one, ok
	}
	if !it.begun || it.next == len(h.targets[it.at].addrs) {
		if it.at, ok = it.choose(); !ok {
			return h.protocol, netip.AddrPort{}, false
		}
		it.begun, it.next = true, 0
		it.tried |= 1 << it.at
	}
	t := &h.targets[it.at]
	to = t.addrs[t.place(it.next, it.random)]
	it.next++
	return h.protocol, to, true
}

// choose is the selection of RFC 2782 ("The format of the SRV RR", Weight) among
// the targets of the lowest priority that is left.
func (it *Iterator) choose() (int, bool) {
	targets := it.hops.targets
	first, count, sum := -1, 0, uint64(0)
	for i := range targets {
		switch {
		case it.tried&(1<<i) != 0:
			continue
		case first < 0:
			first = i
		case targets[i].priority != targets[first].priority:
			continue
		}
		count++
		sum += uint64(targets[i].weight)
	}
	if first < 0 {
		return 0, false
	}
	// All weights 0 is "no selection to do"; then each is as good as the others.
	even := sum == 0
	if even {
		sum = uint64(count - 1)
	}
	draw := it.draw(sum + 1)
	for i := first; i < len(targets); i++ {
		t := &targets[i]
		if it.tried&(1<<i) != 0 || t.priority != targets[first].priority {
			continue
		}
		switch {
		case even && draw == 0, !even && draw <= uint64(t.weight):
			return i, true
		case even:
			draw--
		default:
			draw -= uint64(t.weight)
		}
	}
	return first, true
}

// draw returns a number below n, by the next value of SplitMix64.
func (it *Iterator) draw(n uint64) uint64 {
	it.random += 0x9e3779b97f4a7c15
	high, _ := bits.Mul64(mix(it.random), n)
	return high
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// place is the index of the i-th address to try: the families in turn until one
// is used up, each rotated by random.
func (t *target) place(i int, random uint64) int {
	sixes, fours := t.sixes, len(t.addrs)-t.sixes
	both := min(sixes, fours)
	turn := mix(random)
	rotated := func(i, n int) int {
		high, _ := bits.Mul64(turn, uint64(n))
		return (i + int(high)) % n
	}
	six, j := i%2 == 0, i/2
	if i >= 2*both {
		six, j = sixes > fours, i-both
	}
	if six {
		return rotated(j, sixes)
	}
	return sixes + rotated(j, fours)
}

// Fixed is the answer that names addresses in this order, as a test or a table
// knows them.
func Fixed(p flow.Protocol, addrs ...netip.AddrPort) Hops {
	targets := make([]target, 0, len(addrs))
	for i, a := range addrs {
		targets = append(targets, newTarget("", uint16(i), 0, []netip.AddrPort{a}))
	}
	return newHops(p, targets)
}

// Equal is the answer that one host has these addresses, all of the same rank.
func Equal(p flow.Protocol, addrs ...netip.AddrPort) Hops {
	return newHops(p, []target{newTarget("", 0, 0, slices.Clone(addrs))})
}
