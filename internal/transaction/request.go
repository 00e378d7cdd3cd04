package transaction

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// Result is what became of a request. Of is set with CancelOf, and with Full when
// it was a CANCEL, so that a call can be cancelled even then.
type Result struct {
	Verdict Verdict
	Server  *Server
	Of      *Server
}

// Request feeds a received request that sip.Message.Check has passed; key is its
// KeyOf. The pointers stay good until the next call into the table; Handle finds
// the transaction later.
func (t *Table) Request(now clock.Instant, m *sip.Message, key Key, from flow.Flow, fx *effect.List) Result {
	id := identify(m, key)
	if id.method == sip.ACK {
		return t.ack(now, &id, fx)
	}
	if s := t.same(&id); s != nil {
		return t.copyOf(now, s, fx)
	}
	var of *Server
	if id.method == sip.CANCEL {
		of = t.cancelled(&id)
	}
	// What is taken on needs a place for its server and for one branch. With one place
	// left a request would be taken, kept and answered for want of the other.
	need := 2
	if id.method == sip.CANCEL {
		need = 1
	}
	if t.full(need) {
		return Result{Verdict: Full, Of: of}
	}
	s := t.newServer(now, &id, from)
	if id.method == sip.CANCEL {
		return Result{Verdict: CancelOf, Server: s, Of: of}
	}
	return Result{Verdict: NewRequest, Server: s}
}

// Knows reports whether a transaction of the table is what m belongs to: a copy of
// its request, its CANCEL or its ACK.
func (t *Table) Knows(m *sip.Message, key Key) bool {
	if t.servers.Used() == 0 {
		return false
	}
	id := identify(m, key)
	switch id.method {
	case sip.ACK:
		return t.acked(&id) != nil
	case sip.CANCEL:
		return t.cancelled(&id) != nil
	}
	return t.same(&id) != nil
}

// same finds the transaction that the request is a copy of (RFC 3261 §17.2.3).
func (t *Table) same(id *identity) *Server {
	for it := t.index.find(tagOf(id.key)); it.next(); {
		s := t.servers.At(it.slot)
		if s.key == id.key && s.Method == id.method && s.name == id.name &&
			(!id.old || s.requestTag == id.toTag) {
			return s
		}
	}
	return nil
}

// cancelled finds the transaction that a CANCEL is about, whatever its method (RFC
// 3261 §9.2). It is asked only when the CANCEL is no copy, so that no other CANCEL
// is there to be found.
func (t *Table) cancelled(id *identity) *Server {
	for it := t.index.find(tagOf(id.key)); it.next(); {
		s := t.servers.At(it.slot)
		if s.key == id.key && (!id.old || s.requestTag == id.toTag) {
			return s
		}
	}
	return nil
}

// acked finds the INVITE transaction of an ACK. Without a branch the To tag must be
// that of the response sent: the ACK of a fork's 2xx differs in nothing else.
func (t *Table) acked(id *identity) *Server {
	for it := t.index.find(tagOf(id.key)); it.next(); {
		s := t.servers.At(it.slot)
		if s.key == id.key && s.Method == sip.INVITE && (!id.old || s.sentTag == id.toTag) {
			return s
		}
	}
	return nil
}

// ack feeds an ACK. RFC 6026 §7.1: in Accepted it is the layer above's; one that
// matches nothing is too, it acknowledges a 2xx that another branch brought.
func (t *Table) ack(now clock.Instant, id *identity, fx *effect.List) Result {
	s := t.acked(id)
	if s == nil {
		return Result{Verdict: AckPassUp}
	}
	before := s.state
	d := t.runServer(now, s, evAck, nil, fx)
	if d&doPassUp != 0 {
		return Result{Verdict: AckPassUp, Server: s}
	}
	if before == s.state {
		t.kinds[InviteServer].Absorbed++
	}
	return Result{Verdict: Absorbed, Server: s}
}

// copyOf feeds a retransmission.
func (t *Table) copyOf(now clock.Instant, s *Server, fx *effect.List) Result {
	t.kinds[s.kind()].Absorbed++
	if d := t.runServer(now, s, evRequest, nil, fx); d&doResend != 0 && s.Status == 0 {
		// RFC 3261 §17.2.1 has nothing to send yet, because the 100 may wait
		// 200 ms; the copy shows that it should not wait longer.
		return Result{Verdict: Unanswered, Server: s}
	}
	return Result{Verdict: Absorbed, Server: s}
}
