package siptest

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// server is a server transaction of the element as the trace shows it.
type server struct {
	first *Event // the request
	sent  []*Event
}

// servers groups the responses that left by the requests they answer.
func (s *story) servers() []*server {
	var list []*server
	find := func(e *Event) *server {
		m := e.Message()
		for _, t := range list {
			f := t.first.Message()
			if f.Method == m.Method && f.Branch() == m.Branch() && f.TopVia().SentBy() == m.TopVia().SentBy() && sameCSeq(f, m) {
				return t
			}
		}
		t := &server{first: e}
		list = append(list, t)
		return t
	}
	for i, e := range s.events {
		switch m := e.Message(); {
		case e.arrives() && m.IsRequest() && m.Method != "ACK":
			find(e)
		case e.leaves() && !m.IsRequest():
			if req := s.requestOf(i); req != nil {
				t := find(req)
				t.sent = append(t.sent, e)
			}
		}
	}
	return list
}

// oneFinal: a server transaction gives at most one final response, copies and
// the 2xx of forks aside, and no new provisional after it.
func (s *story) oneFinal() {
	for _, t := range s.servers() {
		seen := map[string]bool{}
		var final *Event
		for _, e := range t.sent {
			m := e.Message()
			if seen[m.Wire] {
				continue
			}
			seen[m.Wire] = true
			fork := t.first.Message().Method == "INVITE" && m.Status/100 == 2
			switch {
			case m.Status < 200 && final != nil && s.rules.Stateless: // the network may have changed their order
			case m.Status < 200 && final != nil:
				s.report("a %d after the final response %d", e, m.Status, final.Message().Status)
			case m.Status >= 200 && final != nil && !fork:
				s.report("a second final response: %d after %d", e, m.Status, final.Message().Status)
			}
			if m.Status >= 200 && final == nil {
				final = e
			}
		}
	}
}

// finalInTime: an INVITE has its final response within limits.ring and what a
// CANCEL takes; others within 64*T1 or not at all (RFC 4320 §4.2).
func (s *story) finalInTime() {
	for _, t := range s.servers() {
		m := t.first.Message()
		var final *Event
		for _, e := range t.sent {
			if e.Message().Status >= 200 {
				final = e
				break
			}
		}
		limit := 64*s.rules.T1 + 100*time.Millisecond // a ticker of 50 ms may be all that drives the timers
		if m.Method == "INVITE" {
			limit = s.rules.Ring + 2*64*s.rules.T1 + slack
		}
		switch {
		case final != nil && final.At.Sub(t.first.At) > limit:
			s.report("the final response came %s after the request; the limit is %s", final, final.At.Sub(t.first.At), limit)
		case final == nil && m.Method == "INVITE" && len(m.Faults) == 0 && s.trace.End.Sub(t.first.At) > limit:
			s.report("no final response for this INVITE", t.first)
		}
	}
}

// nonInvite: what RFC 4320 forbids for requests other than INVITE: 408, a 100
// over UDP before timer E has reached T2, any other provisional.
func (s *story) nonInvite() {
	for _, t := range s.servers() {
		if t.first.Message().Method == "INVITE" {
			continue
		}
		for _, e := range t.sent {
			early := e.At.Sub(t.first.At) < 7*s.rules.T1 // 0.5 + 1 + 2 s: then timer E is T2
			switch status := e.Message().Status; {
			case status == 408:
				s.report("a 408 to a non-INVITE (RFC 4320 §4.2)", e)
			case status > 100 && status < 200:
				s.report("a %d to a non-INVITE (RFC 4320 §4.1)", e, status)
			case status == 100 && early && e.Hop.Protocol == flow.UDP:
				s.report("a 100 to a non-INVITE after %s (RFC 4320 §4.1)", e, e.At.Sub(t.first.At))
			}
		}
	}
}

