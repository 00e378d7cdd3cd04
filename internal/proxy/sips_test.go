package proxy_test

import (
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
)

// secureStage has a TLS listener beside that for UDP. It is made of one for TCP,
// since the configuration of a stage has no certificates.
func secureStage(t *testing.T, config string) *stage {
	t.Helper()
	s := newStage(t, config, tcp("192.0.2.1:5061"), udp(proxyAt))
	s.snap.Listeners[0].Protocol, s.on[0].Protocol = flow.TLS, flow.TLS
	s.snap.Prepare()
	return s
}

// A sips request goes by TLS, wherever it is to go, and stays what it is; the far
// end must prove to be the host of the URI that named it.
//
// Proves: SE-3, SE-4, SE-9, NH-20
func TestSIPSGoesByTLS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, uri, route, to, domain string
	}{
		{"a sips URI", "sips:bob@callee.example;maddr=203.0.113.7", "", "203.0.113.7:5061", "callee.example"},
		{"with transport=tcp", "sips:bob@callee.example;maddr=203.0.113.7;transport=tcp", "", "203.0.113.7:5061", "callee.example"},
		{"with a port", "sips:bob@Callee.example:5071;maddr=203.0.113.7", "", "203.0.113.7:5071", "callee.example"},
		{"a sip Route", "sips:bob@callee.example", "<sip:next.example;maddr=203.0.113.9;lr>", "203.0.113.9:5061", "next.example"},
		{"a sips Route alone", "sip:bob@callee.example", "<sips:next.example;maddr=203.0.113.9;lr>", "203.0.113.9:5061", "next.example"},
		{"transport=tls", "sip:bob@callee.example;maddr=203.0.113.7;transport=tls", "", "203.0.113.7:5061", "callee.example"},
	} {
		s := secureStage(t, "server { trust = [\"198.51.100.0/24\"] }\n"+`rule "all" { send = request_uri }`)
		lines := []string{"To: <sips:bob@example.org>"}
		if c.route != "" {
			lines = append(lines, "Route: "+c.route)
		}
		x := s.relayed(s.receive(aliceAt, s.compose("INVITE "+c.uri+" SIP/2.0", lines...)), c.to)
		if x.hop.Protocol != flow.TLS || x.hop.Domain.String() != c.domain {
			t.Errorf("%s: by %s to %q, want %q", c.name, x.hop, x.hop.Domain, c.domain)
		}
		if x.URI != c.uri || !strings.HasPrefix(x.All("Via")[0], "SIP/2.0/TLS 192.0.2.1:5061;") {
			t.Errorf("%s: got\n%s", c.name, x.Wire)
		}
		if rr := x.All("Record-Route"); !strings.HasPrefix(rr[0], "<sips:") || strings.Contains(strings.Join(rr, ""), "transport=") {
			t.Errorf("%s: Record-Route %q", c.name, rr)
		}
	}
}

// Nothing that was asked for by sips goes in clear: not to another URI, not by a
// flow, not after a redirection; and nobody is told that sips is unknown here.
//
// Proves: SE-3, SE-5, SE-10, SE-15
func TestSIPSIsNeverDowngraded(t *testing.T) {
	t.Parallel()
	const own = "server { domains = [\"example.org\"] }\n"
	s := secureStage(t, own+`rule "all" { send = "sip:203.0.113.7" }`)
	x := s.refused(s.receive(aliceAt, s.compose("INVITE sips:bob@example.org SIP/2.0")), 480)
	if !strings.HasPrefix(x.Get("Warning"), "380 ") {
		t.Errorf("Warning is %q", x.Get("Warning"))
	}
	s = secureStage(t, `rule "all" { send = request_uri }`)
	s.refused(s.receive(aliceAt, s.compose("INVITE sips:bob@callee.example;maddr=203.0.113.7;transport=udp SIP/2.0")), 500)

	for _, c := range []struct{ asked, contact string }{
		{"sips:bob@callee.example;maddr=203.0.113.7", "sip:bob@other.example;maddr=203.0.113.9;transport=tls"},
		{"sip:bob@callee.example;maddr=203.0.113.7;transport=tls", "sips:bob@other.example;maddr=203.0.113.9"},
	} {
		s = secureStage(t, own+"rule \"all\" {\n  send = request_uri\n  redirects = \"follow\"\n}")
		x = s.relayed(s.receive(aliceAt, s.compose("INVITE "+c.asked+" SIP/2.0")), "203.0.113.7:5061")
		list := s.receive("203.0.113.7:5061", answer(x, "302 Moved", "Contact: <"+c.contact+">"))
		found := false
		for _, y := range list {
			if y.Method == "INVITE" {
				t.Errorf("%s was followed to %s", c.contact, y.URI)
			}
			found = found || y.Status == 302 && y.Get("Contact") == "<"+c.contact+">"
		}
		if !found {
			t.Errorf("%s: the 302 did not come", c.contact)
		}
	}
}

