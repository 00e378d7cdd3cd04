package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/policy"
)

// What a rule wants done when its send has failed. It begins where RFC 3261 §16.7
// step 6 would choose the best response: that is not sent, and the next end is
// carried out with a target set of its own.
//
//	send ─── busy ───▶ otherwise { send } ─── unreachable ───▶ otherwise { reply }

// furtherEnd is the end that follows now that the one in force has failed; nil
// when the failure goes upstream.
func (rc *ResponseContext) furtherEnd() *policy.End {
	if rc.end == nil || rc.phase != searching && rc.phase != declined {
		return nil
	}
	status := rc.best.status
	if status == 0 {
		status = 408
	}
	o := policy.OutcomeOf(status, rc.rang)
	if rc.class != policy.NoClass {
		o.Class = rc.class
	}
	return rc.end.After(o)
}

// goOn carries out a further end.
func (c *Core) goOn(now clock.Instant, rc *ResponseContext, end *policy.End, fx *effect.List) {
	c.counts.Otherwise++
	for at := rc.set; at != 0; at = c.targets.At(at - 1).next {
		c.targets.At(at - 1).tried = true
	}
	c.wheel.Stop(&rc.patient)
	c.wheel.Stop(&rc.watch)
	rc.watched = false
	c.bytes.Give(rc.best.wire)
	rc.end, rc.best, rc.lines, rc.class, rc.rang, rc.phase = end, best{}, nil, policy.NoClass, false, searching
	rc.rounds++
	rq := c.retake(now, rc)
	if c.carryOut(now, rq, end, fx) {
		c.addTargets(now, rc, rq, end)
		c.startPatience(now, rc)
		c.startWatch(now, rc)
		c.advance(now, rc, nil, fx)
	}
}

// retake is the request of rc as it was when its rule had decided.
func (c *Core) retake(now clock.Instant, rc *ResponseContext) *request {
	server, m := c.table.Server(rc.server), c.keptRequest(rc)
	rq := &c.rq
	*rq = request{
		m: m, from: server.Flow, snap: rc.snap, server: server, method: m.Method(), context: rc,
		way: rc.way, loop: rc.loop, breadth: rc.breadth, cookie: rc.dialog, own: rc.own, rule: rc.rule, at: rc.at, end: rc.end, proven: rc.proven,
	}
	rq.readURI()
	c.recognise(rq)
	c.consult(rq)
	rc.snap.Program.Restore(rc.at, &c.facts)
	return rq
}

// startPatience arms the timer of an end that may not ring for ever (`ring`).
func (c *Core) startPatience(now clock.Instant, rc *ResponseContext) {
	if rc.invite && rc.end != nil && rc.end.Ring > 0 {
		c.wheel.Arm(&rc.patient, now.Add(rc.end.Ring))
	}
}

// ringOver ends what rings when an end has had its time: pending branches are
// cancelled and left behind, and the end counts as not answered.
func (c *Core) ringOver(now clock.Instant, rc *ResponseContext, fx *effect.List) {
	if rc.phase != searching && rc.phase != declined {
		return
	}
	c.signer.use(rc.snap.Keys)
	c.counts.RingOver++
	c.cancelPending(now, rc, nil, fx)
	for at := rc.branches; at != 0; {
		b := c.branches.At(at - 1)
		at = b.next
		c.concluded(rc, b)
	}
	for at := rc.set; at != 0; {
		t := c.targets.At(at - 1)
		at = t.next
		t.tried = true
		c.endSearch(t)
	}
	rc.waiting = 0
	if rc.best.status == 0 || rc.best.wire == nil {
		c.failed(rc, 408)
	}
	if rc.phase == searching { // after a 6xx it is only the others that have not ended
		rc.class = policy.NoAnswer
	}
	c.finish(now, rc, fx)
}