// client is a client transaction of the element as the trace shows it.
type client struct {
	branch string
	method string
	sent   []*Event // copies of the request
	heard  []*Event // responses received
	cancel []*Event // copies of its CANCEL
	acks   []*Event // ACKs made here
	origin *Event   // the request it was made from; nil for a CANCEL
	at     map[*Event]int
}

// clients groups requests that left and responses that came by branch.
func (s *story) clients() []*client {
	var list []*client
	byKey := map[string]*client{}
	for i, e := range s.events {
		m := e.Message()
		_, method := m.CSeq()
		c := byKey[m.Branch()+" "+method]
		switch {
		case e.leaves() && m.IsRequest() && s.madeHere(e):
			invite := byKey[m.Branch()+" INVITE"]
			if invite == nil {
				continue
			}
			c = invite
			if m.Method == "CANCEL" {
				c.cancel = append(c.cancel, e)
			} else {
				c.acks = append(c.acks, e)
			}
		case e.leaves() && m.IsRequest() && m.Method != "ACK":
			if c == nil {
				c = &client{branch: m.Branch(), method: m.Method, origin: s.origin(i), at: map[*Event]int{}}
				byKey[c.branch+" "+c.method] = c
				list = append(list, c)
			}
			c.sent = append(c.sent, e)
		case e.arrives() && !m.IsRequest() && c != nil && len(m.Faults) == 0:
			c.heard = append(c.heard, e)
		default:
			continue
		}
		c.at[e] = i
	}
	return list
}

// first finds the first response of a class in [low, high), or nil.
func (c *client) first(low, high int) *Event {
	for _, e := range c.heard {
		if status := e.Message().Status; status >= low && status < high {
			return e
		}
	}
	return nil
}

// aliveAt reports whether the client transaction still waits for its final
// response at a moment: timer B and 64*T1 after the CANCEL end it.
func (c *client) aliveAt(at clock.Instant, t1 time.Duration) bool {
	if c.sent[0].Kind == Failed {
		return false
	}
	life := 64*t1 - slack
	provisional := c.first(100, 200)
	if provisional == nil || provisional.At.Sub(c.sent[0].At) > life {
		return at.Sub(c.sent[0].At) <= life
	}
	return len(c.cancel) == 0 || at.Sub(c.cancel[0].At) <= life
}

// resend: copies of a request are for UDP only, and of an INVITE only until the
// first response (RFC 3261 §17.1.1.2).
func (s *story) resend() {
	for _, c := range s.clients() {
		heard := c.first(100, 700)
		for _, e := range c.sent[1:] {
			switch {
			case e.Hop.Protocol.Reliable():
				s.report("a copy on a reliable transport", e)
			case c.method == "INVITE" && heard != nil && c.at[e] > c.at[heard]:
				s.report("a copy of an INVITE that has been answered %d", e, heard.Message().Status)
			}
		}
	}
}

// acked: the element acknowledges a non-2xx to an INVITE it has sent, and each
// copy of it while timer D runs (RFC 3261 §17.1.1.2).
func (s *story) acked() {
	for _, c := range s.clients() {
		if c.method != "INVITE" {
			continue
		}
		final := c.first(200, 700)
		if final == nil || final.Message().Status < 300 || !c.aliveAt(final.At, s.rules.T1) {
			continue
		}
		for _, e := range c.heard {
			if e.Message().Status < 300 || e != final && (final.Flow.Protocol != flow.UDP || e.At.Sub(final.At) > 64*s.rules.T1-slack) {
				continue
			}
			if !s.ackedAfter(c, e) {
				s.report("this %d is not acknowledged", e, e.Message().Status)
			}
		}
	}
}

// ackedAfter looks for the ACK between a response and the next message received.
func (s *story) ackedAfter(c *client, heard *Event) bool {
	for _, ack := range c.acks {
		if c.at[ack] > c.at[heard] && ack.At == heard.At {
			return true
		}
	}
	return false
}
