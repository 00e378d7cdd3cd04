package siptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// The timers of RFC 3261 §17 as the parties of a simulation use them.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// endpoint is what callers and callees share: transactions and dialogs of a UA.
type endpoint struct {
	net     *Network
	actor   *Actor
	count   int // of branches and tags
	clients map[string]*clientTransaction
	servers map[string]*serverTransaction
	invites map[string][]*serverTransaction // by Call-ID
}

func newEndpoint(n *Network, a *Actor) endpoint {
	return endpoint{
		net: n, actor: a, clients: map[string]*clientTransaction{},
		servers: map[string]*serverTransaction{}, invites: map[string][]*serverTransaction{},
	}
}

func (p *endpoint) newBranch() string {
	p.count++
	return fmt.Sprintf("z9hG4bK-%s-%d", p.actor.Name, p.count)
}

// clientTransaction is a request that is repeated until it is answered
// (RFC 3261 §17.1): timers A and B, or E and F.
type clientTransaction struct {
	p        *endpoint
	msg      *Message
	to       netip.AddrPort
	interval time.Duration
	left     time.Duration // until timer B or F
	heard    bool          // a provisional has come
	final    bool
	answer   func(m *Message) // every response, copies of finals too
	timeout  func()
}

// start sends a request and keeps its transaction for answers until the network
// ends: late copies must still find it.
func (p *endpoint) start(d *draft, to netip.AddrPort, answer func(*Message), timeout func()) *clientTransaction {
	m := ReadMessage(d.wire(true))
	c := &clientTransaction{p: p, msg: m, to: to, interval: t1, left: 64 * t1, answer: answer, timeout: timeout}
	p.clients[m.Branch()+" "+m.Method] = c
	p.net.send(p.actor, to, []byte(m.Wire))
	p.net.loop.after(c.interval, c.tick)
	return c
}

func (c *clientTransaction) tick() {
	invite := c.msg.Method == "INVITE"
	if c.final || invite && c.heard {
		return
	}
	if c.left -= c.interval; c.left <= 0 {
		c.final = true
		c.timeout()
		return
	}
	c.p.net.send(c.p.actor, c.to, []byte(c.msg.Wire))
	c.interval *= 2
	if !invite {
		c.interval = min(c.interval, t2)
		if c.heard {
			c.interval = t2
		}
	}
	c.interval = min(c.interval, c.left)
	c.p.net.loop.after(c.interval, c.tick)
}

// response feeds a response to its client transaction; strays are dropped.
func (p *endpoint) response(m *Message) {
	_, method := m.CSeq()
	c := p.clients[m.Branch()+" "+method]
	if c == nil {
		return
	}
	c.heard = true
	if m.Status >= 200 {
		c.final = true
	}
	c.answer(m)
}

// serverTransaction is a request received and its last response (RFC 3261 §17.2).
type serverTransaction struct {
	p        *endpoint
	req      *Message
	to       netip.AddrPort // where responses go
	tag      string
	last     []byte
	status   int
	acked    bool
	interval time.Duration
	left     time.Duration
	expired  func() // no ACK came for a 2xx
}

// serve finds the transaction of a request, or makes it; copies get the last
// response again.
func (p *endpoint) serve(m *Message) (s *serverTransaction, isNew bool) {
	key := m.Branch() + " " + m.Method
	if s = p.servers[key]; s != nil {
		if s.last != nil {
			p.net.send(p.actor, s.to, s.last)
		}
		return s, false
	}
	p.count++
	s = &serverTransaction{p: p, req: m, to: p.backTo(m), tag: fmt.Sprintf("%s-%d", p.actor.Name, p.count)}
	if tag := m.Tag("To"); tag != "" {
		s.tag = tag
	}
	p.servers[key] = s
	if m.Method == "INVITE" {
		p.invites[m.CallID()] = append(p.invites[m.CallID()], s)
	}
	return s, true
}

