package proxy

import (
	"bytes"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/registrar"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// response takes a response from the wire: RFC 3261 §16.7 and §18.1.2, with the
// matching of RFC 6026: what belongs to no client transaction is dropped.
func (c *Core) response(now clock.Instant, m *sip.Message, at *Place, s *Snapshot, fx *effect.List) {
	c.counts.Responses[min(m.Status()/100, 6)]++
	v, err := m.TopVia()
	if err != nil || !s.ownSentBy(v) { // §18.1.2
		c.counts.drop(DropForeignResponse)
		return
	}
	if c.ownStateless(m, v) {
		c.forwardResponse(now, m, s, fx)
		return
	}
	if bytes.HasPrefix(v.Branch, []byte(registrar.OptionsBranch)) && onlyOne(m, sip.Via) {
		c.counts.Alive++
		return
	}
	if !at.ours {
		c.stray(now, m, s, fx)
		return
	}
	client, verdict := c.table.Response(now, m, &at.branch, fx)
	switch verdict {
	case transaction.PassUp:
		c.passUp(now, client, m, fx) // step 1: the branch is found by its slot
	case transaction.Stray:
		c.stray(now, m, s, fx)
	}
}

// stray is a response without a client transaction (RFC 6026 §8.9).
func (c *Core) stray(now clock.Instant, m *sip.Message, s *Snapshot, fx *effect.List) {
	if s.StrayForward {
		c.forwardResponse(now, m, s, fx)
		return
	}
	c.counts.drop(DropStray)
}

// passUp is RFC 3261 §16.7 from step 2 on.
func (c *Core) passUp(now clock.Instant, client *transaction.Client, m *sip.Message, fx *effect.List) {
	b := c.branches.At(client.User - 1)
	rc := c.contexts.At(b.context)
	c.landed(b)
	status := m.Status()
	switch {
	case status < 200:
		if !b.final { // the 1xx of a hop that was left behind means nothing
			c.proceeding(now, rc, b, m, fx)
		}
	case status < 300:
		c.concluded(rc, b)
		c.success(now, rc, m, fx)
	default:
		if b.final { // the branch was given up; its late answer changes nothing
			return
		}
		c.concluded(rc, b)
		if rc.phase == answered {
			return
		}
		if status == 503 {
			c.heed(now, b, &client.Hop, m)
		}
		if status == 503 && c.tryNextHop(now, rc, b, nil, fx) { // RFC 3263 §4.3
			return
		}
		if (status == 408 || status == 430) && c.callSpare(rc, b.target) { // RFC 5626 §7: after any other answer the phone has spoken
			c.advance(now, rc, nil, fx)
			return
		}
		if status == 416 && c.asSIP(rc, b) {
			c.advance(now, rc, nil, fx)
			return
		}
		c.collect(rc, m) // step 4
		if status >= 600 {
			c.decline(now, rc, fx)
		}
		c.advance(now, rc, nil, fx)
	}
}

// proceeding takes a 1xx: the hop is alive. A 100 is never forwarded (step 5), and
// for a non-INVITE none is (RFC 4320 §4.1). Timer C starts again with the others
// (step 2), and takes the place of the wait for a sign of life.
func (c *Core) proceeding(now clock.Instant, rc *ResponseContext, b *Branch, m *sip.Message, fx *effect.List) {
	if !rc.invite {
		c.wheel.Stop(&b.c)
		return
	}
	if m.Status() > 100 || b.c.Kind != kindC {
		b.c.Kind = kindC
		c.wheel.Arm(&b.c, now.Add(rc.snap.Timers.C))
	}
	if m.Status() > 100 {
		c.provisional(now, rc, m, fx)
	}
}

// provisional forwards a 101–199 at once (step 5), until a final response has
// gone upstream.
func (c *Core) provisional(now clock.Instant, rc *ResponseContext, m *sip.Message, fx *effect.List) {
	if rc.phase == answered {
		return
	}
	c.wheel.Stop(&rc.trying)
	rc.rang = true
	c.relay(now, rc, m, fx)
}

// success forwards a 2xx at once: always for an INVITE, also after another final
// response (step 5), the first only for others. The rest is cancelled (step 10).
func (c *Core) success(now clock.Instant, rc *ResponseContext, m *sip.Message, fx *effect.List) {
	late := rc.phase == answered
	if late && !rc.invite {
		return
	}
	c.relay(now, rc, m, fx)
	if late {
		return
	}
	c.settle(rc)
	if rc.invite {
		c.cancelPending(now, rc, answeredElsewhere, fx)
	}
	c.closeIfOver(rc)
}

// answeredElsewhere is the Reason of a CANCEL to the losers of a fork (RFC 3326 §2).
var answeredElsewhere = []byte(`SIP;cause=200;text="Call completed elsewhere"`)

// decline is what a 6xx does (step 5): no new branch, the pending ones are
// cancelled, and when they have ended the 6xx goes upstream.
func (c *Core) decline(now clock.Instant, rc *ResponseContext, fx *effect.List) {
	if rc.phase == searching {
		rc.phase = declined
	}
	c.cancelPending(now, rc, nil, fx)
}

// relay sends a response upstream with our Via taken off (steps 3, 8 and 9).
// When the server transaction is gone it is dropped (RFC 6026 §8.3).
func (c *Core) relay(now clock.Instant, rc *ResponseContext, m *sip.Message, fx *effect.List) {
	server := c.table.Server(rc.server)
	if server == nil || onlyOne(m, sip.Via) { // step 3: no Via left: it was meant for us
		c.counts.drop(DropNoServer)
		return
	}
	c.rewriter.Reset(m)
	c.rewriter.PopVia()
	c.editResponse(rc, m, server.Reply)
	if server.Reply.Protocol.Reliable() {
		c.rewriter.EnsureContentLength()
	}
	wire := fx.Commit(c.rewriter.AppendTo(fx.Begin(len(m.Wire()) + c.rewriter.Size())))
	if c.table.Respond(now, server, m.Status(), wire, fx) {
		c.counts.Relayed++
	}
}

// cancelPending cancels every branch that has no final response (step 10). A
// branch without a 1xx gets its CANCEL with the first (§9.1).
func (c *Core) cancelPending(now clock.Instant, rc *ResponseContext, reason []byte, fx *effect.List) {
	if !rc.invite { // §9.1: a non-INVITE is never cancelled
		return
	}
	for at := rc.branches; at != 0; {
		b := c.branches.At(at - 1)
		at = b.next
		if client := c.table.Client(b.client); client != nil && !client.Done() && !client.CancelPending() {
			c.table.Cancel(now, client, reason, fx)
		}
	}
}
