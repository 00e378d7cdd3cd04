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
	// through is how many calls are refused for one that is taken although the queue
	// is too long: where refusing alone takes all the time, some still get through.
	through = 15
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
	Valve Valve // in front of the queue

	behind bool          // work is refused
	above  clock.Instant // since when the age is above Target, 0: it is not
	below  clock.Instant // while behind: since when it is below, 0: it is not
	age    time.Duration // of the batch at hand
	denied int           // calls refused since one was taken
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
		case now.Sub(g.below) >= Interval && g.Valve.level == 0: // the queue is short for want of what the valve keeps away
			g.behind, g.below = false, 0
		}
		return
	}
	g.below = 0
	if g.above == 0 {
		g.above = now
	}
	if !g.behind && (lost || now.Sub(g.above) >= Interval) {
		g.behind = true
		g.Times++
	}
}

// Behind reports whether work is refused. While it is not, nobody need be asked
// about a message, except for its age.
func (g *Gate) Behind() bool { return g.behind }

// Judge says what to do with a message of class c and of an age in the batch at
// hand, 0 when it is not known.
//
// New work is answered, not dropped: a request without an answer comes six times
// more, which costs more than to refuse it, and a server that is busy dropping
// copies does not get out of that any more. Only what is stale is dropped, since
// its copy is in the queue already.
func (g *Gate) Judge(c Class, age time.Duration) Verdict {
	v := g.judge(c, age)
	if g.behind && c != UnderWay {
		g.Valve.note(v)
	}
	return v
}

func (g *Gate) judge(c Class, age time.Duration) Verdict {
	switch {
	case age >= Stale:
		return Drop
	case !g.behind || c == UnderWay || g.age < reach[c]:
		return Take
	case c == Call && g.denied == through:
		g.denied = 0
		return Take
	case c == Call:
		g.denied++
	}
	return Refuse
}
