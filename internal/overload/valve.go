package overload

import "viaduct/internal/clock"

const (
	// steepest is the highest level of a Valve: it lets 1 of 64 through.
	steepest = 24
	// quickest is how many levels a Valve may rise at once: to a half.
	quickest = 4
)

// Valve decides what share of the new work may reach a reader that is behind at
// all. To refuse a call costs about a tenth of taking it; at four times the capacity
// refusing alone would take a third of the time. So of what is offered only so much
// is let through that there are one to three refusals for three calls; the rest is lost
// before it is read (Sieve), and those who sent it try again by themselves
// (RFC 3261 §17.1.1.2).
//
// The zero Valve is open. It belongs to the goroutine of its Gate.
type Valve struct {
	level          int // the share is 2^(-level/4)
	since          clock.Instant
	rest           bool // it has risen just now: what is refused may be left from before
	taken, refused int  // new work of the interval at hand
}

// Open lets everything through again.
func (v *Valve) Open() { *v = Valve{since: v.since} }

// Share is the part of the new work that is let through, of 1<<32; 0 stands for all
// of it.
func (v *Valve) Share() uint32 {
	if v.level == 0 {
		return 0
	}
	fourths := [4]uint64{1 << 32, 3611622603, 3037000500, 2553802834} // 2^(32 - n/4)
	return uint32(fourths[v.level%4] >> (v.level / 4))
}

// note counts what became of new work while the reader was behind.
func (v *Valve) note(verdict Verdict) {
	if verdict == Take {
		v.taken++
	} else {
		v.refused++
	}
}

// Step looks at the interval that has passed, if one has, and reports whether it has
// and whether the share has changed.
func (v *Valve) Step(now clock.Instant) (over, changed bool) {
	if now.Sub(v.since) < Interval {
		return false, false
	}
	was, rest, taken, refused := v.level, v.rest, v.taken, v.refused
	v.since, v.rest, v.taken, v.refused = now, false, 0, 0
	switch {
	case refused > taken && !rest:
		// Down to two refusals for three calls, in levels of 2^(1/4).
		offered := taken + refused
		for n := 0; n < quickest && offered > taken*5/3; n++ {
			offered = offered * 27 / 32
			v.level++
		}
		v.rest = true
	case refused == 0:
		v.level -= 2
	case refused < taken/3:
		v.level--
	}
	v.level = min(max(v.level, 0), steepest)
	return true, v.level != was
}
