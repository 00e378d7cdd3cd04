package engine

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/overload"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
	"viaduct/sip"
)

// worker drives the core on one goroutine: a reader of a socket, the ticker or
// the drain. All of it is reused from turn to turn.
type worker struct {
	// set at construction, then constant
	e      *Engine
	index  int // which socket of each listener it sends on
	sender *transport.Sender
	stream *transport.StreamSender // made at the first use

	// of the turn in progress
	now     clock.Instant
	inForce *inForce
	tracer  Tracer
	fx      effect.List
	trouble transport.Trouble
	losses  []loss

	reads *transport.Socket // whose datagrams it reads, nil where it reads none
	gate  overload.Gate     // over the queue that the worker reads from
	sieve sieve             // in front of it

	// of the step in progress
	held *shard // whose lock is held
	m    sip.Message
	at   proxy.Place // of the message in m
}

func (e *Engine) newWorker(index int) *worker {
	return &worker{e: e, index: index, sender: transport.NewSender()}
}

// begin reads what holds for a whole turn.
func (w *worker) begin() {
	w.now = clock.Now()
	w.inForce = w.e.inForce.Load()
	w.tracer = nil
	if t := w.e.tracer.Load(); t != nil {
		w.tracer = *t
	}
}

// turn takes a batch from the socket to all that it gives rise to.
func (w *worker) turn(b *transport.Batch) {
	w.begin()
	w.queue(b)
	for i := range b.Packets {
		w.packet(&b.Packets[i])
	}
	w.collect(&b.Trouble)
	for i := range b.Notices {
		w.e.notice(&b.Notices[i])
	}
	for _, f := range b.Gone {
		w.over(f)
	}
	w.expire(false)
	w.finish()
}

// packet runs one message through its shard.
func (w *worker) packet(p *transport.Packet) {
	defer w.contain("message", w.mark())
	if w.tracer != nil {
		w.tracer.Message(clock.Wall(w.now), true, p.From.Hop(), p.Wire)
	}
	switch w.judge(p) {
	case overload.Drop:
		return
	case overload.Refuse:
		w.shed(p)
		return
	}
	switch err := w.m.Parse(p.Wire); {
	case p.Fault != nil: // of the stream; what was read of the message is indexed
		w.malformed(p, p.Fault)
		return
	case err != nil:
		if fault, ok := err.(*sip.SyntaxError); ok {
			w.malformed(p, fault)
		}
		return
	}
	p.Parsed = true
	if p.From.Protocol > flow.TCP && !w.fits(p) {
		return
	}
	w.at = proxy.PlaceOf(&w.m, len(w.e.shards))
	c := w.lock(w.at.Shard)
	c.Packet(w.now, &w.m, &w.at, p.From, w.inForce.snapshot, &w.fx)
	w.unlock()
}

// malformed has p refused. Any shard will do: it belongs to no transaction.
func (w *worker) malformed(p *transport.Packet, fault *sip.SyntaxError) {
	c := w.lock(w.index % len(w.e.shards))
	c.Malformed(w.now, &w.m, fault, p.From, w.inForce.snapshot, &w.fx)
	w.unlock()
}

// expire runs the timers of all shards for which a tick has begun. A busy shard
// is passed by unless wait is set: who holds it, or the ticker, sees to it.
func (w *worker) expire(wait bool) {
	for i := range w.e.shards {
		if s := &w.e.shards[i]; s.due(w.now) {
			w.expireShard(s, wait)
		}
	}
}

func (w *worker) expireShard(s *shard, wait bool) {
	defer w.contain("timer", w.mark())
	if wait {
		s.mu.Lock()
	} else if !s.mu.TryLock() {
		return
	}
	w.held = s
	// Before the timers run: one that panics is gone from the wheel, and those
	// behind it come with the next tick.
	s.expired.Store(max(tick(w.now), s.expired.Load()))
	s.core.Expire(w.now, &w.fx)
	w.unlock()
}

// lock takes the lock of shard i and returns the core under it.
func (w *worker) lock(i int) core {
	w.held = &w.e.shards[i]
	w.held.mu.Lock()
	return w.held.core
}

func (w *worker) unlock() {
	s := w.held
	w.held = nil
	s.mu.Unlock()
}
