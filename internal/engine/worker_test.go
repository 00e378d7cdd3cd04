package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// lines counts what is logged. It is safe for several goroutines.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A panic in any step costs that step: the shard is free, the effects of other
// steps of the batch leave, the next message is served, and it is told once.
//
// Proves: RB-1
func TestPanicIsContained(t *testing.T) {
	dead := closedPort(t)
	boom := func() { panic("boom") }
	toDead := func(h effect.Handle) func(*sip.Message, flow.Flow, *effect.List) {
		return func(m *sip.Message, from flow.Flow, fx *effect.List) {
			if m.Method() == sip.OPTIONS {
				fx.Send(from.Hop(), fx.Copy(m.Wire()), 0)
				return
			}
			hop := flow.Hop{Local: from.Local, Remote: dead, Protocol: flow.UDP}
			if h != 0 {
				hop.Remote = netip.AddrPortFrom(dead.Addr(), 0)
			}
			wire := strings.Replace(string(m.Wire()), "z9hG4bK-1", branchOf(effect.MakeHandle(0, 1, 1)), 1)
			fx.Send(hop, fx.Copy([]byte(wire)), h)
		}
	}
	for _, c := range []struct {
		step, first string
		setup       func(*fake)
		tracer      Tracer
		notes       Notes
	}{
		{step: "message", first: request("MESSAGE", 1), setup: func(f *fake) {
			f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
				fx.Send(from.Hop(), fx.Copy(m.Wire()), 0) // dropped when the step panics
				fx.Note(effect.Note{Kind: effect.NoteFull})
				if m.Method() == sip.MESSAGE {
					boom()
				}
			}
		}},
		{step: "message", first: "OPTIONS not SIP\r\n\r\n", setup: func(f *fake) { f.bad = boom }},
		{step: "message", first: request("MESSAGE", 1), tracer: tracerFunc(func(received bool, wire []byte) {
			if received && bytes.HasPrefix(wire, []byte("MESSAGE")) {
				boom()
			}
		})},
		{step: "send", first: request("MESSAGE", 1), tracer: tracerFunc(func(received bool, wire []byte) {
			if !received && bytes.HasPrefix(wire, []byte("MESSAGE")) {
				boom()
			}
		})},
		{step: "notes", first: request("MESSAGE", 1), notes: noteFunc(func(effect.Note) { boom() }), setup: func(f *fake) {
			f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
				if m.Method() == sip.MESSAGE {
					fx.Note(effect.Note{Kind: effect.NoteFull})
					return
				}
				fx.Send(from.Hop(), fx.Copy(m.Wire()), 0)
			}
		}},
		{step: "failure", first: request("MESSAGE", 1), setup: func(f *fake) {
			f.packet = toDead(1)
			f.broken = func(effect.Handle, *effect.List) { boom() }
		}},
		{step: "failure", first: request("MESSAGE", 1), setup: func(f *fake) {
			f.packet = toDead(0)
			f.branch = func([]byte, *effect.List) { boom() }
		}},
		{step: "timer", setup: func(f *fake) {
			once := false
			f.expire = func(*effect.List) {
				if f.shard == 0 && !once {
					once = true
					boom()
				}
			}
		}},
	} {
		t.Run(c.step, func(t *testing.T) {
			t.Parallel()
			var log lines
			e := newFake(t, Config{Shards: 1, Readers: 1, Log: slog.New(slog.NewTextHandler(&log, nil)), Notes: c.notes}, c.setup)
			e.Trace(c.tracer)
			run(t, e)
			alice := phone(t, e.Addresses()[0].Bind)
			if c.first != "" {
				write(t, alice, c.first)
			}
			waitFor(t, "the panic", func() bool { return strings.Contains(log.String(), "panic contained") })
			write(t, alice, request("OPTIONS", 2))
			if got := read(t, alice); got != request("OPTIONS", 2) {
				t.Errorf("after the panic came %q", got)
			}
			if e.Stats().Panics != 1 {
				t.Errorf("counted %d", e.Stats().Panics)
			}
			if got := log.String(); strings.Count(got, "panic contained") != 1 ||
				!strings.Contains(got, "step="+c.step) || !strings.Contains(got, "boom") || !strings.Contains(got, "worker_test.go") {
				t.Errorf("logged %s", got)
			}
		})
	}
}

