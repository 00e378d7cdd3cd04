package transaction

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/sip"
)

// Respond sends a response of the layer above. wire is in fx's arena; what must be
// kept is copied. A response that the machine does not allow in its state is not
// sent and reported false: a second final response, a provisional after a final,
// and what RFC 4320 forbids for a non-INVITE (408, provisionals other than 100).
// A 2xx to an INVITE passes in every state until the transaction ends.
func (t *Table) Respond(now clock.Instant, s *Server, status int, wire []byte, fx *effect.List) bool {
	if s.Method != sip.INVITE && !mayAnswer(status) {
		return false
	}
	e := responseEvent(status)
	if _, d := s.machine().step(s.state, e); d&doSend == 0 {
		return false
	}
	s.Status = uint16(status)
	if s.old && e == ev3456xx && s.Method == sip.INVITE {
		s.sentTag = t.toTag(wire)
	}
	t.runServer(now, s, e, wire, fx)
	return true
}

// toTag is the fingerprint of the To tag of a response about to be sent.
func (t *Table) toTag(wire []byte) uint32 {
	if err := t.scratch.Parse(wire); err != nil {
		return 0 // then no ACK matches and timer H ends it
	}
	return short(t.scratch.ToTag())
}

// Finish ends a server without a word: the layer above will not answer (RFC 4320
// §4.2 for a non-INVITE that has taken too long). Copies are absorbed for as long
// as the client may send them, then comes ServerEnded. After a final response it
// does nothing.
func (t *Table) Finish(now clock.Instant, s *Server) {
	t.runServer(now, s, evFinish, nil, nil)
}
