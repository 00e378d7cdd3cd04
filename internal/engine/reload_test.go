package engine

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/sip"
)

// at is a snapshot with the listeners that e has, as a configuration that follows
// would have them, and more behind them.
func at(e *Engine, binds ...string) *proxy.Snapshot {
	s := loopback(binds...)
	s.Listeners = append(e.Listeners(), s.Listeners...)
	return s
}

// A socket that stays is kept and its settings are swapped.
func TestReloadKeepsSockets(t *testing.T) {
	e := newFake(t, Config{Readers: 1}, nil)
	run(t, e)
	before := e.inForce.Load()
	s := at(e)
	s.Listeners[0].Name = "renamed"
	if err := e.Reload(s); err != nil {
		t.Fatal(err)
	}
	now := e.inForce.Load()
	if now.listeners[0] != before.listeners[0] || now.snapshot == before.snapshot || now.snapshot == s {
		t.Error("the socket was not kept, or the snapshot not copied")
	}
	if now.snapshot.Sources != before.snapshot.Sources || before.snapshot.Listeners[0].Name == "renamed" {
		t.Error("sources not kept, or the old snapshot written to")
	}
	if a := e.Addresses()[0]; a.Name != "renamed" || a.Gone || e.Stats().Reloads != 1 {
		t.Errorf("got %+v", a)
	}
	exchange(t, e, "OPTIONS", 1)
}

// A new listener serves at once, one that cannot be bound changes nothing.
func TestReloadBindsBeforeTheSwap(t *testing.T) {
	e := newFake(t, Config{Readers: 2}, nil)
	run(t, e)
	taken := newFake(t, Config{Readers: 1}, nil).Addresses()[0].Bind.String()
	before := e.inForce.Load()
	if err := e.Reload(at(e, "127.0.0.1:0", taken)); err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("an address in use: %v", err)
	}
	tcp := at(e, "127.0.0.1:0")
	tcp.Listeners[1].Protocol = flow.WSS
	other := loopback("127.0.0.1:9")
	for _, s := range []*proxy.Snapshot{tcp, other} {
		if err := e.Reload(s); err == nil {
			t.Errorf("accepted %+v", s.Listeners)
		}
	}
	if err := e.Reload(other); !errors.Is(err, ErrListeners) {
		t.Error(err)
	}
	if e.inForce.Load() != before || e.Stats().Reloads != 0 {
		t.Fatal("a refused reload changed something")
	}
	if err := e.Reload(at(e, "127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	for i, a := range e.Addresses() {
		c := phone(t, a.Bind)
		write(t, c, request("OPTIONS", i))
		if got := read(t, c); got != request("OPTIONS", i) {
			t.Errorf("listener %d: got %q", i, got)
		}
	}
}

// A listener that is gone serves its transactions until they end; then it is
// closed and its place is free.
func TestReloadRetiresListeners(t *testing.T) {
	var busy atomic.Bool
	busy.Store(true)
	e := newFake(t, Config{Readers: 1, Shards: 2, Grace: soon, Snapshot: loopback("127.0.0.1:0", "127.0.0.1:0")}, func(f *fake) {
		f.used = func(l flow.Listener) bool { return l == 1 && f.shard == 1 && busy.Load() }
	})
	run(t, e)
	old := e.Addresses()[1].Bind
	only := at(e)
	only.Listeners = only.Listeners[:1] // the second one is not even named
	if err := e.Reload(only); err != nil {
		t.Fatal(err)
	}
	beats := e.Beats() + 5
	waitFor(t, "the ticker", func() bool { return e.Beats() > beats })
	list := e.Addresses()
	if len(list) != 2 || !list[1].Gone || e.Stats().Retiring != 1 {
		t.Fatalf("got %+v", list)
	}
	c := phone(t, old)
	write(t, c, request("OPTIONS", 1))
	if got := read(t, c); got != request("OPTIONS", 1) { // what it gets is the core's affair
		t.Errorf("got %q", got)
	}
	if err := e.Reload(at(e)); err != nil { // gone is no address that came anew
		t.Fatal(err)
	}
	busy.Store(false)
	waitFor(t, "the end of the listener", func() bool { return len(e.Addresses()) == 1 })
	if s := e.Stats(); s.Retiring != 0 || len(s.Listeners) != 1 || e.Listeners()[1].Protocol != flow.None {
		t.Errorf("got %+v", s.Listeners)
	}
	again := at(e)
	again.Listeners[1] = loopback(old.String()).Listeners[0]
	if err := e.Reload(again); err != nil { // the port is free again, and so is the place
		t.Error(err)
	}
	exchange(t, e, "OPTIONS", 2)
}

// A listener that comes back while it is being retired never was away.
func TestReloadTakesAListenerBack(t *testing.T) {
	e := newFake(t, Config{Readers: 1, Grace: time.Hour}, nil)
	run(t, e)
	gone := at(e)
	gone.Listeners[0].Gone = true
	back := at(e)
	before := e.inForce.Load().listeners[0]
	for _, s := range []*proxy.Snapshot{gone, back} {
		if err := e.Reload(s); err != nil {
			t.Fatal(err)
		}
		if a := e.Addresses()[0]; a.Gone != s.Listeners[0].Gone || e.inForce.Load().listeners[0] != before {
			t.Errorf("got %+v", a)
		}
	}
}

// What was to leave by a listener that is no more does not leave by the one that
// took its place.
func TestAPlaceGivenAwayIsNotSentFrom(t *testing.T) {
	broken := make(chan effect.Handle, 1)
	stranger := newFake(t, Config{Readers: 1}, nil).Addresses()[0].Bind
	h := effect.MakeHandle(0, 7, 1)
	e := newFake(t, Config{Readers: 1, Shards: 1}, func(f *fake) {
		f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
			hop := from.Hop()
			hop.Local = stranger
			fx.Send(hop, fx.Copy(m.Wire()), h)
		}
		f.broken = func(h effect.Handle, _ *effect.List) { broken <- h }
	})
	run(t, e)
	write(t, phone(t, e.Addresses()[0].Bind), request("OPTIONS", 1))
	if got := <-broken; got != h || e.Stats().Unroutable != 1 {
		t.Errorf("got %v, %d unroutable", got, e.Stats().Unroutable)
	}
}

// A server that stops takes no new configuration.
func TestReloadWhileStopping(t *testing.T) {
	var s setup
	e := newFake(t, Config{Drain: time.Hour, Grace: time.Hour, Shards: 1}, s.wire)
	cancel, result := run(t, e)
	cancel()
	waitFor(t, "the drain", e.Draining)
	if err := e.Reload(at(e)); err != ErrEnded {
		t.Error(err)
	}
	e.Stop()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := e.Reload(at(e)); err != ErrEnded {
		t.Error(err)
	}
}
