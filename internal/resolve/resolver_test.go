package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/clock"
)

func TestOneQuestionIsAtTheServersOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, domain)
		z.delay = 50 * time.Millisecond
		b := newBench(t, z, Config{})
		for token := range uint64(20) { // the same Query, and others that need the same records
			b.ask(t, queryOf(t, []string{"srv.example;udp", "early.srv.example:5061", "early.srv.example:5062"}[token%3], "udp4"), token)
		}
		sleep(time.Second)
		for token := range uint64(20) {
			if !strings.HasPrefix(b.answer(token), "udp:192.0.2.4:506") {
				t.Errorf("token %d heard %q", token, b.answer(token))
			}
		}
		want := "A early.srv.example, A late.srv.example, SRV _sip._udp.srv.example"
		if got := strings.Join(z.questions(), ", "); got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		if s := b.Stats(); s.Asked != 20 || s.Found != 3 || s.Open != 0 || s.Waiting != 0 {
			t.Errorf("counters: %+v", s)
		}
	})
}

func TestASilentServerDelaysOnlyItsOwnQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, domain)
		z.delay = time.Millisecond
		b := newBench(t, z, Config{})
		const silent = 200
		for i := range uint64(silent) {
			name := fmt.Sprintf("silent%d.example", i)
			z.mu.Lock()
			z.silent[Question{name, TypeNAPTR}] = true
			z.mu.Unlock()
			b.ask(t, queryOf(t, name, "udp4 tcp4"), i)
		}
		synctest.Wait()
		b.ask(t, queryOf(t, "full.example", "udp4 tcp4"), silent)
		sleep(3 * z.delay) // NAPTR, SRV, A
		if got := b.answer(silent); got != "tcp:192.0.2.1:5070" {
			t.Fatalf("while others were silent: got %q", got)
		}
		if s := b.Stats(); s.Open != silent || s.Waiting != silent {
			t.Errorf("open %d, waiting %d, want %d", s.Open, s.Waiting, silent)
		}
		sleep(b.limits.Budget)
		for i := range uint64(silent) {
			if got := b.answer(i); got != "no server answered in time" || b.heardAt(i) != b.limits.Budget {
				t.Fatalf("silent name %d: got %q after %v", i, got, b.heardAt(i))
			}
		}
		if _, state := b.Cache().Get(b.now(), queryOf(t, "silent1.example", "udp4 tcp4")); state != Failed {
			t.Errorf("a name that has just failed: got state %d, want Failed", state)
		}
	})
}

func TestBoundsRefuseAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "")
		z.dead[server1] = true
		b := newBench(t, z, Config{Limits: Limits{Questions: 4, Waiters: 3}})
		name := func(i int) Query { return named(fmt.Sprintf("n%d.example", i)) }
		token := uint64(0)
		ask := func(q Query) error { token++; return b.Ask(q, token) }
		for i := range 4 {
			if err := ask(name(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := ask(name(4)); !errors.Is(err, ErrFull) {
			t.Errorf("a fifth Query: got %v, want ErrFull", err)
		}
		if err := b.Refresh(name(5)); !errors.Is(err, ErrFull) {
			t.Errorf("a refresh at the bound: got %v, want ErrFull", err)
		}
		for i := range 3 {
			if err := ask(name(0)); (err == nil) != (i < 2) {
				t.Errorf("waiter %d of a Query: got %v", i+2, err)
			}
		}
		if err := ask(named(strings.Repeat("a", 300))); !errors.Is(err, ErrNoName) {
			t.Errorf("a name too long: got %v, want ErrNoName", err)
		}
		sleep(b.limits.Budget)
		s := b.Stats()
		if s.Refused != 3 || s.Asked != 6 || s.Failed != 4 || s.Waiting != 0 {
			t.Errorf("counters: %+v", s)
		}
		if err := ask(name(9)); err != nil {
			t.Errorf("after all have ended: %v", err)
		}
	})
}

func TestSocketsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "")
		z.dead[server1] = true
		b := newBench(t, z, Config{Limits: Limits{Sockets: 2}})
		for i := range uint64(10) {
			b.ask(t, named(fmt.Sprintf("n%d.example", i)), i)
		}
		synctest.Wait()
		if n := len(z.questions()); n != 2 {
			t.Errorf("%d questions are at the servers, want 2", n)
		}
	})
}

