package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// cancel is RFC 3261 §16.10. s is the CANCEL's own transaction, of the one that
// it cancels. It is answered here, hop by hop, and what it means is done to every
// branch that is pending; the INVITE is answered by what the branches then say.
func (c *Core) cancel(now clock.Instant, s, of *transaction.Server, m *sip.Message, from flow.Flow, snap *Snapshot, fx *effect.List) {
	s.Reply, s.SentByPort = c.replyHop(m, from, snap), sentByPortOf(m, from, snap)
	if of == nil {
		c.cancelUnknown(now, s, m, from, snap, fx)
		return
	}
	c.counts.Cancels++
	c.answer(now, s, m, &rejection{status: 200}, snap, fx) // §9.2
	c.cancelContext(now, of, m, fx)
}

// cancelContext does what the CANCEL m means to the transaction of.
func (c *Core) cancelContext(now clock.Instant, of *transaction.Server, m *sip.Message, fx *effect.List) {
	rc := c.contextOf(of)
	if rc == nil || !rc.invite || rc.phase == answered {
		return // §9.2: no effect after a final response, none on a non-INVITE
	}
	rc.phase = cancelled
	c.cancelPending(now, rc, c.reasons(m), fx)
	if rc.pending == 0 { // nobody else will answer
		if rc.best.status == 0 {
			rc.best.status = 487
		}
		c.finish(now, rc, fx)
	}
}

// reasons is the Reason of a CANCEL, to be passed on (RFC 3326 §2): one value for
// each protocol, on one line or several. nil when there is none.
func (c *Core) reasons(m *sip.Message) []byte {
	if !m.Has(sip.Reason) {
		return nil
	}
	out := c.lines[:0]
	for it := m.Values(sip.Reason); it.Next(); {
		if len(out) > 0 {
			out = append(out, ", "...)
		}
		out = append(out, it.Value.Text...)
	}
	c.lines = out
	return out
}

// cancelUnknown relays a CANCEL that belongs to nothing here, without a
// transaction (§16.10): its INVITE may have been forwarded statelessly. That
// makes sense only when the way is a function of what a CANCEL carries; else, and
// when that way is barred, it is answered 481 (§9.2).
func (c *Core) cancelUnknown(now clock.Instant, s *transaction.Server, m *sip.Message, from flow.Flow, snap *Snapshot, fx *effect.List) {
	rq := &c.rq
	*rq = request{m: m, from: from, snap: snap, server: s, method: sip.INVITE}
	if c.cancelCarries(snap) && c.statelessTarget(now, rq) && c.forwardOnce(now, rq, fx) {
		c.counts.CancelsRelayed++
		c.table.Forget(s)
		return
	}
	c.reject(now, rq, &rejection{status: 481}, fx)
}

// cancelCarries reports whether the rules read nothing that a CANCEL lacks.
func (c *Core) cancelCarries(s *Snapshot) bool {
	return !s.Program.Reads.Time && len(s.Program.Reads.Headers) == 0 && len(s.Program.Reads.Names) == 0
}
