package engine_test

import (
	"strconv"
	"strings"
	"testing"

	"viaduct/internal/engine"
)

// One socket for all addresses of the machine shows each network what that can reach,
// and a call between two of them passes by what it has shown, both ways.
//
// Proves: RR-7, RR-13, FW-11
func TestACallBetweenTwoNetworks(t *testing.T) {
	s := serveText(t, "0.0.0.0:0", `
listen "udp" {
  address   = "0.0.0.0:5060"
  advertise = {
    "127.0.0.0/8"  = "outside.example"
    "127.0.0.2/32" = "127.0.0.3"
  }
}
destinations { allow = ["127.0.0.0/8"] }
rule "call" {
  when = !has(to.tag)
  send = request_uri
}
`, engine.Config{})
	port := strconv.Itoa(int(s.addr.Port()))
	alice, bob := newPhone(t, "127.0.0.2"), newPhone(t, "127.0.0.1")
	alice.send(s.addr, alice.request("INVITE", "sip:bob@"+bob.addr.String(), "nets", 1)...)
	invite := bob.expect("INVITE")
	if got := invite.TopVia().SentBy(); got != "outside.example:"+port {
		t.Errorf("Via says %s", got)
	}
	rr := invite.All("Record-Route")
	if len(rr) != 2 || !strings.HasSuffix(rr[0], "@outside.example:"+port+";lr>") || !strings.HasSuffix(rr[1], "@127.0.0.3:"+port+";lr>") {
		t.Fatalf("Record-Route %q", rr)
	}
	bob.answer(s.addr, invite, "200 OK")
	ok := alice.expect("SIP/2.0 200")
	d := dialogOf(ok)
	alice.send(s.addr, alice.request("ACK", d.target, "nets.ack", 1, d.extra...)...)
	if m := bob.expect("ACK"); m.Has("Route") {
		t.Errorf("the ACK has Route %q", m.All("Route"))
	}
	bye := []string{"From: " + ok.Get("To"), "To: " + invite.Get("From"), "Call-ID: " + invite.CallID()}
	for _, r := range rr {
		bye = append(bye, "Route: "+r)
	}
	lines := append([]string{
		"BYE " + strings.Trim(invite.Get("Contact"), "<>") + " SIP/2.0",
		"Via: SIP/2.0/UDP " + bob.addr.String() + ";branch=z9hG4bKbye", "Max-Forwards: 70", "CSeq: 1 BYE", "Content-Length: 0",
	}, bye...)
	bob.send(s.addr, lines...)
	m := alice.expect("BYE")
	if got := m.TopVia().SentBy(); got != "127.0.0.3:"+port || m.Has("Route") {
		t.Errorf("the BYE comes from %s with Route %q", got, m.All("Route"))
	}
	alice.answer(s.addr, m, "200 OK")
	bob.expect("SIP/2.0 200")
}
