package engine

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// core is what the engine needs of a *proxy.Core.
type core interface {
	Packet(now clock.Instant, m *sip.Message, at *proxy.Place, from flow.Flow, s *proxy.Snapshot, fx *effect.List)
	Shed(now clock.Instant, m *sip.Message, at *proxy.Place, from flow.Flow, s *proxy.Snapshot, fx *effect.List)
	Malformed(now clock.Instant, m *sip.Message, fault *sip.SyntaxError, from flow.Flow, s *proxy.Snapshot, fx *effect.List)
	Expire(now clock.Instant, fx *effect.List)
	Broken(now clock.Instant, h effect.Handle, fx *effect.List)
	BrokenBranch(now clock.Instant, branch []byte, fx *effect.List)
	Undelivered(now clock.Instant, m *sip.Message, at *proxy.Place, to netip.AddrPort, whole bool, s *proxy.Snapshot, fx *effect.List)
	Resolved(now clock.Instant, h effect.Handle, hops resolve.Hops, err error, fx *effect.List)
	Stored(now clock.Instant, h effect.Handle, err error, fx *effect.List)
	UserKnown(now clock.Instant, h effect.Handle, fx *effect.List)
	FlowGone(now clock.Instant, f flow.Flow, fx *effect.List)
	Drain(on bool)
	Stop(now clock.Instant, fx *effect.List) int
	InSetup() int
	Uses(l flow.Listener, at, n uint32) (next uint32, used bool)
	Stats() proxy.Stats
}

// shard is one lock and everything it guards.
type shard struct {
	mu   sync.Mutex
	core core // guarded by mu

	// expired is the last tick for which the timers were run. It is read
	// without the lock, to pass by a shard that another worker has seen to.
	expired atomic.Int64

	_ [64]byte // the next shard's lock is on another cache line
}

// tick numbers the ticks of the wheels.
func tick(now clock.Instant) int64 { return int64(now) / int64(wheel.Tick) }

// due reports whether a tick has begun since the timers were last run. Ticks
// are compared signed: a worker whose batch began earlier finds nothing to do.
func (s *shard) due(now clock.Instant) bool { return tick(now)-s.expired.Load() > 0 }
