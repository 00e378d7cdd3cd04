package engine

import (
	"sync/atomic"

	"viaduct/internal/overload"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
)

// shedding counts what was not taken on because readers were behind.
type shedding struct {
	refused, stale [overload.Classes]atomic.Uint64
	acks, times    atomic.Uint64
	behind         atomic.Int64
}

// Shedding are those counters.
type Shedding struct {
	Refused [overload.Classes]uint64 // by overload.Class: answered 503
	Stale   [overload.Classes]uint64 // … dropped for their age
	Acks    uint64                   // ACKs of what was refused
	Times   uint64                   // how often a reader fell behind
	Behind  int                      // readers that are behind
}

func (s *shedding) snapshot() (n Shedding) {
	for c := range overload.Classes {
		n.Refused[c], n.Stale[c] = s.refused[c].Load(), s.stale[c].Load()
	}
	n.Acks = s.acks.Load()
	n.Times, n.Behind = s.times.Load(), int(s.behind.Load())
	return n
}

// queue looks at how far behind the reader of b is (safety.md rule 19).
func (w *worker) queue(b *transport.Batch) {
	if len(b.Packets) == 0 {
		return
	}
	was := w.gate.Behind()
	w.gate.Observe(w.now, b.Age, b.Lost)
	switch is := w.gate.Behind(); {
	case is == was:
	case is:
		w.e.counts.shed.times.Add(1)
		w.e.counts.shed.behind.Add(1)
	default:
		w.e.counts.shed.behind.Add(-1)
	}
	w.sieve.look(w)
}

// judge decides whether p is taken on, before it is parsed.
func (w *worker) judge(p *transport.Packet) overload.Verdict {
	if !w.gate.Behind() && p.Age < overload.Stale || p.Fault != nil {
		return overload.Take
	}
	n, age := &w.e.counts.shed, p.Age
	if overload.Acknowledges(p.Wire, w.inForce.snapshot.Keys.ShedTag()) {
		n.acks.Add(1)
		return overload.Drop
	}
	if age >= overload.Stale && !overload.Repeated(p.Wire) { // nobody sends it again
		age = 0
	}
	class := overload.ClassOf(p.Wire)
	v := w.gate.Judge(class, age)
	switch v {
	case overload.Refuse:
		n.refused[class].Add(1)
	case overload.Drop:
		n.stale[class].Add(1)
	}
	return v
}

// shed has p refused. What does not parse is not worth an answer now.
func (w *worker) shed(p *transport.Packet) {
	if w.m.Parse(p.Wire) != nil {
		return
	}
	p.Parsed = true
	w.at = proxy.PlaceOf(&w.m, len(w.e.shards))
	c := w.lock(w.at.Shard)
	c.Shed(w.now, &w.m, &w.at, p.From, w.inForce.snapshot, &w.fx)
	w.unlock()
}
