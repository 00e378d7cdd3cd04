package proxy

import (
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
	if !c.statelessTarget(rq) {
		c.counts.drop(DropAck)
		return
	}
	if c.forwardOnce(now, rq, fx) {
		c.counts.AcksForwarded++
	}
}

// acksOwnAnswer recognises the To tag of a response that was made here.
func (c *Core) acksOwnAnswer(m *sip.Message) bool {
	var tag [tagLen]byte
	return subtle.ConstantTimeCompare(m.ToTag(), c.appendTag(tag[:0], m)) == 1
}

// statelessTarget takes a request through §16.3 to §16.5 and reports whether it
// has exactly one target, which it leaves in rq.
func (c *Core) statelessTarget(rq *request) bool {
	if n, present, err := rq.m.MaxForwardsValue(); err != nil || present && n == 0 {
		return false
	}
	if c.looped(rq) || rq.maxBreadth() != nil || c.preprocess(rq) != nil {
		return false
	}
	if rq.inDialog || rq.hasRoute {
		return true
	}
	rq.rule = c.rule(rq)
	if rq.rule == nil || rq.rule.Kind != policy.Send || len(rq.rule.Targets) != 1 {
		return false
	}
	g := rq.rule.Targets[0].Group
	return g == nil || len(g.Targets) == 1
}

// forwardOnce sends a request to its one target and forgets it, or parks it until
// its name is known; false, and counted, when it leads nowhere.
func (c *Core) forwardOnce(now clock.Instant, rq *request, fx *effect.List) bool {
	rc, t := &c.once, &c.onceTarget
	*rc = ResponseContext{snap: rq.snap, rule: rq.rule, way: rq.way, dialog: rq.cookie, own: rq.own}
	*t = Target{}
	if rq.inDialog {
		c.aim(rq, t)
	} else if rq.rule != nil {
		c.addTargets(rc, rq, rq.rule)
		defer c.dropTargets(rc)
		if rc.set == 0 { // counted as a bad target
			return false
		}
		t = c.targets.At(rc.set - 1)
	}
	var e edits
	e.m, e.way, e.arrival, e.breadth = rq.m, &rc.way, rq.from, rq.breadth
	status := e.prepare(c.targetURI(rc, t), &c.text)
	var hop flow.Hop
	if status == 0 {
		hop, status = c.hopOf(now, rc, &e, t, fx)
	}
	if status == awaiting {
		w := c.waits.At(t.search - 1)
		t.search = 0
		return c.park(w, rq.m, rq.from, rq.snap)
	}
	c.endSearch(t)
	if status != 0 {
		c.counts.drop(DropUnreachable)
		return false
	}
	c.edit(&e)
	c.text = c.appendStatelessBranch(c.startVia(rq.snap, hop), rq.m)
	c.rewriter.PushVia(c.text)
	if hop.Protocol.Reliable() {
		c.rewriter.EnsureContentLength()
	}
	fx.Send(hop, fx.Commit(c.rewriter.AppendTo(fx.Begin(len(rq.m.Wire())+c.rewriter.Size()))), 0)
	return true
}

// The branch of what is forwarded statelessly: the cookie, a mark that no branch
// of a transaction begins with, and a MAC over the top Via branch and sent-by of
// the request, or over what tells RFC 2543 requests apart (§16.11). It is the
// same for every copy, and for the CANCEL and ACK of an INVITE.
const (
	statelessMark = "z9hG4bK-"
	statelessMAC  = 15 // bytes, 20 characters
)

func (c *Core) appendStatelessBranch(dst []byte, m *sip.Message) []byte {
	return base64url.AppendEncode(append(dst, statelessMark...), c.statelessSum(m))
}

func (c *Core) statelessSum(m *sip.Message) []byte {
	h := c.signer.ring[0].branch
	if v, err := m.TopVia(); err == nil && v.HasCookie() {
		return c.signer.sign(h, v.Branch, v.SentBy)[:statelessMAC]
	}
	top, _ := m.First(sip.Via)
	seq, _ := m.First(sip.CSeq)
	number := seq.Text
	for i, ch := range number {
		if ch < '0' || ch > '9' {
			number = number[:i]
			break
		}
	}
	return c.signer.sign(h, top.Text, m.FromTag(), m.CallIDValue(), number, m.RequestURI())[:statelessMAC]
}

// ownStateless reports whether the top Via of a response was made by
// appendStatelessBranch: the MAC is computed again from the Via below it.
func (c *Core) ownStateless(m *sip.Message, v *sip.ViaValue, s *Snapshot) bool {
	if len(v.Branch) != len(statelessMark)+base64url.EncodedLen(statelessMAC) || string(v.Branch[:len(statelessMark)]) != statelessMark {
		return false
	}
	it := m.Values(sip.Via)
	it.Next() // ours
	if !it.Next() {
		return false
	}
	below, err := sip.ParseVia(it.Value.Text)
	if err != nil || !below.HasCookie() {
		return false
	}
	var mac [20]byte
	base64url.Encode(mac[:], c.signer.sign(c.signer.ring[0].branch, below.Branch, below.SentBy)[:statelessMAC])
	return subtle.ConstantTimeCompare(v.Branch[len(statelessMark):], mac[:]) == 1
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
	hop, status := c.viaHop(now, m, &next, s, fx)
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
	if hop.Protocol.Reliable() {
		c.rewriter.EnsureContentLength()
	}
	fx.Send(hop, fx.Commit(c.rewriter.AppendTo(fx.Begin(len(m.Wire())+c.rewriter.Size()))), 0)
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
	*rc = ResponseContext{snap: s, rule: &anyRule}
	if protocol, to, numeric := q.Numeric(); numeric {
		return c.hopTo(rc, flow.Flow{}, protocol, to, nil)
	}
	var t Target
	e := edits{m: m}
	hop, status := c.lookUp(now, rc, &e, q, &t, fx)
	if status == awaiting {
		c.park(c.waits.At(t.search-1), m, flow.Flow{}, s)
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
