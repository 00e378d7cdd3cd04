package proxy_test

import (
	"strings"
	"testing"
)

// safety.md rule 11: who may be spoken to, whatever names it.
// Proves: TO-43, RT-10
func TestDestinations(t *testing.T) {
	t.Parallel()
	const config = `
server {
  domains   = ["example.org"]
  trust     = network.trusted
  redirects = "follow"
}
network "trusted" { cidrs = ["198.51.100.0/24"] }
network "lan" { cidrs = ["10.1.0.0/16"] }
destinations {
  allow = ["192.168.7.0/24"]
  deny  = ["203.0.113.66/32", "10.1.9.9/32"]
}
rule "named" {
  when = dest.user == "named"
  send = "sip:10.9.9.9"
}
rule "forward" {
  when = dest.domain == "example.org"
  send = "sip:203.0.113.7"
}
rule "all" { send = request_uri }
`
	cases := []struct {
		host string
		ok   bool
	}{
		{"203.0.113.7", true},
		{"192.168.7.1", true},
		{"10.1.2.3", true},
		{"192.0.2.1", true},
		{"172.32.0.1", true},
		{"8.8.8.8", true},
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"0.0.0.0", false},
		{"10.2.0.1", false},
		{"172.16.0.1", false},
		{"192.168.8.1", false},
		{"169.254.169.254", false},
		{"224.0.1.75", false},
		{"239.1.1.1", false},
		{"255.255.255.255", false},
		{"0.1.2.3", false},
		{"100.64.0.1", false},
		{"100.128.0.1", true},
		{"240.0.0.1", false},
		{"[64:ff9b::7f00:1]", false},
		{"[64:ff9b::a02:1]", false},
		{"[64:ff9b::808:808]", true},
		{"203.0.113.66", false},
		{"10.1.9.9", false},
		{"[::1]", false},
		{"[::]", false},
		{"[fe80::1]", false},
		{"[fd00::1]", false},
		{"[ff02::1]", false},
		{"[ff0e::1]", false},
		{"[2001:db8::7]", true},
		{"[::ffff:127.0.0.1]", false},
		{"[::ffff:10.2.0.1]", false},
		{"[::ffff:203.0.113.66]", false},
		{"[::ffff:255.255.255.255]", false},
		{"[::ffff:0.0.0.0]", false},
		{"[::ffff:203.0.113.7]", true},
	}
	for _, c := range cases {
		t.Run(c.host, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, config, udp(proxyAt), udp("[2001:db8::1]:5060"))
			try := func(how string, got []sent) {
				t.Helper()
				x := s.one(got)
				if x.IsRequest() != c.ok || !c.ok && x.Status != 403 {
					t.Errorf("%s: got %s to %s", how, what(x), x.hop.Remote)
				}
				if c.ok && x.hop.Remote.Addr().Is4In6() {
					t.Errorf("%s: sent to %s", how, x.hop.Remote)
				}
			}
			try("Request-URI", s.receive(aliceAt, s.compose("INVITE sip:bob@"+c.host+":5070 SIP/2.0")))
			try("maddr", s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.8:5070;maddr="+c.host+" SIP/2.0")))
			try("Route", s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.8 SIP/2.0", "Route: <sip:"+c.host+":5070;lr>")))
			try("strict Route", s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.8 SIP/2.0", "Route: <sip:"+c.host+":5070>")))
			ack := s.receive(aliceAt, s.compose("ACK sip:bob@"+c.host+":5070 SIP/2.0", "To: <sip:b@c>;tag=b"))
			if len(ack) == 1 != c.ok {
				t.Errorf("%d ACKs were sent", len(ack))
			}
			x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0", "Call-ID: 302")), bobAt)
			requests := 0
			for _, y := range s.receive(bobAt, answer(x, "302 Moved", "Contact: <sip:x@"+c.host+":5070>")) {
				if y.Method == "INVITE" {
					requests++
				}
			}
			if requests == 1 != c.ok {
				t.Errorf("Contact of a 3xx: %d INVITEs were sent", requests)
			}
			// By a cookie, too.
			s.call = "dialog"
			d := s.establish(aliceAt, bobAt, "sip:bob@example.org")
			try("Contact in a dialog", s.receive(aliceAt, d.to(s, "INFO", "sip:bob@"+c.host+":5070")))
		})
	}
	s := newStage(t, config)
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:named@example.org SIP/2.0")), "10.9.9.9:5060") // the configuration names it
}

