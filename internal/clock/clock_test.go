package clock

import (
	"strings"
	"testing"
	"time"
)

// Instants come from the monotonic clock, which no jump of the wall clock moves,
// and nobody else reads a clock (TestOnlyTheClockPackageAsksForTheTime): timers
// cannot break when somebody sets the time. What Wall shows does not jump either;
// Today does, for what outlives the process.
//
// Proves: RB-9
func TestInstantsAreMonotonic(t *testing.T) {
	t.Parallel()
	// What has a reading of the monotonic clock shows it; differences are then
	// taken by it alone.
	if !strings.Contains(origin.String(), " m=") {
		t.Errorf("the origin %s is on the wall clock", origin)
	}
	if got, want := Wall(Instant(time.Second)), origin.Add(time.Second); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if s := Today().String(); strings.Contains(s, " m=") {
		t.Errorf("today is %s, which would not follow a step of the wall clock", s)
	}
	last := Now()
	if last <= 0 {
		t.Errorf("now is %d, which means never", last)
	}
	for range 1000 {
		now := Now()
		if now < last {
			t.Fatalf("%d came after %d", now, last)
		}
		last = now
	}
}
