package proxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/internal/policy"
	"viaduct/internal/proxy"
)

// behindNAT is one listener that shows its address inside to the network there, a
// name to one partner, and the address of the NAT to all others.
func behindNAT(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, `
destinations { allow = ["10.0.0.0/8"] }
rule "path" {
  when = method == REGISTER
  send = "sip:203.0.113.7"
  path = true
}
rule "inside" {
  when = dest.user == "inside"
  send = "sip:10.0.0.9"
}
rule "partner" {
  when = dest.user == "partner"
  send = "sip:198.18.0.9"
}
rule "all" { send = "sip:203.0.113.7" }
`)
	l := &s.snap.Listeners[0]
	l.Advertise = "203.0.113.99"
	l.AdvertiseTo = []proxy.Advertised{
		{Network: netip.MustParsePrefix("10.0.0.0/8"), As: "10.0.0.1:5070"},
		{Network: netip.MustParsePrefix("198.18.0.0/16"), As: "wrong.example.org"},
		{Network: netip.MustParsePrefix("198.18.0.0/24"), As: "sip.example.org"},
	}
	s.snap.Names = policy.NewDomains("192.0.2.1", "203.0.113.99", "10.0.0.1", "sip.example.org", "wrong.example.org")
	s.snap.Prepare()
	return s
}

// What a listener shows of itself depends on who is at the other end: Via, Record-Route
// and Path agree, each side of a call gets what it can reach, and all of it is known as
// its own again.
// Proves: FW-11, RR-7, RR-13, RT-5
func TestAdvertiseByNetwork(t *testing.T) {
	t.Parallel()
	const inside, desk, partner = "10.0.0.5:5060", "10.0.0.9:5060", "198.18.0.9:5060"
	for _, c := range []struct {
		caller, user, callee string
		via                  string
		values               []string // of Record-Route, from the top
	}{
		{aliceAt, "bob", bobAt, "203.0.113.99:5060", []string{"203.0.113.99"}},
		{inside, "inside", desk, "10.0.0.1:5070", []string{"10.0.0.1:5070"}},
		{inside, "bob", bobAt, "203.0.113.99:5060", []string{"203.0.113.99", "10.0.0.1:5070"}},
		{aliceAt, "inside", desk, "10.0.0.1:5070", []string{"10.0.0.1:5070", "203.0.113.99"}},
		{inside, "partner", partner, "sip.example.org:5060", []string{"sip.example.org", "10.0.0.1:5070"}},
	} {
		s := behindNAT(t)
		d := s.establish(c.caller, c.callee, "sip:"+c.user+"@example.org")
		if got := d.invite.TopVia().SentBy(); strings.TrimSuffix(got, ":5060") != strings.TrimSuffix(c.via, ":5060") {
			t.Errorf("%s: Via says %s, want %s", c.user, got, c.via)
		}
		if len(d.calleeRoute) != len(c.values) {
			t.Fatalf("%s: Record-Route is %q, want %q", c.user, d.calleeRoute, c.values)
		}
		for i, want := range c.values {
			if _, after, _ := strings.Cut(d.calleeRoute[i], "@"); after != want+";lr>" {
				t.Errorf("%s: Record-Route is %q, want %q", c.user, d.calleeRoute, c.values)
			}
		}
		if x := s.relayed(s.receive(c.caller, d.ack(s)), c.callee); x.Has("Route") {
			t.Errorf("%s: the ACK has Route %q", c.user, x.All("Route"))
		}
		if x := s.relayed(s.receive(c.callee, d.back(s, "BYE")), c.caller); x.Has("Route") {
			t.Errorf("%s: the BYE has Route %q", c.user, x.All("Route"))
		}
	}

	s := behindNAT(t)
	for _, from := range []string{aliceAt, inside, partner} {
		for _, uri := range []string{"sip:203.0.113.99", "sip:10.0.0.1:5070", "sip:sip.example.org", "sip:192.0.2.1"} {
			x := s.one(s.receive(from, s.compose("OPTIONS "+uri+" SIP/2.0", "Via: SIP/2.0/UDP "+from+";branch=z9hG4bK"+from+uri[4:])))
			if x.Status != 200 {
				t.Errorf("OPTIONS %s from %s gave %s", uri, from, what(x))
			}
		}
	}
	s.relayed(s.receive(aliceAt, s.compose("OPTIONS sip:10.0.0.1:5071 SIP/2.0")), bobAt) // somebody else's port

	s = behindNAT(t)
	x := s.relayed(s.receive(inside, s.compose("REGISTER sip:example.org SIP/2.0", "Supported: path", "Contact: <sip:alice@172.16.0.5>")), bobAt)
	paths := x.All("Path")
	if len(paths) != 2 || !strings.Contains(paths[0], "@203.0.113.99;") || !strings.Contains(paths[1], "@10.0.0.1:5070;") {
		t.Errorf("Path is %q", paths)
	}
}