// Our own addresses are destinations at our ports only, where they would be none
// otherwise: what else listens on this machine is nobody's business.
func TestOwnAddressAtOtherPorts(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = request_uri }`, udp("10.0.0.1:5060"), udp("192.0.2.1:5060"))
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@10.0.0.1:2223 SIP/2.0")), 403)
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@10.0.0.1:5060 SIP/2.0")), "10.0.0.1:5060") // a spiral
}

// A server that listens on loopback only speaks to loopback only.
func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = request_uri }`, udp("127.0.0.1:5060"))
	s.relayed(s.receive("127.0.0.1:5080", s.compose("INVITE sip:bob@127.0.0.1:5070 SIP/2.0")), "127.0.0.1:5070")
	s.relayed(s.receive("127.0.0.1:5080", s.compose("INVITE sip:bob@127.9.9.9 SIP/2.0")), "127.9.9.9:5060")
	for _, host := range []string{"203.0.113.7", "10.0.0.1", "192.168.0.1", "0.0.0.0", "224.0.1.75", "[2001:db8::1]"} {
		x := s.one(s.receive("127.0.0.1:5080", s.compose("INVITE sip:bob@"+host+" SIP/2.0")))
		if x.Status != 403 {
			t.Errorf("%s: got %s", host, what(x))
		}
	}
}

// A spiral through ourselves goes on; by name it keeps the port that the URI
// names, and unchanged it is a loop.
// Proves: LP-1, LP-3
func TestSpiralByName(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
server { domains = ["example.org"] }
rule "in" {
  when = dest.user == "in"
  send = "sip:203.0.113.7"
}
rule "spiral" {
  when = dest.user == "one"
  send = "sip:in@192.0.2.1"
}
rule "by name" {
  when = dest.user == "two"
  send = request_uri
}
`, udp("192.0.2.1:5060"), udp("192.0.2.1:5080"))
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:one@example.org SIP/2.0")), "192.0.2.1:5060")
	y := s.relayed(s.receive("192.0.2.1:5060", x.Wire), bobAt)
	if vias := y.All("Via"); len(vias) != 3 {
		t.Errorf("Vias are %q", vias)
	}
	// Its own answer finds the way back through both passes.
	back := s.refused(s.receive(bobAt, answer(y, "180 Ringing")), 180)
	if back.hop.Remote.String() != "192.0.2.1:5060" {
		t.Fatalf("went to %s", back.hop.Remote)
	}
	back = s.refused(s.receive("192.0.2.1:5060", back.Wire), 180)
	if back.hop.Remote.String() != aliceAt || len(back.All("Via")) != 1 {
		t.Errorf("went to %s with %q", back.hop.Remote, back.All("Via"))
	}
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:two@example.org SIP/2.0")), "192.0.2.1:5060")
	x = s.relayed(s.receive(aliceAt, s.compose("INVITE sip:two@example.org:5080 SIP/2.0")), "192.0.2.1:5080")
	s.refused(s.receiveOn(1, "192.0.2.1:5060", x.Wire), 482)
}

// Which URIs are ours to answer for.
// Proves: TG-6, UR-2, UR-10, UR-13
func TestResponsible(t *testing.T) {
	t.Parallel()
	s := newStage(t, `server { domains = ["example.org", "192.0.2.9", "2001:db8::10"] }
rule "none" {
  when = dest.user == "never"
  send = request_uri
}`, udp(proxyAt), udp("[2001:db8::1]:5060"))
	for uri, status := range map[string]int{
		"sip:x@example.org": 404, "sip:x@EXAMPLE.ORG.": 404, "sip:x@example.org:5070": 404, "sip:x@192.0.2.1": 404, "sip:x@192.0.2.9": 404, "sip:x@192.0.2.9:5060": 404,
		"sip:x@[2001:db8::1]": 404, "sip:x@[2001:DB8:0::1]:5060": 404, "sip:x@[2001:db8::10]": 404,
		"sip:x@192.0.2.1:5070": 403, "sip:x@192.0.2.9:5070": 403, "sip:x@192.0.2.2": 403, "sip:x@sub.example.org": 403, "sip:x@example.org;maddr=203.0.113.7": 403,
		"sip:x@xexample.org": 403, "sip:x@[2001:db8::2]": 403,
	} {
		x := s.one(s.receive(aliceAt, s.compose("INVITE "+uri+" SIP/2.0")))
		if x.Status != status {
			t.Errorf("%s: got %s, want %d", uri, what(x), status)
		}
		if strings.Contains(x.Wire, "\r\nContact") {
			t.Errorf("%s: a Contact in the answer", uri)
		}
	}
}

// A socket for all IPv4 addresses answers for none of IPv6.
// Proves: RT-5
func TestWildcardOfOtherFamily(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
rule "none" {
  when = dest.user == "never"
  send = request_uri
}`, udp("0.0.0.0:5060"), udp("[2001:db8::1]:5070"))
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:x@[2001:db8::1]:5070 SIP/2.0")), 404) // ours, but nobody
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:x@[2001:db8::1]:5060 SIP/2.0")), 403) // somebody else
}
