package proxy

import (
	"bytes"
	"crypto/subtle"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// This file is RFC 3261 §16.11, for what a stateful proxy forwards without a
// transaction: the ACK of a 2xx, a CANCEL of something unknown, and the responses
// that come back for the latter. Each is a pure function of the message.

// forwardAck forwards an ACK that matches no transaction here: that of a 2xx. It
// is never answered (§17): what cannot be forwarded is dropped and counted.
func (c *Core) forwardAck(now clock.Instant, m *sip.Message, from flow.Flow, s *Snapshot, fx *effect.List) {
	rq := &c.rq
	*rq = request{m: m, from: from, snap: s, method: sip.INVITE}
	if c.acksOwnAnswer(m) {
		c.counts.drop(DropAck) // §8.2.7: of a response that we gave statelessly
		return
	}
	if !c.statelessTarget(now, rq) {
		c.counts.drop(DropAck)
		return
	}
	if c.forwardOnce(now, rq, fx) {
		c.counts.AcksForwarded++
	}
}

// acksOwnAnswer recognises the To tag of a response that was made here. Most tags
// of others have another length, and then nothing is computed.
func (c *Core) acksOwnAnswer(m *sip.Message) bool {
	if bytes.HasPrefix(m.ToTag(), c.signer.keys.shed) {
		return true
	}
	var tag [tagLen]byte
	to := m.ToTag()
	return len(to) == tagLen && subtle.ConstantTimeCompare(to, c.appendTag(tag[:0], m)) == 1
}

// statelessTarget takes a request through §16.3 to §16.5 and reports whether it
// has exactly one target, which it leaves in rq.
func (c *Core) statelessTarget(now clock.Instant, rq *request) bool {
	if n, present, err := rq.m.MaxForwardsValue(); err != nil || present && n == 0 {
		return false
	}
	if c.looped(rq) || rq.maxBreadth() != nil || c.preprocess(rq) != nil {
		return false
	}
	if rq.inDialog || rq.byPath || rq.hasRoute {
		return c.underRule(rq) == nil
	}
	rq.rule = c.rule(now, rq)
	if rq.rule == nil || rq.rule.Kind != policy.Send || len(rq.rule.Targets) != 1 {
		return false
	}
	if rq.rule.Targets[0].Kind == policy.ToLocation { // nothing else tells which of the bindings has answered
		return rq.rule.Targets[0].URI == nil && c.toGRUU(rq)
	}
	g := rq.rule.Targets[0].Group
	return g == nil || len(g.Targets) == 1 || g.Balance != policy.BalanceNone
}

// forwardOnce sends a request to its one target and forgets it, or parks it until
// its name is known; false, and counted, when it leads nowhere.
func (c *Core) forwardOnce(now clock.Instant, rq *request, fx *effect.List) bool {
	status := c.sendOnce(now, rq, fx)
	if status > 0 {
		c.counts.drop(DropUnreachable)
	}
	return status == 0 || status == awaiting
}

// noRoom says that a request could not be parked: counted, and nothing more to say.
const noRoom = -2

// sendOnce is forwardOnce that tells what became of the request: 0, awaiting,
// noRoom, or the response that its target counts as having given.
func (c *Core) sendOnce(now clock.Instant, rq *request, fx *effect.List) int {
	rc, t := &c.once, &c.onceTarget
	c.onceOpen = open{rule: rq.rule, end: rq.end, way: rq.way, dialog: rq.cookie, own: rq.own, path: rq.path}
	c.edits = c.appendEdits(c.edits[:0], rq)
	c.onceOpen.edits = c.edits
	*rc = ResponseContext{snap: rq.snap, open: &c.onceOpen}
	*t = Target{}
	switch {
	case rq.inDialog || rq.byPath:
		if status := c.aim(rq, t); status != 0 {
			return status
		}
		if rq.toInstance {
			if _, status := c.translate(now, rq, t); status != 0 {
				return status
			}
		}
	case rq.rule != nil:
		if status := c.onlyTarget(now, rq, t); status != 0 {
			return status
		}
	}
	var e edits
	e.m, e.way, e.arrival, e.breadth = rq.m, &rc.way, rq.from, rq.breadth
	status := e.prepare(c.targetURI(rc, t), &c.text)
	if status == 0 {
		status = e.routeByPath(t.path)
	}
	var hop flow.Hop
	if status == 0 {
		hop, status = c.hopOf(now, rc, &e, t, fx)
	}
	if status == awaiting {
		w := c.waits.At(t.search - 1)
		t.search = 0
		if !c.park(w, rq.m, rq.from, rq.snap) {
			return noRoom
		}
		return awaiting
	}
	c.endSearch(t)
	if status != 0 {
		return status
	}
	instead := c.instead(rc, &e, hop)
	c.edit(&e)
	c.editHeaders(rc, rq.m, rq.from, hop)
	c.pushPath(rc, &e, hop)
	if c.recordsRoute(rc, rq.m, t) {
		c.recordRoute(rc, &e, rq.m, t, hop)
	}
	c.text = c.appendStatelessBranch(c.startVia(rq.snap, hop), rq.m)
	c.text = c.appendArrival(c.text, rq)
	c.rewriter.PushVia(c.text)
	if hop.Protocol.Reliable() {
		c.rewriter.EnsureContentLength()
	}
	fx.Send(hop, fx.Commit(c.rewriter.AppendTo(fx.Begin(len(rq.m.Wire())+c.rewriter.Size()))), 0)
	fx.Sends[len(fx.Sends)-1].Fallback = instead
	return 0
}

// onlyTarget makes t the one target of the rule of rq, the same for every copy
// (§16.11). Its texts lie in the scratch of the step. A status other than 0 is what
// it counts as having answered.
func (c *Core) onlyTarget(now clock.Instant, rq *request, t *Target) int {
	p := &rq.rule.Targets[0]
	known := true
	switch p.Kind {
	case policy.ToURI:
		known = c.aimAt(rq, t, p.URI(&c.facts))
	case policy.ToGroup:
		t.mark = groupMark(p.Group.Hash)
		known = c.aimAt(rq, t, p.Group.Choose(&c.facts).URI)
	case policy.ToLocation: // of a GRUU, see statelessTarget
		if _, status := c.translate(now, rq, t); status != 0 {
			return status
		}
	}
	t.from, t.hasFrom = rq.rule.From, rq.rule.HasFrom
	if !known {
		return 500
	}
	return 0
}

// forwardResponse sends a response to the Via below ours (§16.11, §18.2.2).
func (c *Core) forwardResponse(now clock.Instant, m *sip.Message, s *Snapshot, fx *effect.List) {
	it := m.Values(sip.Via)
	it.Next() // ours
	if !it.Next() {
		c.counts.drop(DropStray)
		return
	}
	next, err := sip.ParseVia(it.Value.Text)
	if err != nil {
		c.counts.drop(DropMalformed)
		return
	}
	hop, fallback := c.arrivalHop(m, &next, s)
	status := 0
	if hop.IsZero() {
		hop, status = c.viaHop(now, m, &next, s, fx)
	}
	switch status {
	case 0:
	case awaiting:
		return
	default:
		c.counts.drop(DropUnreachable)
		return
	}
	c.rewriter.Reset(m)
	c.rewriter.PopVia()
	c.tellIdentity(s, m, nil, ofResponse, s.trusts(c.heard.Listener, c.heard.Remote), s.trusts(hop.Listener, hop.Remote))
	if hop.Protocol.Reliable() {
		c.rewriter.EnsureContentLength()
	}
	fx.Send(hop, fx.Commit(c.rewriter.AppendTo(fx.Begin(len(m.Wire())+c.rewriter.Size()))), 0)
	fx.Sends[len(fx.Sends)-1].Fallback = fallback
	c.counts.Relayed++
}

// viaHop is where a response goes by its Via alone (§18.2.2, RFC 3263 §5): maddr,
// received with rport, or sent-by. m waits while a name is looked up.
func (c *Core) viaHop(now clock.Instant, m *sip.Message, v *sip.ViaValue, s *Snapshot, fx *effect.List) (flow.Hop, int) {
	q := resolve.Query{Host: v.Host, Port: v.Port, Transport: flow.ParseProtocol(v.Transport), Speaks: s.speaks}
	if q.Transport == flow.None {
		return flow.Hop{}, 503
	}
	switch {
	case v.MAddr != nil:
		q.Host = v.MAddr
	case v.Received != nil:
		q.Host = v.Received
		if p, ok := parsePort(v.RPort); ok {
			q.Port = p
		}
	}
	rc := &c.once
	c.onceOpen = open{rule: &anyRule}
	*rc = ResponseContext{snap: s, open: &c.onceOpen}
	t := Target{domain: c.domains.of(v.Host)}
	if protocol, to, numeric := q.Numeric(); numeric {
		return c.hopTo(rc, flow.Flow{}, protocol, to, &t)
	}
	e := edits{m: m}
	hop, status := c.lookUp(now, rc, &e, q, &t, fx)
	if status == awaiting {
		c.park(c.waits.At(t.search-1), m, c.heard, s)
		return hop, status
	}
	c.endSearch(&t)
	return hop, status
}

// anyRule stands for the permission that a response has to go back by its Via.
var anyRule policy.Rule

// parsePort reads the digits of a port.
func parsePort(digits []byte) (uint16, bool) {
	n, ok := sip.ParseNumber(digits, 65535)
	return uint16(n), ok
}
