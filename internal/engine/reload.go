package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
)

// reload is what a change of the configuration goes by. Its lock is held by one
// reload, by the ticker that closes a listener, and by the end of the server; no
// turn takes it.
type reload struct {
	mu      sync.Mutex
	group   sync.WaitGroup     // the readers and those who accept
	streams *transport.Streams // all connections; nil until a listener needs them
	timing  bool               // their time is kept
	serving bool               // readers run
	ended   bool               // sockets are closed for good
	closed  transport.Counters // of the listeners that are no more

	looked clock.Instant // when retire looked last
	unused int           // how many looks in a row found the listener of turn unused …
	turn   flow.Listener // … which is closed when it is the second
}

var (
	// ErrListeners is returned by Reload for a snapshot that puts a listener where
	// another one is.
	ErrListeners = errors.New("engine: a listener is in the place of another")
	// ErrEnded is returned by Reload when the server stops or has stopped.
	ErrEnded = errors.New("engine: the server is stopping")
)

// Listeners lists the listeners in force with the ports in use, those included
// that are gone and serve what runs. A configuration that is to follow keeps
// their places.
func (e *Engine) Listeners() []proxy.Listener {
	return slices.Clone(e.inForce.Load().snapshot.Listeners)
}

// Reload makes a copy of s the configuration of all that begins from now on; what
// runs keeps the one it began with (seams.md §8). Listeners are compared by
// protocol and address: a socket that stays is kept, a new one is bound before
// anything is changed, and an error leaves all as it was. One that s does not
// have any more, or calls Gone, begins nothing new and is closed when the last
// transaction on it has ended. settings are those of listeners of streams, by
// flow.Listener; a listener that has none there keeps its own.
//
// Timers T1, T2 and T4 and the bound of transactions hold for the life of the
// engine.
func (e *Engine) Reload(s *proxy.Snapshot, settings ...transport.Settings) error {
	r := &e.reload
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || e.draining.Load() {
		return ErrEnded
	}
	next, opened, err := e.follow(e.inForce.Load(), s, settings)
	if err != nil {
		closeAll(opened)
		return err
	}
	for i, use := range settings { // it cannot fail any more
		if i < len(next.listeners) && next.listeners[i].tcp != nil && !next.snapshot.Listeners[i].Gone {
			next.listeners[i].tcp.Use(use)
		}
	}
	e.inForce.Store(next)
	e.counts.reloads.Add(1)
	if r.serving {
		for _, b := range opened { // after the swap: their turns must find them
			e.start(b)
		}
	}
	r.unused = 0
	return nil
}

// follow returns what comes after now when the configuration is given, with the
// sockets that it opened for that, which on an error are the caller's to close.
func (e *Engine) follow(now *inForce, given *proxy.Snapshot, settings []transport.Settings) (next *inForce, opened []bound, err error) {
	s := *given
	s.Listeners = make([]proxy.Listener, max(len(given.Listeners), len(now.listeners)))
	copy(s.Listeners, given.Listeners)
	next = &inForce{snapshot: &s, listeners: make([]bound, len(s.Listeners))}
	for i := range s.Listeners {
		l := &s.Listeners[i]
		var have bound
		if i < len(now.listeners) {
			have = now.listeners[i]
		}
		switch wanted := l.Protocol != flow.None && !l.Gone; {
		case !wanted && have.hole():
			*l = proxy.Listener{}
			continue
		case !wanted:
			*l = now.snapshot.Listeners[i]
			l.Gone = true
		case have.hole():
			var use transport.Settings
			if i < len(settings) {
				use = settings[i]
			}
			if have, err = e.open(flow.Listener(i), l, use); err != nil {
				return nil, opened, err
			}
			opened = append(opened, have)
			l.Bind = have.addr()
		case l.Bind != have.addr() || l.Protocol != have.protocol():
			return nil, opened, fmt.Errorf("%w: %s instead of %s", ErrListeners, l.Bind, have.addr())
		}
		next.listeners[i] = have
	}
	if s.Sources == nil {
		s.Sources = now.snapshot.Sources
	}
	if s.Sources == nil {
		s.Sources = transport.NewSources()
	}
	if s.Today == nil {
		s.Today = clock.Today
	}
	if s.Known == nil {
		s.Known = e.resolver.Cache()
	}
	s.Prepare()
	return next, opened, nil
}

func closeAll(list []bound) {
	for _, b := range list {
		b.close()
	}
}

// serve starts the readers of all listeners.
func (e *Engine) serve() {
	r := &e.reload
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serving = true
	for _, b := range e.inForce.Load().listeners {
		e.start(b)
	}
}

// end closes all sockets and connections and waits for the readers.
func (e *Engine) end() {
	r := &e.reload
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	closeAll(e.inForce.Load().listeners)
	if r.streams != nil {
		r.streams.Close()
	}
	r.group.Wait()
}

// retire closes the first listener that is gone and that no transaction uses any
// more. It must be found unused twice, the grace time apart: a turn that began
// before the reload may have begun something meanwhile.
func (e *Engine) retire(now clock.Instant) {
	f, r := e.inForce.Load(), &e.reload
	if !slices.ContainsFunc(f.snapshot.Listeners, func(l proxy.Listener) bool { return l.Gone }) || !r.mu.TryLock() {
		return // a reload is at work, or the end: there will be another tick
	}
	defer r.mu.Unlock()
	f = e.inForce.Load()
	if r.ended || r.looked != 0 && now.Sub(r.looked) < min(e.grace, time.Second) {
		return
	}
	r.looked = now
	for i := range f.snapshot.Listeners {
		if l := flow.Listener(i); f.snapshot.Listeners[i].Gone && !e.used(l) {
			if r.turn != l {
				r.turn, r.unused = l, 0
			}
			if r.unused++; r.unused > 1 {
				e.release(f, l)
			}
			return
		}
	}
	r.unused = 0
}

// slotsAtOnce is how many slots of a table are looked at under one lock: some
// 20 µs.
const slotsAtOnce = 4096

// used reports whether a transaction came by listener l or went by it.
func (e *Engine) used(l flow.Listener) bool {
	for i := range e.shards {
		s := &e.shards[i]
		for at, found := uint32(0), false; ; {
			s.mu.Lock()
			at, found = s.core.Uses(l, at, slotsAtOnce)
			s.mu.Unlock()
			if found {
				return true
			}
			if at == 0 {
				break
			}
		}
	}
	return false
}

// release closes listener l and leaves a hole in its place. The reload's lock is
// held.
func (e *Engine) release(f *inForce, l flow.Listener) {
	b := f.listeners[l]
	b.close() // everything on it has ended
	if b.tcp != nil {
		b.tcp.End()
	}
	e.reload.closed.Add(b.total())
	e.log.Info("listener closed", "listener", f.snapshot.Listeners[l].Name, "address", b.addr().String())
	next := inForce{snapshot: new(proxy.Snapshot), listeners: slices.Clone(f.listeners)}
	*next.snapshot = *f.snapshot
	next.snapshot.Listeners = slices.Clone(f.snapshot.Listeners)
	next.snapshot.Listeners[l], next.listeners[l] = proxy.Listener{}, bound{}
	e.inForce.Store(&next)
	e.reload.unused = 0
}
