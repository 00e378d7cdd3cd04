package engine

import (
	"reflect"
	"sync/atomic"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/transport"
)

// Stats are the counters since start and the gauges of now.
type Stats struct {
	Proxy      proxy.Stats // summed over the shards
	Shards     int
	InSetup    int    // requests without a final response
	Draining   bool   // the server has begun to stop
	Panics     uint64 // steps that panicked and were contained
	Unroutable uint64 // messages for a listener or transport that is not there
	Untold     uint64 // failures that a turn did not come to tell the core
	Shed       Shedding
	Reloads    uint64 // configurations that took the place of another
	Retiring   int    // listeners that are gone and serve what still runs there
	DNS        resolve.Stats
	Guard      auth.GuardStats // nonces in use, guesses of passwords
	Avoided    int             // next hops that have failed lately
	Refusals   int             // places known to refuse TCP
	Forgotten  uint64          // of these two forgotten before their time, at the bound
	Listeners  []ListenerStats
}

// ListenerStats are the counters of one listener by socket, that is by reader.
type ListenerStats struct {
	Name     string
	Listener flow.Listener
	Sockets  []transport.Counters       // of UDP, by reader
	Streams  []transport.StreamCounters // one, of TCP
}

// Total sums the counters of all sockets; of streams it counts messages.
func (l *ListenerStats) Total() transport.Counters {
	var sum transport.Counters
	for _, c := range l.Sockets {
		sum.Add(c)
	}
	for i := range l.Streams {
		sum.Add(asDatagrams(&l.Streams[i]))
	}
	return sum
}

// counts are the engine's own.
type counts struct {
	unroutable, untold, reloads atomic.Uint64
	shed                        shedding
}

// Stats sums what all shards and sockets count. Each shard is locked for a
// moment, one after the other.
func (e *Engine) Stats() Stats {
	s := Stats{
		Shards:     len(e.shards),
		Draining:   e.draining.Load(),
		Panics:     e.panics.count.Load(),
		Unroutable: e.counts.unroutable.Load(),
		Untold:     e.counts.untold.Load(),
		Shed:       e.counts.shed.snapshot(),
		Reloads:    e.counts.reloads.Load(),
		DNS:        e.resolver.Stats(),
		Guard:      e.guard.Stats(clock.Now()),
	}
	var forgotten [2]uint64
	s.Avoided, forgotten[0] = e.avoided.Held()
	s.Refusals, forgotten[1] = e.refusals.Held()
	s.Forgotten = forgotten[0] + forgotten[1]
	for i := range e.shards {
		sh := &e.shards[i]
		sh.mu.Lock()
		one, setup := sh.core.Stats(), sh.core.InSetup()
		sh.mu.Unlock()
		s.InSetup += setup
		addFields(reflect.ValueOf(&s.Proxy).Elem(), reflect.ValueOf(one))
	}
	f := e.inForce.Load()
	for i, b := range f.listeners {
		if b.hole() {
			continue
		}
		l := ListenerStats{Name: f.snapshot.Listeners[i].Name, Listener: flow.Listener(i)}
		if f.snapshot.Listeners[i].Gone {
			s.Retiring++
		}
		b.count(&l)
		s.Listeners = append(s.Listeners, l)
	}
	return s
}

// addFields adds src to dst, number by number: proxy.Stats and what it is made
// of hold nothing but numbers, arrays and structs of them.
func addFields(dst, src reflect.Value) {
	switch dst.Kind() {
	case reflect.Int, reflect.Int64:
		dst.SetInt(dst.Int() + src.Int())
	case reflect.Uint64, reflect.Uint32:
		dst.SetUint(dst.Uint() + src.Uint())
	case reflect.Array:
		for i := range dst.Len() {
			addFields(dst.Index(i), src.Index(i))
		}
	case reflect.Struct:
		for i := range dst.NumField() {
			addFields(dst.Field(i), src.Field(i))
		}
	default:
		panic("engine: proxy.Stats holds a " + dst.Kind().String())
	}
}