// waitFor looks until cond holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}

type tracerFunc func(received bool, wire []byte)

func (f tracerFunc) Message(_ time.Time, received bool, _ flow.Hop, wire []byte) { f(received, wire) }

type noteFunc func(effect.Note)

func (f noteFunc) Note(n effect.Note) { f(n) }

// Panics beyond one a second are counted and told with the next line.
func TestPanicsAreLoggedOnceASecond(t *testing.T) {
	var log lines
	var p panics
	logger := slog.New(slog.NewTextHandler(&log, nil))
	at := clock.Instant(time.Hour)
	for _, after := range []time.Duration{0, 1, time.Second - 1, time.Second} {
		p.report(logger, at.Add(after), "message", errTest)
	}
	got := log.String()
	if p.count.Load() != 4 || strings.Count(got, "panic contained") != 2 || !strings.Contains(got, "not_logged=2") {
		t.Errorf("%d counted, logged %s", p.count.Load(), got)
	}
}

// The messages of one peer leave in the order they came, whatever their shards.
func TestOrderOfOnePeer(t *testing.T) {
	e := newFake(t, Config{Shards: 8, Readers: 2}, nil)
	alice := phone(t, e.Addresses()[0].Bind)
	if err := alice.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	const count = 300
	for i := range count {
		write(t, alice, request("OPTIONS", i))
	}
	run(t, e)
	for i := range count {
		if got := read(t, alice); got != request("OPTIONS", i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
}

// What cannot be sent comes back to the core that asked, on its shard; what that
// gives rise to is sent, and so on, but not for ever.
//
// Proves: NH-7
func TestFailureReturnsToItsShard(t *testing.T) {
	var shards sync.Map
	tries := atomic.Int64{}
	e := newFake(t, Config{Shards: 4, Readers: 1}, func(f *fake) {
		nowhere := flow.Hop{Remote: netip.MustParseAddrPort("127.0.0.1:0"), Protocol: flow.UDP}
		f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
			s, _ := m.Sequence()
			switch s.Number {
			case 1: // fails, then leaves by the second try
				fx.Send(nowhere, fx.Copy(m.Wire()), effect.MakeHandle(3, 1, 1))
			case 2: // fails again and again
				fx.Send(nowhere, fx.Copy(m.Wire()), effect.MakeHandle(2, 2, 2))
			case 3: // a listener and a transport that are not there; nobody asked to hear of the last
				fx.Send(flow.Hop{Remote: from.Remote, Listener: 7, Protocol: flow.UDP}, fx.Copy(m.Wire()), effect.MakeHandle(3, 1, 1))
				fx.Send(flow.Hop{Remote: from.Remote, Protocol: flow.TCP}, fx.Copy(m.Wire()), effect.MakeHandle(9, 1, 1))
				fx.Send(flow.Hop{Remote: from.Remote, Protocol: flow.TLS}, fx.Copy(m.Wire()), 0)
			}
			shards.Store("from", from)
		}
		f.broken = func(h effect.Handle, fx *effect.List) {
			if f.shard != int(h.Shard()) {
				t.Errorf("shard %d was told of %x", f.shard, h)
			}
			from, _ := shards.Load("from")
			if h == effect.MakeHandle(2, 2, 2) {
				tries.Add(1)
				fx.Send(nowhere, fx.Copy([]byte("again")), h)
				return
			}
			fx.Send(from.(flow.Flow).Hop(), fx.Copy([]byte("second try")), 0)
		}
	})
	run(t, e)
	alice := phone(t, e.Addresses()[0].Bind)
	for _, n := range []int{1, 3} {
		write(t, alice, request("OPTIONS", n))
		if got := read(t, alice); got != "second try" {
			t.Errorf("got %q", got)
		}
	}
	write(t, alice, request("OPTIONS", 2))
	waitFor(t, "the last try", func() bool { return e.Stats().Untold == 1 })
	if got := tries.Load(); got != maxRounds {
		t.Errorf("told %d times, want %d", got, maxRounds)
	}
	if s := e.Stats(); s.Unroutable != 3 || s.Panics != 0 {
		t.Errorf("got %+v", s)
	}
}

// ICMP quotes the beginning of a datagram: a request names its transaction by
// the branch of its top Via, a response itself.
//
// Proves: NH-7, TV-13
func TestICMPFindsTheTransactionByTheBranch(t *testing.T) {
	dead := closedPort(t)
	told, lost := make(chan string, 8), make(chan string, 8)
	e := newFake(t, Config{Shards: 4, Readers: 1}, func(f *fake) {
		f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
			hop := flow.Hop{Local: from.Local, Remote: dead, Protocol: flow.UDP}
			branch := func(shard uint8) string {
				return "SIP/2.0/UDP 127.0.0.1:5060;branch=" + branchOf(effect.MakeHandle(shard, 5, 6))
			}
			via := func(start, via string) []byte {
				_, rest, _ := strings.Cut(string(m.Wire()), "\r\n")
				return []byte(start + "\r\nVia: " + via + "\r\n" + rest)
			}
			for _, wire := range [][]byte{
				via("SIP/2.0 180 Ringing", branch(1)),
				via("BYE sip:bob@127.0.0.1 SIP/2.0", "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-not-ours"),
				via("BYE sip:bob@127.0.0.1 SIP/2.0", branch(200)), // no such shard
				[]byte("\r\nnoise"),
				append(via("INVITE sip:bob@127.0.0.1 SIP/2.0", branch(2)), make([]byte, 4000)...), // quoted in part
				via("BYE sip:bob@127.0.0.1 SIP/2.0", branch(3)),
			} {
				fx.Send(hop, fx.Copy(wire), 0)
			}
		}
		f.undelivered = func(m *sip.Message, to netip.AddrPort, whole bool) {
			lost <- fmt.Sprintf("%d to %s, whole %t", m.Status(), to, whole)
		}
		f.branch = func(branch []byte, _ *effect.List) { told <- fmt.Sprintf("%d %s", f.shard, branch) }
	})
	run(t, e)
	write(t, phone(t, e.Addresses()[0].Bind), request("OPTIONS", 1))
	for _, shard := range []uint8{2, 3} {
		want := fmt.Sprintf("%d %s", shard, branchOf(effect.MakeHandle(shard, 5, 6)))
		if got := <-told; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, want := <-lost, fmt.Sprintf("180 to %s, whole false", dead); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	waitFor(t, "all reports", func() bool { return e.Stats().Listeners[0].Sockets[0].Unreachable == 6 })
	if s := e.Stats(); s.Panics != 0 || len(told) != 0 {
		t.Errorf("%d more told, %+v", len(told), s)
	}
}

// Timers run when a tick has begun, by whoever comes first, and a clock that an
// older batch has read does not take them back.
func TestTimersRunOncePerTick(t *testing.T) {
	ran := 0
	e := newFake(t, Config{Shards: 1, Readers: 1}, func(f *fake) { f.expire = func(*effect.List) { ran++ } })
	w, s := e.newWorker(0), &e.shards[0]
	start := s.expired.Load()
	for _, step := range []struct {
		tick int64
		busy bool // another worker holds the shard
		want int  // runs so far
	}{
		{0, false, 0},
		{1, false, 1},
		{1, false, 1},
		{0, false, 1},
		{-50, false, 1},
		{3, true, 1},
		{3, false, 2},
		{2, false, 2},
		{4, false, 3},
	} {
		w.now = clock.Instant((start + step.tick) * int64(10*time.Millisecond))
		if step.busy {
			s.mu.Lock()
		}
		w.expire(false)
		if step.busy {
			s.mu.Unlock()
		}
		if ran != step.want {
			t.Errorf("tick %+d: ran %d times, want %d", step.tick, ran, step.want)
		}
	}
}

// In silence the ticker runs the timers of every shard, and what they ask for is
// sent.
func TestTimersRunInSilence(t *testing.T) {
	target := make(chan flow.Hop, 1)
	e := newFake(t, Config{Shards: 2, Readers: 1}, func(f *fake) {
		f.expire = func(fx *effect.List) {
			select {
			case hop := <-target:
				fx.Send(hop, fx.Copy([]byte("retransmission")), 0)
			default:
			}
		}
	})
	run(t, e)
	alice := phone(t, e.Addresses()[0].Bind)
	target <- flow.Hop{Remote: alice.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort(), Protocol: flow.UDP}
	if got := read(t, alice); got != "retransmission" {
		t.Errorf("got %q", got)
	}
}

// What a batch sends by two listeners leaves by the right one, in order.
func TestSendsGoByTheirListener(t *testing.T) {
	e := newFake(t, Config{Snapshot: loopback("127.0.0.1:0", "[::1]:0", "127.0.0.2:0"), Shards: 2, Readers: 2}, nil)
	peers := make([]flow.Hop, 3)
	for _, a := range e.Addresses() {
		peers[a.Listener] = flow.Hop{Local: a.Bind, Listener: a.Listener, Protocol: flow.UDP}
	}
	var out []chan string
	for i := range peers {
		c := phone(t, peers[i].Local)
		peers[i].Remote = c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort()
		got := make(chan string, 1)
		out = append(out, got)
		go func() {
			var all []string
			for range 100 {
				all = append(all, read(t, c))
			}
			got <- strings.Join(all, " ")
		}()
	}
	w := e.newWorker(1)
	w.begin()
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i))
		for _, hop := range peers {
			w.fx.Send(hop, w.fx.Copy([]byte(want[i])), 0)
		}
	}
	w.finish()
	for i := range out {
		if got := <-out[i]; got != strings.Join(want, " ") {
			t.Errorf("listener %d sent %s", i, got)
		}
	}
}

