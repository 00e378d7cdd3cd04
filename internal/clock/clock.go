// Package clock is the only place that asks the machine for the time.
//
// The protocol core never does: each of its steps is told the time as an
// Instant. The shell reads the clock once for a batch of packets.
package clock

import "time"

// Instant is a point on the monotonic clock, in nanoseconds since an arbitrary
// origin. The zero Instant means "never" where a deadline is optional; Now
// never returns it. Instants of one process can be compared and subtracted;
// they mean nothing in another.
type Instant int64

// origin lies a second in the past, so that Now is never zero.
var origin = time.Now().Add(-time.Second)

// Now reads the monotonic clock. A jump of the wall clock does not move it.
func Now() Instant { return Instant(time.Since(origin)) }

// Add returns the instant d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// Today reads the wall clock as it stands, steps since the start included: for
// what outlives the process.
func Today() time.Time { return time.Now().Round(0) }

// Wall converts an instant to wall-clock time, for logs and people.
func Wall(i Instant) time.Time { return origin.Add(time.Duration(i)) }
