package overload

import (
	"time"

	"viaduct/internal/clock"
)

const (
	// Target is how old the oldest message in the queue may be.
	Target = 20 * time.Millisecond
	// Interval is how long it must be older until work is refused, so that a burst
	// is worked off and nobody is sent away for it.
	Interval = 100 * time.Millisecond
	// Stale is the age from which a request is not worth an answer: its sender has
	// repeated it by then (RFC 3261 §17.1.1.1: T1).
	Stale = 500 * time.Millisecond
	// hopeless is the age from which work is dropped in silence in any case.
	hopeless = 5 * Target
	// each is how many may be refused for each that is taken, and burst how many
	// such refusals can be saved up.
	each, burst = 6, 64 * 6
)

// reach is the age up to which each class is taken while the server is behind:
// what is wanted least is given up first.
var reach = [Classes]time.Duration{
	Call: Target, Refresh: Target * 3 / 4, Register: Target / 2, Other: Target / 4,
}

// Verdict says what to do with a message.
type Verdict uint8

const (
	Take   Verdict = iota
	Refuse         // with 503 and a time to come back
	Drop           // in silence
)

// Gate watches one queue. The zero Gate is open. It belongs to one goroutine.
type Gate struct {
	behind bool          // work is refused
	above  clock.Instant // since when the age is above Target, 0: it is not
	below  clock.Instant // while behind: since when it is below, 0: it is not
	age    time.Duration // of the batch at hand
	allow  int           // refusals that may still be given
	Times  uint64        // how often it fell behind
}

// Observe takes what a batch showed: the age of its oldest message, 0 when the
// queue was empty behind it, and whether the kernel had no room for others since
// the last one. A queue without room is as long as it gets, however young: then
// work is refused at once.
func (g *Gate) Observe(now clock.Instant, age time.Duration, lost bool) {
	if lost {
		age = max(age, Target)
	}
	g.age = age
	if age < Target {
		g.above = 0
		switch {
		case !g.behind:
		case g.below == 0:
			g.below = now
		case now.Sub(g.below) >= Interval:
			g.behind, g.below = false, 0
		}
		return
	}
	g.below = 0
	if g.above == 0 {
		g.above = now
	}
	if !g.behind && (lost || now.Sub(g.above) >= Interval) {
		g.behind, g.allow = true, burst
		g.Times++
	}
}

// Behind reports whether work is refused. While it is not, nobody need be asked
// about a message, except for its age.
func (g *Gate) Behind() bool { return g.behind }

// Judge says what to do with a message of class c in the batch at hand. A refusal
// costs about as much as to receive six copies of a request that got no answer, and
// is the better thing to do; but when there are many for each call that is taken
// they leave no time for calls, and then the queue would never get short enough to
// take one. So there are six for each that is taken, and silence for the rest.
func (g *Gate) Judge(c Class) Verdict {
	switch {
	case !g.behind || c == UnderWay:
		return Take
	case g.age < reach[c]:
		g.allow = min(g.allow+each, burst)
		return Take
	case g.age >= hopeless || g.allow == 0:
		return Drop
	}
	g.allow--
	return Refuse
}