// A sip request for a sips target stays sip and goes by TLS.
//
// Proves: SE-14
func TestSIPIsNeverUpgraded(t *testing.T) {
	t.Parallel()
	s := secureStage(t, "server { domains = [\"example.org\"] }\n"+`rule "all" { send = "sip:x@203.0.113.8" }`)
	target := &s.snap.Program.Rules[0].Targets[0]
	target.URI = policy.Const("sips:bob@callee.example:5071;maddr=203.0.113.7")
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0")), "203.0.113.7:5071")
	if x.URI != "sip:bob@callee.example:5071;maddr=203.0.113.7" || x.hop.Protocol != flow.TLS || x.hop.Domain.String() != "callee.example" {
		t.Errorf("got %s by %s to %q", x.URI, x.hop, x.hop.Domain)
	}
}

// Who is called by sips and could only be called back by sip is refused, in a dialog
// or before it; what makes no dialog has nothing to be called back by.
//
// Proves: SE-20
func TestSIPSWithASIPContactIsRefused(t *testing.T) {
	t.Parallel()
	const uri = "sips:bob@callee.example;maddr=203.0.113.7"
	for _, c := range []struct {
		method, uri, contact string
		refused              bool
	}{
		{"INVITE", uri, "<sip:alice@198.51.100.5>", true},
		{"SUBSCRIBE", uri, "Alice <SIP:alice@phone.example;transport=tls>", true},
		{"INVITE", uri, "<sips:alice@198.51.100.5>", false},
		{"INVITE", uri, "<tel:+33612345678>", false},
		{"MESSAGE", uri, "<sip:alice@198.51.100.5>", false},
		{"INVITE", "sip:bob@callee.example;maddr=203.0.113.7;transport=tls", "<sip:alice@198.51.100.5>", false},
	} {
		s := secureStage(t, `rule "all" { send = request_uri }`)
		list := s.receive(aliceAt, s.compose(c.method+" "+c.uri+" SIP/2.0", "Contact: "+c.contact))
		if c.refused {
			s.refused(list, 400)
			continue
		}
		if x := s.relayed(list, "203.0.113.7:5061"); x.hop.Protocol != flow.TLS {
			t.Errorf("%s with %s goes by %s", c.method, c.contact, x.hop)
		}
	}
}

// A sip call with TLS on one side or both: each side is told a way by TLS where it is
// on TLS, and what follows in the dialog finds the other side from either, without a
// Route value of ours left on it.
//
// Proves: RR-15, SE-10, SE-13
func TestDialogsOfTLS(t *testing.T) {
	t.Parallel()
	const phone = "198.51.100.5:40123"
	for _, c := range []struct {
		name           string
		in, out        int // listeners: 0 is TLS, 1 UDP
		uri            string
		caller, callee string
		values         int
	}{
		{"from TLS to UDP", 0, 1, "sip:bob@203.0.113.7", phone, bobAt, 2},
		{"from UDP to TLS", 1, 0, "sip:bob@callee.example:5060;maddr=203.0.113.7;transport=tls", aliceAt, bobAt, 2},
		{"from TLS to TLS", 0, 0, "sip:bob@callee.example:5060;maddr=203.0.113.7;transport=tls", phone, bobAt, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := secureStage(t, "rule \"all\" {\n  when = !has(to.tag)\n  send = request_uri\n}")
			d := s.establishOn(c.in, c.out, c.caller, c.callee, c.uri)
			if len(d.callerRoute) != c.values {
				t.Errorf("Record-Route %q", d.calleeRoute)
			}
			plain := 0
			for _, rr := range d.callerRoute {
				if strings.HasPrefix(rr, "<sip:") {
					plain++
				}
			}
			if plain != 1 {
				t.Errorf("%d values are not sips: %q", plain, d.callerRoute)
			}
			for _, side := range []struct {
				listener int
				first    string
			}{{c.in, d.callerRoute[0]}, {c.out, d.calleeRoute[0]}} {
				if strings.HasPrefix(side.first, "<sips:") != (side.listener == 0) {
					t.Errorf("the side of listener %d is shown %s", side.listener, side.first)
				}
			}
			for _, method := range []string{"ACK", "INVITE", "BYE"} {
				x := s.relayed(s.receiveOn(c.in, c.caller, d.to(s, method, c.uri)), c.callee)
				if x.Has("Route") || int(x.hop.Listener) != c.out {
					t.Errorf("%s: by listener %d, Route %q", method, x.hop.Listener, x.All("Route"))
				}
			}
			for _, method := range []string{"INVITE", "BYE"} {
				x := s.relayed(s.receiveOn(c.out, c.callee, d.back(s, method)), c.caller)
				if x.Has("Route") || int(x.hop.Listener) != c.in {
					t.Errorf("%s: by listener %d, Route %q", method, x.hop.Listener, x.All("Route"))
				}
			}
		})
	}
}
