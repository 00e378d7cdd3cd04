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
		{212 * ms, 400 * ms, false, true, Refuse},
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
		if g.Behind() != s.behind || g.Judge(Call, 0) != s.call {
			t.Errorf("at %v, %v old: behind is %v and a call is %d, want %v and %d", s.at, s.age, g.Behind(), g.Judge(Call, 0), s.behind, s.call)
		}
		if g.Judge(UnderWay, 0) != Take {
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
	for age := time.Duration(0); age < 2*Interval; age += ms {
		now = now.Add(ms)
		g.behind, g.denied = true, 0
		g.Observe(now, age, false)
		for c := Class(1); c < Classes; c++ {
			if g.Judge(c, 0) < g.Judge(c-1, 0) {
				t.Fatalf("%v old: %s is kept, %s is not", age, c, c-1)
			}
		}
	}
	for c, want := range [Classes]time.Duration{1 << 62, 20 * ms, 15 * ms, 10 * ms, 5 * ms} {
		g.behind = true
		g.Observe(now, want-1, false)
		if g.Judge(Class(c), 0) != Take {
			t.Errorf("%s: not taken below %v", Class(c), want)
		}
		g.behind = true
		g.Observe(now, want, false)
		if c > 0 && g.Judge(Class(c), 0) == Take {
			t.Errorf("%s: taken at %v", Class(c), want)
		}
	}
}

// However long the queue is, one call of sixteen gets through, and what is stale is
// dropped.
func TestSomeGetThrough(t *testing.T) {
	t.Parallel()
	var g Gate
	g.Observe(clock.Instant(time.Second), 300*ms, true)
	var got [3]int
	for range 1600 {
		got[g.Judge(Call, 300*ms)]++
	}
	if want := [3]int{Take: 100, Refuse: 1500}; got != want {
		t.Errorf("took, refused and dropped %v, want %v", got, want)
	}
	for _, c := range []Class{UnderWay, Call, Other} {
		if g.Judge(c, Stale) != Drop {
			t.Errorf("%s: taken although stale", c)
		}
	}
}

// line is the queue of the model: what arrives by itself, and what comes again,
// by how often it has been tried.
type line struct {
	every time.Duration
	next  [7]time.Duration   // when the oldest of each comes
	again [7][]time.Duration // those behind it
}

const never = time.Duration(1 << 62)

func newLine(every time.Duration) *line {
	l := &line{every: every}
	for i := range l.next[1:] {
		l.next[i+1] = never
	}
	return l
}

// oldest is the message that has come first.
func (l *line) oldest() (tries int) {
	for i := range l.next {
		if l.next[i] < l.next[tries] {
			tries = i
		}
	}
	return tries
}

func (l *line) pop(tries int) {
	if tries == 0 {
		l.next[0] += l.every
		return
	}
	l.next[tries] = never
	if list := l.again[tries]; len(list) > 0 {
		l.next[tries], l.again[tries] = list[0], list[1:]
	}
}

// repeat has a message that was dropped come again (RFC 3261 §17.1.1.2).
func (l *line) repeat(at time.Duration, tries int) {
	if tries++; tries == len(l.next) {
		return
	}
	if at += 500 * ms << (tries - 1); l.next[tries] == never {
		l.next[tries] = at
	} else {
		l.again[tries] = append(l.again[tries], at)
	}
}

// A model of a server at several times its capacity, for a while: what it
// completes stays near what it can do, and the queue stays short, also when the
// server stands still for a moment. Callers without an answer try again.
func TestGateKeepsGoodputInAModel(t *testing.T) {
	t.Parallel()
	const (
		work   = 40 * time.Microsecond // of a call that is taken
		refuse = 3 * time.Microsecond  // its ACK included
		drop   = 650 * time.Nanosecond
		span   = 12 * time.Second
	)
	for _, c := range []struct {
		times, floor int
		stalls       bool
	}{{1, 97, false}, {2, 90, false}, {4, 72, false}, {1, 90, true}, {2, 83, true}, {4, 65, true}, {8, 25, true}} {
		var g Gate
		times, floor := c.times, c.floor
		l := newLine(work / time.Duration(times))
		taken, late, stall := 0, 0, 5*time.Second
		for now := time.Duration(0); now < span; {
			first := l.next[l.oldest()]
			now = max(now, first) // idle
			age := now - first
			if age < 64*l.every {
				age = 0
			}
			g.Observe(clock.Instant(time.Second+now), age, false)
			for range 64 {
				tries := l.oldest()
				at := l.next[tries]
				if at > now {
					break
				}
				l.pop(tries)
				switch g.Judge(Call, now-at) {
				case Take:
					if now-at > 2*Interval {
						late++
					}
					now += work
					taken++
				case Refuse:
					now += refuse
				case Drop:
					now += drop
					l.repeat(at, tries)
				}
			}
			if c.stalls && now > stall {
				now, stall = now+300*ms, stall+5*time.Second
			}
		}
		capacity := int(span / work)
		t.Logf("%d times, stalls %v: %d %% of capacity", times, c.stalls, taken*100/capacity)
		if taken*100 < capacity*floor {
			t.Errorf("%d times: %d of %d calls, want %d %%", times, taken, capacity, floor)
		}
		if times <= 4 && late > capacity/20 { // beyond, refusing alone takes most of the time
			t.Errorf("%d times: %d calls began later than 200 ms", times, late)
		}
	}
}
