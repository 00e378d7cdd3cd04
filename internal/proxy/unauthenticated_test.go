package proxy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/config"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/siptest"
)

// ackOf writes the ACK of a refusal of an INVITE that compose wrote.
func ackOf(invite string, refusal sent) string {
	text := strings.Replace(invite, "INVITE ", "ACK ", 1)
	text = strings.Replace(text, " INVITE\r\n", " ACK\r\n", 1)
	to := siptest.ReadMessage([]byte(invite)).Get("To")
	return strings.Replace(text, "To: "+to, "To: "+refusal.Get("To"), 1)
}

// RFC 3261 §26.3.2.4, §8.2.7: who has not proven anything gets one challenge, and
// nothing is kept of it: it is not repeated, each copy of the request draws one
// more, and the ACK is dropped.
//
// Proves: SL-10
func TestAChallengeIsGivenOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.registered(bobAt, "bob", "sip:bob@203.0.113.7")
	d.pass(time.Minute)
	for _, method := range []string{"INVITE", "MESSAGE", "REGISTER"} {
		d.stage.call = "of-" + method
		uri, status := "sip:bob@example.org", 407
		if method == "REGISTER" {
			uri, status = "sip:example.org", 401
		}
		request := d.compose(method+" "+uri+" SIP/2.0", "From: <sip:alice@example.org>;tag=a", "Contact: <sip:alice@198.51.100.5>")
		x := d.refused(d.receive(aliceAt, request), status)
		d.silent(d.pass(40 * time.Second))
		if !d.core.Idle() {
			t.Errorf("%s: left: %+v", method, d.core.Stats())
		}
		if y := d.refused(d.receive(aliceAt, request), status); y.Tag("To") != x.Tag("To") {
			t.Errorf("%s: copies have the tags %q and %q", method, x.Tag("To"), y.Tag("To"))
		}
		if method == "INVITE" {
			d.silent(d.receive(aliceAt, ackOf(request, x)))
			if n := d.core.Stats().Dropped[proxy.DropAck]; n != 1 {
				t.Errorf("%d ACKs were dropped", n)
			}
		}
	}
}

// RFC 3261 §8.2.7, §10.3: what is answered without state ignores the CANCEL and the
// ACK that follow, and repeats nothing. A registrar is no such server: a stateless
// listener does not take a rule that registers.
//
// Proves: SL-15
func TestOwnStatelessAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t, "server { mode = \"stateless\" }\n"+`rule "all" { reply = "410 Gone" }`)
	invite := s.invite("bob")
	x := s.refused(s.receive(aliceAt, invite), 410)
	s.silent(s.pass(40 * time.Second))
	s.silent(s.receive(aliceAt, cancelOf(invite)))
	s.silent(s.receive(aliceAt, ackOf(invite, x)))
	if !s.core.Idle() {
		t.Errorf("left: %+v", s.core.Stats())
	}
	_, bad := config.Parse("registrar", []byte(`
server {
  mode    = "stateless"
  domains = ["example.org"]
}
listen "udp" { address = "192.0.2.1:5060" }
rule "register" {
  when = method == REGISTER
  register {}
}
`), config.Options{Addresses: func() ([]netip.Addr, error) { return nil, nil }})
	if len(bad) == 0 {
		t.Error("a stateless listener may register")
	}
}

// RFC 3261 §17.2.1: a bad request that is no INVITE draws one answer and no more. A
// refused INVITE is repeated to by timer G until its ACK, and not at all when it was
// answered without a transaction. Garbage that says it comes from nobody, or from here,
// is not answered.
//
// Proves: RB-6
func TestOneAnswerToABadRequest(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	s.refused(s.receive(aliceAt, s.compose("MESSAGE sip:bob@203.0.113.7 SIP/2.0", "From: <sip:alice@x;tag=a")), 400)
	s.silent(s.pass(40 * time.Second))
	s.refused(s.receive(aliceAt, s.compose("MESSAGE sip:bob@203.0.113.7 SIP/2.0", "Proxy-Require: x")), 420)
	s.silent(s.pass(40 * time.Second))
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "From: <sip:alice@x;tag=a")), 400)
	s.silent(s.pass(40 * time.Second))

	invite := s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Proxy-Require: x")
	x := s.refused(s.receive(aliceAt, invite), 420)
	if n := len(s.pass(5 * time.Second)); n != 3 { // after 0.5, 1.5 and 3.5 s
		t.Errorf("%d copies of a final response in 5 s, want 3", n)
	}
	s.silent(s.receive(aliceAt, ackOf(invite, x)))
	s.silent(s.pass(40 * time.Second))

	for _, source := range []string{proxyAt, "255.255.255.255:5060", "224.0.1.75:5060", "0.0.0.0:5060", "198.51.100.5:0"} {
		s.silent(s.receive(source, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "From: <sip:alice@x;tag=a", "Via: SIP/2.0/UDP "+source+";rport;branch=z9hG4bKx")))
	}
}

// RFC 5954 §4.1: an address that is none is no host, wherever it stands.
//
// Proves: TP-23
func TestLiteralsThatAreNone(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig, udp(proxyAt), udp("[2001:db8::1]:5060"))
	for _, host := range []string{"444.555.666.777", "203.0.113.07", "203.0.113.256", "203.0.113", "[:::]", "[2001:db8:::7]", "[2001:db8::7::1]", "[203.0.113.7]", "[2001:db8::12345]"} {
		s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@"+host+" SIP/2.0")), 400)
		if list := s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Via: SIP/2.0/UDP "+host+";branch=z9hG4bKx")); len(list) != 0 && list[0].IsRequest() {
			t.Errorf("a request with Via %s was forwarded", host)
		}
	}
	for host, to := range map[string]string{"203.0.113.7": bobAt, "[2001:db8::7]": "[2001:db8::7]:5060", "[2001:DB8:0::203.0.113.7]": "[2001:db8::cb00:7107]:5060"} {
		s.call = host
		x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@"+host+" SIP/2.0", "Call-ID: x"+strings.Trim(host, "[]"))), to)
		if x.hop.Protocol != flow.UDP || x.URI != "sip:bob@"+host {
			t.Errorf("%s: by %s as %s", host, x.hop, x.URI)
		}
	}
}
