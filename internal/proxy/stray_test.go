package proxy_test

import (
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/proxy"
	"viaduct/internal/registrar"
	"viaduct/internal/siptest"
)

const toBob = `rule "all" { send = "sip:203.0.113.7" }`

// What is not ours to pass on ends here: another's Via on top, a Via for us alone,
// no client transaction, no server transaction any more.
// Proves: RS-1, RS-2, RS-11, RS-18
func TestResponsesThatEndHere(t *testing.T) {
	t.Parallel()
	s := newStage(t, toBob)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0")), bobAt)
	ok := answer(x, "200 OK")
	own := "SIP/2.0/UDP 192.0.2.1:5060;branch=" + x.Branch()
	below := "Via: SIP/2.0/UDP 198.51.100.5:5060;branch=z9hG4bK-1\r\n"
	if !strings.Contains(ok, own) || !strings.Contains(ok, below) {
		t.Fatalf("the Vias are not as thought:\n%s", ok)
	}
	s.silent(s.receive(bobAt, strings.Replace(ok, "192.0.2.1:5060", "192.0.2.2:5060", 1)))                                // another's
	s.silent(s.receive(bobAt, strings.Replace(ok, "192.0.2.1:5060", "192.0.2.1:5061", 1)))                                // another port
	s.silent(s.receive(bobAt, strings.Replace(ok, "CSeq: 1 INVITE", "CSeq: 1 BYE", 1)))                                   // another method
	s.silent(s.receive(bobAt, strings.Replace(ok, x.Branch(), x.Branch()[:30]+"AAAAAAA", 1)))                             // another nonce
	s.silent(s.receive(bobAt, strings.Replace(answer(x, "180 Ringing"), below, "", 1)))                                   // no Via below
	s.silent(s.receive(bobAt, "SIP/2.0 180\r\n"))                                                                         // no response at all
	list := s.receive(bobAt, strings.Replace(strings.Replace(ok, below, "", 1), own, own+" , "+below[5:len(below)-2], 1)) // both in one line
	got := s.refused(list, 200)
	if vias := got.All("Via"); len(vias) != 1 || !strings.HasPrefix(vias[0], "SIP/2.0/UDP 198.51.100.5:5060;branch=z9hG4bK-1") {
		t.Errorf("the Vias that are left: %q", vias)
	}
	s.pass(33 * time.Second) // timers L and M
	s.silent(s.receive(bobAt, ok))
}

// The same with strays let through, as RFC 3261 had it: by the Via below.
// Proves: RS-11
func TestStraysForwarded(t *testing.T) {
	t.Parallel()
	s := newStage(t, "server {\n  domains = [\"example.org\"]\n  stray_responses = \"forward\"\n}\n"+toBob)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0")), bobAt)
	ok := answer(x, "200 OK")
	s.refused(s.receive(bobAt, ok), 200)
	s.pass(33 * time.Second)
	if got := s.refused(s.receive(bobAt, ok), 200); got.hop.Remote.String() != aliceAt {
		t.Errorf("sent to %s", got.hop.Remote)
	}
	s.silent(s.receive(bobAt, strings.Replace(ok, "Via: SIP/2.0/UDP 198.51.100.5:5060;branch=z9hG4bK-1\r\n", "", 1)))
}

// A failure whose server transaction lost its last Via is no answer for anybody:
// the caller gets one made here.
// Proves: RS-2
func TestFailureWithoutViaBelow(t *testing.T) {
	t.Parallel()
	s := newStage(t, toBob)
	x := s.relayed(s.receive(aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0")), bobAt)
	busy := strings.Replace(answer(x, "486 Busy Here"), "Via: SIP/2.0/UDP 198.51.100.5:5060;branch=z9hG4bK-1\r\n", "", 1)
	if got := s.refused(s.receive(bobAt, busy), 486); len(got.All("Via")) != 1 {
		t.Errorf("the Vias: %q", got.All("Via"))
	}
}

// What a phone answers to the OPTIONS that keeps its flow open is no stray, and goes
// nowhere, also where strays are let through.
func TestAnswersToKeepalives(t *testing.T) {
	t.Parallel()
	s := newStage(t, "server {\n  domains = [\"example.org\"]\n  stray_responses = \"forward\"\n}\n"+toBob)
	b := location.Binding{Contact: []byte("sip:bob@10.0.0.9")}
	wire := registrar.AppendOptions(nil, &b, &registrar.Options{
		Protocol: flow.UDP, SentBy: []byte(proxyAt), Branch: []byte(registrar.OptionsBranch + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
		Tag: []byte("t"), CallID: []byte("c"), From: []byte("sip:" + proxyAt),
	})
	for _, status := range []string{"200 OK", "404 Not Found", "481 No"} {
		s.silent(s.receive(bobAt, answer(sent{Message: siptest.ReadMessage(wire)}, status)))
	}
	n := s.core.Stats()
	if n.Alive != 3 || n.Dropped[proxy.DropStray] != 0 {
		t.Errorf("%d answers, %d strays", n.Alive, n.Dropped[proxy.DropStray])
	}
}
