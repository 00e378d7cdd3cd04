package siptest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
)

// rough is a link that does everything a network may do to a datagram.
var rough = Link{Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.05}

// stateless is a network around a stateless relay: the parties' own
// transactions have to repair what the links do.
func stateless(t testing.TB, seed uint64, link Link, calls int) *Network {
	n := NewNetwork(t, seed, link)
	n.Setup.Config = "127.0.0.2:5060"
	n.Setup.Rules.Stateless = true
	alice := n.Caller("alice", "127.0.0.1:5070")
	n.Callee("bob", "127.0.0.2:5060", Manner{Ring: 200 * time.Millisecond, Answer: time.Second})
	for i := range calls {
		plan := Plan{URI: "sip:bob@example.org", Talk: 2 * time.Second}
		if i%5 == 0 {
			plan.Cancel = 400 * time.Millisecond
		}
		alice.Call(time.Duration(i)*10*time.Millisecond, plan)
	}
	n.Attach(newRelay)
	return n
}

// stateful is a network around a forking proxy without retransmissions of its
// own besides those of INVITE, on links that lose nothing.
func stateful(t testing.TB, seed uint64, calls int) *Network {
	n := NewNetwork(t, seed, Link{Delay: time.Millisecond, Jitter: time.Millisecond})
	n.Setup.Config = "sip:bob@127.0.0.2:5060 sip:bob@127.0.0.3:5060 sip:bob@127.0.0.4:5060"
	alice := n.Caller("alice", "127.0.0.1:5070")
	n.Callee("desk", "127.0.0.2:5060", Manner{Ring: 100 * time.Millisecond, Answer: time.Second, HangUp: 3 * time.Second})
	n.Callee("cell", "127.0.0.3:5060", Manner{Ring: 100 * time.Millisecond, Answer: 5 * time.Second})
	n.Callee("fax", "127.0.0.4:5060", Manner{Answer: 50 * time.Millisecond, Status: 486})
	for i := range calls {
		alice.Call(time.Duration(i)*100*time.Millisecond, Plan{URI: "sip:bob@example.org"})
	}
	n.Attach(newForker)
	return n
}

func TestCallsThroughAStatelessRelayOverARoughNetwork(t *testing.T) {
	n := stateless(t, 1, rough, 2000)
	n.Finish()
	// A CANCEL that is lost a few times comes after the answer.
	if got := n.Outcomes(); got[200]+got[487] != 2000 || got[487] < 300 || got[487] > 400 {
		t.Errorf("got outcomes %v, want 1600 answered and nearly 400 cancelled", got)
	}
}

func TestForkedCallsLoseNoBranch(t *testing.T) {
	n := stateful(t, 1, 50)
	n.Finish()
	if got := n.Outcomes(); got[200] != 50 {
		t.Errorf("got outcomes %v, want 50 answered", got)
	}
}

func TestASilentTargetEndsBy408(t *testing.T) {
	n := NewNetwork(t, 1, Link{})
	n.Setup.Config = "sip:bob@127.0.0.2:5060"
	n.Dead("bob", "127.0.0.2:5060")
	n.Caller("alice", "127.0.0.1:5070").Call(0, Plan{URI: "sip:bob@example.org"})
	n.Attach(newForker)
	n.Finish()
	if got := n.Outcomes(); got[408] != 1 {
		t.Errorf("got outcomes %v, want one 408", got)
	}
}

func TestAnUnreachableTargetIsTold(t *testing.T) {
	n := NewNetwork(t, 1, Link{})
	n.Setup.Config = "sip:bob@127.0.0.2:5060"
	n.Unreachable("bob", "127.0.0.2:5060")
	n.Caller("alice", "127.0.0.1:5070").Call(0, Plan{URI: "sip:bob@example.org"})
	var p *forker
	n.Attach(func(s *Setup) Element { p = newForker(s).(*forker); return p })
	n.Run(100 * time.Millisecond)
	if len(p.broken) != 1 || p.broken[0] != effect.MakeHandle(1, 1, 1) {
		t.Errorf("got Broken %v, want one with the handle of the send", p.broken)
	}
}

func TestOneSeedIsOneTrace(t *testing.T) {
	trace := func(seed uint64) string {
		n := stateless(t, seed, rough, 50)
		return n.Finish().String()
	}
	if first := trace(7); first != trace(7) {
		t.Error("the same seed gave two traces")
	}
	if trace(7) == trace(8) {
		t.Error("two seeds gave the same trace")
	}
}

