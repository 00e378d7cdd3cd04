package proxy_test

import (
	"strings"
	"testing"
)

// Route values and what becomes of them: RFC 3261 §16.4 and §16.6 step 6. The
// Request-URI is bob's; a Route goes by the trusted source.
// Proves: RT-4, RT-5, RT-6, RT-7, RT-8, RT-9, RT-10, RT-11, RT-14, RR-8, SX-10
func TestRoutes(t *testing.T) {
	t.Parallel()
	const bob = "sip:bob@203.0.113.7"
	cases := []struct {
		name  string
		route []string // header lines
		to    string   // "": answered with status
		uri   string
		left  string // Route values that go on, joined by a blank
	}{
		{"none", nil, bobAt, bob, ""},
		{"our address", []string{"Route: <sip:192.0.2.1;lr>"}, bobAt, bob, ""},
		{"our domain", []string{"Route: <sip:EXAMPLE.org;lr>"}, bobAt, bob, ""},
		{"ours with everything", []string{`Route: "x, <y>" <sip:tok@192.0.2.1:5060;lr;foo;transport=udp>;p="a,b"`}, bobAt, bob, ""},
		{"ours without lr", []string{"Route: <sip:192.0.2.1>"}, bobAt, bob, ""},
		{"ours twice", []string{"Route: <sip:192.0.2.1;lr>, <sip:example.org;lr>"}, bobAt, bob, ""},
		{"ours by maddr", []string{"Route: <sip:elsewhere.example.com;maddr=192.0.2.1;lr>"}, bobAt, bob, ""},
		{"a loose router", []string{"Route: <sip:203.0.113.9;lr>"}, "203.0.113.9:5060", bob, "<sip:203.0.113.9;lr>"},
		{"a loose router in capitals", []string{"Route: <sip:203.0.113.9;LR>"}, "203.0.113.9:5060", bob, "<sip:203.0.113.9;LR>"},
		{"a loose router by value", []string{"Route: <sip:203.0.113.9;lr=on>"}, "203.0.113.9:5060", bob, "<sip:203.0.113.9;lr=on>"},
		{"a loose router with a port", []string{"Route: <sip:x@203.0.113.9:5099;lr>"}, "203.0.113.9:5099", bob, "<sip:x@203.0.113.9:5099;lr>"},
		{"a loose router with maddr", []string{"Route: <sip:203.0.113.9;maddr=203.0.113.10;lr>"}, "203.0.113.10:5060", bob, "<sip:203.0.113.9;maddr=203.0.113.10;lr>"},
		{"our host with somebody's maddr", []string{"Route: <sip:192.0.2.1;maddr=203.0.113.10;lr>"}, "203.0.113.10:5060", bob, "<sip:192.0.2.1;maddr=203.0.113.10;lr>"},
		{"our address at another port", []string{"Route: <sip:192.0.2.1:5070;lr>"}, "192.0.2.1:5070", bob, "<sip:192.0.2.1:5070;lr>"},
		{"ours, then others on one line", []string{"Route: <sip:192.0.2.1;lr>, <sip:203.0.113.9;lr>;p=\"a,b\" , <sip:203.0.113.8;lr>"}, "203.0.113.9:5060", bob, `<sip:203.0.113.9;lr>;p="a,b" <sip:203.0.113.8;lr>`},
		{"ours, then others folded", []string{"Route: <sip:192.0.2.1;lr>\r\n ,\r\n\t<sip:203.0.113.9;lr>", "ROUTE : <sip:203.0.113.8;lr>"}, "203.0.113.9:5060", bob, "<sip:203.0.113.9;lr> <sip:203.0.113.8;lr>"},
		{"others, then ours", []string{"Route: <sip:203.0.113.9;lr>", "Route: <sip:192.0.2.1;lr>"}, "203.0.113.9:5060", bob, "<sip:203.0.113.9;lr> <sip:192.0.2.1;lr>"},
		{"others twice", []string{"Route: <sip:203.0.113.9;lr>", "Route: <sip:203.0.113.9;lr>"}, "203.0.113.9:5060", bob, "<sip:203.0.113.9;lr> <sip:203.0.113.9;lr>"},
		{"a strict router", []string{"Route: <sip:203.0.113.9:5099>"}, "203.0.113.9:5099", "sip:203.0.113.9:5099", "<sip:bob@203.0.113.7>"},
		{"ours, a strict router, others", []string{"Route: <sip:192.0.2.1;lr>, <sip:203.0.113.9;x?h=1>,<sip:203.0.113.8;lr>"}, "203.0.113.9:5060", "sip:203.0.113.9;x", "<sip:203.0.113.8;lr> <sip:bob@203.0.113.7>"},
		{"a transport that nobody here speaks", []string{"Route: <sip:203.0.113.9;transport=tcp;lr>"}, "", "500", ""},
		{"our domain at another port", []string{"Route: <sip:example.org:5070;lr>"}, "", "408", ""},
		{"a name that nobody here resolves", []string{"Route: <sip:proxy.example.net;lr>"}, "", "408", ""},
		{"a scheme that nobody here speaks", []string{"Route: <tel:+312012345>"}, "", "416", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, openConfig)
			got := s.receive(trustedAt, s.compose("INVITE "+bob+" SIP/2.0", c.route...))
			if c.to == "" {
				if x := s.one(got); what(x) != c.uri {
					t.Errorf("got %s, want %s", what(x), c.uri)
				}
				return
			}
			x := s.relayed(got, c.to)
			if left := strings.Join(x.All("Route"), " "); x.URI != c.uri || left != c.left {
				t.Errorf("got %s with Route %s\nwant %s with %s", x.URI, left, c.uri, c.left)
			}
		})
	}
}

