package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
)

// Config is what an Engine is built with.
type Config struct {
	// Snapshot is the configuration to begin with. The engine takes a copy with
	// the ports that the kernel chose where 0 was asked for, and Sources when
	// it has none, and prepares it.
	Snapshot *proxy.Snapshot

	Shards  int           // a power of two up to 256; 0: two to four for each P
	Readers int           // sockets and goroutines for each listener; 0: one for each P
	Drain   time.Duration // longest wait for what is in setup; 0: 32 s, 64*T1
	Grace   time.Duration // how long setup must be empty to end a drain, for ACKs on their way; 0: 1 s
	Max     int           // server plus client transactions of the process; 0: 200,000
	Boot    [4]byte       // makes branches unique over restarts; zero: random
	Random  func([]byte)  // nil: crypto/rand
	Log     *slog.Logger  // nil: nothing is logged
	Notes   Notes         // nil: notes are dropped
}

// Notes takes the core's events. It is called by several goroutines, with no
// lock held, and must not wait.
type Notes interface{ Note(effect.Note) }

// Tracer sees every message. It is called by several goroutines and must
// neither wait nor keep wire.
type Tracer interface {
	Message(at time.Time, received bool, hop flow.Hop, wire []byte)
}

const (
	maxShards    = 256 // effect.Handle has 8 bits for the shard
	defaultMax   = 200_000
	defaultDrain = 32 * time.Second
	defaultGrace = time.Second
	backstop     = 50 * time.Millisecond // timers in silence; a shorter one costs more than it gives
)

// Engine is a running server.
type Engine struct {
	// set at construction, then constant
	log       *slog.Logger
	notes     Notes
	drain     time.Duration
	grace     time.Duration
	shards    []shard
	listeners []*transport.UDP // by flow.Listener; nil: a hole

	snapshot atomic.Pointer[proxy.Snapshot]
	tracer   atomic.Pointer[Tracer]
	draining atomic.Bool
	panics   panics
	counts   counts

	stop     chan struct{} // closed by Stop
	stopOnce sync.Once
}

// New binds every listener of the snapshot and makes the shards. The error
// names the address that could not be bound. Close or Run must follow.
func New(cfg Config) (*Engine, error) {
	if cfg.Random == nil {
		cfg.Random = func(p []byte) { _, _ = rand.Read(p) } // never fails (crypto/rand)
	}
	if cfg.Boot == [4]byte{} {
		cfg.Random(cfg.Boot[:])
	}
	return build(cfg, func(pc proxy.Config, now clock.Instant, s *proxy.Snapshot) core { return proxy.NewCore(pc, now, s) })
}

// build is New over any core.
func build(cfg Config, newCore func(proxy.Config, clock.Instant, *proxy.Snapshot) core) (*Engine, error) {
	if cfg.Snapshot == nil {
		return nil, errors.New("engine: no snapshot")
	}
	procs := runtime.GOMAXPROCS(0)
	if cfg.Readers <= 0 {
		cfg.Readers = procs
	}
	if cfg.Shards <= 0 {
		cfg.Shards = min(1<<bits.Len(uint(2*procs-1)), maxShards)
	}
	if cfg.Shards > maxShards || cfg.Shards&(cfg.Shards-1) != 0 {
		return nil, fmt.Errorf("engine: %d shards: want a power of two up to %d", cfg.Shards, maxShards)
	}
	e := &Engine{
		log:    cfg.Log,
		notes:  cfg.Notes,
		drain:  orElse(cfg.Drain, defaultDrain),
		grace:  orElse(cfg.Grace, defaultGrace),
		shards: make([]shard, cfg.Shards),
		stop:   make(chan struct{}),
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	s, err := e.bind(cfg.Snapshot, cfg.Readers)
	if err != nil {
		return nil, err
	}
	e.snapshot.Store(s)
	now := clock.Now()
	for i := range e.shards {
		e.shards[i].core = newCore(proxy.Config{
			Shard: uint8(i), Shards: cfg.Shards, Boot: cfg.Boot, Random: cfg.Random,
			Max: (orElse(cfg.Max, defaultMax) + cfg.Shards - 1) / cfg.Shards,
		}, now, s)
		e.shards[i].expired.Store(tick(now))
	}
	return e, nil
}

func orElse[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// bind opens the listeners of given and returns a prepared copy of it with the
// ports in use.
func (e *Engine) bind(given *proxy.Snapshot, readers int) (*proxy.Snapshot, error) {
	s := *given
	s.Listeners = slices.Clone(given.Listeners)
	e.listeners = make([]*transport.UDP, len(s.Listeners))
	for i := range s.Listeners {
		l := &s.Listeners[i]
		switch l.Protocol {
		case flow.None:
			continue
		case flow.UDP:
		default:
			e.closeListeners()
			return nil, fmt.Errorf("listen %s %s: not a transport of this server", l.Protocol, l.Bind)
		}
		u, err := transport.ListenUDP(context.Background(), transport.UDPConfig{
			Listener: flow.Listener(i), Bind: l.Bind, Sockets: readers,
		})
		if err != nil {
			e.closeListeners()
			return nil, err
		}
		e.listeners[i], l.Bind = u, u.Addr()
	}
	if s.Sources == nil {
		s.Sources = transport.NewSources()
	}
	s.Prepare()
	return &s, nil
}

func (e *Engine) closeListeners() {
	for _, u := range e.listeners {
		if u != nil {
			_ = u.Close() // on the way out: there is nobody to tell
		}
	}
}

// Close releases the sockets of an engine that is not going to Run.
func (e *Engine) Close() { e.closeListeners() }

// ErrListeners is returned by Swap for a snapshot with other listeners.
var ErrListeners = errors.New("engine: the listeners differ from those in use")

// Swap makes s the configuration of all that begins from now on; what runs keeps
// its own. The listeners must be those in use, in the same places, with the
// ports that Addresses tells.
func (e *Engine) Swap(s *proxy.Snapshot) error {
	next, now := *s, e.snapshot.Load()
	next.Listeners = slices.Clone(s.Listeners)
	same := slices.EqualFunc(next.Listeners, now.Listeners, func(a, b proxy.Listener) bool {
		return a.Protocol == b.Protocol && (a.Protocol == flow.None || a.Bind == b.Bind)
	})
	if !same {
		return ErrListeners
	}
	if next.Sources == nil {
		next.Sources = now.Sources
	}
	next.Prepare()
	e.snapshot.Store(&next)
	return nil
}

// Trace installs t, or removes the one installed when t is nil.
func (e *Engine) Trace(t Tracer) {
	if t == nil {
		e.tracer.Store(nil)
		return
	}
	e.tracer.Store(&t)
}

// Draining reports whether the server has begun to stop: readiness.
func (e *Engine) Draining() bool { return e.draining.Load() }

// Address is one listener as it is bound.
type Address struct {
	Name     string
	Listener flow.Listener
	Protocol flow.Protocol
	Bind     netip.AddrPort // with the port in use
}

// Addresses lists what is listened on, in the order of the listeners.
func (e *Engine) Addresses() []Address {
	s := e.snapshot.Load()
	var list []Address
	for i, u := range e.listeners {
		if u != nil {
			list = append(list, Address{Name: s.Listeners[i].Name, Listener: flow.Listener(i), Protocol: flow.UDP, Bind: u.Addr()})
		}
	}
	return list
}
