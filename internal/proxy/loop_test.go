package proxy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/siptest"
	"viaduct/sip"
)

// again is a relayed request as another proxy would send it back: hop by hop
// fields changed, one Via more.
func again(x sent, edits ...string) string {
	wire := strings.Replace(x.Wire, "\r\n", "\r\nVia: SIP/2.0/UDP "+bobAt+";branch=z9hG4bK-back;odd;x=\"a;b\"\r\n", 1)
	wire = strings.Replace(wire, "Max-Forwards: ", "Max-Forwards: 0", 1) // leading zeros are another spelling
	for i := 0; i < len(edits); i += 2 {
		wire = strings.Replace(wire, edits[i], edits[i+1], 1)
	}
	return wire
}

// A request that comes back with the same routing input has looped; with another
// it is a spiral.
// Proves: LP-1, LP-2, LP-3, LP-4, LP-5, LP-14, LP-15, LP-17, VL-8, SX-31
func TestLoopAndSpiral(t *testing.T) {
	t.Parallel()
	const config = `
rule "read" {
  when = header["X-Read"] == "drop"
  drop = true
}
rule "all" { send = "sip:203.0.113.7" }
`
	const uri = "sip:bob@example.net"
	cases := []struct {
		name  string
		edits []string
		loop  bool
	}{
		{"unchanged", nil, true},
		{"another Via on top of it all", []string{"\r\nVia: ", "\r\nVia: SIP/2.0/TCP other.example.com;branch=1, SIP/2.0/UDP h;branch=z9hG4bKq\r\nVia: "}, true},
		{"odd Vias between", []string{"Via: SIP/2.0/UDP 203", "Via: SIP/2.0/UDP 203.0.113.7;novalue;q=\"x;y\\\"\", SIP/2.0/UNKNOWN [2001:db8::1];branch=\r\nVia: SIP/2.0/UDP 203", "branch=\r\n", "branch=x\r\n"}, true},
		{"a field that nothing reads", []string{"Content-Length", "X-Unread: 1\r\nContent-Length"}, true},
		{"a Record-Route of others", []string{"Content-Length", "Record-Route: <sip:203.0.113.99;lr>\r\nContent-Length"}, true},
		{"another Request-URI", []string{uri, "sip:carol@example.net"}, false},
		{"our own Route", []string{"Content-Length", "Route: <sip:192.0.2.1;lr>\r\nContent-Length"}, false},
		{"another CSeq", []string{"CSeq: 1 ", "CSeq: 2 "}, false},
		{"another Call-ID", []string{"Call-ID: call", "Call-ID: call2"}, false},
		{"a To tag", []string{"To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b"}, false},
		{"another From tag", []string{";tag=a", ";tag=aa"}, false},
		{"a field that a rule reads", []string{"Content-Length", "X-Read: 1\r\nContent-Length"}, false},
		{"credentials", []string{"Content-Length", "Proxy-Authorization: Digest x=\"y\"\r\nContent-Length"}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, config)
			x := s.relayed(s.receive(aliceAt, s.compose("INVITE "+uri+" SIP/2.0")), bobAt)
			got := s.receive(bobAt, again(x, c.edits...))
			if c.loop {
				s.refused(got, 482)
				return
			}
			y := s.relayed(got, bobAt)
			// The spiral's own return is a loop, found behind it too.
			s.refused(s.receive(bobAt, again(y, "-back", "-back2")), 482)
		})
	}
}

// Rules that read the source see another one after the first round, and the same
// one after the second.
// Proves: LP-2
func TestLoopWhereRulesReadTheSource(t *testing.T) {
	t.Parallel()
	s := newStage(t, "rule \"r\" {\n when = src.port == 1\n drop = true\n}\nrule \"all\" { send = \"sip:203.0.113.7\" }")
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0")), bobAt)
	x = s.relayed(s.receive(bobAt, again(x)), bobAt)
	s.refused(s.receive(bobAt, again(x, "-back", "-2")), 482)
}

