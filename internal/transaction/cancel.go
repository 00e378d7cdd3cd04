package transaction

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// cancelling is the CANCEL of a client: few have one.
type cancelling struct {
	slot     uint32        // of its own
	interval time.Duration // of its timer E
	last     bool          // timer is F
	end      clock.Instant // its timer F
	wire     []byte        // while owed the Reason, then the CANCEL
	timer    wheel.Timer   // its E and F
}

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

// oweCancel notes that a CANCEL is owed; its Reason, if any, is kept.
func (t *Table) oweCancel(c *Client, reason []byte) {
	k, slot := t.cancels.Take()
	*k = cancelling{slot: slot, wire: t.bytes.Copy(reason), timer: wheel.Timer{Kind: kindClientCancel, Slot: c.Handle().Slot()}}
	c.cancelState, c.cancel = idle, k
}

// sendCancel begins the CANCEL that is owed: its own client transaction, over the
// hop of the INVITE. The INVITE's life is now bound to it: a peer of RFC 2543 sends
// no 487, and further 1xx prolong nothing.
func (t *Table) sendCancel(now clock.Instant, c *Client, fx *effect.List) {
	reason := c.cancel.wire
	wire := fx.Commit(sip.AppendCancel(fx.Begin(len(c.kept)+len(reason)+room), t.request(c), reason))
	t.bytes.Give(reason) // it is in the CANCEL now
	c.cancel.wire, c.cancel.end = nil, now.Add(t.timers.long())
	t.kinds[NonInviteClient].Started++
	t.runCancel(now, c, evStart, wire, fx)
	c.end, c.last = now.Add(t.timers.long()), true
	t.wheel.Arm(&c.timer, c.end)
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
		c.cancel.wire = t.bytes.Copy(wire)
	}
	if d&doResend != 0 {
		fx.Send(c.Hop, fx.Copy(c.cancel.wire), c.Handle())
		t.kinds[NonInviteClient].Retransmitted++
	}
	if d&resends != 0 && !c.reliable() {
		k := c.cancel
		k.interval = t.timers.resend(d, k.interval)
		at := min(now.Add(k.interval), k.end)
		k.last = at == k.end
		t.wheel.Arm(&k.timer, at)
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
	if c.cancel.last { // not by now: that of another driver of the wheel may be ahead
		t.runCancel(now, c, evLife, nil, fx)
		return
	}
	t.runCancel(now, c, evResend, nil, fx)
}

// endCancel gives back what the CANCEL holds; its state stays.
func (t *Table) endCancel(c *Client) {
	if k := c.cancel; k != nil {
		t.wheel.Stop(&k.timer)
		t.bytes.Give(k.wire)
		k.wire, c.cancel = nil, nil
		t.cancels.Give(k.slot)
	}
}
