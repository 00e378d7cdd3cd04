package proxy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
)

// names is what is known of names; what is not in it has to be asked for.
type names map[string]func() (resolve.Hops, resolve.State)

func (n names) Get(_ clock.Instant, q resolve.Query) (resolve.Hops, resolve.State) {
	if f := n[string(q.Host)]; f != nil {
		return f()
	}
	return resolve.Hops{}, resolve.Miss
}

func hopsOf(addrs ...string) resolve.Hops {
	var list []netip.AddrPort
	for _, a := range addrs {
		list = append(list, netip.MustParseAddrPort(a))
	}
	return resolve.Fixed(flow.UDP, list...)
}

// newNamed is a stage whose rule sends everything to bob.example.com.
func newNamed(t *testing.T, known names) *stage {
	t.Helper()
	s := newStage(t, `
rule "fork" {
  when = dest.user == "fork"
  send = ["sip:a@one.example.com", "sip:b@two.example.com"]
}
rule "all" { send = "sip:bob@bob.example.com" }
`)
	s.snap.Known = known
	return s
}

// asked is the one question that the last step put.
func (s *stage) asked() effect.Ask {
	s.t.Helper()
	if len(s.fx.Asks) != 1 {
		s.t.Fatalf("%d questions were put, want one", len(s.fx.Asks))
	}
	a := s.fx.Asks[0]
	a.Bytes = append([]byte(nil), a.Bytes...)
	return a
}

func (s *stage) resolved(a effect.Ask, hops resolve.Hops, err error) []sent {
	s.fx.Reset()
	s.core.Resolved(s.now, a.Handle, hops, err, &s.fx)
	return s.sends()
}

func (s *stage) invite(user string) string {
	return s.compose("INVITE sip:"+user+"@example.org SIP/2.0", "Contact: <sip:alice@198.51.100.5>")
}

const carolAt = "203.0.113.8:5060"

// RFC 3263 §4, RFC 3261 §17.2.1: what has to wait for DNS is answered 100 at once.
func TestAnInviteWaitsForAName(t *testing.T) {
	t.Parallel()
	s := newNamed(t, names{})
	invite := s.invite("bob")
	s.refused(s.receive(aliceAt, invite), 100)
	ask := s.asked()
	if q, ok := resolve.ParseQuery(ask.Bytes); !ok || string(q.Host) != "bob.example.com" || q.Port != 0 || q.Transport != flow.None {
		t.Fatalf("asked for %q %+v", ask.Bytes, q)
	}
	s.refused(s.receive(aliceAt, invite), 100) // a copy is absorbed and puts no other question
	if len(s.fx.Asks) != 0 {
		t.Error("a copy asked again")
	}
	s.relayed(s.resolved(ask, hopsOf(bobAt), nil), bobAt)
	s.silent(s.resolved(ask, hopsOf(carolAt), nil)) // a second answer means nothing
	if n := s.core.Stats().LateAnswers; n != 1 {
		t.Errorf("%d late answers, want 1", n)
	}
}

// RFC 3261 §16.6 step 7: without any address the target counts as 408; a
// question that failed as 503, which goes upstream as 500 (§16.7 step 6).
// Proves: NH-9
func TestNamesWithoutHops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err   error
		state resolve.State
		want  int
	}{
		{resolve.ErrNoName, resolve.Negative, 408},
		{resolve.ErrSilent, resolve.Failed, 500},
		{errors.New("something else"), resolve.Failed, 500},
	} {
		s := newNamed(t, names{})
		s.receive(aliceAt, s.invite("bob"))
		s.refused(s.resolved(s.asked(), resolve.Hops{}, c.err), c.want)

		s = newNamed(t, names{"bob.example.com": func() (resolve.Hops, resolve.State) { return resolve.Hops{}, c.state }})
		s.refused(s.receive(aliceAt, s.invite("bob")), c.want)
	}
}