// The Via of another proxy with our branch form is not ours.
// Proves: LP-4
func TestLoopBySentBy(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0")), bobAt)
	s.relayed(s.receive(bobAt, again(x, "UDP 192.0.2.1:5060;", "UDP 192.0.2.9:5060;")), bobAt)
	s.refused(s.receive(bobAt, again(x, "-back", "-2")), 482)
	s.refused(s.receive(bobAt, again(x, "-back", "-3", "UDP 192.0.2.1:5060;", "UDP  192.0.2.1 : 5060 ;")), 482)
	s.refused(s.receive(bobAt, again(x, "-back", "-4", "UDP 192.0.2.1:5060;", "UDP 192.0.2.1;")), 482)

	named := siptest.Listener{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort(proxyAt), Advertise: "sip.Example.org"}
	s = newStage(t, `rule "all" { send = "sip:203.0.113.7" }`, named)
	x = s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0")), bobAt)
	s.refused(s.receive(bobAt, again(x, "sip.Example.org", "SIP.example.ORG:5060")), 482)
}

// The loop part of the branch: the same for INVITE, CANCEL and ACK, another for
// another transaction.
// Proves: LP-15, LP-16, FW-24, FW-10
func TestLoopPart(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`)
	via := "Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKlp"
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0", via)), bobAt)
	s.receive(bobAt, answer(x, "180 Ringing"))
	got := s.receive(aliceAt, s.compose("CANCEL sip:bob@example.net SIP/2.0", via))
	if len(got) != 2 || got[1].Branch() != x.Branch() {
		t.Fatalf("the CANCEL has another branch than %s", x.Branch())
	}
	for _, y := range s.receive(bobAt, answer(x, "487 Request Terminated")) {
		if y.Method == "ACK" && y.Branch() != x.Branch() {
			t.Errorf("the ACK has another branch than %s", x.Branch())
		}
	}
	y := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0", "CSeq: 2 INVITE")), bobAt)
	if loopPart(x) == loopPart(y) {
		t.Error("two transactions have one loop part")
	}
	if !strings.HasPrefix(x.Branch(), "z9hG4bK") || x.Branch() == y.Branch() {
		t.Errorf("branches %s and %s", x.Branch(), y.Branch())
	}
}

// loopPart is the part of a branch of ours that does not tell transactions apart:
// bytes 12 to 15, so characters 16 to 21 of the text.
func loopPart(x sent) string { return x.Branch()[len("z9hG4bK")+16 : len("z9hG4bK")+21] }

// Proves: LP-6, LP-7, LP-8, LP-9, LP-11, LP-12, LP-13
func TestMaxBreadth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in     []string
		forks  int
		status int
		want   []int // Max-Breadth of those called at once
	}{
		{nil, 1, 0, []int{60}},
		{[]string{"Max-Breadth: 5"}, 1, 0, []int{5}},
		{[]string{"Max-Breadth: 60"}, 1, 0, []int{60}},
		{[]string{"Max-Breadth: 61"}, 1, 0, []int{60}},
		{[]string{"Max-Breadth: 1000"}, 1, 0, []int{60}},
		{[]string{"Max-Breadth: 2147483647"}, 1, 0, []int{60}},
		{[]string{"Max-Breadth: 0"}, 1, 440, nil},
		{[]string{"Max-Breadth: x"}, 1, 400, nil},
		{nil, 3, 0, []int{20, 20, 20}},
		{[]string{"Max-Breadth: 5"}, 3, 0, []int{1, 2, 2}},
		{[]string{"Max-Breadth: 3"}, 3, 0, []int{1, 1, 1}},
		{[]string{"Max-Breadth: 2"}, 3, 0, []int{1, 1}},
		{[]string{"Max-Breadth: 1"}, 3, 0, []int{1}},
	} {
		var targets []string
		for i := range c.forks {
			targets = append(targets, fmt.Sprintf("\"sip:203.0.113.%d\"", 7+i))
		}
		s := newStage(t, "rule \"all\" {\n send = ["+strings.Join(targets, ", ")+"]\n}")
		got := s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0", c.in...))
		if c.status != 0 {
			s.refused(got, c.status)
			continue
		}
		var values []int
		for _, x := range got {
			all := x.All("Max-Breadth")
			if len(all) != 1 {
				t.Fatalf("%v: Max-Breadth %q", c.in, all)
			}
			var n int
			fmt.Sscan(all[0], &n)
			values = append(values, n)
		}
		if fmt.Sprint(values) != fmt.Sprint(c.want) {
			t.Errorf("%v to %d: got %v, want %v", c.in, c.forks, values, c.want)
		}
		if len(values) < c.forks { // LP-9: the others come one after the other
			called := len(values)
			for len(got) > 0 {
				var next []sent
				for _, x := range got {
					for _, y := range s.receive(x.hop.Remote.String(), answer(x, "486 Busy Here")) {
						if y.Method == "INVITE" {
							next = append(next, y)
							called++
						}
					}
				}
				got = next
			}
			if called != c.forks {
				t.Errorf("%v: %d of %d were called", c.in, called, c.forks)
			}
		}
	}
}

// An ACK and a spiral have their Max-Breadth too, and it does not fall hop by hop.
// Proves: LP-11, LP-13
func TestMaxBreadthPasses(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0", "Max-Breadth: 5")), bobAt)
	x = s.relayed(s.receive(bobAt, again(x, "sip:bob@", "sip:carol@")), bobAt)
	if x.Get("Max-Breadth") != "5" {
		t.Errorf("Max-Breadth is %s after two passes", x.Get("Max-Breadth"))
	}
	x = s.relayed(s.receive(aliceAt, s.compose("ACK sip:bob@example.net SIP/2.0", "To: <sip:b@c>;tag=b")), bobAt)
	if got := x.All("Max-Breadth"); len(got) != 1 || got[0] != "60" {
		t.Errorf("Max-Breadth of the ACK is %q", got)
	}
}

// What has as many Vias and Routes as are taken passes; one more does not.
// Proves: SX-18
func TestManyViasAndRoutes(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	vias := func(n int) string {
		return "Via: " + strings.TrimSuffix(strings.Repeat("SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKm, ", n), ", ")
	}
	routes := func(n int) string {
		return "Route: " + strings.TrimSuffix(strings.Repeat("<sip:203.0.113.9;lr>, ", n), ", ")
	}
	x := s.relayed(s.receive(trustedAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", vias(sip.MaxVias), routes(sip.MaxRoutes))), "203.0.113.9:5060")
	if len(x.All("Via")) != sip.MaxVias+1 || len(x.All("Route")) != sip.MaxRoutes {
		t.Errorf("%d Vias, %d Routes", len(x.All("Via")), len(x.All("Route")))
	}
	if back := s.refused(s.receive("203.0.113.9:5060", answer(x, "200 OK")), 200); len(back.All("Via")) != sip.MaxVias {
		t.Errorf("%d Vias in the response", len(back.All("Via")))
	}
	s.refused(s.receive(trustedAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", vias(sip.MaxVias+1))), 400)
	s.refused(s.receive(trustedAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", routes(sip.MaxRoutes+1))), 400)
}

// One call to users who registered each other makes as many copies as its breadth
// allows on each round, not as many as there are ways through all of them.
// Proves: LP-8, LP-10
func TestSpiralsDoNotMultiply(t *testing.T) {
	t.Parallel()
	config := ""
	for i := range 8 {
		config += fmt.Sprintf("group \"g%d\" {\n", i)
		for j := range 8 {
			config += fmt.Sprintf(" target \"sip:u%d@example.org;maddr=192.0.2.1\" {}\n", j)
		}
		config += fmt.Sprintf("}\nrule \"r%d\" {\n when = dest.user == \"u%d\"\n send = group.g%d\n}\n", i, i, i)
	}
	s := newStage(t, config)
	copies := 0
	queue := s.receive(aliceAt, s.compose("INVITE sip:u0@example.org SIP/2.0", "Max-Breadth: 60"))
	for len(queue) > 0 && copies < 20_000 {
		x := queue[0]
		queue = queue[1:]
		if x.hop.Remote.String() != proxyAt {
			continue
		}
		if x.Method == "INVITE" {
			copies++
		}
		queue = append(queue, s.receive(proxyAt, x.Wire)...)
	}
	if copies < 60 || copies > 600 {
		t.Errorf("%d copies were made of one call", copies)
	}
}

// What an ended branch had is there for the next.
// Proves: LP-10, LP-12
func TestMaxBreadthIsReused(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
group "one" {
  target "sip:203.0.113.7" {}
  target "sip:203.0.113.8" { q = 0.5 }
}
rule "all" { send = group.one }
`)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.net SIP/2.0", "Max-Breadth: 5")), bobAt)
	next := s.receive(bobAt, answer(x, "486 Busy Here")) // the ACK and the next INVITE
	if len(next) != 2 || next[1].Method != "INVITE" {
		t.Fatalf("got %d messages", len(next))
	}
	if x.Get("Max-Breadth") != "5" || next[1].Get("Max-Breadth") != "5" {
		t.Errorf("Max-Breadth was %s and is %s", x.Get("Max-Breadth"), next[1].Get("Max-Breadth"))
	}
}
