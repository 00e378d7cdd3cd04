package proxy_test

import (
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/proxy"
)

// On a listener that a reload removed nothing begins, and what runs goes on: the
// responses, the CANCEL, the ACK of the 2xx. When the transactions have ended
// nobody uses it.
func TestAListenerThatIsGoneServesWhatRuns(t *testing.T) {
	s := newStage(t, `rule "all" { send = "sip:`+bobAt+`" }`, udp(proxyAt), udp("192.0.2.2:5060"))
	uses := func(l flow.Listener) bool {
		for at, used := uint32(0), false; ; {
			if at, used = s.core.Uses(l, at, 1); used || at == 0 {
				return used
			}
		}
	}
	if uses(0) || uses(1) {
		t.Error("used before anything happened")
	}
	invite := s.compose("INVITE sip:bob@example.org SIP/2.0", "Contact: <sip:alice@"+aliceAt+">")
	forwarded := s.relayed(s.receive(aliceAt, invite), bobAt)
	if !uses(0) {
		t.Error("not used while a call rings")
	}
	next := *s.snap
	next.Listeners = append([]proxy.Listener(nil), s.snap.Listeners...)
	next.Listeners[0].Gone = true
	next.Prepare()
	s.snap = &next

	s.silent(s.receive(aliceAt, invite)[1:]) // a copy is absorbed; the 100 may go
	s.refused(s.receive(bobAt, answer(forwarded, "180 Ringing")), 180)
	ok := s.refused(s.receive(bobAt, answer(forwarded, "200 OK", "Contact: <sip:bob@"+bobAt+">")), 200)
	route := ok.All("Record-Route")
	ack := s.compose("ACK sip:bob@"+bobAt+" SIP/2.0", "Route: "+route[0], "To: <sip:bob@example.org>;tag=b", "CSeq: 1 ACK")
	s.relayed(s.receive(aliceAt, ack), bobAt)

	s.call = "another"
	if got := s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0")), 503); len(got.All("Retry-After")) != 1 {
		t.Errorf("no Retry-After in\n%s", got.Wire)
	}
	s.relayed(s.receiveOn(1, aliceAt, s.compose("OPTIONS sip:bob@example.org SIP/2.0", "Call-ID: third")), bobAt)
	s.pass(10 * time.Minute)
	if uses(0) || uses(1) {
		t.Error("used when all has ended")
	}
}
