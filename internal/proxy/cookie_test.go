package proxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/siptest"
)

// tightConfig lets INVITEs to one user in and nothing else: whatever passes
// inside a dialog passes by its cookie.
const tightConfig = `
server { domains = ["example.org"] }
rule "bob" {
  when = method == INVITE && dest.domain == "example.org" && dest.user == "bob" && !has(to.tag)
  send = "sip:203.0.113.7"
}
`

// Proves: RR-2, RR-3, RR-4, RR-6, RR-8, TG-9, FW-21, FW-22
func TestDialogByCookie(t *testing.T) {
	t.Parallel()
	s := newStage(t, tightConfig)
	c := s.establish(aliceAt, bobAt, "sip:bob@example.org", "Record-Route: <sip:203.0.113.99;lr>, <sip:203.0.113.98;lr>")
	rr := c.calleeRoute
	if len(rr) != 3 || rr[1] != "<sip:203.0.113.99;lr>" || rr[2] != "<sip:203.0.113.98;lr>" {
		t.Fatalf("Record-Route is %q", rr)
	}
	if !strings.HasSuffix(rr[0], "@192.0.2.1:5060;lr>") || strings.Contains(rr[0], "transport") || len(cookieOf(t, rr[0])) > 40 {
		t.Errorf("our value is %s", rr[0])
	}
	// From the caller everything goes to the callee's Contact.
	for _, method := range []string{"ACK", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "INVITE", "FOO", "BYE"} {
		c.callerRoute = c.callerRoute[len(c.callerRoute)-1:] // those below us are the caller's business
		x := s.relayed(s.receive(aliceAt, c.within(s, method)), bobAt)
		if x.URI != "sip:bob@"+bobAt || x.Has("Route") || x.MaxForwards() != 69 {
			t.Errorf("%s: %s", method, x.Wire)
		}
	}
	// From the callee it goes along the rest of its Route.
	x := s.relayed(s.receive(bobAt, c.back(s, "BYE")), "203.0.113.99:5060")
	if left := strings.Join(x.All("Route"), " "); left != "<sip:203.0.113.99;lr> <sip:203.0.113.98;lr>" {
		t.Errorf("Route is %s", left)
	}
	// Nothing of the dialog is kept: another core with the same secret does the same.
	other := newStage(t, tightConfig)
	other.relayed(other.receive(aliceAt, c.within(other, "BYE")), bobAt)
}

// What proves nothing is no way through: rules apply, and they allow nothing.
// Proves: RR-12, RR-4
func TestForgedCookie(t *testing.T) {
	t.Parallel()
	s := newStage(t, tightConfig)
	c := s.establish(aliceAt, bobAt, "sip:bob@example.org")
	own := c.callerRoute[0]
	cookie := cookieOf(t, own)
	with := func(text string) string { return strings.Replace(own, cookie, text, 1) }
	bye := func(route string, lines ...string) string {
		c.callerRoute = []string{route}
		return c.within(s, "BYE", lines...)
	}
	s.relayed(s.receive(aliceAt, bye(own)), bobAt)
	for i := range cookie {
		flip := byte('A')
		if cookie[i] == flip {
			flip = 'B'
		}
		s.refused(s.receive(aliceAt, bye(with(cookie[:i]+string(flip)+cookie[i+1:]))), 403)
	}
	for _, text := range []string{
		"", "x", cookie + "A", cookie + "AAAA", cookie[1:], cookie[:len(cookie)-1], strings.ToLower(cookie), cookie + "=", cookie + "%0A",
		strings.Repeat("A", 40), strings.Repeat("A", 57), strings.Repeat("A", 200),
	} {
		route := with(text)
		if text == "" {
			route = strings.Replace(own, cookie+"@", "", 1)
		}
		s.refused(s.receive(aliceAt, bye(route)), 403)
	}
	// With a foreign Route behind it, too.
	s.refused(s.receive(aliceAt, bye(with(cookie[1:]+"A")+", <sip:203.0.113.50;lr>")), 403)
	// The cookie of another call, or of none yet.
	s.refused(s.receive(aliceAt, s.compose("BYE sip:bob@203.0.113.7 SIP/2.0", "Route: "+own, "Call-ID: another", "To: <sip:bob@example.org>;tag=b")), 403)
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Route: "+own)), 403)
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Route: "+own+", <sip:203.0.113.50;lr>")), 403)
	// An ACK is dropped, not answered.
	s.silent(s.receive(aliceAt, c.to(s, "ACK", "sip:bob@203.0.113.7", "Call-ID: another")))
}

