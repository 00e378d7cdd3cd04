package wheel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"viaduct/internal/clock"
	"viaduct/internal/wheel"
)

const tick = clock.Instant(wheel.Tick)

// roundUp is the first instant on a tick at or after i.
func roundUp(i clock.Instant) clock.Instant { return (max(i, 0) + tick - 1) / tick * tick }

// sorted is the plain version: every armed timer in one list, searched from end to
// end.
type sorted struct {
	armed map[*wheel.Timer]clock.Instant // when it may fire, on a tick
	now   clock.Instant
}

func (s *sorted) arm(t *wheel.Timer, at clock.Instant) { s.armed[t] = roundUp(at) }

// next is when the first timer may fire; it has come when it is not after now.
func (s *sorted) next() (at clock.Instant, ok bool) {
	for _, a := range s.armed {
		if !ok || a < at {
			at, ok = a, true
		}
	}
	return at, ok
}

// due takes out what is due at now.
func (s *sorted) due(now clock.Instant) map[*wheel.Timer]clock.Instant {
	s.now = max(s.now, now)
	found := map[*wheel.Timer]clock.Instant{}
	for t, a := range s.armed {
		if a <= s.now {
			found[t] = a
			delete(s.armed, t)
		}
	}
	return found
}

// spans are distances at which the wheel changes its way: the next tick, the edge
// of near, of far, and beyond far.
var spans = []time.Duration{
	0, time.Nanosecond, wheel.Tick, 500 * time.Millisecond, 32 * time.Second,
	40950 * time.Millisecond, 40960 * time.Millisecond, 40970 * time.Millisecond, 3 * time.Minute,
	12 * time.Hour, 46 * time.Hour, 47 * time.Hour, 200 * time.Hour,
}

func anySpan(r *rand.Rand) time.Duration {
	d := spans[r.IntN(len(spans))]
	if r.IntN(2) == 0 {
		d = time.Duration(r.Int64N(int64(d) + 1))
	}
	return d
}

// TestAgainstSortedList drives a wheel and the plain version with the same random
// steps: arm, move, stop, advance by small and large steps, a clock that is read by
// two drivers and so sometimes comes late.
func TestAgainstSortedList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			now := clock.Instant(r.Int64N(int64(time.Hour)))
			w, plain := wheel.New(now), &sorted{armed: map[*wheel.Timer]clock.Instant{}, now: now}
			timers := make([]wheel.Timer, 40)
			for range 1500 {
				tm := &timers[r.IntN(len(timers))]
				switch r.IntN(8) {
				case 0, 1, 2:
					at := now.Add(anySpan(r))
					w.Arm(tm, at)
					plain.arm(tm, at)
				case 3:
					w.Stop(tm)
					delete(plain.armed, tm)
				default:
					now = now.Add(anySpan(r) / time.Duration(1+r.IntN(100)))
					checkDue(t, w, plain, now-clock.Instant(r.Int64N(int64(30*time.Millisecond))))
				}
				checkState(t, w, plain, timers)
			}
		})
	}
}

// checkDue pops what is due from both and compares sets and order.
func checkDue(t *testing.T, w *wheel.Wheel, plain *sorted, now clock.Instant) {
	t.Helper()
	want := plain.due(now)
	last := clock.Instant(0)
	for tm := w.Due(now); tm != nil; tm = w.Due(now) {
		at, ok := want[tm]
		if !ok {
			t.Fatalf("at %d: a timer fired that is not due", now)
		}
		if at < last {
			t.Fatalf("at %d: a timer of %d fired after one of %d", now, at, last)
		}
		// One armed in the past is due with the tick it was armed in.
		last = at
		delete(want, tm)
	}
	if len(want) != 0 {
		t.Fatalf("at %d: %d timers did not fire", now, len(want))
	}
}

func checkState(t *testing.T, w *wheel.Wheel, plain *sorted, timers []wheel.Timer) {
	t.Helper()
	if got, want := w.Len(), len(plain.armed); got != want {
		t.Fatalf("Len: got %d, want %d", got, want)
	}
	for i := range timers {
		if _, want := plain.armed[&timers[i]]; timers[i].Armed() != want {
			t.Fatalf("Armed: got %t, want %t", timers[i].Armed(), want)
		}
	}
	got, ok := w.Next()
	want, wantOK := plain.next()
	if ok != wantOK {
		t.Fatalf("Next: got ok %t, want %t", ok, wantOK)
	}
	if ok && got > max(want, plain.now) {
		t.Fatalf("Next: got %d, after the true %d", got, want)
	}
}

func TestNextLeadsToEveryTimer(t *testing.T) {
	t.Parallel()
	w := wheel.New(0)
	timers := make([]wheel.Timer, len(spans))
	for i, d := range spans {
		w.Arm(&timers[i], clock.Instant(d))
	}
	fired := map[*wheel.Timer]clock.Instant{}
	jumps := 0
	for now, ok := w.Next(); ok; now, ok = w.Next() {
		jumps++
		for tm := w.Due(now); tm != nil; tm = w.Due(now) {
			fired[tm] = now
		}
	}
	for i, d := range spans {
		if got, want := fired[&timers[i]], roundUp(clock.Instant(d)); got != want {
			t.Errorf("a timer of %v: fired at %v, want %v", d, time.Duration(got), time.Duration(want))
		}
	}
	// One jump for each timer, and one for each time that a far one is moved.
	if jumps > 3*len(spans) {
		t.Errorf("got %d jumps for %d timers", jumps, len(spans))
	}
}

