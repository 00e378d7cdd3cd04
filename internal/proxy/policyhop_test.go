package proxy_test

import (
	"strings"
	"testing"

	"viaduct/internal/flow"
)

// A hop that a rule names is a loose router: the Request-URI of somebody else stays
// as it is, and nothing becomes a Route that it would have to undo. For a sips
// request it is reached by TLS, or not at all.
//
// Proves: RT-16
func TestPolicyHopOfASIPSRequest(t *testing.T) {
	t.Parallel()
	const invite = "INVITE sips:bob@elsewhere.example SIP/2.0"
	for _, c := range []struct{ hop, to string }{
		{"sip:203.0.113.9", "203.0.113.9:5061"},
		{"sip:203.0.113.9:5071;lr", "203.0.113.9:5071"},
		{"sip:203.0.113.9;transport=tcp", "203.0.113.9:5061"},
	} {
		s := secureStage(t, `rule "all" { send = "`+c.hop+`" }`)
		x := s.relayed(s.receive(aliceAt, s.compose(invite)), c.to)
		if x.hop.Protocol != flow.TLS || x.URI != "sips:bob@elsewhere.example" || x.Has("Route") {
			t.Errorf("%s: by %s, %s, Route %q", c.hop, x.hop, x.URI, x.All("Route"))
		}
	}
	s := secureStage(t, `rule "all" { send = "sip:203.0.113.9;transport=udp" }`)
	if x := s.one(s.receive(aliceAt, s.compose(invite))); x.IsRequest() || x.Status < 400 {
		t.Errorf("a hop on UDP: %s to %s", what(x), x.hop)
	}
}

// The Record-Route of what goes to a sips URI is a sips URI, wherever it came
// from; what came by TLS and goes to no sips URI gets one that is not. The side that
// is on TLS is found again by TLS: as sips, or by the records of a name without a
// port; the word tls is not written.
//
// Proves: RR-10, RR-14, RR-15, SE-9, SE-13
func TestRecordRouteOfTLS(t *testing.T) {
	t.Parallel()
	const (
		byTLS = iota // the listeners of a secureStage
		byUDP
	)
	const named = "<sip:next.example;maddr=203.0.113.9;transport=tls;lr>"
	betweenTLS := []string{"<sips:@192.0.2.1:5061;lr>", "<sip:@192.0.2.1:5061;lr>", "<sips:@192.0.2.1:5061;lr>"}
	for _, c := range []struct {
		name, uri, route string
		on               int
		want             []string // before and behind the cookie
	}{
		{"sips by TLS", "sips:bob@203.0.113.7", "", byTLS, []string{"<sips:@192.0.2.1:5061;lr>"}},
		{"sips by UDP", "sips:bob@203.0.113.7", "", byUDP, []string{"<sips:@192.0.2.1:5061;lr>", "<sip:@192.0.2.1:5060;lr>"}},
		{"a sips Route by TLS", "sip:bob@x.example", "<sips:203.0.113.9;lr>", byTLS, []string{"<sips:@192.0.2.1:5061;lr>"}},
		{"a sips Route by UDP", "sip:bob@x.example", "<sips:203.0.113.9;lr>", byUDP, []string{"<sips:@192.0.2.1:5061;lr>", "<sip:@192.0.2.1:5060;lr>"}},
		{"a strict sips router", "sip:bob@x.example", "<sips:203.0.113.9>", byUDP, []string{"<sips:@192.0.2.1:5061;lr>", "<sip:@192.0.2.1:5060;lr>"}},
		{"sip by TLS to UDP", "sip:bob@203.0.113.7", "", byTLS, []string{"<sip:@192.0.2.1:5060;lr>", "<sips:@192.0.2.1:5061;lr>"}},
		{"sip by UDP to TLS", "sip:bob@203.0.113.7;transport=tls", "", byUDP, []string{"<sips:@192.0.2.1:5061;lr>", "<sip:@192.0.2.1:5060;lr>"}},
		{"sip by TLS to TLS", "sip:bob@203.0.113.7;transport=tls", "", byTLS, betweenTLS},
		{"a sip Route by TLS", "sip:bob@x.example", named, byTLS, betweenTLS},
	} {
		s := secureStage(t, "server { trust = [\"198.51.100.0/24\"] }\n"+`rule "all" { send = request_uri }`)
		var lines []string
		if c.route != "" {
			lines = append(lines, "Route: "+c.route)
		}
		x := s.one(s.receiveOn(c.on, aliceAt, s.compose("INVITE "+c.uri+" SIP/2.0", lines...)))
		got := distinctSides(x)
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		advertise string
		transport bool
		uri, want string
	}{
		{"proxy.example.org", false, "sip", "<sip:@proxy.example.org;lr>"},
		{"proxy.example.org", false, "sips", "<sips:@proxy.example.org;lr>"},
		{"proxy.example.org:5071", false, "sip", "<sips:@proxy.example.org:5071;lr>"},
		{"203.0.113.200", false, "sip", "<sips:@203.0.113.200;lr>"},
		{"", true, "sip", "<sip:@192.0.2.1:5061;transport=tls;lr>"}, // asked for
		{"", true, "sips", "<sips:@192.0.2.1:5061;lr>"},
	} {
		on := tcp("192.0.2.1:5061")
		on.Advertise = c.advertise
		s := newStage(t, `rule "all" { send = request_uri }`, on, udp(proxyAt))
		s.snap.Listeners[0].Protocol, s.on[0].Protocol, s.snap.Listeners[0].TransportTLS = flow.TLS, flow.TLS, c.transport
		s.snap.Prepare()
		x := s.one(s.receiveOn(1, aliceAt, s.compose("INVITE "+c.uri+":bob@callee.example;maddr=203.0.113.7;transport=tls SIP/2.0")))
		if got := distinctSides(x); got[0] != c.want {
			t.Errorf("%s, %s: got %q, want %s", c.advertise, c.uri, got, c.want)
		}
	}
}

// distinctSides are the Record-Route values of x without their cookies, and
// without the second of two that look alike.
func distinctSides(x sent) (list []string) {
	for _, rr := range x.All("Record-Route") {
		scheme, rest, _ := strings.Cut(rr, ":")
		_, host, signed := strings.Cut(rest, "@")
		if !signed {
			host = rest
		}
		if side := scheme + ":@" + host; len(list) == 0 || list[len(list)-1] != side {
			list = append(list, side)
		}
	}
	return list
}
