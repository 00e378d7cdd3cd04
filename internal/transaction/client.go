package transaction

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// Client is a client transaction (RFC 3261 §17.1). One slot holds an INVITE client
// and the client of its CANCEL.
type Client struct {
	// for the layer above
	Hop    flow.Hop // where the request went, and where its ACK and CANCEL go
	Branch Branch
	User   uint32 // the layer above's own, 0 when new
	Method sip.Method
	First  bool // the response passed up last is the first final one

	// the table's
	provisional bool // a 1xx has come
	state       state
	cancelState state         // of its CANCEL: none, idle (owed), then those of nonInviteClient
	interval    time.Duration // of timer A or E, 0 before the first
	last        bool          // timer is for end, not for the next copy
	end         clock.Instant // of B, D, F, K, M, and of 64*T1 after the CANCEL
	kept        []byte        // the request, what is left of it, or the ACK
	timer       wheel.Timer   // A or E, until end comes first
	cancel      *cancelling   // nil without a CANCEL
}

// Handle names this life of the slot; Table.Client finds it again.
func (c *Client) Handle() effect.Handle { return c.Branch.Handle }

// Provisional reports whether a 1xx has come.
func (c *Client) Provisional() bool { return c.provisional }

// Done reports whether the transaction is beyond its final response: Completed,
// Accepted or Terminated.
func (c *Client) Done() bool { return c.state >= completed }

// CancelPending reports whether a CANCEL was sent or is owed.
func (c *Client) CancelPending() bool { return c.cancelState != none }

// Cancelled reports whether a CANCEL was sent.
func (c *Client) Cancelled() bool { return c.cancelState > idle }

func (c *Client) kind() Kind {
	if c.Method == sip.INVITE {
		return InviteClient
	}
	return NonInviteClient
}

func (c *Client) machine() *machine {
	if c.Method == sip.INVITE {
		return &inviteClient
	}
	return &nonInviteClient
}

func (c *Client) reliable() bool { return c.Hop.Protocol.Reliable() }

// live reports whether the slot holds a transaction, begun or reserved.
func (c *Client) live() bool { return c.state != none && c.state != terminated }

// Client finds a client transaction by handle; nil when it is over.
func (t *Table) Client(h effect.Handle) *Client {
	if !t.clients.Has(h.Slot()) {
		return nil
	}
	c := t.clients.At(h.Slot())
	if c.Branch.Handle != h || !c.live() {
		return nil
	}
	return c
}

// Reserve takes a client slot and fills Branch, but for Loop, and Method; nil at
// the bound. The branch has to be in the request before Start can be given it.
func (t *Table) Reserve(method sip.Method) *Client {
	if t.full(1) {
		return nil
	}
	c, slot := t.clients.Take()
	generation := c.Branch.Handle.Generation() + 2
	if generation == 2 {
		generation = 1 // the first life; odd ever after, so never 0
	}
	*c = Client{
		Method: method,
		Branch: Branch{
			Handle: effect.MakeHandle(t.shard, slot, generation),
			Boot:   t.boot,
			Nonce:  t.drawNonce(),
		},
		state: idle,
		timer: wheel.Timer{Kind: kindClient, Slot: slot},
	}
	t.kinds[c.kind()].Live++
	t.open++
	return c
}

// Start sends the request over hop and starts the machine. One copy of wire is
// kept. An ACK has no transaction: it is sent and the slot is given back.
//
// While no response has come a client may be started again, over another hop: RFC
// 3261 §18.1.1 repeats a request that was too large for UDP over UDP when TCP is
// refused. Its timers begin anew.
func (t *Table) Start(now clock.Instant, c *Client, wire []byte, hop flow.Hop, fx *effect.List) {
	if c.Method == sip.ACK {
		fx.Send(hop, wire, 0)
		t.Release(c)
		return
	}
	if _, d := c.machine().step(c.state, evStart); d&doSend == 0 {
		return
	}
	if c.state == idle {
		t.kinds[c.kind()].Started++
	}
	c.Hop, c.interval = hop, 0
	t.wheel.Stop(&c.timer)
	t.runClient(now, c, evStart, wire, nil, fx)
}