// The first secret signs, all verify: seams.md §2.
// Proves: RR-4
func TestSecretRotation(t *testing.T) {
	t.Parallel()
	s := newStage(t, tightConfig)
	c := s.establish(aliceAt, bobAt, "sip:bob@example.org")
	use := func(secrets ...string) {
		next := *s.snap
		next.Keys = keysOf(t, secrets...)
		s.snap = &next
	}
	use("a new secret of the bench", "a secret of the test bench")
	s.relayed(s.receive(aliceAt, c.within(s, "INFO")), bobAt)
	s.call = "2"
	d := s.establish(aliceAt, bobAt, "sip:bob@example.org")
	use("a new secret of the bench")
	s.relayed(s.receive(aliceAt, d.within(s, "BYE")), bobAt)
	s.refused(s.receive(aliceAt, c.within(s, "BYE")), 403)
}

// A caller behind a NAT is reached by the flow that it opened.
// Proves: RR-4, FW-22
func TestCallerBehindNAT(t *testing.T) {
	t.Parallel()
	const source = "198.51.100.5:40123"
	s := newStage(t, tightConfig)
	invite := s.compose("INVITE sip:bob@example.org SIP/2.0", "Contact: <sip:alice@10.0.0.5:5060>", "Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKnat;rport")
	c := &talk{callID: s.call, cseq: 1}
	c.invite = s.relayed(s.receive(source, invite), bobAt)
	c.calleeRoute = c.invite.All("Record-Route")
	if len(c.calleeRoute) != 2 {
		t.Fatalf("Record-Route is %q, want a pair", c.calleeRoute)
	}
	c.ok = s.refused(s.receive(bobAt, answer(c.invite, "200 OK", "Contact: <sip:bob@"+bobAt+">")), 200)
	c.callerRoute = []string{c.calleeRoute[1], c.calleeRoute[0]}

	for _, method := range []string{"ACK", "INFO"} { // outward, also when the NAT has moved the caller meanwhile
		for _, from := range []string{source, "198.51.100.5:50000"} {
			if x := s.relayed(s.receive(from, c.within(s, method)), bobAt); x.Has("Route") {
				t.Errorf("%s: Route %q", method, x.All("Route"))
			}
		}
	}
	if x := s.relayed(s.receive(bobAt, c.back(s, "INFO")), source); x.Has("Route") || x.URI != "sip:alice@10.0.0.5:5060" {
		t.Errorf("got %s", x.Wire)
	}
	// In the form of a strict router.
	strict := c.back(s, "MESSAGE")
	strict = strings.Replace(strict, "MESSAGE sip:alice@10.0.0.5:5060", "MESSAGE "+strings.Trim(c.calleeRoute[0], "<>"), 1)
	strict = strings.Replace(strict, "Route: "+c.calleeRoute[0]+"\r\nRoute: "+c.calleeRoute[1], "Route: "+c.calleeRoute[1]+", <sip:alice@10.0.0.5:5060>", 1)
	if x := s.relayed(s.receive(bobAt, strict), source); x.Has("Route") || x.URI != "sip:alice@10.0.0.5:5060" {
		t.Errorf("got %s", x.Wire)
	}
	// The same value twice is no pair: the second is another pass.
	c.callerRoute = []string{c.calleeRoute[1], c.calleeRoute[1]}
	if x := s.relayed(s.receive("198.51.100.9:5060", c.to(s, "SUBSCRIBE", "sip:bob@203.0.113.7")), source); len(x.All("Route")) != 1 {
		t.Errorf("Route is %q", x.All("Route"))
	}
	// One of the pair is missing: the one with the flow leads into it, or outward from it.
	upstream, downstream := c.calleeRoute[1], c.calleeRoute[0]
	c.calleeRoute, c.callerRoute = []string{upstream}, []string{upstream}
	s.relayed(s.receive(bobAt, c.back(s, "UPDATE")), source)
	s.relayed(s.receive(source, c.within(s, "UPDATE")), bobAt)
	c.calleeRoute, c.callerRoute = []string{downstream}, []string{downstream}
	s.relayed(s.receive(source, c.within(s, "UPDATE")), bobAt)
	s.refused(s.receive(bobAt, c.back(s, "OPTIONS")), 403) // by the private Contact, which is no destination
}