// What is stale is used, and asked for by the way: nobody waits.
func TestStaleHopsAreUsed(t *testing.T) {
	t.Parallel()
	s := newNamed(t, names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf(bobAt), resolve.Stale }})
	s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
	if a := s.asked(); a.Handle != 0 {
		t.Error("somebody waits for the refresh")
	}
}

// RFC 3263 §4.3: 503, a transport error and silence move a request to the next
// hop with a branch of its own; a 4xx or a 5xx of another kind is an answer.
// RFC 3261 §16.7: what the hop left behind said does not count.
// Proves: NH-8, NH-19
func TestFailover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fail func(s *stage, first sent) []sent
		next bool
	}{
		{"503", func(s *stage, x sent) []sent {
			return s.receive(bobAt, answer(x, "503 Service Unavailable"))[1:] // after the ACK
		}, true},
		{"486", func(s *stage, x sent) []sent { return s.receive(bobAt, answer(x, "486 Busy Here"))[1:] }, false},
		{"408", func(s *stage, x sent) []sent { return s.receive(bobAt, answer(x, "408 Request Timeout"))[1:] }, false},
		{"604", func(s *stage, x sent) []sent { return s.receive(bobAt, answer(x, "604 Nowhere"))[1:] }, false},
		{"500", func(s *stage, x sent) []sent { return s.receive(bobAt, answer(x, "500 Oops"))[1:] }, false},
		{"transport error", func(s *stage, x sent) []sent {
			s.fx.Reset()
			s.Broken(s.now, x.about, &s.fx)
			return s.sends()
		}, true},
		{"silence", func(s *stage, x sent) (moved []sent) {
			for _, y := range s.pass(4100 * time.Millisecond) {
				if y.IsRequest() && y.hop.Remote != x.hop.Remote {
					moved = append(moved, y)
				}
			}
			return moved
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newNamed(t, names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf(bobAt, carolAt), resolve.Hit }})
			first := s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
			after := c.fail(s, first)
			if !c.next {
				if x := s.one(after); x.Status < 400 {
					t.Fatalf("got %s, want the refusal", what(x))
				}
				return
			}
			second := s.relayed(after, carolAt)
			if a, b := first.Branch(), second.Branch(); a == b || a == "" {
				t.Errorf("branches %q and %q: the second hop needs one of its own", a, b)
			}
			list := s.receive(carolAt, answer(second, "486 Busy Here"))
			if x := s.one(list[1:]); x.Status != 486 {
				t.Errorf("got %s, want the answer of the second hop", what(x))
			}
		})
	}
}

// A hop left behind for its silence owes nothing: its 1xx gets the CANCEL that
// is due (§9.1) and is not forwarded; its late 2xx is (§16.7 step 5).
func TestTheHopLeftBehind(t *testing.T) {
	t.Parallel()
	known := names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf(bobAt, carolAt), resolve.Hit }}
	start := func() (*stage, sent, sent) {
		s := newNamed(t, known)
		first := s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
		var second sent
		for _, x := range s.pass(4100 * time.Millisecond) {
			if x.hop.Remote.String() == carolAt {
				second = x
			}
		}
		if second.Message == nil {
			t.Fatal("the next hop was not tried")
		}
		return s, first, second
	}
	s, first, _ := start()
	if x := s.relayed(s.receive(bobAt, answer(first, "180 Ringing")), bobAt); x.Method != "CANCEL" {
		t.Errorf("its 180 gave %s, want the CANCEL", what(x))
	}

	s, first, second := start()
	list := s.receive(bobAt, answer(first, "200 OK", "Contact: <sip:bob@203.0.113.7>"))
	if x := s.one(list); x.Status != 200 {
		t.Fatalf("its 200 gave %s", what(x))
	}
	if x := s.relayed(s.receive(carolAt, answer(second, "180 Ringing")), carolAt); x.Method != "CANCEL" {
		t.Errorf("the other hop got %s, want CANCEL", what(x))
	}

	// A 486 of the hop in use ends the search, whatever the first one does.
	s, _, second = start()
	list = s.receive(carolAt, answer(second, "486 Busy Here"))
	if x := list[len(list)-1]; x.Status != 486 {
		t.Errorf("got %s, want 486 at once", what(x))
	}
}

