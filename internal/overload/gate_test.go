package overload

import (
	"testing"
	"time"

	"viaduct/internal/clock"
)

const ms = time.Millisecond

// A burst is worked off; only a queue that stays long closes the gate, and only
// one that stays short opens it.
func TestGate(t *testing.T) {
	t.Parallel()
	steps := []struct {
		at, age time.Duration
		lost    bool
		behind  bool
		call    Verdict
	}{
		{0, 0, false, false, Take},
		{10 * ms, 30 * ms, false, false, Take},
		{100 * ms, 300 * ms, false, false, Take},
		{105 * ms, 19 * ms, false, false, Take}, // the burst is over
		{110 * ms, 20 * ms, false, false, Take},
		{209 * ms, 25 * ms, false, false, Take},
		{210 * ms, 25 * ms, false, true, Refuse}, // for 100 ms now
		{211 * ms, 99 * ms, false, true, Refuse},
		{212 * ms, 100 * ms, false, true, Drop},
		{213 * ms, 19 * ms, false, true, Take}, // room for one more
		{214 * ms, 20 * ms, false, true, Refuse},
		{300 * ms, 5 * ms, false, true, Take},
		{399 * ms, 5 * ms, false, true, Take},
		{400 * ms, 0, false, false, Take}, // short for 100 ms
		{401 * ms, 50 * ms, false, false, Take},
		{402 * ms, 0, false, false, Take},
		{403 * ms, 0, true, true, Refuse}, // the kernel had no room: at once
		{404 * ms, 0, false, true, Take},
		{405 * ms, 1 * ms, true, true, Refuse},
		{406 * ms, 0, false, true, Take},
		{510 * ms, 0, false, false, Take},
	}
	var g Gate
	for _, s := range steps {
		g.Observe(clock.Instant(time.Second+s.at), s.age, s.lost)
		if g.Behind() != s.behind || g.Judge(Call) != s.call {
			t.Errorf("at %v, %v old: behind is %v and a call is %d, want %v and %d", s.at, s.age, g.Behind(), g.Judge(Call), s.behind, s.call)
		}
		if g.Judge(UnderWay) != Take {
			t.Errorf("at %v: what is under way is not taken", s.at)
		}
	}
	if g.Times != 2 {
		t.Errorf("it fell behind %d times, want 2", g.Times)
	}
}

// The least wanted is given up first, whatever the age.
// Proves: RB-7
func TestOrderOfKeeping(t *testing.T) {
	t.Parallel()
	var g Gate
	now := clock.Instant(time.Second)
	g.Observe(now, time.Second, true)
	for age := time.Duration(0); age < 2*hopeless; age += ms {
		now = now.Add(ms)
		g.behind = true
		g.Observe(now, age, false)
		for c := Class(1); c < Classes; c++ {
			if g.Judge(c) < g.Judge(c-1) {
				t.Fatalf("%v old: %s is kept, %s is not", age, c, c-1)
			}
		}
	}
	for c, want := range [Classes]time.Duration{1 << 62, 20 * ms, 15 * ms, 10 * ms, 5 * ms} {
		g.behind = true
		g.Observe(now, want-1, false)
		if g.Judge(Class(c)) != Take {
			t.Errorf("%s: not taken below %v", Class(c), want)
		}
		g.behind = true
		g.Observe(now, want, false)
		if c > 0 && g.Judge(Class(c)) == Take {
			t.Errorf("%s: taken at %v", Class(c), want)
		}
	}
}

// A model of a server at several times its capacity: what it completes stays near
// what it can do, and the queue stays short. Taking everything is the comparison.
func TestGateKeepsGoodputInAModel(t *testing.T) {
	t.Parallel()
	const (
		work   = 45 * time.Microsecond // of a call that is taken
		refuse = 4 * time.Microsecond
		span   = 10 * time.Second
	)
	for _, times := range []int{1, 2, 4} {
		var g Gate
		every := work / time.Duration(times)
		taken, late := 0, 0
		now, next := time.Duration(0), time.Duration(0) // next: arrival of the oldest in the queue
		for now < span {
			if next > now { // idle
				now = next
			}
			age := now - next
			full := age >= 64*every
			if !full {
				age = 0
			}
			g.Observe(clock.Instant(time.Second+now), age, false)
			for range 64 {
				if next > now {
					break
				}
				if now-next >= 2*Target+Interval {
					late++
				}
				next += every
				switch g.Judge(Call) {
				case Take:
					now += work
					taken++
				case Refuse:
					now += refuse
				case Drop:
					now += refuse / 8
				}
			}
		}
		capacity := int(span / work)
		floor := map[int]int{1: 99, 2: 88, 4: 70}[times]
		if taken*100 < capacity*floor {
			t.Errorf("%d times: %d of %d calls, want %d %%", times, taken, capacity, floor)
		}
		if late > 0 {
			t.Errorf("%d times: %d messages waited longer than the gate allows", times, late)
		}
	}
}