func TestLinksLoseDoubleAndReorder(t *testing.T) {
	for _, c := range []struct {
		name string
		link Link
		want func(n int, sorted bool) bool
	}{
		{"a perfect link delivers all in order", Link{}, func(n int, sorted bool) bool { return n == 1000 && sorted }},
		{"a lossy one fewer", Link{Loss: 0.1}, func(n int, sorted bool) bool { return n > 850 && n < 950 && sorted }},
		{"a doubling one more", Link{Duplicate: 0.1}, func(n int, sorted bool) bool { return n > 1050 && n < 1150 && sorted }},
		{"jitter mixes", Link{Jitter: time.Second}, func(n int, sorted bool) bool { return n == 1000 && !sorted }},
		{"holding back mixes", Link{Reorder: 0.1, Delay: time.Second}, func(n int, sorted bool) bool { return n == 1000 && !sorted }},
		{"a dead one nothing", Link{Loss: 1}, func(n int, sorted bool) bool { return n == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := NewNetwork(t, 3, c.link)
			n.Attach(newForker)
			var order []int
			for i := range 1000 {
				n.loop.after(time.Duration(i)*time.Millisecond, func() {
					n.travel(n.proxy(), func() { order = append(order, i) })
				})
			}
			n.Run(time.Minute)
			sorted := true
			for i := 1; i < len(order); i++ {
				sorted = sorted && order[i-1] <= order[i]
			}
			if !c.want(len(order), sorted) {
				t.Errorf("got %d packets, in order: %v", len(order), sorted)
			}
		})
	}
}

func TestSimUnderSynctest(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(testing.TB) *Network
		calls int
	}{
		{"stateless", func(t testing.TB) *Network { return stateless(t, 5, rough, 100) }, 100},
		{"stateful", func(t testing.TB) *Network { return stateful(t, 5, 20) }, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := &Sim{Network: c.build(t)}
				sim.Run(2 * time.Minute)
				sim.Finish()
				if got := sim.Outcomes(); got[200]+got[487] != c.calls {
					t.Errorf("got outcomes %v of %d calls", got, c.calls)
				}
			})
		})
	}
}

// leaver is an element that breaks the rule about rest in one of several ways.
type leaver struct {
	relay
	next func(now clock.Instant) (clock.Instant, bool)
	now  clock.Instant
	idle bool
}

func (l *leaver) Expire(now clock.Instant, fx *effect.List) { l.now = now }
func (l *leaver) Next() (clock.Instant, bool)               { return l.next(l.now) }
func (l *leaver) Idle() bool                                { return l.idle }

func TestRestIsChecked(t *testing.T) {
	once := func(at clock.Instant) func(clock.Instant) (clock.Instant, bool) {
		return func(now clock.Instant) (clock.Instant, bool) { return at, now < at }
	}
	for _, c := range []struct {
		name string
		next func(clock.Instant) (clock.Instant, bool)
		idle bool
		ok   bool
	}{
		{"no timer, idle", func(clock.Instant) (clock.Instant, bool) { return 0, false }, true, true},
		{"a last timer after 32 s", once(start.Add(32 * time.Second)), true, true},
		{"no timer, but not idle", func(clock.Instant) (clock.Instant, bool) { return 0, false }, false, false},
		{"a last timer after a minute", once(start.Add(time.Minute)), true, false},
		{"a timer in a day", once(start.Add(24 * time.Hour)), true, false},
		{"timers without end", func(now clock.Instant) (clock.Instant, bool) { return now.Add(time.Second), true }, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			element := func(s *Setup) Element {
				r := newRelay(s).(*relay)
				return &leaver{relay: *r, next: c.next, now: start, idle: c.idle}
			}
			const text = "stateless\nconfig: ${bob}\nalice -> proxy MESSAGE sip:bob@example.org\nproxy -> bob MESSAGE\n"
			spy := spyOn(t, func(tb testing.TB) { Run(tb, text, element) })
			if (len(spy.failures) == 0) != c.ok {
				t.Errorf("got failures %q", spy.failures)
			}
		})
	}
}

// spy stands for a test that may fail.
type spy struct {
	testing.TB
	failures []string
}

// spyOn runs f with a test of its own and returns what it reported.
func spyOn(t *testing.T, f func(testing.TB)) *spy {
	s := &spy{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != stop {
				panic(r)
			}
		}()
		f(s)
	}()
	return s
}

// stop is what a spy's Fatal panics with.
var stop = new(int)

func (s *spy) Helper() {}
func (s *spy) Errorf(format string, args ...any) {
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}
func (s *spy) Fatalf(format string, args ...any) { s.Errorf(format, args...); panic(stop) }
func (s *spy) Fatal(args ...any)                 { s.Errorf("%s", fmt.Sprint(args...)); panic(stop) }