// Who may pre-load a Route, by what is left when ours are gone.
// Proves: RT-4, RT-15
func TestRouteOfStrangers(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	for _, route := range []string{"<sip:203.0.113.9;lr>", "<sip:192.0.2.1;lr>, <sip:203.0.113.9;lr>", "<sip:203.0.113.9>", "<sip:192.0.2.1:5070;lr>"} {
		s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Route: "+route)), 403)
		s.refused(s.receive(aliceAt, s.compose("BYE sip:bob@203.0.113.7 SIP/2.0", "Route: "+route, "To: <sip:bob@example.org>;tag=b")), 403)
		s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", "Route: "+route, "To: <sip:bob@example.org>;tag=b")))
	}
	own := "Route: <sip:192.0.2.1;lr>, <sip:whatever@example.org:5060;lr>"
	for _, method := range []string{"INVITE", "ACK", "REGISTER", "FOO"} {
		x := s.relayed(s.receive(aliceAt, s.compose(method+" sip:203.0.113.7 SIP/2.0", own)), bobAt)
		if x.Has("Route") {
			t.Errorf("%s: Route %q", method, x.All("Route"))
		}
	}
}

// Proves: RT-2, RT-3, TG-2
func TestOwnMaddr(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, uri, to, want string }{
		{"ours", "sip:bob@203.0.113.7;maddr=192.0.2.1", bobAt, "sip:bob@203.0.113.7"},
		{"our domain", "sip:bob@203.0.113.7;maddr=example.org", bobAt, "sip:bob@203.0.113.7"},
		{"ours with port, transport and the rest", "sip:b:p@203.0.113.7:5060;a;transport=UDP;maddr=192.0.2.1;x=y", bobAt, "sip:b:p@203.0.113.7;a;x=y"},
		{"ours, then the rules of our domain", "sip:bob@example.org;maddr=192.0.2.1", bobAt, "sip:bob@203.0.113.7"},
		{"ours at another port", "sip:bob@203.0.113.7:5070;maddr=192.0.2.1", "192.0.2.1:5070", "sip:bob@203.0.113.7:5070;maddr=192.0.2.1"},
		{"somebody's", "sip:bob@203.0.113.7;maddr=203.0.113.9", "203.0.113.9:5060", "sip:bob@203.0.113.7;maddr=203.0.113.9"},
		{"somebody's, in our domain", "sip:bob@example.org;maddr=203.0.113.9", bobAt, "sip:bob@example.org;maddr=203.0.113.9"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, openConfig)
			for _, method := range []string{"INVITE", "ACK"} { // kept in a context, and forwarded at once
				if x := s.relayed(s.receive(aliceAt, s.compose(method+" "+c.uri+" SIP/2.0", "To: <sip:b@example.org>;tag=b")), c.to); x.URI != c.want {
					t.Errorf("Request-URI is %q, want %q", x.URI, c.want)
				}
			}
		})
	}
}

// Another port of ours than the one that it came in by keeps its maddr.
// Proves: RT-2
func TestOwnMaddrAtAnotherListener(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig, udp("192.0.2.1:5060"), udp("192.0.2.1:5080"))
	in := s.compose("INVITE sip:bob@203.0.113.7:5080;maddr=192.0.2.1 SIP/2.0")
	x := s.relayed(s.receiveOn(0, aliceAt, in), "192.0.2.1:5080")
	if x.URI != "sip:bob@203.0.113.7:5080;maddr=192.0.2.1" {
		t.Errorf("Request-URI is %s", x.URI)
	}
	if x = s.relayed(s.receiveOn(1, "192.0.2.1:5060", x.Wire), bobAt); x.URI != "sip:bob@203.0.113.7" {
		t.Errorf("then it is %s", x.URI)
	}
}

// Proves: RT-13
func TestForeignSchemeWithRoute(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	for _, uri := range []string{"tel:+31-20-1234567;phone-context=x", "urn:service:sos"} {
		x := s.relayed(s.receive(trustedAt, s.compose("INVITE "+uri+" SIP/2.0", "Route: <sip:192.0.2.1;lr>, <sip:203.0.113.9;lr>", "To: <"+uri+">")), "203.0.113.9:5060")
		if x.URI != uri {
			t.Errorf("Request-URI %q became %q", uri, x.URI)
		}
		s.refused(s.receive(trustedAt, s.compose("INVITE "+uri+" SIP/2.0", "Route: <sip:192.0.2.1;lr>", "To: <"+uri+">")), 416)
	}
}

// A hop by policy goes without a Route of ours, and leaves the Request-URI of
// another domain alone; one of ours becomes the target's.
// Proves: RT-12, TG-1, TG-5, TG-13, FW-2, UR-2, UR-15
func TestPolicyHop(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
server { domains = ["example.org"] }
rule "all" { send = "sip:203.0.113.7;x=y" }
`)
	cases := []struct{ uri, want string }{
		{"sip:carol@example.net;user=phone", "sip:carol@example.net;user=phone"},
		{"sip:carol@EXAMPLE.org;user=phone", "sip:carol@203.0.113.7;x=y"},
		{"sip:carol@ex%61mple.org", ""}, // no domain of ours, and no host at all
		{"sip:%63arol@example.org", "sip:%63arol@203.0.113.7;x=y"},
	}
	for _, c := range cases {
		got := s.receive(aliceAt, s.compose("INVITE "+c.uri+" SIP/2.0"))
		if c.want == "" {
			s.refused(got, 400)
			continue
		}
		if x := s.relayed(got, bobAt); x.URI != c.want || x.Has("Route") {
			t.Errorf("%s: got %q, Route %q", c.uri, x.URI, x.All("Route"))
		}
	}
}