// A Contact that is right, a name, or behind another proxy says nothing of a NAT.
// Proves: RR-6
func TestCallerWithoutNAT(t *testing.T) {
	t.Parallel()
	for _, lines := range [][]string{
		{"Contact: <sip:alice@198.51.100.5>"},
		{"Contact: <sip:alice@198.51.100.5:5062>", "Via: SIP/2.0/UDP 198.51.100.5:5062;branch=z9hG4bKp"}, // listens elsewhere, and no rport
		{"Contact: <sip:alice@phone.example.net>"},
		{"Contact: <sip:alice@10.0.0.5>", "Record-Route: <sip:203.0.113.99;lr>"},
		{"Contact: <sip:alice@10.0.0.5>", "Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKp, SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKq"},
		{"Subject: no Contact"},
		{"Contact: <tel:+31>"},
		{"Contact: *"},
	} {
		s := newStage(t, tightConfig)
		x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0", lines...)), bobAt)
		own := 0
		for _, v := range x.All("Record-Route") {
			if strings.Contains(v, "@192.0.2.1:5060") {
				own++
			}
		}
		if own != 1 {
			t.Errorf("%q: Record-Route is %q", lines, x.All("Record-Route"))
		}
	}
}

// A caller on loopback is where its Contact says, whatever port it sends from.
func TestCallerOnLoopback(t *testing.T) {
	t.Parallel()
	for contact, values := range map[string]int{"127.0.0.1:5081": 1, "127.0.0.3:5080": 1, "10.0.0.9:5080": 2} {
		s := newStage(t, `rule "all" { send = request_uri }`, udp("127.0.0.1:5060"))
		x := s.relayed(s.receive("127.0.0.1:5080", s.compose("INVITE sip:bob@127.0.0.1:5070 SIP/2.0",
			"Via: SIP/2.0/UDP 127.0.0.1:5080;rport;branch=z9hG4bKp", "Contact: <sip:alice@"+contact+">")), "127.0.0.1:5070")
		if got := len(x.All("Record-Route")); got != values {
			t.Errorf("Contact %s: Record-Route is %q", contact, x.All("Record-Route"))
		}
	}
}

// A strict router below or above puts our value into the Request-URI.
// Proves: RT-1, RT-3
func TestStrictRouterForm(t *testing.T) {
	t.Parallel()
	s := newStage(t, tightConfig)
	c := s.establish(aliceAt, bobAt, "sip:bob@example.org")
	own := strings.Trim(c.callerRoute[0], "<>")
	strict := func(method, uri string, routes ...string) []sent {
		c.callerRoute = routes
		return s.receive(aliceAt, c.to(s, method, uri))
	}
	for _, method := range []string{"BYE", "ACK"} {
		x := s.relayed(strict(method, own, "<sip:bob@203.0.113.7;x>"), bobAt)
		if x.URI != "sip:bob@203.0.113.7;x" || x.Has("Route") {
			t.Errorf("%s: %s, Route %q", method, x.URI, x.All("Route"))
		}
		x = s.relayed(strict(method, own, "<sip:203.0.113.9;lr>", "<sip:bob@203.0.113.7>"), "203.0.113.9:5060")
		if x.URI != "sip:bob@203.0.113.7" || strings.Join(x.All("Route"), " ") != "<sip:203.0.113.9;lr>" {
			t.Errorf("%s: %s, Route %q", method, x.URI, x.All("Route"))
		}
		// A strict router on both sides of us.
		x = s.relayed(strict(method, own, "<sip:203.0.113.9>", "<sip:bob@203.0.113.7>"), "203.0.113.9:5060")
		if x.URI != "sip:203.0.113.9" || strings.Join(x.All("Route"), " ") != "<sip:bob@203.0.113.7>" {
			t.Errorf("%s: %s, Route %q", method, x.URI, x.All("Route"))
		}
	}
	// Without our signature it is a user of ours that nobody knows, with a Route.
	s.refused(strict("BYE", strings.Replace(own, "sip:", "sip:x", 1), "<sip:bob@203.0.113.7>"), 403)
}

// twoNets is a proxy between two networks, each with its listener.
var twoNets = []siptest.Listener{udp("192.0.2.1:5060"), udp("192.0.2.2:5080")}