// The tracer sees each message as it is on the wire, and nothing once it is gone.
func TestTrace(t *testing.T) {
	e := newFake(t, Config{Readers: 1}, nil)
	run(t, e)
	alice := phone(t, e.Addresses()[0].Bind)
	var mu sync.Mutex
	var seen []string
	e.Trace(tracerFunc(func(received bool, wire []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprint(received, " ", string(wire)))
	}))
	for n := range 2 {
		write(t, alice, request("OPTIONS", n))
		_ = read(t, alice)
		e.Trace(nil)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"true " + request("OPTIONS", 0), "false " + request("OPTIONS", 0)}; !slices.Equal(seen, want) {
		t.Errorf("got %q", seen)
	}
}

// Notes are handed over with no shard locked.
func TestNotes(t *testing.T) {
	got := make(chan effect.Note, 1)
	var e *Engine
	e = newFake(t, Config{Readers: 1, Shards: 1, Notes: noteFunc(func(n effect.Note) {
		if !e.shards[0].mu.TryLock() {
			t.Error("the shard is locked")
		} else {
			e.shards[0].mu.Unlock()
		}
		got <- n
	})}, func(f *fake) {
		f.packet = func(_ *sip.Message, from flow.Flow, fx *effect.List) {
			fx.Note(effect.Note{Kind: effect.NoteLoop, Status: 482, Peer: from.Hop()})
		}
	})
	run(t, e)
	write(t, phone(t, e.Addresses()[0].Bind), request("OPTIONS", 1))
	if n := <-got; n.Kind != effect.NoteLoop || n.Status != 482 {
		t.Errorf("got %+v", n)
	}
}
