package proxy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/resolve"
)

// twoHops knows bob.example.com by two addresses, in this order.
var twoHops = names{"bob.example.com": func() (resolve.Hops, resolve.State) { return hopsOf(bobAt, carolAt), resolve.Hit }}

// broken has the transport give up what x was.
func (s *stage) broken(x sent) []sent {
	s.fx.Reset()
	s.Broken(s.now, x.about, &s.fx)
	return s.sends()
}

// RFC 3261 §16.6 step 7: every address of a name gets the request as a client
// transaction of its own; when none is left the target counts as 408. Whoever was
// refused everywhere is told 500, because 503 would be about this server (§16.9).
// A non-INVITE is told nothing at all (RFC 4320 §4.2).
// Proves: NH-9, NH-19, FW-25
func TestWhenAllAddressesAreUsedUp(t *testing.T) {
	t.Parallel()
	finals := func(list []sent) (all []int) {
		for _, x := range list {
			if !x.IsRequest() && x.Status >= 200 && !slices.Contains(all, x.Status) { // not its copies
				all = append(all, x.Status)
			}
		}
		return all
	}
	s := newNamed(t, twoHops)
	s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
	branches := map[string]string{}
	list := s.pass(40 * time.Second)
	for _, x := range list {
		if x.Method == "INVITE" {
			branches[x.hop.Remote.String()] += x.Branch() + " "
		}
	}
	one, two := strings.Fields(branches[bobAt]), strings.Fields(branches[carolAt])
	if len(one) == 0 || len(two) == 0 || one[0] == two[0] {
		t.Errorf("copies went with these branches: %q", branches)
	}
	if got := fmt.Sprint(finals(list)); got != "[408]" {
		t.Errorf("two silent addresses gave %s, want one 408", got)
	}

	s = newNamed(t, twoHops)
	x := s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
	s.refused(s.broken(s.relayed(s.broken(x), carolAt)), 500)

	for name, known := range map[string]names{
		"silent":  twoHops,
		"no name": {"bob.example.com": func() (resolve.Hops, resolve.State) { return resolve.Hops{}, resolve.Negative }},
	} {
		s = newNamed(t, known)
		list = append(s.receive(aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0")), s.pass(40*time.Second)...)
		if got := finals(list); len(got) != 0 {
			t.Errorf("%s: a MESSAGE is answered %v", name, got)
		}
	}
}

// RFC 3261 §16.6 step 7 moves on when there was no response at all, provisional
// ones included: who rang until timer C is not replaced by another address.
// Proves: NH-8
func TestNoFailoverAfterAProvisional(t *testing.T) {
	t.Parallel()
	s := newNamed(t, twoHops)
	x := s.relayed(s.receive(aliceAt, s.invite("bob")), bobAt)
	s.refused(s.receive(bobAt, answer(x, "180 Ringing")), 180)
	final := 0
	for _, y := range s.pass(5 * time.Minute) {
		switch {
		case y.hop.Remote.String() == carolAt:
			t.Fatalf("%s went to the other address after a 180", what(y))
		case !y.IsRequest() && y.Status >= 200:
			final = y.Status
		}
	}
	if final != 408 {
		t.Errorf("the call ended with %d, want 408", final)
	}
}

// RFC 3261 §9.1, §17.1.1.3 and RFC 3263 §4: a client transaction was located once.
// Its retransmissions, its CANCEL and its ACK go where it went, whatever the name
// has become meanwhile, and what is looked up changes neither the Request-URI nor a
// Route.
// Proves: NH-12, NH-21
func TestATransactionIsLocatedOnce(t *testing.T) {
	t.Parallel()
	moved := false
	known := names{"bob.example.com": func() (resolve.Hops, resolve.State) {
		if moved {
			return hopsOf(carolAt), resolve.Hit
		}
		return hopsOf(bobAt), resolve.Hit
	}}
	for _, c := range []struct{ name, config, uri, route, want string }{
		{"a target", `rule "all" { send = "sip:bob@bob.example.com" }`, "sip:bob@example.org", "", "sip:bob@bob.example.com"},
		{"a Request-URI", `rule "all" { send = request_uri }`, "sip:x@bob.example.com", "", "sip:x@bob.example.com"},
		{"a Route", "server { trust = [\"198.51.100.0/24\"] }\n" + `rule "all" { send = request_uri }`, "sip:x@else.example.com", "<sip:bob.example.com;lr>", "sip:x@else.example.com"},
	} {
		moved = false
		s := newStage(t, c.config)
		s.snap.Known = known
		var lines []string
		if c.route != "" {
			lines = append(lines, "Route: "+c.route)
		}
		invite := s.compose("INVITE "+c.uri+" SIP/2.0", lines...)
		x := s.relayed(s.receive(aliceAt, invite), bobAt)
		if x.URI != c.want || x.Get("Route") != c.route {
			t.Errorf("%s: went as %q with Route %q", c.name, x.URI, x.Get("Route"))
		}
		moved = true
		copies := 0
		for _, y := range s.pass(1600 * time.Millisecond) {
			if y.Method == "INVITE" {
				copies++
				if y.hop != x.hop || y.Wire != x.Wire {
					t.Errorf("%s: a copy goes to %s", c.name, y.hop)
				}
			}
		}
		if copies != 2 {
			t.Errorf("%s: %d copies", c.name, copies)
		}
		s.refused(s.receive(bobAt, answer(x, "180 Ringing")), 180)
		list := s.receive(aliceAt, cancelOf(invite))
		if y := list[len(list)-1]; len(list) != 2 || y.Method != "CANCEL" || y.hop != x.hop || y.URI != x.URI || y.Get("Route") != c.route {
			t.Errorf("%s: the CANCEL goes to %s as %q", c.name, y.hop, y.URI)
		}
		list = s.receive(bobAt, answer(x, "487 Request Terminated"))
		if y := list[0]; y.Method != "ACK" || y.hop != x.hop || y.URI != x.URI || y.Get("Route") != c.route {
			t.Errorf("%s: the ACK goes to %s as %q", c.name, y.hop, y.URI)
		}
	}
}

// RFC 3261 §16.6 step 7: a sips Request-URI has its next hop located as sips, be it
// a sip Route that names it.
// Proves: NH-20
func TestASIPRouteOfASIPSRequestIsLocatedAsSIPS(t *testing.T) {
	t.Parallel()
	s := secureStage(t, "server { trust = [\"198.51.100.0/24\"] }\n"+`rule "all" { send = request_uri }`)
	s.snap.Known = names{}
	s.receive(aliceAt, s.compose("INVITE sips:bob@callee.example SIP/2.0", "Route: <sip:next.example;lr>"))
	ask := s.asked()
	if q, ok := resolve.ParseQuery(ask.Bytes); !ok || !q.SIPS || string(q.Host) != "next.example" {
		t.Fatalf("asked for %q %+v", ask.Bytes, q)
	}
	const next = "203.0.113.9:5061"
	x := s.relayed(s.resolved(ask, resolve.Fixed(flow.TLS, netip.MustParseAddrPort(next)), nil), next)
	if x.hop.Protocol != flow.TLS || x.hop.Domain.String() != "next.example" || x.URI != "sips:bob@callee.example" || x.Get("Route") != "<sip:next.example;lr>" {
		t.Errorf("by %s to %q as\n%s", x.hop, x.hop.Domain, x.Wire)
	}
}

// overWebSocket is a stage whose first listener speaks WS or WSS.
func overWebSocket(t *testing.T, p flow.Protocol, config string) *stage {
	t.Helper()
	s := newStage(t, config, tcp(proxyAt), udp("192.0.2.1:5062"))
	s.snap.Listeners[0].Protocol, s.on[0].Protocol = p, p
	s.snap.Prepare()
	return s
}

// RFC 7118 §5: WebSockets are reliable. Nothing is sent twice on them, neither a
// response nor a request, and a transaction ends with its final response.
// Proves: WS-10
func TestNothingIsRepeatedOnWebSockets(t *testing.T) {
	t.Parallel()
	const browser = "198.51.100.5:40123"
	for _, p := range []flow.Protocol{flow.WS, flow.WSS} {
		s := overWebSocket(t, p, `rule "all" { send = "sip:203.0.113.7" }`)
		via := "Via: SIP/2.0/" + p.String() + " df7jal23ls0d.invalid;branch=z9hG4bK-%d"
		invite := s.compose("INVITE sip:bob@example.org SIP/2.0", fmt.Sprintf(via, 1), "Contact: <sip:alice@df7jal23ls0d.invalid;transport=ws>")
		x := s.relayed(s.receive(browser, invite), bobAt)
		list := s.receiveOn(1, bobAt, answer(x, "486 Busy Here"))
		if len(list) != 2 || list[1].Status != 486 || list[1].hop.Remote.String() != browser {
			t.Fatalf("%s: the 486 gave %d messages", p, len(list))
		}
		s.silent(s.pass(31 * time.Second)) // no timer G
		ack := s.compose("ACK sip:bob@example.org SIP/2.0", fmt.Sprintf(via, 1), "To: "+list[1].Get("To"))
		s.silent(s.receive(browser, ack))

		s = overWebSocket(t, p, `rule "all" { send = "sip:203.0.113.7" }`)
		invite = s.compose("INVITE sip:bob@example.org SIP/2.0", fmt.Sprintf(via, 2), "Contact: <sip:alice@df7jal23ls0d.invalid;transport=ws>")
		x = s.relayed(s.receive(browser, invite), bobAt)
		s.refused(s.receiveOn(1, bobAt, answer(x, "200 OK", "Contact: <sip:bob@203.0.113.7>")), 200)
		bye := s.compose("BYE sip:alice@df7jal23ls0d.invalid;transport=ws SIP/2.0", "Via: SIP/2.0/UDP "+bobAt+";branch=z9hG4bK-bye",
			"From: <sip:bob@example.org>;tag=b", "To: <sip:alice@example.net>;tag=a", "CSeq: 1 BYE", "Route: "+strings.Join(x.All("Record-Route"), ", "))
		y := s.relayed(s.receiveOn(1, bobAt, bye), browser)
		if y.hop.Protocol != p {
			t.Errorf("%s: the BYE goes by %s", p, y.hop)
		}
		for _, z := range s.pass(25 * time.Second) {
			if z.Method == "BYE" {
				t.Errorf("%s: the BYE is sent again", p)
			}
		}
	}
}

// RFC 7118 §9.2: what was asked for by sips goes into a WebSocket only when that is
// a secure one, whatever its client registered or came by.
// Proves: WS-15
func TestSIPSGoesByNoPlainWebSocket(t *testing.T) {
	t.Parallel()
	const browser = "198.51.100.5:40123"
	for _, p := range []flow.Protocol{flow.WS, flow.WSS} {
		s := overWebSocket(t, p, "rule \"by URI\" {\n  when = method == OPTIONS\n  send = request_uri\n}\n"+`rule "all" { send = "sip:203.0.113.7" }`)
		// A second secure listener lets the server take sips at all.
		s.snap.Listeners = append(s.snap.Listeners, s.snap.Listeners[0])
		other := &s.snap.Listeners[2]
		other.Name, other.Hash, other.Protocol, other.Bind = "tls", 77, flow.TLS, netip.MustParseAddrPort("192.0.2.1:5061")
		s.snap.Prepare()
		invite := s.compose("INVITE sip:bob@example.org SIP/2.0", "Via: SIP/2.0/"+p.String()+" df7jal23ls0d.invalid;branch=z9hG4bK-1", "Contact: <sips:alice@df7jal23ls0d.invalid;transport=ws>")
		x := s.relayed(s.receive(browser, invite), bobAt)
		s.refused(s.receiveOn(1, bobAt, answer(x, "200 OK", "Contact: <sip:bob@203.0.113.7>")), 200)
		update := func(scheme string) string {
			return s.compose("UPDATE "+scheme+":alice@df7jal23ls0d.invalid;transport=ws SIP/2.0", "Via: SIP/2.0/UDP "+bobAt+";branch=z9hG4bK-"+scheme,
				"From: <sip:bob@example.org>;tag=b", "To: <sip:alice@example.net>;tag=a", "CSeq: 1 UPDATE", "Route: "+strings.Join(x.All("Record-Route"), ", "))
		}
		s.relayed(s.receiveOn(1, bobAt, update("sip")), browser)
		list := s.receiveOn(1, bobAt, update("sips"))
		if p == flow.WSS {
			s.relayed(list, browser)
		} else {
			s.refused(list, 480)
		}
		// Nor is one found by its URI (§5.3).
		s.refused(s.receiveOn(1, aliceAt, s.compose("OPTIONS sips:x@203.0.113.9;transport=ws SIP/2.0", "To: <sips:x@203.0.113.9>")), 500)
	}
}