// Release gives back a reserved client that was not started.
func (t *Table) Release(c *Client) {
	if c.state == idle {
		t.moved(idle, terminated)
		c.state = terminated
		t.freeClient(c)
	}
}

// Abandon ends a client without a word: after a transport error (RFC 3261 §17.1.4),
// of which the layer above knows already. RFC 6026 §7.2: no state has to stay.
func (t *Table) Abandon(c *Client) { t.runClient(0, c, evBroken, nil, nil, nil) }

// runClient lets e happen to c and performs what the machine asks for, in the order
// of the do-bits. wire is the request at hand, m the response, if any.
func (t *Table) runClient(now clock.Instant, c *Client, e event, wire []byte, m *sip.Message, fx *effect.List) do {
	next, d := c.machine().step(c.state, e)
	t.moved(c.state, next)
	c.state = next
	if d&(doStopResend|doStopB) != 0 {
		t.wheel.Stop(&c.timer)
	}
	t.moveBytes(c, d, wire, m, fx)
	if d&doOwe != 0 {
		t.oweCancel(c, wire)
	}
	if d&doDisown != 0 && c.cancelState == idle {
		t.endCancel(c)
		c.cancelState = none
	}
	if d&doCancel != 0 && c.cancelState == idle {
		t.sendCancel(now, c, fx)
	}
	t.setTimer(now, c, d)
	if d&doInform != 0 {
		t.kinds[c.kind()].TimedOut++
	}
	if d&doFree != 0 {
		t.freeClient(c)
	}
	return d
}

// setTimer sets what d asks for. One timer serves both the next copy and the end:
// of two that are armed together the second is hardly ever due.
func (t *Table) setTimer(now clock.Instant, c *Client, d do) {
	span, lasts := t.timers.life(d, c.reliable())
	again := d&resends != 0 && !c.reliable()
	if lasts {
		c.end = now.Add(span)
	}
	at := c.end
	if again {
		c.interval = t.timers.resend(d, c.interval)
		at = min(at, now.Add(c.interval))
	}
	if lasts || again {
		c.last = at == c.end
		t.wheel.Arm(&c.timer, at)
	}
}

// moveBytes performs those actions of d that send and keep messages.
func (t *Table) moveBytes(c *Client, d do, wire []byte, m *sip.Message, fx *effect.List) {
	if d&doSend != 0 {
		fx.Send(c.Hop, wire, c.Handle())
	}
	if d&doKeep != 0 && (c.Method == sip.INVITE || !c.reliable()) {
		t.keep(c, wire) // an INVITE's is needed for its ACK and CANCEL, any other's only to be sent again
	}
	if d&doResend != 0 && c.kept != nil {
		fx.Send(c.Hop, fx.Copy(c.kept), c.Handle())
		t.kinds[c.kind()].Retransmitted++
	}
	if d&doShrink != 0 {
		t.shrink(c)
	}
	if d&doAck != 0 {
		t.acknowledge(c, m, fx)
	}
	if d&doForget != 0 {
		t.keep(c, nil)
	}
}

// keep replaces what is kept by a copy of wire.
func (t *Table) keep(c *Client, wire []byte) {
	t.bytes.Give(c.kept)
	c.kept = t.bytes.Copy(wire)
}

// fireClient lets its timer happen to the client in slot.
func (t *Table) fireClient(now clock.Instant, slot uint32, fx *effect.List) (*Client, *Server, Verdict) {
	c := t.clients.At(slot)
	e := evResend
	if c.last {
		e = evLife
	}
	switch d := t.runClient(now, c, e, nil, nil, fx); {
	case d&doInform != 0:
		return c, nil, TimedOut
	case d&doEnd != 0:
		return c, nil, Ended
	}
	return nil, nil, Absorbed
}

// freeClient gives the slot back. Its fields stay readable until it is taken again.
func (t *Table) freeClient(c *Client) {
	t.wheel.Stop(&c.timer)
	t.endCancel(c)
	t.keep(c, nil)
	t.kinds[c.kind()].Live--
	t.clients.Give(c.Handle().Slot())
}
