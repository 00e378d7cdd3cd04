package engine

import (
	"runtime"
	"time"
)

// governor keeps no more processors running than the load needs. Go spreads its
// readers over all of them, and in quiet hours that means a wake-up of another
// thread for nearly every packet: at 3,000 calls/s one processor does the work
// for 45 µs of CPU a call, two for 60. So a process that uses less than half of
// one processor runs on one, and gets all of them back with the first tick that
// shows more; the sockets' buffers hold what comes meanwhile.
type governor struct {
	most  int           // processors given to the process at its start
	now   int           // in use
	spent time.Duration // CPU time at the last look
	at    time.Duration // time of the last look
	quiet time.Duration // how long little has been used
}

const (
	busyAbove  = 0.60 // processors used, from which on all are needed
	quietBelow = 0.40 // below it for calmFor, one is enough
	calmFor    = time.Second
)

func newGovernor() *governor {
	n := runtime.GOMAXPROCS(0)
	return &governor{most: n, now: n}
}

// look takes the time and the CPU time spent so far, and returns how many
// processors should run from now on.
func (g *governor) look(at, spent time.Duration) int {
	window, used := at-g.at, spent-g.spent
	first := g.at == 0
	g.at, g.spent = at, spent
	if first || window <= 0 {
		return g.now
	}
	switch busy := float64(used) / float64(window); {
	case busy > busyAbove:
		g.quiet, g.now = 0, g.most
	case busy > quietBelow:
		g.quiet = 0
	default:
		if g.quiet += window; g.quiet >= calmFor {
			g.now = 1
		}
	}
	return g.now
}

// apply tells the scheduler, when there is something to tell: that stops the
// world for some microseconds.
func (g *governor) apply(n int) {
	if runtime.GOMAXPROCS(0) != n {
		runtime.GOMAXPROCS(n)
	}
}
