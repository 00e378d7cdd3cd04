package transaction

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/sip"
)

// Cancel cancels an INVITE client (RFC 3261 §9.1): at once when it has had a 1xx,
// with its first 1xx otherwise, not at all after a final response; other methods
// are never cancelled. reason is the value of a Reason header field to put in, or
// nil; it is copied. When no final response has come 64*T1 after the CANCEL has gone
// out, the client is TimedOut. Only the first call has an effect.
func (t *Table) Cancel(now clock.Instant, c *Client, reason []byte, fx *effect.List) {
	if c.cancelState == none {
		t.runClient(now, c, evCancel, reason, nil, fx)
	}
}

// sendCancel begins the CANCEL that is owed: its own client transaction, over the
// hop of the INVITE. The INVITE's life is now bound to it: a peer of RFC 2543 sends
// no 487, and further 1xx prolong nothing.
func (t *Table) sendCancel(now clock.Instant, c *Client, fx *effect.List) {
	reason := c.cancelWire
	wire := fx.Commit(sip.AppendCancel(fx.Begin(len(c.kept)+len(reason)+room), t.request(c), reason))
	t.endCancel(c) // the reason is in it now
	c.cancelEnd = now.Add(t.timers.long())
	t.kinds[NonInviteClient].Started++
	t.runCancel(now, c, evStart, wire, fx)
	t.wheel.Arm(&c.life, c.cancelEnd)
}

// runCancel lets e happen to the CANCEL of c. The machine is nonInviteClient's, but
// the layer above hears nothing, the slot is the INVITE's, and one timer serves E
// and F.
func (t *Table) runCancel(now clock.Instant, c *Client, e event, wire []byte, fx *effect.List) {
	next, d := nonInviteClient.step(c.cancelState, e)
	c.cancelState = next
	if d&doSend != 0 {
		fx.Send(c.Hop, wire, c.Handle())
	}
	if d&doKeep != 0 && !c.reliable() {
		c.cancelWire = t.bytes.Copy(wire)
	}
	if d&doResend != 0 {
		fx.Send(c.Hop, fx.Copy(c.cancelWire), c.Handle())
		t.kinds[NonInviteClient].Retransmitted++
	}
	if d&resends != 0 && !c.reliable() {
		c.cancelInterval = t.timers.resend(d, c.cancelInterval)
		t.wheel.Arm(&c.cancel, min(now.Add(c.cancelInterval), c.cancelEnd))
	}
	if d&doInform != 0 {
		t.kinds[NonInviteClient].TimedOut++
	}
	if d&(doForget|doFree) != 0 {
		t.endCancel(c)
	}
}

// fireCancel lets the CANCEL's timer happen: F when its time has come, else E.
func (t *Table) fireCancel(now clock.Instant, c *Client, fx *effect.List) {
	if now >= c.cancelEnd {
		t.runCancel(now, c, evLife, nil, fx)
		return
	}
	t.runCancel(now, c, evResend, nil, fx)
}

// endCancel drops what the CANCEL holds.
func (t *Table) endCancel(c *Client) {
	t.wheel.Stop(&c.cancel)
	t.bytes.Give(c.cancelWire)
	c.cancelWire = nil
}