// RFC 4321: no new hop for a non-INVITE when its answer could not be used any more.
func TestNonInviteFailsOverWhileThereIsTime(t *testing.T) {
	t.Parallel()
	var addrs []string
	for i := range 16 {
		addrs = append(addrs, fmt.Sprintf("203.0.113.%d:5060", 20+i))
	}
	s := newNamed(t, names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf(addrs...), resolve.Hit }})
	s.relayed(s.receive(aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0")), addrs[0])
	tried := map[string]bool{}
	for _, x := range s.pass(40 * time.Second) {
		if x.IsRequest() {
			tried[x.hop.Remote.String()] = true
		}
	}
	if len(tried) != 8 { // the first at 0 s, the last at 28 s
		t.Errorf("%d hops were tried, want 8", len(tried))
	}
}

// seams.md §4: CANCEL while waiting: 200, and 487 at once with our tag; the
// answer that comes later finds nobody.
func TestCancelWhileWaiting(t *testing.T) {
	t.Parallel()
	s := newNamed(t, names{})
	invite := s.invite("bob")
	s.receive(aliceAt, invite)
	ask := s.asked()
	list := s.receive(aliceAt, cancelOf(invite))
	if len(list) != 2 || list[0].Status != 200 || list[1].Status != 487 || list[1].Tag("To") == "" {
		t.Fatalf("got %d messages, first %s", len(list), what(list[0]))
	}
	s.silent(s.resolved(ask, hopsOf(bobAt), nil))
}

// cancelOf writes the CANCEL of an INVITE that compose wrote.
func cancelOf(invite string) string {
	text := strings.Replace(invite, "INVITE ", "CANCEL ", 1)
	return strings.Replace(text, " INVITE\r\n", " CANCEL\r\n", 1)
}

// Two targets wait for a name each: the one that comes first is called; a 6xx
// from it ends the search, and the answer for the other is late.
func TestAForkWaitsForEachName(t *testing.T) {
	t.Parallel()
	s := newNamed(t, names{})
	s.refused(s.receive(aliceAt, s.invite("fork")), 100)
	if len(s.fx.Asks) != 2 {
		t.Fatalf("%d questions, want two", len(s.fx.Asks))
	}
	one, two := s.fx.Asks[0], s.fx.Asks[1]
	x := s.relayed(s.resolved(two, hopsOf(carolAt), nil), carolAt)
	list := s.receive(carolAt, answer(x, "404 Not Found"))
	if len(list) != 1 || list[0].Method != "ACK" {
		t.Fatalf("a 404 ended the search while a name was open: %s", what(list[len(list)-1]))
	}
	x = s.relayed(s.resolved(one, hopsOf(bobAt), nil), bobAt)
	list = s.receive(bobAt, answer(x, "603 Decline"))
	if got := s.one(list[1:]); got.Status != 603 {
		t.Errorf("got %s, want 603", what(got))
	}

	s = newNamed(t, names{})
	s.receive(aliceAt, s.invite("fork"))
	one, two = s.fx.Asks[0], s.fx.Asks[1]
	x = s.relayed(s.resolved(one, hopsOf(bobAt), nil), bobAt)
	if got := s.one(s.receive(bobAt, answer(x, "603 Decline"))[1:]); got.Status != 603 {
		t.Errorf("got %s, want 603 without waiting for the other name", what(got))
	}
	s.silent(s.resolved(two, hopsOf(carolAt), nil))
}

// safety.md rule 11: what DNS says is a proposal; an address that may not be
// spoken to is passed by.
func TestDestinationsAfterResolution(t *testing.T) {
	t.Parallel()
	s := newNamed(t, names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf("127.0.0.1:5060", bobAt), resolve.Hit }})
	s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
	s = newNamed(t, names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf("10.1.1.1:5060"), resolve.Hit }})
	s.refused(s.receive(aliceAt, s.invite("bob")), 403)
}

