package siptest

import (
	"fmt"
	"net/netip"
	"time"
)

// Plan is what a caller does with a call.
type Plan struct {
	URI     string        // whom it calls
	Cancel  time.Duration // gives up when it still rings after this; 0: never
	Talk    time.Duration // hangs up this long after the answer; 0: the callee does
	Headers []string      // further header lines, "Name: value"
}

// Call is one call of a Caller.
type Call struct {
	Plan   Plan
	Status int // final response seen; 0: none (yet)

	caller  *Caller
	callID  string
	started bool
	failed  bool // timer B, or nothing came after the CANCEL
	invite  *clientTransaction
	to      netip.AddrPort
	cancel  bool             // the CANCEL was sent, or is owed
	open    int              // dialogs and CANCELs that have not ended
	dialogs map[string]*ends // by To tag
	acks    map[string]packet
	gaveUp  bool
}

// packet is bytes and where they go.
type packet struct {
	to   netip.AddrPort
	wire []byte
}

// Ended reports whether the call has come to its end in every way.
func (c *Call) Ended() bool { return c.started && (c.Status != 0 || c.failed) && c.open == 0 }

// Caller is a user agent that calls through the element. One Caller can have
// any number of calls at once.
type Caller struct {
	endpoint
	calls map[string]*Call
}

// Caller adds a caller to the network.
func (n *Network) Caller(name, addr string) *Caller {
	c := &Caller{endpoint: newEndpoint(n, n.place(name, addr)), calls: map[string]*Call{}}
	n.peers[c.actor.Addr] = c
	return c
}

// Call makes a call after a time.
func (u *Caller) Call(after time.Duration, plan Plan) *Call {
	n := u.net
	c := &Call{
		Plan: plan, caller: u, to: n.proxy(), callID: fmt.Sprintf("%s-%d@seed-%d", u.actor.Name, len(n.calls)+1, n.seed),
		dialogs: map[string]*ends{}, acks: map[string]packet{},
	}
	n.calls = append(n.calls, c)
	u.calls[c.callID] = c
	n.loop.after(after, c.begin)
	return c
}

func (c *Call) begin() {
	u := c.caller
	c.started = true
	u.count++
	e := &ends{dialog: dialog{
		target: c.Plan.URI, remote: "<" + c.Plan.URI + ">",
		local: fmt.Sprintf("<%s>;tag=%s-%d", u.actor.AOR(), u.actor.Name, u.count),
	}, callID: c.callID}
	d, _ := u.within(e, "INVITE", 1)
	d.add("Contact", "<"+u.actor.Contact()+">")
	for _, line := range c.Plan.Headers {
		d.rows = append(d.rows, readRow(line))
	}
	c.invite = u.start(d, c.to, c.answered, func() { c.failed = true })
	if c.Plan.Cancel > 0 {
		u.net.loop.after(c.Plan.Cancel, func() {
			if !c.invite.final {
				c.cancel, c.gaveUp = true, true
				c.cancelNow()
			}
		})
	}
}

// cancelNow sends the CANCEL when a provisional has come (RFC 3261 §9.1). With
// no final response 64*T1 later the call counts as over.
func (c *Call) cancelNow() {
	if !c.invite.heard {
		return
	}
	c.cancel = false
	u := c.caller
	c.open++
	u.start(hopByHop("CANCEL", c.invite.msg, c.invite.msg.Get("To")), c.to, func(m *Message) {}, func() {})
	u.net.loop.after(64*t1, func() {
		c.open--
		c.failed = c.failed || c.Status == 0
	})
}

// answered takes each response to the INVITE.
func (c *Call) answered(m *Message) {
	u := c.caller
	switch {
	case m.Status < 200:
		if c.cancel && c.Status == 0 {
			c.cancelNow()
		}
	case m.Status >= 300:
		if c.Status == 0 {
			c.Status = m.Status
		}
		u.net.send(u.actor, c.to, hopByHop("ACK", c.invite.msg, m.Get("To")).wire(true))
	default:
		c.accepted(m)
	}
}

// accepted acknowledges each 2xx and keeps the first dialog; others end at once.
func (c *Call) accepted(m *Message) {
	u := c.caller
	tag := m.Tag("To")
	e := c.dialogs[tag]
	if e != nil { // a copy: its ACK got lost
		u.net.send(u.actor, c.acks[tag].to, c.acks[tag].wire)
		return
	}
	e = asCaller(m)
	c.dialogs[tag] = e
	d, to := u.within(e, "ACK", e.cseq)
	c.acks[tag] = packet{to, d.wire(true)}
	u.net.send(u.actor, to, c.acks[tag].wire)
	c.open++
	wanted := c.Status == 0
	if wanted {
		c.Status = m.Status
	}
	talk := c.Plan.Talk
	switch {
	case !wanted || c.gaveUp: // RFC 3261 §15: a dialog that is not wanted ends by BYE
		talk = 0
	case talk == 0:
		return
	}
	u.net.loop.after(talk, func() { u.bye(e, func() { c.open-- }) })
}

func (u *Caller) receive(m *Message, from netip.AddrPort) {
	if !m.IsRequest() {
		u.response(m)
		return
	}
	if m.Method == "ACK" {
		return
	}
	s, isNew := u.serve(m)
	if !isNew {
		return
	}
	c := u.calls[m.CallID()]
	if c == nil || m.Method != "BYE" {
		s.respond(481, nil)
		return
	}
	s.respond(200, nil)
	if e := c.dialogs[m.Tag("From")]; e != nil && !e.over {
		e.over = true
		c.open--
	}
}
