package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// passOn takes a request that came to a stateless listener: RFC 3261 §16.11.
// Nothing is kept of it, and nothing is sent but the one copy, or the one answer.
//
// Where it goes is a pure function of what a request, its copies, its CANCEL and
// its ACK have in common (seams.md §8): the configuration lets rules that send
// read nothing else, and a group gives the same target to all of them.
func (c *Core) passOn(now clock.Instant, m *sip.Message, from flow.Flow, s *Snapshot, fx *effect.List) {
	rq := &c.rq
	*rq = request{m: m, from: from, snap: s, method: routedAs(m), follows: routedAs(m) != m.Method()}
	if m.Method() == sip.ACK && c.acksOwnAnswer(m) {
		c.counts.drop(DropAck) // §8.2.7: of an answer that we gave
		return
	}
	if !c.admit(now, rq, fx) || !c.sentOn(now, rq, fx) {
		return
	}
	switch status := c.sendOnce(now, rq, fx); {
	case status == 0:
		c.counts.PassedOn++
		c.askFailure(rq, fx)
	case status == 408 && rq.method != inviteMethod:
		c.counts.drop(DropUnreachable) // RFC 4320 §4.2: no 408 to a non-INVITE
	case status > 0:
		c.reject(now, rq, ownFinal(status), fx)
	}
}

// sentOn settles by its Route or by the rules where a request goes; false when it
// goes nowhere.
func (c *Core) sentOn(now clock.Instant, rq *request, fx *effect.List) bool {
	if !rq.inDialog && !rq.byPath && !rq.hasRoute {
		c.consult(rq)
		return c.ruled(now, rq, fx) && c.pathSuits(now, rq, fx)
	}
	refused := c.underRule(rq)
	if refused != nil {
		c.reject(now, rq, refused, fx)
	}
	return refused == nil
}

// dropOf is the reason for which an ACK or a CANCEL is dropped that would be
// answered if it were its INVITE.
func dropOf(m *sip.Message) Drop {
	if m.Method() == sip.ACK {
		return DropAck
	}
	return DropCancel
}
