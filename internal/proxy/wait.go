package proxy

import (
	"encoding/binary"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// Nothing blocks: what is not in memory is asked for, and whoever needs it waits
// in a record of the shard (seams.md §4). The record is found by its Handle; a
// late answer meets another generation and vanishes.

// Names is what is known of names without asking anybody: a leaf read.
type Names interface {
	Get(now clock.Instant, q resolve.Query) (resolve.Hops, resolve.State)
}

// wait is one thing that is waited for. The search for the hops of a name belongs
// to a target, and lasts as long: RFC 3263 §4.3 walks through the hops while they
// fail. A user or a store is what a request as a whole waits for, in its context.
// Without either it holds a message that nothing else remembers.
type wait struct {
	slot       uint32
	generation uint32 // of the question that is open, 0: none
	context    uint32
	target     uint32
	breadth    int // Max-Breadth set aside for the target while it waits
	hops       resolve.Iterator
	proven     proofs // of a request that waits as a whole
	asked      realms // likewise

	parked parked
}

// expect opens a question of w and names it.
func (c *Core) expect(w *wait) effect.Handle {
	c.asked = max(c.asked+1, 1) // 0 means that no question is open
	w.generation = c.asked
	return effect.MakeHandle(c.config.Shard, w.slot, w.generation)
}

// question puts what c.query holds for w.
func (c *Core) question(w *wait, kind effect.AskKind, fx *effect.List) {
	c.counts.Asked++
	fx.Ask(kind, c.expect(w), c.query)
}

// newWait begins a search.
func (c *Core) newWait() *wait {
	w, slot := c.waits.Take()
	*w = wait{slot: slot}
	return w
}

func (c *Core) endWait(w *wait) {
	slot := w.slot
	*w = wait{}
	c.waits.Give(slot)
}

// startWait starts the timers of a request that waits as a whole, for what may
// never come: an INVITE is answered by limits.ring, any other is forgotten when its
// client no longer listens (RFC 4320 §4.2).
func (c *Core) startWait(now clock.Instant, rc *ResponseContext) {
	c.startTimers(now, rc)
	if !rc.invite {
		c.wheel.Arm(&rc.ring, now.Add(64*rc.snap.Timers.T1))
	}
}

// lookUp finds the first hop of a name for t: at once when the name is known,
// and by a question otherwise.
func (c *Core) lookUp(now clock.Instant, rc *ResponseContext, e *edits, q resolve.Query, t *Target, fx *effect.List) (flow.Hop, int) {
	hops, state := c.known(now, rc.snap, q)
	switch state {
	case resolve.Negative:
		return flow.Hop{}, 408 // §16.6 step 7: an exhausted set counts as 408
	case resolve.Failed:
		return flow.Hop{}, 503
	}
	w := c.newWait()
	t.search = w.slot + 1
	switch state {
	case resolve.Miss:
		c.ask(w, q, fx)
		return flow.Hop{}, awaiting
	case resolve.Stale: // used, and looked up again by the way
		fx.Ask(effect.AskResolve, 0, q.AppendTo(c.query[:0]))
	}
	w.hops = hops.Iterator(c.walkSeed(rc, e.m))
	return c.nextOf(now, rc, e.arrival, t)
}

// known reads what is known of a name; an answer that has just come counts even
// if it may not be kept.
func (c *Core) known(now clock.Instant, s *Snapshot, q resolve.Query) (resolve.Hops, resolve.State) {
	switch {
	case c.told.open && string(q.AppendTo(c.query[:0])) == string(c.told.query):
		return c.told.hops, c.told.state
	case s.Known == nil:
		return resolve.Hops{}, resolve.Negative
	}
	return s.Known.Get(now, q)
}

// ask asks where a name leads.
func (c *Core) ask(w *wait, q resolve.Query, fx *effect.List) {
	c.query = q.AppendTo(c.query[:0])
	c.question(w, effect.AskResolve, fx)
}

// walkSeed chooses among hops of equal rank: at random; for what is forwarded
// without a transaction by a hash that all its messages share (RFC 3263 §4.4).
func (c *Core) walkSeed(rc *ResponseContext, m *sip.Message) uint64 {
	var b [8]byte
	if rc == &c.once {
		copy(b[:], c.statelessSum(m))
	} else {
		c.config.Random(b[:])
	}
	return binary.LittleEndian.Uint64(b[:])
}

// nextOf is the next hop of the name of t that may be tried. One that has failed
// lately is passed by as long as there is another. What is forwarded without a
// transaction goes the same way each time, whatever has happened (§16.11).
func (c *Core) nextOf(now clock.Instant, rc *ResponseContext, arrival flow.Flow, t *Target) (hop flow.Hop, status int) {
	w := c.waits.At(t.search - 1)
	last := 408 // §16.6 step 7
	avoided, after := flow.Hop{}, w.hops
	for {
		p, to, ok := w.hops.Next()
		switch {
		case !ok && !avoided.IsZero():
			w.hops = after
			return avoided, 0
		case !ok:
			return flow.Hop{}, last
		}
		if hop, status = c.hopTo(rc, arrival, p, to, t); status != 0 {
			last = status
			continue
		}
		if rc == &c.once || !c.config.Avoided.Has(now, to) {
			return hop, 0
		}
		if avoided.IsZero() {
			avoided, after = hop, w.hops
		}
	}
}

// hasHop reports whether t has another hop to try.
func (c *Core) hasHop(rc *ResponseContext, arrival flow.Flow, t *Target) bool {
	if t.search == 0 {
		return false
	}
	for it := c.waits.At(t.search - 1).hops; ; {
		p, to, ok := it.Next()
		if !ok {
			return false
		}
		if _, status := c.hopTo(rc, arrival, p, to, t); status == 0 {
			return true
		}
	}
}

// Resolved takes the answer to a question by its Handle: the hops, or why there
// are none. An answer that nobody waits for any more means nothing.
func (c *Core) Resolved(now clock.Instant, h effect.Handle, hops resolve.Hops, err error, fx *effect.List) {
	w := c.waitOf(h)
	if w == nil {
		c.counts.LateAnswers++
		return
	}
	w.generation = 0
	if w.parked.message != nil {
		c.unpark(now, w, hops, resolve.StateOf(err), fx)
		return
	}
	rc := c.contexts.At(w.context)
	rc.waiting--
	rc.breadth += w.breadth
	if rc.phase != searching { // nothing is begun any more
		return
	}
	c.signer.use(rc.snap.Keys)
	status := 0
	switch resolve.StateOf(err) {
	case resolve.Hit:
		m := c.keptRequest(rc)
		w.hops = hops.Iterator(c.walkSeed(rc, m))
		status = c.forward(now, rc, m, w.target, min(w.breadth, rc.breadth), fx)
	case resolve.Negative:
		status = 408
	default:
		status = 503
	}
	if status != 0 {
		c.missed(rc, w.target, status)
	}
	c.advance(now, rc, nil, fx)
}

// waitOf finds the wait of an open question, or nil.
func (c *Core) waitOf(h effect.Handle) *wait {
	if h.Generation() == 0 || !c.waits.Has(h.Slot()) {
		return nil
	}
	if w := c.waits.At(h.Slot()); w.generation == h.Generation() {
		return w
	}
	return nil
}