// backTo is where responses to m go: its top Via.
func (p *endpoint) backTo(m *Message) netip.AddrPort {
	via := m.TopVia()
	to, err := netip.ParseAddrPort(via.SentBy())
	if err != nil {
		return p.net.proxy()
	}
	return to
}

// respond answers, and repeats a final response to an INVITE until its ACK: a
// non-2xx by timer G and H, a 2xx by §13.3.1.4, at the same times.
func (s *serverTransaction) respond(status int, change func(*draft)) {
	d := response(s.req, status, "", s.tag)
	if status > 100 && status < 300 && s.req.Method == "INVITE" {
		d.add("Contact", "<"+s.p.actor.Contact()+">")
	}
	if change != nil {
		change(d)
	}
	s.last, s.status = d.wire(true), status
	s.p.net.send(s.p.actor, s.to, s.last)
	if status >= 200 && s.req.Method == "INVITE" {
		s.interval, s.left = t1, 64*t1
		s.p.net.loop.after(s.interval, s.tick)
	}
}

func (s *serverTransaction) tick() {
	if s.acked {
		return
	}
	if s.left -= s.interval; s.left <= 0 {
		if s.status < 300 && s.expired != nil {
			s.expired()
		}
		return
	}
	s.p.net.send(s.p.actor, s.to, s.last)
	s.interval = min(2*s.interval, t2, s.left)
	s.p.net.loop.after(s.interval, s.tick)
}

// ack takes an ACK: of a non-2xx by its branch, of a 2xx by its dialog.
func (p *endpoint) ack(m *Message) {
	if s := p.servers[m.Branch()+" INVITE"]; s != nil {
		s.acked = true
		return
	}
	number, _ := m.CSeq()
	for _, s := range p.invites[m.CallID()] {
		if n, _ := s.req.CSeq(); s.status/100 == 2 && s.tag == m.Tag("To") && n == number {
			s.acked = true
		}
	}
}

// ends is a dialog of a simulated party (RFC 3261 §12).
type ends struct {
	dialog
	callID string
	cseq   int
	over   bool
}

// asCaller is the dialog that a 2xx makes.
func asCaller(ok *Message) *ends {
	route := ok.All("Record-Route")
	slices.Reverse(route)
	number, _ := ok.CSeq()
	return &ends{dialog{ok.contact(), route, ok.Get("From"), ok.Get("To")}, ok.CallID(), number, false}
}

// asCallee is the dialog of an INVITE answered with tag.
func asCallee(invite *Message, tag string) *ends {
	return &ends{dialog{invite.contact(), invite.All("Record-Route"), invite.Get("To") + ";tag=" + tag, invite.Get("From")}, invite.CallID(), 0, false}
}

// within begins a request of the dialog and tells where it goes: the first Route
// or the remote target; a name leads to the element.
func (p *endpoint) within(e *ends, method string, cseq int) (*draft, netip.AddrPort) {
	d := &draft{start: method + " " + e.target + " SIP/2.0"}
	d.add("Via", "SIP/2.0/UDP "+p.actor.Addr.String()+";branch="+p.newBranch())
	d.add("Max-Forwards", "70")
	next := e.target
	for i, r := range e.route {
		if d.add("Route", r); i == 0 {
			next, _ = splitAddress(r)
		}
	}
	d.add("From", e.local)
	d.add("To", e.remote)
	d.add("Call-ID", e.callID)
	d.add("CSeq", strconv.Itoa(cseq)+" "+method)
	to, ok := hostPort(next)
	if !ok {
		to = p.net.proxy()
	}
	return d, to
}

// bye ends a dialog once.
func (p *endpoint) bye(e *ends, ended func()) {
	if e.over {
		return
	}
	e.over = true
	e.cseq++
	d, to := p.within(e, "BYE", e.cseq)
	done := func() {
		if ended != nil {
			ended()
			ended = nil
		}
	}
	p.start(d, to, func(m *Message) {
		if m.Status >= 200 {
			done()
		}
	}, done)
}
