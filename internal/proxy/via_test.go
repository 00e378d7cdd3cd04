package proxy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/siptest"
)

// What is written into the top Via on arrival, and where the responses go: RFC
// 3261 §18.2.1 and §18.2.2, RFC 3581 §4.
// Proves: TV-1, TV-2, TV-3, TV-4, TV-5, TV-6, TV-12
func TestTopVia(t *testing.T) {
	t.Parallel()
	const source = "198.51.100.5:40123"
	cases := []struct{ name, via, stamped, to string }{
		{"sent-by is the source", "SIP/2.0/UDP 198.51.100.5:40123;branch=z9hG4bKv", "SIP/2.0/UDP 198.51.100.5:40123;branch=z9hG4bKv", source},
		{"another port", "SIP/2.0/UDP 198.51.100.5:5062;branch=z9hG4bKv", "SIP/2.0/UDP 198.51.100.5:5062;branch=z9hG4bKv", "198.51.100.5:5062"},
		{"no port", "SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKv", "SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKv", "198.51.100.5:5060"},
		{"another address", "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"a name", "SIP/2.0/UDP phone.example.net:5062;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"a name without port", "SIP/2.0/UDP phone.example.net;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5060"},
		{"rport", "SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKv", "received=198.51.100.5", source},
		{"rport, and the address is right", "SIP/2.0/UDP 198.51.100.5:5062;rport;branch=z9hG4bKv", "received=198.51.100.5", source},
		{"forged received", "SIP/2.0/UDP 10.0.0.1:5062;received=203.0.113.66;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"forged received and rport", "SIP/2.0/UDP 10.0.0.1:5062;received=203.0.113.66;rport=9;branch=z9hG4bKv", "rport=40123", source},
		{"maddr", "SIP/2.0/UDP 10.0.0.1:5062;maddr=203.0.113.50;branch=z9hG4bKv", "received=198.51.100.5", "203.0.113.50:5062"},
		{"maddr and rport", "SIP/2.0/UDP 10.0.0.1;maddr=203.0.113.50;rport;branch=z9hG4bKv", "rport=40123", "203.0.113.50:5060"},
		{"maddr of no destination", "SIP/2.0/UDP 10.0.0.1:5062;maddr=127.0.0.1;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"maddr of multicast", "SIP/2.0/UDP 10.0.0.1:5062;maddr=224.0.1.75;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"maddr of broadcast", "SIP/2.0/UDP 10.0.0.1:5062;maddr=255.255.255.255;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"maddr of the other family", "SIP/2.0/UDP 10.0.0.1:5062;maddr=[2001:db8::9];branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"maddr that is a name", "SIP/2.0/UDP 10.0.0.1:5062;maddr=m.example.net;branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
		{"spaces and another transport", "SIP / 2.0 / TCP  10.0.0.1 : 5062 ; branch=z9hG4bKv", "received=198.51.100.5", "198.51.100.5:5062"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, openConfig)
			x := s.relayed(s.receive(source, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Via: "+c.via, "Via: SIP/2.0/UDP lower.example.net;branch=z9hG4bKl")), bobAt)
			vias := x.All("Via")
			if len(vias) != 3 || !strings.Contains(vias[1], c.stamped) || strings.Contains(c.stamped, "SIP/") && vias[1] != c.stamped {
				t.Errorf("Vias downstream are %q", vias)
			}
			if strings.Count(vias[1], "received=") > 1 || strings.Count(vias[1], "rport") > 1 || strings.Contains(vias[1], "203.0.113.66") {
				t.Errorf("forged values in %q", vias[1])
			}
			back := s.refused(s.receive(bobAt, answer(x, "180 Ringing")), 180)
			if back.hop.Remote.String() != c.to || back.hop.Local.String() != proxyAt {
				t.Errorf("a relayed response went from %s to %s, want %s", back.hop.Local, back.hop.Remote, c.to)
			}
			// One of our own, with and without a transaction.
			for _, line := range []string{"Proxy-Require: x", "Route: <bad"} {
				own := s.one(s.receive(source, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Via: "+strings.Replace(c.via, "4bKv", "4bKw"+line[:1], 1), line)))
				if own.hop.Remote.String() != c.to || !strings.Contains(own.Get("Via"), strings.Replace(c.stamped, "4bKv", "4bKw"+line[:1], 1)) {
					t.Errorf("our own %d went to %s with Via %q", own.Status, own.hop.Remote, own.Get("Via"))
				}
			}
		})
	}
}

// Proves: TV-11
func TestTopViaIPv6(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:[2001:db8::7]" }`, udp("[2001:db8::1]:5060"))
	for _, via := range []string{"SIP/2.0/UDP [2001:db8::6]:5062;rport;branch=z9hG4bK1", "SIP/2.0/UDP [2001:db8::6]:5062;received=[2001:db8::9:255];rport;branch=z9hG4bK2", "SIP/2.0/UDP [2001:db8::6]:5062;received=2001:db8::9:255;rport;branch=z9hG4bK3"} {
		x := s.relayed(s.receive("[2001:db8::5]:40123", s.compose("INVITE sip:bob@example.net SIP/2.0", "Via: "+via)), "[2001:db8::7]:5060")
		vias := x.All("Via")
		if !strings.Contains(vias[1], "received=2001:db8::5") || !strings.Contains(vias[1], "rport=40123") || !strings.HasPrefix(vias[0], "SIP/2.0/UDP [2001:db8::1]:5060;") {
			t.Errorf("Vias are %q", vias)
		}
		back := s.refused(s.receive("[2001:db8::7]:5060", answer(x, "180 Ringing")), 180)
		if back.hop.Remote.String() != "[2001:db8::5]:40123" {
			t.Errorf("the response went to %s", back.hop.Remote)
		}
	}
	// The same address in another spelling is the source's.
	x := s.relayed(s.receive("[2001:db8::5]:5062", s.compose("INVITE sip:bob@example.net SIP/2.0", "Via: SIP/2.0/UDP [2001:DB8:0:0::05]:5062;branch=z9hG4bK4")), "[2001:db8::7]:5060")
	if strings.Contains(x.All("Via")[1], "received") {
		t.Errorf("Via is %q", x.All("Via")[1])
	}
}

// Responses that are not ours, or belong to nothing.
// Proves: TV-9, TV-16, SX-15
func TestStrayResponses(t *testing.T) {
	t.Parallel()
	const below = "SIP/2.0/UDP 198.51.100.5:5062;branch=z9hG4bKbelow"
	stray := func(s *stage, vias ...string) []sent {
		lines := []string{"CSeq: 1 INVITE", "To: <sip:bob@example.org>;tag=b", "no:Max-Forwards", "Via: " + strings.Join(vias, ", ")}
		return s.receive(bobAt, s.compose("SIP/2.0 200 OK", lines...))
	}
	const invented = "z9hG4bKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	dropping := newStage(t, openConfig)
	forwarding := newStage(t, strings.Replace(openConfig, "server {", "server {\n  stray_responses = \"forward\"", 1))
	for _, branch := range []string{invented, "z9hG4bK-" + strings.Repeat("A", 20), "z9hG4bKx", "1"} {
		own := "SIP/2.0/UDP 192.0.2.1:5060;branch=" + branch
		dropping.silent(stray(dropping, own, below))
		dropping.silent(stray(dropping, own))
		x := forwarding.one(stray(forwarding, own, below))
		if x.hop.Remote.String() != "198.51.100.5:5062" || len(x.All("Via")) != 1 {
			t.Errorf("to %s: %s", x.hop.Remote, x.Wire)
		}
		forwarding.silent(stray(forwarding, own))
		for _, via := range []string{
			"SIP/2.0/UDP 127.0.0.1;branch=x", "SIP/2.0/UDP 10.0.0.1;branch=x", "SIP/2.0/UDP 198.51.100.5;maddr=224.0.1.75;branch=x",
			"SIP/2.0/UDP 198.51.100.5;received=127.0.0.1;branch=x", "SIP/2.0/TCP 198.51.100.5;branch=x", "SIP/2.0/UDP phone.example.net;branch=x", "SIP/2.0/UDP ;",
			"SIP/2.0/UDP [::ffff:127.0.0.1];branch=x",
		} {
			forwarding.silent(stray(forwarding, own, via))
		}
		x = forwarding.one(stray(forwarding, own, "SIP/2.0/UDP 10.0.0.1;received=198.51.100.9;rport=777;branch=x"))
		if x.hop.Remote.String() != "198.51.100.9:777" {
			t.Errorf("to %s", x.hop.Remote)
		}
	}
	for _, s := range []*stage{dropping, forwarding} {
		for _, sentBy := range []string{"192.0.2.2:5060", "192.0.2.1:5070", "198.51.100.5", "example.net", "[2001:db8::1]"} {
			s.silent(stray(s, "SIP/2.0/UDP "+sentBy+";branch="+invented, below))
		}
	}
	// A body that is cut short, of a response that would belong to something.
	x := dropping.relayed(dropping.receive(aliceAt, dropping.compose("INVITE sip:bob@203.0.113.7 SIP/2.0")), bobAt)
	dropping.silent(dropping.receive(bobAt, strings.Replace(answer(x, "180 Ringing"), "Content-Length: 0", "Content-Length: 5", 1)))
	// A branch with one character changed belongs to nothing.
	wire := answer(x, "180 Ringing")
	for i := range x.Branch()[7:] {
		b := []byte(x.Branch())
		if b[7+i]++; b[7+i] > 'z' || b[7+i] > 'Z' && b[7+i] < 'a' {
			b[7+i] = 'a'
		}
		if 16 <= i && i < 22 {
			continue // the loop part proves nothing
		}
		if got := dropping.receive(bobAt, strings.Replace(wire, x.Branch(), string(b), 1)); len(got) != 0 {
			t.Errorf("branch %s instead of %s is taken for it", b, x.Branch())
		}
	}
	dropping.refused(dropping.receive(bobAt, wire), 180)
}

// A request with a header field of responses, a response with one of requests.
// Proves: SX-28, SX-10, SX-24, SX-27
func TestResponseIsRelayedFaithfully(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0")), bobAt)
	// All Vias merged into one compact, folded line: only ours goes.
	merged := "v : " + strings.Join(x.All("Via"), " ,\r\n\t") + "\r\n"
	in := answer(x, "183 \xd0\xa5", "Route: <sip:203.0.113.66;lr>", "Max-Forwards: 3", "WWW-Authenticate: Digest a=\"1,2\", b=3", "WWW-Authenticate: Other x", "m: <sip:b@x>,\r\n <sip:c@y>", "X: 1", "x: 2")
	var lines []string
	for _, l := range strings.SplitAfter(in, "\r\n") {
		if !strings.HasPrefix(l, "Via:") {
			lines = append(lines, l)
		}
	}
	in = lines[0] + merged + strings.Join(lines[1:], "")
	back := s.refused(s.receive(bobAt, in), 183)
	if vias := back.All("Via"); len(vias) != 1 || vias[0] != x.All("Via")[1] {
		t.Errorf("Vias are %q", vias)
	}
	want := strings.Replace(in, merged, "", 1)
	rest := back.Wire
	for _, l := range back.Lines {
		if l.Key == "via" {
			rest = strings.Replace(rest, l.Raw+"\r\n", "", 1)
		}
	}
	if rest != want {
		t.Errorf("got\n%s\nwant\n%s", rest, want)
	}
}

// routes is a routing table for wildcard listeners.
type routes map[netip.Addr]netip.Addr

func (r routes) Source(dst netip.Addr) (netip.Addr, bool) { src, ok := r[dst]; return src, ok }

// A listener on all addresses shows the one that the packet leaves from, never
// the wildcard.
// Proves: FW-11, RR-7, FW-9
func TestWildcardListener(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	wildcard := siptest.Listener{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort("0.0.0.0:5060")}
	s := newStage(t, "server { domains = [\"example.org\"] }\nrule \"all\" {\n when = !has(to.tag)\n send = request_uri\n}", wildcard)
	s.snap.Sources = routes{addr("203.0.113.7"): addr("192.0.2.1"), addr("203.0.113.8"): addr("192.0.2.2"), addr("198.51.100.5"): addr("192.0.2.1")}
	s.snap.Names = policy.NewDomains("192.0.2.1", "192.0.2.2") // of the machine
	s.on = []siptest.Listener{udp(proxyAt)}                    // packets show the address that they were sent to
	c := s.establish(aliceAt, bobAt, "sip:bob@203.0.113.7")
	if len(c.calleeRoute) != 1 || !strings.Contains(c.calleeRoute[0], "@192.0.2.1:5060;") || c.invite.TopVia().SentBy() != proxyAt || c.invite.hop.Local.String() != proxyAt {
		t.Errorf("Record-Route %q, Via %q", c.calleeRoute, c.invite.Get("Via"))
	}
	s.relayed(s.receive(aliceAt, c.within(s, "BYE")), bobAt)
	// Between two addresses of the same socket each side sees its own.
	s.call = "2"
	c = s.establish(aliceAt, "203.0.113.8:5060", "sip:bob@203.0.113.8")
	if len(c.calleeRoute) != 2 || !strings.Contains(c.calleeRoute[0], "@192.0.2.2:5060;") || !strings.Contains(c.calleeRoute[1], "@192.0.2.1:5060;") || c.invite.hop.Local.String() != "192.0.2.2:5060" {
		t.Errorf("Record-Route %q, Via %q", c.calleeRoute, c.invite.Get("Via"))
	}
	if x := s.relayed(s.receive(aliceAt, c.within(s, "BYE")), "203.0.113.8:5060"); x.Has("Route") {
		t.Errorf("Route is %q", x.All("Route"))
	}
	// Where no route leads there is no address to show.
	for _, y := range s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.9 SIP/2.0", "Call-ID: 3")) {
		if y.Status != 500 {
			t.Errorf("got %s", y.Wire)
		}
	}
	s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.9 SIP/2.0", "Call-ID: 3", "To: <sip:x@y>;tag=b")))
}

// A dropped packet of the response side changes nothing downstream.
// Proves: TV-13
func TestResponseThatCannotBeSent(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0")), bobAt)
	back := s.refused(s.receive(bobAt, answer(x, "180 Ringing")), 180)
	s.fx.Reset()
	s.core.Broken(s.now, back.about, &s.fx)
	s.silent(s.sends())
	s.silent(s.pass(time.Second))
	s.refused(s.receive(bobAt, answer(x, "200 OK")), 200)
}

// A listener for all addresses sends into the flow of a client from the address that
// the client has sent to, whichever the system would route from: its NAT lets in
// nothing else. An address in a Route that is not ours is not taken for one.
//
// Proves: TV-4
func TestWildcardListenerKeepsTheAddressOfAFlow(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	const caller = "198.51.100.5:40123"
	for _, c := range []struct{ route, want string }{{"192.0.2.9", "192.0.2.9:5060"}, {"192.0.2.77", "192.0.2.1:5060"}} {
		s := newStage(t, "rule \"all\" {\n  when = !has(to.tag)\n  send = \"sip:203.0.113.7\"\n}", udp("0.0.0.0:5060"))
		s.snap.Names = policy.NewDomains("192.0.2.1", "192.0.2.9")
		s.snap.Sources = routes{addr("203.0.113.7"): addr("192.0.2.1"), addr("198.51.100.5"): addr("192.0.2.1")}
		s.on[0].Addr = netip.MustParseAddrPort("192.0.2.9:5060")
		d := s.establish(caller, bobAt, "sip:bob@example.org", "Contact: <sip:alice@10.0.0.5>")
		for i, r := range d.calleeRoute {
			if strings.Contains(r, "@192.0.2.9:") {
				d.calleeRoute[i] = strings.Replace(r, "192.0.2.9", c.route, 1)
			}
		}
		s.on[0].Addr = netip.MustParseAddrPort("192.0.2.1:5060")
		x := s.relayed(s.receive(bobAt, d.back(s, "BYE")), caller)
		if got := x.hop.Local.String(); got != c.want {
			t.Errorf("Route %q: from %s, want %s", d.calleeRoute, got, c.want)
		}
		if via := x.All("Via")[0]; !strings.HasPrefix(via, "SIP/2.0/UDP "+c.want+";") {
			t.Errorf("Via %q", via)
		}
	}
}
