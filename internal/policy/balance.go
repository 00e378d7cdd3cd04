package policy

// Balance says how a group gives one target to a request.
type Balance uint8

const (
	BalanceNone     Balance = iota // all targets, by their q; one by the Call-ID where only one may be called
	BalancePriority                // the first of the highest q
	BalanceHash                    // one of the highest q, by the group's Key
)

// byCallID is the key of a group that has none.
var byCallID = Hash(CallID())

// Choose returns the one target that a group of at least one has for a message:
// a pure function of what the key reads, the same on every node. It is the target
// with the greatest hash of itself and the key, so that one that is added or taken
// away moves no request between the others.
func (g *Group) Choose(f *Facts) *GroupTarget {
	key := g.Key
	if key == nil {
		key = byCallID
	}
	var n uint64
	if g.Balance != BalancePriority {
		n = uint64(key(f))
	}
	best, most := &g.Targets[0], uint64(0)
	for i := range g.Targets {
		t := &g.Targets[i]
		if t.Q < best.Q {
			continue
		}
		score := uint64(0)
		if g.Balance != BalancePriority {
			score = mix(n<<32 | uint64(fnv(fnvOffset, t.URI)))
		}
		if t.Q > best.Q || score > most {
			best, most = t, score
		}
	}
	return best
}

// mix spreads each bit of x over all bits of the result, one to one (the
// finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
