package engine

import (
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/sip"
)

const soon = 20 * time.Millisecond // a grace time that tests do not feel

// setup makes fakes count: an INVITE adds one in setup, a BYE takes one away.
// Every request is echoed.
type setup struct {
	mu   sync.Mutex
	last flow.Flow
}

func (s *setup) wire(f *fake) {
	f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last = from
		switch {
		case m.Method() == sip.INVITE && !f.draining:
			f.setup++
		case m.Method() == sip.BYE && f.setup > 0:
			f.setup--
		}
		fx.Send(from.Hop(), fx.Copy(m.Wire()), 0)
	}
	f.stop = func(fx *effect.List) int {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := f.setup
		f.setup = 0
		if n > 0 {
			fx.Send(s.last.Hop(), fx.Copy([]byte("503")), 0)
		}
		return n
	}
}

func exchange(t *testing.T, e *Engine, method string, n int) {
	t.Helper()
	c := phone(t, e.Addresses()[0].Bind)
	write(t, c, request(method, n))
	if got := read(t, c); got != request(method, n) {
		t.Errorf("got %q", got)
	}
}

// With nothing in setup a stop takes the grace time only.
//
// Proves: RB-8
func TestDrainEndsWhenNothingIsInSetup(t *testing.T) {
	var log lines
	var s setup
	e := newFake(t, Config{Drain: time.Hour, Grace: soon, Shards: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, s.wire)
	cancel, result := run(t, e)
	exchange(t, e, "OPTIONS", 1)
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "msg=stopped refused=0 received=1 sent=1 panics=0 in_setup=0") {
		t.Errorf("logged %s", got)
	}
}