// seams.md §4: the ACK of a 2xx has no transaction: it waits as a copy, and a
// copy of it waits too; what does not fit is dropped and counted.
func TestParkedAcks(t *testing.T) {
	t.Parallel()
	s := newNamed(t, names{})
	ack := s.compose("ACK sip:bob@example.org SIP/2.0", "To: <sip:bob@example.org>;tag=b")
	s.silent(s.receive(aliceAt, ack))
	first := s.asked()
	s.silent(s.receive(aliceAt, ack))
	second := s.asked()
	x := s.relayed(s.resolved(first, hopsOf(bobAt), nil), bobAt)
	y := s.relayed(s.resolved(second, hopsOf(bobAt), nil), bobAt)
	if x.Branch() != y.Branch() {
		t.Error("the copies of an ACK differ in branch")
	}
	s.silent(s.receive(aliceAt, ack))
	s.silent(s.resolved(s.asked(), resolve.Hops{}, resolve.ErrSilent))

	for range 1024 {
		s.receive(aliceAt, ack)
	}
	before := s.core.Stats().Dropped[proxy.DropParked]
	s.silent(s.receive(aliceAt, ack))
	if st := s.core.Stats(); st.Dropped[proxy.DropParked] != before+1 || st.ParkedNow != 1024 {
		t.Errorf("at the bound: %d dropped, %d parked", st.Dropped[proxy.DropParked]-before, st.ParkedNow)
	}
}

// Nothing of a wait is left when its context is over.
func TestWaitsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	s := newNamed(t, names{})
	s.receive(aliceAt, s.invite("fork"))
	s.resolved(s.fx.Asks[0], hopsOf(bobAt, carolAt), nil)
	s.pass(11 * time.Minute)
	s.pass(40 * time.Second)
	if !s.core.Idle() {
		t.Errorf("left: %+v", s.core.Stats())
	}
}

// RFC 3261 §21.5.4, RFC 4321 §1.3: what failed lately is passed by as long as
// there is another: after silence and errors for half a minute, after a 503 for
// as long as it asks; a 503 that asks for nothing is forgotten.
// Proves: NH-13, NH-23, NI-6
func TestHopsThatFailedArePassedBy(t *testing.T) {
	t.Parallel()
	known := names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf(bobAt, carolAt), resolve.Hit }}
	for _, c := range []struct {
		name string
		fail func(s *stage, x sent)
		want string
		wait time.Duration // until it is tried again
	}{
		{"silence", func(s *stage, _ sent) { s.pass(4100 * time.Millisecond) }, carolAt, 63 * time.Second},
		{"error", func(s *stage, x sent) { s.fx.Reset(); s.Broken(s.now, x.about, &s.fx) }, carolAt, 31 * time.Second},
		{"503 with Retry-After", func(s *stage, x sent) {
			s.receive(bobAt, answer(x, "503 Service Unavailable", "Retry-After: 120 (lunch)"))
		}, carolAt, 121 * time.Second},
		{"503", func(s *stage, x sent) { s.receive(bobAt, answer(x, "503 Service Unavailable")) }, bobAt, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newNamed(t, known)
			c.fail(s, s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt))
			s.call = "second"
			s.relayed(s.receive(aliceAt, s.invite("bob")), c.want)
			s.pass(c.wait)
			s.call = "third"
			s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
		})
	}
	// What one shard has met all know.
	s := newNamed(t, known)
	s.receive(bobAt, answer(s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt), "503 Service Unavailable", "Retry-After: 120"))
	s.core = proxy.NewCore(s.config, s.now, s.snap)
	s.relayed(s.receive(aliceAt, s.invite("bob")), carolAt)
	// When all have failed, the first is as good as any.
	s = newNamed(t, known)
	x := s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
	s.fx.Reset()
	s.Broken(s.now, x.about, &s.fx)
	y := s.relayed(s.sends(), carolAt)
	s.fx.Reset()
	s.Broken(s.now, y.about, &s.fx)
	s.call = "second"
	s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
}
