package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// maxParked bounds the messages of a shard that wait without a transaction: the
// ACK of a 2xx, a request in stateless mode, a response that a Via sends to a
// name (seams.md §4). What does not fit is dropped and counted.
const maxParked = 1024

// parked is one message that waits for a name, with all that is needed to take
// it up again. Nothing remembers it elsewhere: copies are parked too, and go out
// in the order in which they came.
type parked struct {
	message []byte // a copy; nil: nothing is parked
	from    flow.Flow
	snap    *Snapshot
	query   []byte // what was asked for

	undelivered bool // a response of ours, or the beginning of one, that did not reach from.Remote
}

// reply is an answer while what waited for it is taken up again.
type reply struct {
	open  bool
	query []byte
	hops  resolve.Hops
	state resolve.State
}

// park keeps m until the question of w, which has just been put, is answered.
func (c *Core) park(w *wait, m *sip.Message, from flow.Flow, s *Snapshot) bool {
	if c.parkedNow >= maxParked {
		c.counts.drop(DropParked)
		c.endWait(w)
		return false
	}
	c.parkedNow++
	c.counts.Parked++
	w.parked = parked{message: c.bytes.Copy(m.Wire()), from: from, snap: s, query: c.bytes.Copy(c.query)}
	return true
}

// unpark takes a message up again now that its name is known.
func (c *Core) unpark(now clock.Instant, w *wait, hops resolve.Hops, state resolve.State, fx *effect.List) {
	p := w.parked
	c.endWait(w)
	c.parkedNow--
	c.told = reply{open: true, query: p.query, hops: hops, state: state}
	c.signer.use(p.snap.Keys)
	if p.undelivered {
		c.unparkUndelivered(now, &p, fx)
	} else {
		c.takeUp(now, &p, fx)
	}
	c.told = reply{}
	c.bytes.Give(p.message)
	c.bytes.Give(p.query)
}

// takeUp goes on with a message that has waited.
func (c *Core) takeUp(now clock.Instant, p *parked, fx *effect.List) {
	if err := c.kept.Parse(p.message); err != nil {
		panic("proxy: a parked message does not parse: " + err.Error())
	}
	if m := &c.kept; m.IsRequest() && p.snap.Listeners[p.from.Listener].Stateless {
		c.passOn(now, m, p.from, p.snap, fx)
	} else if m.IsRequest() {
		c.rq = request{m: m, from: p.from, snap: p.snap, method: routedAs(m)}
		if c.statelessTarget(now, &c.rq) {
			c.forwardOnce(now, &c.rq, fx)
		}
	} else {
		c.heard = p.from
		c.forwardResponse(now, m, p.snap, fx)
	}
}

// routedAs is the method that a request is routed by: that of its INVITE for an
// ACK and a CANCEL.
func routedAs(m *sip.Message) sip.Method {
	if method := m.Method(); method != sip.ACK && method != sip.CANCEL {
		return method
	}
	return sip.INVITE
}
