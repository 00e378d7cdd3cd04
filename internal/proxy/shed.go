package proxy

import (
	"hash/maphash"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// Shed refuses a request that begins something, because the server is behind with
// what it has taken on (safety.md rules 8 and 19): 503 with a time to come back, at
// a fraction of the cost of a call, since it is not checked, keeps nothing and meets
// no rule. A copy of what is under way is no new work: it goes to its transaction,
// because a 503 would end what goes on.
//
// In stateless mode nobody knows whether it is a copy, so that it is dropped.
func (c *Core) Shed(now clock.Instant, m *sip.Message, at *Place, from flow.Flow, s *Snapshot, fx *effect.List) {
	if !m.IsRequest() || c.table.Knows(m, at.key) {
		c.Packet(now, m, at, from, s, fx)
		return
	}
	c.counts.Requests[m.Method()]++
	if s.Listeners[from.Listener].Stateless || !m.Answerable() {
		c.counts.drop(DropShed)
		return
	}
	c.counts.Shed++
	c.counts.reject(503)
	c.signer.use(s.Keys)
	sum := c.tagSum(m)
	refused := sip.Response{Status: 503, Reason: "Overloaded", Source: from.Remote, Headers: c.retryAfter(sum), Server: s.Server}
	var tag [tagLen]byte
	refused.Tag = base64url.AppendEncode(append(tag[:0], s.Keys.shed...), sum[:(tagLen-shedLen)*6/8])
	size := len(m.Wire()) + len(refused.Headers) + len(s.Server) + 256
	fx.Send(c.replyHop(m, from, s), fx.Commit(sip.AppendResponse(fx.Begin(size), m, &refused)), 0)
	fx.Sends[len(fx.Sends)-1].Call = uint32(maphash.Bytes(loopSeed, m.CallIDValue())) | 1
}