// Proves: RR-7, RR-13, FW-9, FW-11
func TestTwoListeners(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, config   string
		on             []siptest.Listener
		caller, callee string
		values         [2]string // from the top
	}{
		{"two addresses", `rule "all" {
  send = "sip:203.0.113.7"
  from = listen["udp 192.0.2.2:5080"]
}`, twoNets, aliceAt, bobAt, [2]string{"@192.0.2.2:5080;lr>", "@192.0.2.1:5060;lr>"}},
		{
			"IPv4 to IPv6", "rule \"all\" {\n send = \"sip:[2001:db8::7]\"\n}",
			[]siptest.Listener{udp("192.0.2.1:5060"), udp("[2001:db8::1]:5060")},
			aliceAt, "[2001:db8::7]:5060",
			[2]string{"@[2001:db8::1]:5060;lr>", "@192.0.2.1:5060;lr>"},
		},
		{
			"IPv6 to IPv4", "rule \"all\" {\n send = \"sip:203.0.113.7\"\n}",
			[]siptest.Listener{udp("[2001:db8::1]:5060"), udp("192.0.2.1:5060")},
			"[2001:db8::5]:5060", bobAt,
			[2]string{"@192.0.2.1:5060;lr>", "@[2001:db8::1]:5060;lr>"},
		},
		{
			"advertised names", `rule "all" {
  send = "sip:203.0.113.7"
  from = listen["udp 192.0.2.2:5080"]
}`,
			[]siptest.Listener{
				{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort("192.0.2.1:5060"), Advertise: "in.example.org"},
				{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort("192.0.2.2:5080"), Advertise: "198.18.0.1:6060"},
			},
			aliceAt, bobAt,
			[2]string{"@198.18.0.1:6060;lr>", "@in.example.org;lr>"},
		},
		{
			"an advertised address without its port", `rule "all" {
  send = "sip:203.0.113.7"
  from = listen["udp 192.0.2.2:5080"]
}`,
			[]siptest.Listener{
				{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort("192.0.2.1:5060"), Advertise: "[2001:db8::99]"},
				{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort("192.0.2.2:5080"), Advertise: "198.18.0.1"},
			},
			aliceAt, bobAt,
			[2]string{"@198.18.0.1:5080;lr>", "@[2001:db8::99];lr>"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, strings.Replace(c.config, `rule "all" {`, "rule \"all\" {\n  when = method == INVITE && !has(to.tag)\n", 1), c.on...)
			d := s.establishOn(0, 1, c.caller, c.callee, "sip:bob@example.org")
			rr := d.calleeRoute
			if len(rr) != 2 || !strings.HasSuffix(rr[0], c.values[0]) || !strings.HasSuffix(rr[1], c.values[1]) {
				t.Fatalf("Record-Route is %q", rr)
			}
			if sentBy := d.invite.TopVia().SentBy(); !strings.HasPrefix("@"+sentBy, strings.TrimSuffix(c.values[0], ";lr>")) {
				t.Errorf("Via says %s", sentBy)
			}
			for _, x := range []sent{
				s.relayed(s.receiveOn(0, c.caller, d.ack(s)), c.callee),
				s.relayed(s.receiveOn(0, c.caller, d.within(s, "INFO")), c.callee),
			} {
				if x.hop.Listener != 1 || x.Has("Route") {
					t.Errorf("left by %d with Route %q", x.hop.Listener, x.All("Route"))
				}
			}
			x := s.relayed(s.receiveOn(1, c.callee, d.back(s, "BYE")), c.caller)
			if x.hop.Listener != 0 || x.Has("Route") {
				t.Errorf("left by %d with Route %q", x.hop.Listener, x.All("Route"))
			}
			// A strict router in front of us has put the first into the Request-URI.
			first := strings.Trim(d.callerRoute[0], "<>")
			second := d.callerRoute[1]
			d.callerRoute = []string{second, "<" + contactOf(d.ok.Message) + ">"}
			if x := s.relayed(s.receiveOn(0, c.caller, d.to(s, "INFO", first)), c.callee); x.hop.Listener != 1 || x.Has("Route") || x.URI != contactOf(d.ok.Message) {
				t.Errorf("left by %d as %s with Route %q", x.hop.Listener, x.URI, x.All("Route"))
			}
			d.callerRoute = []string{"<" + first + ">", second}
			// A second value that was lost makes no leftover.
			d.callerRoute = d.callerRoute[1:]
			s.relayed(s.receiveOn(0, c.caller, d.within(s, "INFO")), c.callee)
		})
	}
}