func TestStaleHopsAreServedWhileTheyAreLookedUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "a.example 10 A 192.0.2.1")
		b := newBench(t, z, Config{})
		q := queryOf(t, "a.example:5060", "udp4")
		get := func(state State, want string) {
			t.Helper()
			if h, got := b.Cache().Get(b.now(), q); got != state || show(h, nil) != want {
				t.Errorf("got state %d and %q, want %d and %q", got, show(h, nil), state, want)
			}
		}
		b.ask(t, q, 1)
		sleep(10 * time.Second)
		get(Stale, "udp:192.0.2.1:5060")
		z.dead[server1] = true
		if err := b.Refresh(q); err != nil {
			t.Fatal(err)
		}
		get(Hit, "udp:192.0.2.1:5060")
		b.ask(t, q, 2) // whoever asks all the same is told the same when the servers are silent
		sleep(b.limits.Budget)
		if got := b.answer(2); got != "udp:192.0.2.1:5060" {
			t.Errorf("asking while servers are silent: got %q", got)
		}
		sleep(b.limits.Failure)
		get(Stale, "udp:192.0.2.1:5060")
		z.dead[server1] = false
		z.replies[Question{"a.example", TypeA}].Records[0].Addr = netip.MustParseAddr("192.0.2.2")
		if err := b.Refresh(q); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		get(Hit, "udp:192.0.2.2:5060")
	})
}

func TestStopTellsThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "")
		z.dead[server1] = true
		b := newBench(t, z, Config{})
		for i := range uint64(5) {
			b.ask(t, named(fmt.Sprintf("n%d.example", i)), i)
		}
		synctest.Wait()
		b.stop()
		for i := range uint64(5) {
			if got := b.answer(i); got != "the resolver has stopped" {
				t.Errorf("token %d heard %q", i, got)
			}
		}
		if err := b.Ask(named("a.example"), 9); !errors.Is(err, ErrStopped) {
			t.Errorf("Ask after the end: got %v, want ErrStopped", err)
		}
	})
}

func TestStopBeforeRunTellsThoseWhoWait(t *testing.T) {
	t.Parallel()
	sink := &answers{heard: make(map[uint64]string), when: make(map[uint64]time.Duration)}
	r := New(Config{Exchanger: newZone(t, "")}, sink)
	if err := r.Ask(named("a.example"), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Run(ctx)
	if sink.heard[1] != "the resolver has stopped" {
		t.Errorf("heard %q", sink.heard[1])
	}
}

func TestReloadForgetsWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "a.example 300 A 192.0.2.1")
		read := func(text string) *Hosts {
			h, err := parseHosts(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		b := newBench(t, z, Config{Hosts: read("192.0.2.7 pbx")})
		q := queryOf(t, "a.example:5060", "udp4")
		state := func(want State) {
			t.Helper()
			if _, got := b.Cache().Get(b.now(), q); got != want {
				t.Errorf("got state %d, want %d", got, want)
			}
		}
		b.ask(t, q, 1)
		synctest.Wait()
		b.Reload(server1Only, read("192.0.2.7 pbx"))
		state(Hit)
		b.Reload(server1Only, read("192.0.2.7 pbx\n192.0.2.8 a.example"))
		state(Miss)
		b.ask(t, q, 2)
		synctest.Wait()
		if got := b.answer(2); got != "udp:192.0.2.8:5060" {
			t.Errorf("after the reload: got %q", got)
		}
		z.delay = time.Second / 10
		b.Reload(server1Only, nil)
		b.ask(t, q, 3)
		synctest.Wait()
		b.Reload([]netip.AddrPort{server2}, nil) // while the question is under way
		sleep(time.Second)
		if got := b.answer(3); got != "udp:192.0.2.1:5060" {
			t.Errorf("a question over a reload: got %q", got)
		}
		state(Miss) // its answer is one of before
	})
}

// panicky is an Exchanger that breaks.
type panicky struct{}

func (panicky) Exchange(context.Context, netip.AddrPort, Question, <-chan struct{}) (Reply, error) {
	panic("broken")
}

func TestAPanicEndsOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &answers{heard: make(map[uint64]string), when: make(map[uint64]time.Duration), start: time.Now()}
		r := New(Config{Exchanger: panicky{}, Servers: server1Only, Now: func() clock.Instant { return 1 }}, sink)
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { r.Run(ctx) })
		if err := r.Ask(queryOf(t, "b.example:5060", "udp4"), 2); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := sink.heard[2]; got != "the servers could not answer" || r.Stats().Panics != 1 {
			t.Errorf("heard %q and counted %d panics", got, r.Stats().Panics)
		}
		cancel()
		run.Wait()
	})
}
