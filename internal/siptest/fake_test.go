package siptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// forker is a small real proxy: it forwards a request to all targets of its
// configuration (or along Route, or to the Request-URI), answers, cancels and
// acknowledges as RFC 3261 §16 wants, and retransmits an unanswered INVITE by
// timer A and B. It has no other timer and one listener.
type forker struct {
	setup    *Setup
	targets  []string
	branches map[string]*fork
	order    []string // of branches, so that nothing depends on the map
	contexts map[string]*context
	count    int
	broken   []effect.Handle
	done     []string
}

// context is one request being served.
type context struct {
	req      *Message
	from     flow.Flow
	branches []*fork
	final    bool
	best     *Message
}

// fork is one forwarded copy.
type fork struct {
	ctx       *context
	msg       *Message
	hop       flow.Hop
	rings     bool
	final     bool
	cancelled bool
	resend    clock.Instant
	interval  time.Duration
	give      clock.Instant
}

func newForker(s *Setup) Element {
	return &forker{setup: s, targets: strings.Fields(s.Config), branches: map[string]*fork{}, contexts: map[string]*context{}}
}

func (p *forker) send(fx *effect.List, hop flow.Hop, d *draft) []byte {
	wire := fx.Copy(d.wire(true))
	fx.Send(hop, wire, effect.MakeHandle(1, 1, 1))
	return wire
}

func (p *forker) Receive(now clock.Instant, wire []byte, from flow.Flow, fx *effect.List) {
	m := ReadMessage(wire)
	switch {
	case len(m.Faults) > 0:
	case !m.IsRequest():
		p.response(now, m, fx)
	case m.Method == "CANCEL":
		p.cancel(m, from, fx)
	case m.Method == "ACK" && p.contexts[m.Branch()] != nil: // of a non-2xx
	default:
		p.request(now, m, from, fx)
	}
}

func (p *forker) request(now clock.Instant, m *Message, from flow.Flow, fx *effect.List) {
	if c := p.contexts[m.Branch()]; c != nil {
		return
	}
	c := &context{req: m, from: from}
	if m.Method == "INVITE" {
		p.send(fx, from.Hop(), response(m, 100, "", ""))
	}
	if m.Method != "ACK" {
		p.contexts[m.Branch()] = c
	}
	route := m.All("Route")
	if len(route) > 0 && strings.Contains(route[0], p.setup.Listeners[0].Addr.String()) {
		route = route[1:]
	}
	targets := p.targets
	if m.Tag("To") != "" || len(targets) == 0 {
		targets = []string{m.URI}
	}
	for _, target := range targets {
		p.forward(now, c, m, target, route, fx)
	}
}

func (p *forker) forward(now clock.Instant, c *context, m *Message, target string, route []string, fx *effect.List) {
	next := target
	if len(route) > 0 {
		next, _ = splitAddress(route[0])
	}
	addr, ok := hostPort(next)
	if !ok {
		return
	}
	p.count++
	self := p.setup.Listeners[0]
	branch := fmt.Sprintf("z9hG4bKfork%d", p.count)
	d := &draft{start: m.Method + " " + target + " SIP/2.0", body: m.Body}
	d.add("Via", fmt.Sprintf("SIP/2.0/%s %s;branch=%s", self.Protocol, self.Addr, branch))
	if m.Method == "INVITE" {
		d.add("Record-Route", "<sip:"+self.Addr.String()+";lr>")
	}
	for _, r := range route {
		d.add("Route", r)
	}
	for _, l := range m.Lines {
		switch l.Key {
		case "route":
		case "max-forwards":
			n, _ := strconv.Atoi(l.Value)
			d.add("Max-Forwards", strconv.Itoa(n-1))
		default:
			d.add(l.Name, strings.TrimPrefix(l.Raw, l.Name+": "))
		}
	}
	hop := flow.Hop{Local: self.Addr, Remote: addr, Protocol: self.Protocol}
	wire := p.send(fx, hop, d)
	b := &fork{ctx: c, msg: ReadMessage(wire), hop: hop}
	if m.Method == "INVITE" {
		b.interval, b.give = 500*time.Millisecond, now.Add(32*time.Second)
		b.resend = now.Add(b.interval)
	}
	c.branches = append(c.branches, b)
	if m.Method != "ACK" {
		p.branches[branch] = b
		p.order = append(p.order, branch)
	}
}

func (p *forker) response(now clock.Instant, m *Message, fx *effect.List) {
	b := p.branches[m.Branch()]
	_, method := m.CSeq()
	if b == nil || method != b.msg.Method {
		return
	}
	b.resend, b.give = 0, 0
	switch c := b.ctx; {
	case m.Status >= 300 && method == "INVITE":
		p.send(fx, b.hop, hopByHop("ACK", b.msg, m.Get("To")))
		if b.final {
			return
		}
		b.final = true
		if c.best == nil || m.Status >= 600 || c.best.Status < 600 && m.Status/100 < c.best.Status/100 {
			c.best = m
		}
		if m.Status >= 600 {
			p.cancelRest(c, fx)
		}
		p.finish(c, fx)
	case m.Status == 100:
		b.rings = true
		p.cancelOwed(b, fx)
	case m.Status >= 200:
		b.final = true
		if !c.final || method == "INVITE" && m.Status < 300 {
			c.final = true
			p.pass(c, m, fx)
		}
		if method == "INVITE" {
			p.cancelRest(c, fx)
		}
	default:
		b.rings = true
		if !c.final {
			p.pass(c, m, fx)
		}
		p.cancelOwed(b, fx)
	}
}

