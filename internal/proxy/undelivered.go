package proxy

import (
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/resolve"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// RFC 3261 §18.2.2 and RFC 3263 §5: a response that does not get through to where its
// request came from goes to the sent-by of the Via, an address or a name that is
// looked up, by the transport of the Via: TLS stays TLS. Each address of it is tried
// until one takes it.
//
//	the connection ─▶ the source address, port of the sent-by ─▶ the sent-by ─▶ its next address
//	the source address ───────────── ICMP ──────────────────────────▲
//
// What is known of where responses go belongs to the server transaction, so that what
// follows, and what is sent again, takes the new way at once. A response that was given
// without one is not told of, and a WebSocket client listens to nobody (RFC 7118 §5).

// PlaceOfResponse tells which of n shards has the server transaction that sent m.
func PlaceOfResponse(m *sip.Message, n int) (at Place) {
	at.key = transaction.KeyOf(m)
	at.Shard = int(at.key.Lo % uint64(n))
	return at
}

// Undelivered tells that the response m did not get through to an address. It may be
// no more than what ICMP quotes of it, and then it is not whole.
func (c *Core) Undelivered(now clock.Instant, m *sip.Message, at *Place, to netip.AddrPort, whole bool, s *Snapshot, fx *effect.List) {
	server := c.table.Answered(m, at.key)
	if server == nil {
		return
	}
	switch reply := &server.Reply; {
	case to == reply.Remote, server.SentByPort != 0 && to == netip.AddrPortFrom(reply.Remote.Addr(), server.SentByPort):
		c.signer.use(s.Keys)
		c.replyElsewhere(now, server, m, to, whole, s, fx)
	case whole && server.Moved > 0: // it was on its way when the one before it was lost
		fx.Send(*reply, fx.Copy(m.Wire()), 0)
	}
}

// replyElsewhere sends the response of server to the next address of its sent-by.
func (c *Core) replyElsewhere(now clock.Instant, server *transaction.Server, m *sip.Message, to netip.AddrPort, whole bool, s *Snapshot, fx *effect.List) {
	v, err := m.TopVia()
	if err != nil || server.Reply.Protocol > flow.TLS {
		return
	}
	rc, t, e := &c.once, Target{domain: c.domains.of(v.Host)}, edits{m: m}
	c.onceOpen = open{rule: &anyRule}
	*rc = ResponseContext{snap: s, open: &c.onceOpen}
	e.arrival = flow.Flow{Protocol: server.Reply.Protocol, Listener: server.Reply.Listener, Local: server.Reply.Local}
	q := resolve.Query{Host: v.Host, Port: v.Port, Transport: server.Reply.Protocol, Speaks: s.speaks}
	var hop flow.Hop
	var status int
	tried := uint8(1)
	if protocol, at, numeric := q.Numeric(); numeric {
		if status = 408; server.Moved == 0 && at != to {
			hop, status = c.hopTo(rc, e.arrival, protocol, at, &t)
		}
	} else if hop, status = c.lookUp(now, rc, &e, q, &t, fx); status == awaiting {
		c.parkUndelivered(c.waits.At(t.search-1), m, to, s)
		return
	}
	for ; status == 0 && t.search != 0 && (tried <= server.Moved || hop.Remote == to); tried++ {
		hop, status = c.nextOf(now, rc, e.arrival, &t)
	}
	c.endSearch(&t)
	if status != 0 {
		c.counts.drop(DropUnreachable)
		return
	}
	server.Moved = tried
	c.counts.RepliesMoved++
	if !c.table.Move(server, hop, fx) && whole {
		fx.Send(hop, fx.Copy(m.Wire()), 0)
	}
}

// parkUndelivered keeps m until the name of its sent-by is known.
func (c *Core) parkUndelivered(w *wait, m *sip.Message, to netip.AddrPort, s *Snapshot) {
	if c.park(w, m, flow.Flow{Remote: to}, s) {
		w.parked.undelivered = true
	}
}

// unparkUndelivered takes up again what parkUndelivered has kept. Meanwhile the
// transaction may be over.
func (c *Core) unparkUndelivered(now clock.Instant, p *parked, fx *effect.List) {
	m := &c.kept
	whole := m.Parse(p.message) == nil
	at := PlaceOfResponse(m, 1)
	c.Undelivered(now, m, &at, p.from.Remote, whole, p.snap, fx)
}