// A listener that a reload has removed: the one that suits takes its place.
// Proves: RR-4
func TestListenerGone(t *testing.T) {
	t.Parallel()
	s := newStage(t, "rule \"all\" {\n send = \"sip:203.0.113.7\"\n from = listen[\"udp 192.0.2.2:5080\"]\n}", twoNets...)
	d := s.establishOn(0, 1, aliceAt, bobAt, "sip:bob@example.org")
	next := *s.snap
	next.Listeners = append([]proxy.Listener(nil), next.Listeners...)
	next.Listeners[1].Gone = true
	s.snap = &next
	if x := s.relayed(s.receiveOn(0, aliceAt, d.ack(s)), bobAt); x.hop.Listener != 0 {
		t.Errorf("left by listener %d", x.hop.Listener)
	}
	next.Listeners[1] = proxy.Listener{}
	if x := s.relayed(s.receiveOn(0, aliceAt, d.within(s, "BYE")), bobAt); x.hop.Listener != 0 {
		t.Errorf("left by listener %d", x.hop.Listener)
	}

	// A flow that went by it, too.
	s = newStage(t, tightConfig, twoNets...)
	s.snap.Sources = routes{netip.MustParseAddr("203.0.113.7"): netip.MustParseAddr("192.0.2.1")}
	d = s.establishOn(1, 0, aliceAt, bobAt, "sip:bob@example.org", "Contact: <sip:alice@10.0.0.5>")
	if x := s.relayed(s.receiveOn(0, bobAt, d.back(s, "INFO")), aliceAt); x.hop.Listener != 1 {
		t.Errorf("left by listener %d", x.hop.Listener)
	}
	after := *s.snap
	after.Listeners = append([]proxy.Listener(nil), after.Listeners...)
	after.Listeners[1].Gone = true
	s.snap = &after
	if x := s.relayed(s.receiveOn(0, bobAt, d.back(s, "BYE")), aliceAt); x.hop.Listener != 0 {
		t.Errorf("left by listener %d", x.hop.Listener)
	}
}

// Of several listeners the one that the kernel would use, then the one of
// arrival: then one value serves both sides.
// Proves: RR-6, FW-9
func TestChoiceOfListener(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig, udp("192.0.2.1:5060"), udp("192.0.2.1:5080"), udp("192.0.2.2:5060"))
	s.snap.Sources = routes{netip.MustParseAddr("203.0.113.7"): netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("203.0.113.8"): netip.MustParseAddr("192.0.2.2")}
	for _, c := range []struct {
		in     int
		to     string
		out    flow.Listener
		values int
	}{
		{0, "203.0.113.7", 0, 1},
		{1, "203.0.113.7", 1, 1},
		{2, "203.0.113.7", 0, 2},
		{0, "203.0.113.8", 2, 2},
		{1, "203.0.113.8", 2, 2},
		{2, "203.0.113.8", 2, 1},
		{1, "203.0.113.9", 1, 1},
		{2, "203.0.113.9", 2, 1}, // no route is known
	} {
		x := s.relayed(s.receiveOn(c.in, aliceAt, s.compose("INVITE sip:x@"+c.to+" SIP/2.0")), c.to+":5060")
		if x.hop.Listener != c.out || len(x.All("Record-Route")) != c.values {
			t.Errorf("from %d to %s: left by %d with %q", c.in, c.to, x.hop.Listener, x.All("Record-Route"))
		}
	}
}

// A Contact that shows our own address, as some NATs write it, does not keep the
// callee's requests from the flow.
// Proves: RR-4
func TestContactOfOurs(t *testing.T) {
	t.Parallel()
	s := newStage(t, tightConfig)
	c := s.establish("198.51.100.5:40123", bobAt, "sip:bob@example.org", "Contact: <sip:alice@192.0.2.1:5060>")
	s.relayed(s.receive(bobAt, c.back(s, "BYE")), "198.51.100.5:40123")
}

