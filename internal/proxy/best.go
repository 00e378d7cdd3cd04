package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/sip"
)

// best is the response that §16.7 step 6 would choose among those received.
type best struct {
	status int    // 0: none
	wire   []byte // as received, our Via taken off; nil: made here
}

// rank orders responses for §16.7 step 6: a 6xx first, then the lowest class;
// within 4xx those that tell the caller how to try again; 503 last, since it
// speaks of one hop only. The lower, the better.
func rank(status int, received bool) int {
	switch {
	case status >= 600:
		return 0
	case status < 400:
		return 1
	case status == 401 || status == 407:
		return 2
	case status == 415 || status == 420 || status == 484:
		return 3
	case status < 500 && received:
		return 4
	case status < 500: // made here: 408, 403
		return 5
	case status != 503:
		return 6
	}
	return 7
}

// collect keeps a final response that is not forwarded at once: RFC 3261 §16.7
// step 4. A 3xx may feed the target set first.
func (c *Core) collect(rc *ResponseContext, m *sip.Message) {
	status := m.Status()
	if status == 408 && !rc.invite {
		return // RFC 4320 §4.2: it must not be chosen
	}
	c.rewriter.Reset(m)
	if status < 400 && !c.recurse(rc, m) {
		return // every Contact is being tried: what is left is no answer
	}
	better := rc.best.status == 0 || rank(status, true) < rank(rc.best.status, rc.best.wire != nil)
	if !better {
		if challenges(status) && challenges(rc.best.status) && len(rc.lines) < maxChallenges {
			rc.lines = appendChallenges(rc.lines, m) // step 7 needs those that are not chosen too
		}
		return
	}
	c.bytes.Give(rc.best.wire)
	rc.best = best{status: status}
	if onlyOne(m, sip.Via) {
		return // it ends here: the Via that is left names nobody
	}
	c.rewriter.PopVia() // step 3
	if s := c.table.Server(rc.server); s != nil {
		c.editResponse(rc, m, s.Reply)
	}
	if s := c.table.Server(rc.server); s != nil && s.Reply.Protocol.Reliable() {
		c.rewriter.EnsureContentLength() // §18.3
	}
	rc.best.wire = c.rewriter.AppendTo(c.bytes.Take(len(m.Wire()) + c.rewriter.Size()))
}

// failed counts a target or a branch that has no response as one that we make:
// 408 for a timeout or an address that cannot be had, 503 for a transport error
// (§16.9), 403 where policy forbids the destination.
func (c *Core) failed(rc *ResponseContext, status int) {
	if rc.phase == answered || status == 408 && !rc.invite {
		return
	}
	if rc.best.status == 0 || rank(status, false) < rank(rc.best.status, rc.best.wire != nil) {
		c.bytes.Give(rc.best.wire)
		rc.best = best{status: status}
	}
}

// maxChallenges bounds the challenge lines kept of one request, in bytes; the
// headers of one message can be as long.
const maxChallenges = 32 << 10

func challenges(status int) bool { return status == 401 || status == 407 }

// appendChallenges appends the challenge lines of a 401 or 407, as received.
func appendChallenges(dst []byte, m *sip.Message) []byte {
	for it := m.Lines(); it.Next(); {
		if it.ID == sip.WWWAuthenticate || it.ID == sip.ProxyAuthenticate {
			dst = append(append(append(dst, it.Name...), ": "...), it.Value.Text...)
			dst = append(dst, "\r\n"...)
		}
	}
	return dst
}

// finish is RFC 3261 §16.7 steps 6 to 9, when no branch is pending and no target
// is left: the best response goes upstream.
func (c *Core) finish(now clock.Instant, rc *ResponseContext, fx *effect.List) {
	if rc.phase == answered {
		c.closeIfOver(rc)
		return
	}
	server := c.table.Server(rc.server)
	if server == nil {
		c.settle(rc)
		c.closeIfOver(rc)
		return
	}
	if end := rc.furtherEnd(); end != nil && (!forwards(end) || !c.cameToGRUU(rc)) {
		c.goOn(now, rc, end, fx)
		return
	}
	chosen := rc.best
	switch {
	case !rc.invite && chosen.status == 0:
		// RFC 4320 §4.2: no 408 to a non-INVITE. Nobody would hear it any more.
		c.counts.Unanswered++
		c.table.Finish(now, server)
	case chosen.wire != nil && chosen.status != 503:
		c.table.Respond(now, server, chosen.status, c.storedFinal(rc, fx), fx)
		c.counts.Relayed++
	default:
		m, own := c.keptRequest(rc), ownFinal(chosen.status)
		if chosen.status == 430 && (rc.dialog.path || rc.rule == nil) { // RFC 5626 §5.3.1: no registrar of ours chose the flow
			own = &rejection{status: 430}
		}
		if chosen.status == 503 && chosen.wire == nil && rc.full { // §16.7 step 6: whatever comes now would get it
			own = c.unavailable(m, "Overloaded")
		}
		if own.status == 480 && rc.way.asked(m) == sip.SIPS {
			own = own.with(sipsWarning)
		}
		c.answer(now, server, m, own, rc.snap, fx)
		c.counts.reject(own.status)
	}
	c.settle(rc)
	c.closeIfOver(rc)
}

// ownFinal is what we answer ourselves: 408 when there was nothing (§16.7 step
// 6), 500 for a 503, which would make the caller avoid us instead of the one
// that sent it.
func ownFinal(status int) *rejection {
	switch status {
	case 0:
		return &rejection{status: 408}
	case 503:
		return &rejection{status: 500, reason: "Next Hop Unavailable"}
	case 430: // RFC 5626 §11.5 is for the registrar, which is here
		return &rejection{status: 480}
	case 403:
		return &rejection{status: 403, reason: "Destination Not Allowed"}
	}
	return &rejection{status: status}
}

// storedFinal copies the chosen response to the arena, with the challenges of
// the others added to it (step 7).
func (c *Core) storedFinal(rc *ResponseContext, fx *effect.List) []byte {
	wire := rc.best.wire
	if !challenges(rc.best.status) || len(rc.lines) == 0 {
		return fx.Copy(wire)
	}
	if err := c.stored.Parse(wire); err != nil {
		return fx.Copy(wire)
	}
	head := c.stored.HeaderPart()
	out := append(fx.Begin(len(wire)+len(rc.lines)), head[:len(head)-2]...)
	out = append(append(out, rc.lines...), "\r\n"...)
	return fx.Commit(append(out, c.stored.Body()...))
}