// pass sends a response on, less the top Via.
func (p *forker) pass(c *context, m *Message, fx *effect.List) {
	d := &draft{body: m.Body}
	d.start, _, _ = strings.Cut(m.Wire, "\r\n")
	skipped := false
	for _, l := range m.Lines {
		if l.Key == "via" && !skipped {
			skipped = true
			continue
		}
		d.add(l.Name, l.Value)
	}
	p.send(fx, c.from.Hop(), d)
}

// finish answers when all branches have ended.
func (p *forker) finish(c *context, fx *effect.List) {
	for _, b := range c.branches {
		if !b.final {
			return
		}
	}
	if !c.final && c.best != nil {
		c.final = true
		p.pass(c, c.best, fx)
	}
}

func (p *forker) cancelRest(c *context, fx *effect.List) {
	for _, b := range c.branches {
		if !b.final {
			b.cancelled = true
			p.cancelOwed(b, fx)
		}
	}
}

// cancelOwed sends the CANCEL that a branch is owed, once it rings.
func (p *forker) cancelOwed(b *fork, fx *effect.List) {
	if b.cancelled && b.rings && !b.final {
		b.cancelled = false
		p.send(fx, b.hop, hopByHop("CANCEL", b.msg, b.msg.Get("To")))
	}
}

func (p *forker) cancel(m *Message, from flow.Flow, fx *effect.List) {
	p.send(fx, from.Hop(), response(m, 200, "", "fork"))
	if c := p.contexts[m.Branch()]; c != nil && !c.final {
		p.cancelRest(c, fx)
	}
}

func (p *forker) Broken(now clock.Instant, h effect.Handle, fx *effect.List) {
	p.broken = append(p.broken, h)
}

func (p *forker) Do(now clock.Instant, words []string, fx *effect.List) error {
	p.done = append(p.done, words...)
	return nil
}

func (p *forker) Next() (clock.Instant, bool) {
	var next clock.Instant
	for _, b := range p.branches {
		if b.resend != 0 && (next == 0 || b.resend < next) {
			next = b.resend
		}
	}
	return next, next != 0
}

func (p *forker) Expire(now clock.Instant, fx *effect.List) {
	for _, branch := range p.order {
		b := p.branches[branch]
		switch {
		case b.resend == 0 || b.resend > now:
		case now >= b.give:
			b.resend, b.final = 0, true
			c := b.ctx
			if !c.final && !slices.ContainsFunc(c.branches, func(b *fork) bool { return !b.final }) {
				c.final = true
				p.send(fx, c.from.Hop(), response(c.req, 408, "", "fork"))
			}
		default:
			fx.Send(b.hop, fx.Copy([]byte(b.msg.Wire)), 0)
			b.interval *= 2
			b.resend = min(now.Add(b.interval), b.give)
		}
	}
}

// relay is a stateless proxy (RFC 3261 §16.11): one target, a branch that is a
// function of the one received, and responses by Via alone.
type relay struct {
	setup *Setup
	to    netip.AddrPort
}

func newRelay(s *Setup) Element {
	return &relay{setup: s, to: netip.MustParseAddrPort(strings.TrimSpace(s.Config))}
}

func (r *relay) Receive(now clock.Instant, wire []byte, from flow.Flow, fx *effect.List) {
	m := ReadMessage(wire)
	if len(m.Faults) > 0 {
		return
	}
	self := r.setup.Listeners[0]
	vias := m.Vias()
	head, body, _ := strings.Cut(m.Wire, "\r\n\r\n")
	if !m.IsRequest() {
		if len(vias) < 2 {
			return
		}
		to, err := netip.ParseAddrPort(vias[1].SentBy())
		if err != nil {
			return
		}
		head = strings.Replace(head, "Via: "+vias[0].Text+"\r\n", "", 1)
		fx.Send(flow.Hop{Local: self.Addr, Remote: to, Protocol: flow.UDP}, fx.Copy([]byte(head+"\r\n\r\n"+body)), 0)
		return
	}
	to := r.to
	if m.Tag("To") != "" && m.Branch() != "" {
		if addr, ok := hostPort(m.URI); ok && addr != self.Addr {
			to = addr
		}
	}
	head = strings.Replace(head, fmt.Sprintf("Max-Forwards: %d", m.MaxForwards()), fmt.Sprintf("Max-Forwards: %d", m.MaxForwards()-1), 1)
	branch := "z9hG4bKr-" + strings.TrimPrefix(m.Branch(), "z9hG4bK")
	head = strings.Replace(head, "\r\n", fmt.Sprintf("\r\nVia: SIP/2.0/UDP %s;branch=%s\r\n", self.Addr, branch), 1)
	fx.Send(flow.Hop{Local: self.Addr, Remote: to, Protocol: flow.UDP}, fx.Copy([]byte(head+"\r\n\r\n"+body)), 0)
}

func (r *relay) Expire(clock.Instant, *effect.List) {}
func (r *relay) Next() (clock.Instant, bool)        { return 0, false }
func (r *relay) Idle() bool                         { return true }