// A group's target is no way in for a call that was not made to it: seams.md §3.
// Proves: RR-12
func TestGroupByItsCookieOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
server { trust = network.trusted }
network "trusted" { cidrs = ["198.51.100.200/32"] }
group "trunk" {
  target "sip:203.0.113.40" {}
}
group "other" {
  target "sip:203.0.113.41" {}
}
rule "out" {
  when = dest.user == "out"
  send = group.trunk
}
rule "other" {
  when = dest.user == "other"
  send = group.other
}
rule "direct" {
  when = dest.user == "direct"
  send = request_uri
}
rule "bob" { send = "sip:203.0.113.7" }
`)
	const trunk = "203.0.113.40:5060"
	bob := s.establish(aliceAt, bobAt, "sip:bob@example.org")
	s.refused(s.receive(aliceAt, bob.to(s, "INVITE", "sip:+1900@203.0.113.40")), 403)
	s.refused(s.receive(aliceAt, bob.to(s, "INVITE", "sip:+1900@gw.example.net;maddr=203.0.113.40")), 403)
	bob.callerRoute = append(bob.callerRoute, "<sip:203.0.113.40;lr>")
	s.refused(s.receive(aliceAt, bob.to(s, "INVITE", "sip:+1900@example.net")), 403)
	s.silent(s.receive(aliceAt, bob.to(s, "ACK", "sip:+1900@example.net")))

	s.call = "out"
	out := s.establish(aliceAt, trunk, "sip:out@example.org")
	s.relayed(s.receive(aliceAt, out.ack(s)), trunk)
	s.relayed(s.receive(aliceAt, out.within(s, "BYE")), trunk)
	s.relayed(s.receive(trunk, out.back(s, "INFO")), aliceAt)
	s.refused(s.receive(aliceAt, out.to(s, "INVITE", "sip:+1900@203.0.113.41")), 403)

	// A call to the same address by another rule has its way too.
	s.call = "direct"
	direct := s.establish(aliceAt, "203.0.113.41:5070", "sip:direct@203.0.113.41:5070")
	s.relayed(s.receive(aliceAt, direct.ack(s)), "203.0.113.41:5070")

	// A call that came from the trunk.
	s.call = "in"
	in := s.establish(trunk, bobAt, "sip:bob@example.org")
	s.relayed(s.receive(bobAt, in.back(s, "BYE")), trunk)
	// Who may pre-load a Route may do so to the trunk.
	s.relayed(s.receive(trustedAt, s.compose("INVITE sip:+31@example.net SIP/2.0", "Route: <sip:203.0.113.40;lr>", "Call-ID: t")), trunk)
}

// On loopback the port tells a gateway from the phones beside it.
// Proves: RR-12
func TestGroupOnLoopback(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
group "trunk" {
  target "sip:127.0.0.1:5090" {}
}
rule "out" {
  when = dest.user == "out"
  send = group.trunk
}
rule "all" { send = request_uri }
`, udp("127.0.0.1:5060"))
	const alice, bob, trunk = "127.0.0.1:5080", "127.0.0.1:5070", "127.0.0.1:5090"
	call := s.establish(alice, bob, "sip:bob@"+bob)
	s.relayed(s.receive(alice, call.within(s, "INFO")), bob)
	s.refused(s.receive(alice, call.to(s, "INVITE", "sip:+1900@"+trunk)), 403)
	s.call = "out"
	out := s.establish(alice, trunk, "sip:out@127.0.0.1:5060")
	s.relayed(s.receive(alice, out.ack(s)), trunk)
	s.call = "in"
	in := s.establish(trunk, bob, "sip:bob@"+bob)
	s.relayed(s.receive(bob, in.back(s, "BYE")), trunk)
}

// Proves: RR-1, RR-9, RR-11, RR-16
func TestWhatIsRecordRouted(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	for method, want := range map[string]bool{
		"INVITE": true, "SUBSCRIBE": true, "REFER": true, "NOTIFY": true, "FOO": true,
		"REGISTER": false, "BYE": false, "ACK": false, "OPTIONS": false, "MESSAGE": false, "PUBLISH": false,
	} {
		for _, to := range []string{"To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=b"} {
			x := s.relayed(s.receive(aliceAt, s.compose(method+" sip:x@203.0.113.7 SIP/2.0", to)), bobAt)
			if got := x.Has("Record-Route"); got != want {
				t.Errorf("%s: Record-Route %v, want %v", method, got, want)
			}
		}
	}
}