func TestNeverEarly(t *testing.T) {
	t.Parallel()
	for _, at := range []clock.Instant{1, tick - 1, tick, tick + 1, 5*tick + 3} {
		w := wheel.New(0)
		var tm wheel.Timer
		w.Arm(&tm, at)
		if w.Due(at-1) != nil {
			t.Errorf("armed for %d: fired before", at)
		}
		if got := w.Due(roundUp(at)); got != &tm {
			t.Errorf("armed for %d: did not fire within its tick", at)
		}
	}
}

func TestPastIsDueAtOnce(t *testing.T) {
	t.Parallel()
	now := clock.Instant(time.Hour)
	for _, at := range []clock.Instant{-5, 0, now - tick, now} {
		w := wheel.New(now)
		var tm wheel.Timer
		w.Arm(&tm, at)
		if got, _ := w.Next(); got > now {
			t.Errorf("armed for %d: Next is %d", at, got)
		}
		if w.Due(now) != &tm {
			t.Errorf("armed for %d: not due at %d", at, now)
		}
	}
}

// A shard's wheel is driven by readers and by a ticker; their clock readings cross.
func TestClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	w := wheel.New(0)
	var a, b wheel.Timer
	w.Arm(&a, 10*tick)
	w.Arm(&b, 20*tick)
	if w.Due(20*tick) != &a {
		t.Fatal("the first timer is not due")
	}
	if w.Due(5*tick) != &b {
		t.Error("a late driver does not see what is due by the newest time told")
	}
	w.Arm(&a, 15*tick)
	if w.Due(5*tick) != &a {
		t.Error("what is armed behind the newest time told is not due")
	}
}

func TestStopInsideTheDueRing(t *testing.T) {
	t.Parallel()
	w := wheel.New(0)
	timers := make([]wheel.Timer, 3)
	for i := range timers {
		w.Arm(&timers[i], tick)
	}
	if w.Due(tick) != &timers[0] {
		t.Fatal("timers of one tick fire in the order of arming")
	}
	w.Stop(&timers[1])
	w.Stop(&timers[1])
	if w.Due(tick) != &timers[2] || w.Due(tick) != nil || w.Len() != 0 {
		t.Error("a timer that was stopped while due fired, or another was lost")
	}
}

func TestSizeAndAllocations(t *testing.T) {
	if got := unsafe.Sizeof(wheel.Timer{}); got > 32 {
		t.Errorf("a Timer takes %d bytes, want at most 32: a transaction holds three", got)
	}
	w := wheel.New(0)
	timers := make([]wheel.Timer, 100)
	now := clock.Instant(0)
	if n := testing.AllocsPerRun(100, func() {
		for i := range timers {
			w.Arm(&timers[i], now.Add(spans[i%len(spans)]))
		}
		now += 500 * tick
		for w.Due(now) != nil {
		}
		for i := range timers {
			w.Stop(&timers[i])
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkWheel(b *testing.B) {
	b.Run("arm-stop", func(b *testing.B) {
		w := wheel.New(0)
		timers := make([]wheel.Timer, 1<<12)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			tm := &timers[i%len(timers)]
			w.Arm(tm, clock.Instant(i%3200)*tick+tick)
			w.Stop(tm)
		}
	})
	b.Run("arm-fire-32s", func(b *testing.B) {
		w := wheel.New(0)
		timers := make([]wheel.Timer, 1<<16)
		now := clock.Instant(0)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if tm := &timers[i%len(timers)]; !tm.Armed() {
				w.Arm(tm, now.Add(32*time.Second))
			}
			if i%16 == 0 {
				now += tick
				for w.Due(now) != nil {
				}
			}
		}
	})
	b.Run("silent-minute", func(b *testing.B) {
		w := wheel.New(0)
		var tm wheel.Timer
		now := clock.Instant(0)
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(time.Minute)
			w.Arm(&tm, now)
			if w.Due(now) == nil {
				b.Fatal("not due")
			}
		}
	})
}

// Timers of one tick come in the order of arming, near and far.
func TestOneTickInOrderOfArming(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{-time.Second, 0, time.Second, time.Hour} {
		w := wheel.New(clock.Instant(time.Minute))
		at := clock.Instant(time.Minute).Add(after)
		timers := make([]wheel.Timer, 20)
		for i := range timers {
			timers[i].Slot = uint32(i)
			w.Arm(&timers[i], at)
		}
		for _, i := range []int{0, 7, 19} {
			w.Stop(&timers[i])
		}
		w.Arm(&timers[7], at)
		var got []uint32
		for tm := w.Due(at); tm != nil; tm = w.Due(at) {
			got = append(got, tm.Slot)
		}
		want := []uint32{1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 7}
		if !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", after, got, want)
		}
	}
}
