package engine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/transport"
)

// Config is what an Engine is built with.
type Config struct {
	// Snapshot is the configuration to begin with. The engine takes a copy with
	// the ports that the kernel chose where 0 was asked for, and Sources when
	// it has none, and prepares it.
	Snapshot *proxy.Snapshot

	Shards  int                    // a power of two up to 256; 0: two to four for each P
	Readers int                    // sockets and goroutines for each listener; 0: one for each P
	Drain   time.Duration          // longest wait for what is in setup; 0: 32 s, 64*T1
	Grace   time.Duration          // how long setup must be empty to end a drain, for ACKs on their way; 0: 1 s
	Max     int                    // server plus client transactions of the process; 0: 200,000
	Boot    [4]byte                // makes branches unique over restarts; zero: random
	Random  func([]byte)           // nil: crypto/rand
	Answers *Answers               // of those who work for the core; nil: the engine makes one
	Users   Users                  // nil: nobody is asked
	Guard   auth.GuardConfig       // bounds of what is remembered of credentials
	DNS     DNS                    // whom to ask about names; nobody: every question fails
	Streams transport.StreamLimits // of connections; zero values: the defaults
	// Settings are those of listeners of streams, by flow.Listener.
	Settings []transport.Settings
	Log      *slog.Logger // nil: nothing is logged
	Notes    Notes        // nil: notes are dropped
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
	log     *slog.Logger
	notes   Notes
	grace   time.Duration
	readers int
	limits  transport.StreamLimits
	shards  []shard

	inForce  atomic.Pointer[inForce]
	tracer   atomic.Pointer[Tracer]
	drain    atomic.Int64 // a time.Duration
	draining atomic.Bool
	beats    atomic.Uint64
	panics   panics
	told     notices
	counts   counts

	reload   reload // guards itself
	resolver *resolve.Resolver
	answers  *Answers
	users    Users
	guard    *auth.Guard
	avoided  resolve.Places // next hops that have failed lately
	refusals resolve.Places // where TCP failed for a large request

	failed   chan error    // the first socket that failed
	stop     chan struct{} // closed by Stop
	stopOnce sync.Once
}

// inForce is what a turn works with: a snapshot and the sockets of its
// listeners. It is immutable; a reload puts another in its place.
type inForce struct {
	snapshot  *proxy.Snapshot
	listeners []bound // by flow.Listener
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
		log:     cfg.Log,
		notes:   cfg.Notes,
		grace:   orElse(cfg.Grace, defaultGrace),
		readers: cfg.Readers,
		limits:  cfg.Streams,
		shards:  make([]shard, cfg.Shards),
		failed:  make(chan error, 1),
		stop:    make(chan struct{}),
	}
	e.SetDrain(cfg.Drain)
	if e.users, e.answers = cfg.Users, cfg.Answers; e.answers == nil {
		e.answers = NewAnswers()
	}
	e.resolver = resolve.New(resolve.Config{Servers: cfg.DNS.Servers, Hosts: cfg.DNS.Hosts, Exchanger: cfg.DNS.Exchanger}, e.answers)
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	f := &inForce{snapshot: &proxy.Snapshot{}}
	f, opened, err := e.follow(f, cfg.Snapshot, cfg.Settings)
	if err != nil {
		closeAll(opened)
		return nil, err
	}
	e.inForce.Store(f)
	s, now := f.snapshot, clock.Now()
	e.guard = auth.NewGuard(cfg.Guard, now)
	for i := range e.shards {
		e.shards[i].core = newCore(proxy.Config{
			Shard: uint8(i), Shards: cfg.Shards, Boot: cfg.Boot, Random: cfg.Random, Guard: e.guard, Avoided: &e.avoided, Refusals: &e.refusals,
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

// Close releases the sockets of an engine that is not going to Run.
func (e *Engine) Close() { e.end() }

// SetDrain changes how long a drain that begins from now on may take; 0: 32 s.
func (e *Engine) SetDrain(d time.Duration) { e.drain.Store(int64(orElse(d, defaultDrain))) }

// Beats counts what the ticker has done: one each 50 ms while no shard is stuck.
// A watchdog looks at it.
func (e *Engine) Beats() uint64 { return e.beats.Load() }

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
	Gone     bool           // removed by a reload: serves what runs, and is closed after it
}

// Addresses lists what is listened on, in the order of the listeners.
func (e *Engine) Addresses() []Address {
	f := e.inForce.Load()
	var list []Address
	for i, b := range f.listeners {
		if !b.hole() {
			l := &f.snapshot.Listeners[i]
			list = append(list, Address{Name: l.Name, Listener: flow.Listener(i), Protocol: b.protocol(), Bind: b.addr(), Gone: l.Gone})
		}
	}
	return list
}
