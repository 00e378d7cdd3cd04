package proxy

import (
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// This file holds what the proxy says itself: RFC 3261 §8.2.6 and §18.2.2.

// reject refuses a request. An ACK is never answered (§17), and in stateless mode a
// CANCEL neither: its INVITE was refused in the same way.
func (c *Core) reject(now clock.Instant, rq *request, r *rejection, fx *effect.List) {
	if rq.follows {
		c.counts.drop(dropOf(rq.m))
		return
	}
	c.counts.reject(r.status)
	c.respond(now, rq, r, fx)
}

// respond answers a request through its server transaction, or without one.
func (c *Core) respond(now clock.Instant, rq *request, r *rejection, fx *effect.List) {
	if rq.server == nil {
		c.stateless(rq.m, r, rq.from, rq.snap, fx)
		return
	}
	c.answer(now, rq.server, rq.m, r, rq.snap, fx)
	if rc := rq.context; rc != nil { // it has waited, and ends here
		c.settle(rc)
		c.closeIfOver(rc)
	}
}

// answer sends a final response of our own.
func (c *Core) answer(now clock.Instant, s *transaction.Server, m *sip.Message, r *rejection, snap *Snapshot, fx *effect.List) {
	wire := c.build(m, r, s.Flow, snap, fx)
	c.table.Respond(now, s, r.status, wire, fx)
}

// build makes a response of our own in the arena.
func (c *Core) build(m *sip.Message, r *rejection, from flow.Flow, snap *Snapshot, fx *effect.List) []byte {
	response := sip.Response{Status: r.status, Reason: r.reason, Source: from.Remote, Headers: r.headers, Server: snap.Server}
	var tag [tagLen]byte
	if r.status != 100 { // §8.2.6.2
		response.Tag = c.appendTag(tag[:0], m)
	}
	size := len(m.Wire()) + len(r.headers) + len(snap.Server) + 256
	return fx.Commit(sip.AppendResponse(fx.Begin(size), m, &response))
}

// tagLen is the length of the To tags that we make: 60 bits and more of a MAC.
const tagLen = 14

// appendTag derives the To tag of our own responses from the request, so that a
// copy, its CANCEL and its ACK give the same one, with and without a transaction
// (§8.2.7, §9.2).
func (c *Core) appendTag(dst []byte, m *sip.Message) []byte {
	return base64url.AppendEncode(dst, c.tagSum(m)[:tagLen*6/8])
}

func (c *Core) tagSum(m *sip.Message) []byte {
	var branch []byte
	if v, err := m.TopVia(); err == nil {
		branch = v.Branch
	}
	return c.signer.sign(c.signer.ring[0].tag, m.CallIDValue(), m.FromTag(), branch)
}

// malformed answers a request that cannot be processed, without a transaction
// and always alike, so that a copy gets the same (§8.2.7). Nothing answers an
// ACK or a response.
func (c *Core) malformed(m *sip.Message, fault error, from flow.Flow, s *Snapshot, fx *effect.List) {
	refused := rejection{status: 400}
	if syntax, ok := fault.(*sip.SyntaxError); ok {
		refused.status, refused.reason = syntax.Status, syntax.What
	}
	if !m.Answerable() || c.fromNobody(from, s) {
		c.counts.drop(DropMalformed)
		return
	}
	c.counts.Malformed++
	c.counts.reject(refused.status)
	c.stateless(m, &refused, from, s, fx)
}

// fromNobody reports a source that is no host's, or our own: what we forward to
// ourselves is not malformed, so that somebody else has made it up.
func (c *Core) fromNobody(from flow.Flow, s *Snapshot) bool {
	a := from.Remote.Addr()
	if from.Remote.Port() == 0 || a.IsUnspecified() || a.IsMulticast() || a == broadcast {
		return true
	}
	c.text = a.AppendTo(c.text[:0])
	return s.listensAt(a, from.Remote.Port(), c.text)
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// stateless sends a response of our own and forgets it.
func (c *Core) stateless(m *sip.Message, r *rejection, from flow.Flow, s *Snapshot, fx *effect.List) {
	fx.Send(c.replyHop(m, from, s), c.build(m, r, from, s, fx), 0)
	if port := sentByPortOf(m, from, s); port != 0 {
		fx.Sends[len(fx.Sends)-1].Fallback = netip.AddrPortFrom(from.Remote.Addr(), port)
	}
}

// overloaded refuses at the bound of transactions (safety.md rule 8). A CANCEL
// that matches makes room and is served without a transaction of its own.
func (c *Core) overloaded(now clock.Instant, m *sip.Message, of *transaction.Server, from flow.Flow, s *Snapshot, fx *effect.List) {
	if of != nil {
		c.stateless(m, &rejection{status: 200}, from, s, fx)
		c.cancelContext(now, of, m, fx)
		return
	}
	c.counts.Full++
	if !m.Answerable() {
		return
	}
	c.counts.reject(503)
	c.stateless(m, c.unavailable(m, "Overloaded"), from, s, fx)
}

// unavailable is a 503 with a Retry-After that differs from caller to caller, so
// that they do not come back all at once, and is the same for every copy of m
// (§8.2.7).
func (c *Core) unavailable(m *sip.Message, reason string) *rejection {
	return c.rq.refuse(503, reason).with(c.retryAfter(c.tagSum(m)))
}

// retryAfter is the header line, 10 to 25 seconds by a byte of sum that the tag does
// not show. All are of one length: refusals of many calls then leave together.
func (c *Core) retryAfter(sum []byte) []byte {
	seconds := 10 + sum[tagLen]%16
	c.lines = append(c.lines[:0], "Retry-After: "...)
	c.lines = append(append(c.lines, '0'+seconds/10, '0'+seconds%10), "\r\n"...)
	return c.lines
}

// answersItself answers OPTIONS meant for the proxy: its Request-URI names the
// server without a user, or its Max-Forwards is used up (§11, §16.3 step 3).
func (c *Core) answersItself(now clock.Instant, rq *request, fx *effect.List) bool {
	if rq.m.Method() != sip.OPTIONS {
		return false
	}
	atUs := !rq.uri.HasUser && !rq.hasRoute && rq.own && rq.snap.namesUs(rq.uri.Host, rq.uri.Port)
	if !atUs && !rq.lastHop() {
		return false
	}
	if c.draining {
		c.reject(now, rq, c.unavailable(rq.m, "Shutting Down"), fx)
		return true
	}
	if refused := c.unsupported(rq, sip.Require); refused != nil {
		c.reject(now, rq, refused, fx)
		return true
	}
	c.counts.Options++
	// §11.2; no Allow, since a proxy does not care for methods, and no body.
	r := rejection{status: 200, headers: optionsHeaders}
	c.respond(now, rq, &r, fx)
	return true
}

var optionsHeaders = []byte("Accept: */*\r\nAccept-Encoding: identity\r\nAccept-Language: en\r\nSupported:\r\n")

// replyHop is RFC 3261 §18.2.2 for the response to a request that came by from:
// the connection of a stream, and with TLS what a new one would have to prove; on UDP the maddr of the top Via, else the source
// address, at the source port where rport asks for it (RFC 3581 §4) and at the
// port of sent-by otherwise.
func (c *Core) replyHop(m *sip.Message, from flow.Flow, s *Snapshot) flow.Hop {
	hop := from.Hop()
	if from.Protocol.Reliable() && from.Protocol != flow.TLS {
		return hop
	}
	v, err := m.TopVia()
	if err != nil {
		return hop
	}
	if from.Protocol == flow.TLS {
		hop.Domain = c.domains.of(v.Host)
		return hop
	}
	port := v.Port
	if port == 0 {
		port = from.Protocol.DefaultPort()
	}
	if v.MAddr != nil {
		a, ok := sip.HostAddr(v.MAddr)
		if at := netip.AddrPortFrom(a.Unmap(), port); ok && at.Addr().Is4() == from.Local.Addr().Is4() && s.mayReach(at) {
			hop.Remote = at
			return hop
		}
	}
	if !v.HasRPort {
		hop.Remote = netip.AddrPortFrom(from.Remote.Addr(), port)
	}
	return hop
}

// sentByPortOf is the port to which a response goes by a new connection when that
// of its request is gone (RFC 3261 §18.2.2), at the address that the request came
// from; 0 where there is nothing to go on: on UDP, and for WebSocket clients,
// which listen to nobody (RFC 7118 §5).
func sentByPortOf(m *sip.Message, from flow.Flow, s *Snapshot) uint16 {
	if from.Protocol != flow.TCP && from.Protocol != flow.TLS || s.Destinations.Deny.Contains(from.Remote.Addr()) {
		return 0
	}
	v, err := m.TopVia()
	if err != nil {
		return 0
	}
	return sentByPort(v)
}