// What is in setup keeps the server alive, and messages pass, until it is done.
//
// Proves: RB-8
func TestDrainWaitsForSetup(t *testing.T) {
	var s setup
	e := newFake(t, Config{Drain: time.Hour, Grace: soon, Shards: 1}, s.wire)
	cancel, result := run(t, e)
	exchange(t, e, "INVITE", 1)
	cancel()
	waitFor(t, "the drain", e.Draining)
	for n := range 5 { // longer than the grace time, each after a look at setup
		waitFor(t, "a tick", lookedAt(e))
		exchange(t, e, "OPTIONS", 2+n)
	}
	select {
	case err := <-result:
		t.Fatalf("ended with a call in setup: %v", err)
	default:
	}
	if !e.Stats().Draining || e.Stats().InSetup != 1 {
		t.Errorf("got %+v", e.Stats())
	}
	exchange(t, e, "BYE", 1)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// lookedAt holds once the drain has had its time to look at setup again: the
// ticker runs the timers at the same pace.
func lookedAt(e *Engine) func() bool {
	start := e.shards[0].expired.Load()
	return func() bool { return e.shards[0].expired.Load() > start+int64(2*soon/(10*time.Millisecond)) }
}

// At the end of the drain time what is left is ended, its last messages leave,
// and the log says how many there were.
//
// Proves: RB-8
func TestDrainTimeIsBounded(t *testing.T) {
	var log lines
	var s setup
	e := newFake(t, Config{Drain: soon, Grace: soon, Shards: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, s.wire)
	cancel, result := run(t, e)
	c := phone(t, e.Addresses()[0].Bind)
	for n := range 2 {
		write(t, c, request("INVITE", n))
		_ = read(t, c)
	}
	cancel()
	if got := read(t, c); got != "503" {
		t.Errorf("got %q", got)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "msg=stopped refused=2") {
		t.Errorf("logged %s", got)
	}
}

// A second signal does not wait for anybody.
//
// Proves: RB-8
func TestStopEndsADrain(t *testing.T) {
	var s setup
	e := newFake(t, Config{Drain: time.Hour, Grace: time.Hour, Shards: 1}, s.wire)
	cancel, result := run(t, e)
	exchange(t, e, "INVITE", 1)
	cancel()
	waitFor(t, "the drain", e.Draining)
	e.Stop()
	e.Stop()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// A core that panics while it is stopped does not keep the others from it.
func TestPanicWhileStopping(t *testing.T) {
	stopped := 0
	e := newFake(t, Config{Drain: soon, Grace: soon, Shards: 4}, func(f *fake) {
		f.setup = 1
		f.stop = func(*effect.List) int {
			if f.shard == 1 {
				panic(errTest)
			}
			stopped++
			return 1
		}
	})
	cancel, result := run(t, e)
	cancel()
	if err := <-result; err != nil || stopped != 3 || e.Stats().Panics != 1 {
		t.Errorf("%v, %d stopped, %d panics", err, stopped, e.Stats().Panics)
	}
}

// A socket that fails ends the server with an error instead of leaving it deaf.
func TestRunReportsAFailedSocket(t *testing.T) {
	e := newFake(t, Config{Readers: 1}, nil)
	e.failed <- errTest
	if refused, err := e.wind(); refused != 0 || err != errTest {
		t.Errorf("got %d, %v", refused, err)
	}
}

func TestNewRefuses(t *testing.T) {
	taken := newFake(t, Config{Readers: 2}, nil).Addresses()[0].Bind
	tls := loopback("127.0.0.1:0", "127.0.0.1:0")
	tls.Listeners[1].Protocol = flow.TLS
	for what, c := range map[string]struct {
		cfg  Config
		text string
	}{
		"no snapshot":               {Config{}, "no snapshot"},
		"odd shards":                {Config{Snapshot: loopback(), Shards: 3}, "power of two"},
		"too many shards":           {Config{Snapshot: loopback(), Shards: 512}, "power of two"},
		"address in use":            {Config{Snapshot: loopback("127.0.0.1:0", taken.String())}, taken.String()},
		"TLS without a certificate": {Config{Snapshot: tls}, "no certificate"},
	} {
		e, err := New(c.cfg)
		if err == nil {
			e.Close()
			t.Errorf("%s: accepted", what)
		} else if !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	e := newFake(t, Config{}, nil)
	if n := len(e.shards); n < 2 || n&(n-1) != 0 {
		t.Errorf("%d shards", n)
	}
	if e.drain.Load() != int64(32*time.Second) || e.grace != time.Second {
		t.Errorf("drain %d, grace %v", e.drain.Load(), e.grace)
	}
}

// The engine's snapshot names the ports in use; the one given is left alone.
func TestAddresses(t *testing.T) {
	given := loopback("127.0.0.1:0", "[::1]:0")
	given.Listeners = append(given.Listeners, proxy.Listener{}, given.Listeners[0]) // a hole
	e := newFake(t, Config{Snapshot: given, Readers: 1}, nil)
	list := e.Addresses()
	if len(list) != 3 || list[2].Listener != 3 || list[1].Name != "[::1]:0" || list[1].Protocol != flow.UDP {
		t.Fatalf("got %+v", list)
	}
	for _, a := range list {
		if a.Bind.Port() == 0 || e.inForce.Load().snapshot.Listeners[a.Listener].Bind != a.Bind {
			t.Errorf("got %+v", a)
		}
	}
	if given.Listeners[0].Bind.Port() != 0 || e.inForce.Load().snapshot.Sources == nil {
		t.Error("the snapshot given was changed, or the copy has no sources")
	}
	if src, ok := e.inForce.Load().snapshot.Sources.Source(netip.MustParseAddr("127.0.0.1")); !ok || !src.IsLoopback() {
		t.Errorf("got source %s", src)
	}
}

// Every number of proxy.Stats is summed: a field of another kind would panic.
func TestStatsAreSums(t *testing.T) {
	var one, sum proxy.Stats
	fillOnes(reflect.ValueOf(&one).Elem())
	addFields(reflect.ValueOf(&sum).Elem(), reflect.ValueOf(one))
	addFields(reflect.ValueOf(&sum).Elem(), reflect.ValueOf(one))
	if sum.Forwarded != 2 || sum.InSetup != 2 || sum.Transactions.Full != 2 || sum.Statuses[503] != 2 || sum.Dropped[1] != 2 {
		t.Errorf("got %+v", sum)
	}
	e := newFake(t, Config{Shards: 4, Readers: 3}, func(f *fake) { f.setup = 2 })
	if s := e.Stats(); s.Proxy.Contexts != 4 || s.InSetup != 8 || s.Shards != 4 || len(s.Listeners) != 1 || len(s.Listeners[0].Sockets) != 3 {
		t.Errorf("got %+v", s)
	}
}

func fillOnes(v reflect.Value) {
	switch v.Kind() {
	case reflect.Int:
		v.SetInt(1)
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(1)
	case reflect.Array:
		for i := range v.Len() {
			fillOnes(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fillOnes(v.Field(i))
		}
	}
}
