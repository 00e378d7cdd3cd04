package proxy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/siptest"
)

func tcp(addr string) siptest.Listener {
	return siptest.Listener{Name: "proxy", Protocol: flow.TCP, Addr: netip.MustParseAddrPort(addr)}
}

// A response of a stream knows where to go when the connection of its request is
// gone: to the address that it came from, at the port of the sent-by. On UDP
// there is no such way, and none to what may not be spoken to.
//
// Proves: TV-8, TV-14
func TestResponsesOfStreamsHaveAFallback(t *testing.T) {
	t.Parallel()
	const caller = "198.51.100.5:40123"
	fallbacks := func(s *stage, i int, wire string) (all []string) {
		s.receiveOn(i, caller, wire)
		for _, x := range s.fx.Sends {
			if x.For == 0 {
				all = append(all, x.Fallback.String())
			}
		}
		return all
	}
	for _, c := range []struct{ name, via, want string }{
		{"a port", "Via: SIP/2.0/TCP 10.0.0.5:5080;branch=z9hG4bK-%d", "198.51.100.5:5080"},
		{"none", "Via: SIP/2.0/TCP 10.0.0.5;branch=z9hG4bK-%d", "198.51.100.5:5060"},
		{"a name, and rport", "Via: SIP/2.0/TCP phone.example.net:5070;rport;branch=z9hG4bK-%d", "198.51.100.5:5070"},
	} {
		s := newStage(t, `rule "all" { send = "sip:203.0.113.7;transport=tcp" }`, tcp(proxyAt), udp(proxyAt))
		options := s.compose("OPTIONS sip:192.0.2.1 SIP/2.0", fmt.Sprintf(c.via, 1))
		if got := fallbacks(s, 0, options); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: own answer: %q", c.name, got)
		}
		if got := fallbacks(s, 0, strings.Replace(options, "CSeq: 1 OPTIONS", "CSeq: 1 INVITE", 1)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: without a transaction: %q", c.name, got)
		}
		invite := s.compose("INVITE sip:bob@example.org SIP/2.0", fmt.Sprintf(c.via, 2))
		x := s.relayed(s.receiveOn(0, caller, invite), bobAt)
		ok := s.refused(s.receiveOn(0, bobAt, answer(x, "200 OK")), 200)
		if got := s.fx.Sends[0].Fallback.String(); got != c.want {
			t.Errorf("%s: 200: %s", c.name, got)
		}
		if top := ok.All("Via")[0]; !strings.Contains(top, "received=198.51.100.5") || strings.Contains(c.via, "rport") && !strings.Contains(top, "rport=40123") {
			t.Errorf("%s: Via %q", c.name, top)
		}
		if got := fallbacks(s, 0, strings.Replace(invite, "INVITE", "CANCEL", -1)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: CANCEL: %q", c.name, got)
		}
	}
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`, tcp(proxyAt), udp(proxyAt))
	if got := fallbacks(s, 1, s.compose("OPTIONS sip:192.0.2.1 SIP/2.0")); len(got) != 1 || got[0] != "invalid AddrPort" {
		t.Errorf("by UDP: %q", got)
	}
	s = newStage(t, "destinations { deny = [\"198.51.100.5\"] }\n"+`rule "all" { send = "sip:203.0.113.7" }`, tcp(proxyAt), udp(proxyAt))
	if got := fallbacks(s, 0, s.compose("OPTIONS sip:192.0.2.1 SIP/2.0")); len(got) != 1 || got[0] != "invalid AddrPort" {
		t.Errorf("to what may not be spoken to: %q", got)
	}
}

// A listener for all addresses shows in Via and Record-Route the address that a
// connection leaves from and the port that it listens on, and neither the
// wildcard nor the port of the connection; each side its own.
//
// Proves: FW-9, RR-7, RR-13, TP-12, TP-20
func TestStreamsShowTheListener(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "bob" {
  when = !has(to.tag)
  send = "sip:203.0.113.7;transport=tcp"
}
rule "carol" { send = "sip:[2001:db8::7]" }`, tcp("0.0.0.0:5060"), tcp("[::]:5060"), udp("[::]:5062"))
	addr := netip.MustParseAddr
	s.snap.Sources = routes{addr("203.0.113.7"): addr("192.0.2.1"), addr("198.51.100.5"): addr("192.0.2.9"), addr("2001:db8::7"): addr("2001:db8::1")}
	arrive := func(local string, wire string) []sent {
		s.fx.Reset()
		s.Receive(s.now, []byte(wire), flow.Flow{
			Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort("198.51.100.5:40123"), Conn: 7, Protocol: flow.TCP,
		}, &s.fx)
		return s.sends()
	}
	shows := func(x sent, via string, routes ...string) {
		t.Helper()
		if got := x.All("Via")[0]; !strings.HasPrefix(got, via+";branch=") {
			t.Errorf("Via %q, want %s", got, via)
		}
		got := x.All("Record-Route")
		if len(got) != len(routes) {
			t.Fatalf("Record-Route %q, want %q", got, routes)
		}
		for i := range routes {
			if _, after, _ := strings.Cut(got[i], "@"); after != routes[i] {
				t.Errorf("Record-Route %q, want %q", got[i], routes[i])
			}
		}
	}
	x := s.relayed(arrive("192.0.2.9:5060", s.compose("INVITE sip:bob@example.org SIP/2.0")), bobAt)
	shows(x, "SIP/2.0/TCP 192.0.2.1:5060", "192.0.2.1:5060;transport=tcp;lr>", "192.0.2.9:5060;transport=tcp;lr>")
	s.call = "other"
	x = s.relayed(arrive("192.0.2.9:5060", s.compose("INVITE sip:carol@example.org SIP/2.0", "To: <sip:carol@example.org>;tag=x")), "[2001:db8::7]:5060")
	shows(x, "SIP/2.0/UDP [2001:db8::1]:5062", "[2001:db8::1]:5062;lr>", "192.0.2.9:5060;transport=tcp;lr>")
}

// The ACK that goes into the caller's connection goes to its Contact when that is
// gone, where it may: nobody would send it again.
//
// Proves: TP-7
func TestAckOfACalleeHasAnotherWay(t *testing.T) {
	t.Parallel()
	const caller = "198.51.100.5:40123"
	for contact, want := range map[string]string{
		"sip:alice@198.51.100.5:5070;transport=tcp": "198.51.100.5:5070",
		"sip:alice@198.51.100.5;transport=tcp":      "198.51.100.5:5060",
		"sip:alice@198.51.100.5:5070":               "invalid AddrPort", // by UDP
		"sip:alice@10.0.0.5;transport=tcp":          "invalid AddrPort",
		"sip:alice@phone.example.net;transport=tcp": "invalid AddrPort",
	} {
		s := newStage(t, `rule "all" { send = "sip:203.0.113.7;transport=tcp" }`, tcp(proxyAt), udp(proxyAt))
		c := s.establish(caller, bobAt, "sip:bob@example.org", "Contact: <"+contact+">")
		x := s.relayed(s.receive(bobAt, c.back(s, "ACK")), caller)
		if got := s.fx.Sends[0].Fallback.String(); x.hop.Conn != flow.Existing || got != want {
			t.Errorf("%s: to %+v, else to %s, want %s", contact, x.hop, got, want)
		}
	}
}

// However many requests wait on a flow that ends, one step tells no more than 256
// of them, and the others follow: a shard is not held up by one trunk.
//
// Proves: RB-5
func TestTheEndOfABusyFlowIsTakenInParts(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7;transport=tcp" }`, tcp(proxyAt))
	const caller, n = "198.51.100.5:40123", 700
	c := s.establish(caller, bobAt, "sip:bob@example.org", "Contact: <sip:alice@10.0.0.5:5060;transport=tcp>") // where nothing may be sent
	for i := range n {
		method := fmt.Sprintf("M%d", i)
		x := s.relayed(s.receive(bobAt, c.back(s, method)), caller)
		if x.hop.Conn != flow.Existing {
			t.Fatalf("%s may open a connection to where the caller came from: %+v", method, x.hop)
		}
		if i%100 == 0 {
			s.refused(s.receive(caller, answer(x, "200 OK")), 200) // and waits no more
		}
	}
	if got := s.core.Stats(); got.Followers != 1 {
		t.Fatalf("%d flows are waited on, want 1", got.Followers)
	}
	gone := flow.Flow{Remote: netip.MustParseAddrPort(caller), Protocol: flow.TCP}
	other := gone
	other.Listener = 1
	for _, f := range []flow.Flow{other, gone, gone} {
		s.fx.Reset()
		s.FlowGone(s.now, f, &s.fx)
		want := 0
		if f == gone {
			want = 256
			gone.Remote = netip.MustParseAddrPort("198.51.100.5:40124") // of nobody
		}
		if len(s.fx.Sends) != want {
			t.Fatalf("%d answers at once, want %d", len(s.fx.Sends), want)
		}
	}
	s.now = s.now.Add(10 * time.Millisecond)
	s.fx.Reset()
	s.Expire(s.now, &s.fx)
	if len(s.fx.Sends) != 256 {
		t.Errorf("%d answers in the second step", len(s.fx.Sends))
	}
	if rest := s.pass(time.Second); len(rest) != n-n/100-512 {
		t.Errorf("%d answers after that, want %d", len(rest), n-n/100-512)
	}
	if got := s.core.Stats(); got.FlowsGone != n-n/100 || got.Followers != 0 {
		t.Errorf("counted %d, %d flows are left", got.FlowsGone, got.Followers)
	}
	s.pass(40 * time.Second)
	if !s.Idle() {
		t.Error("something is left")
	}
}

// A request that came by UDP without Content-Length gets one when it goes on by
// TCP, and so does its response the other way.
//
// Proves: FW-7, RS-10
func TestContentLengthOnStreams(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7;transport=tcp" }`, udp(proxyAt), tcp(proxyAt))
	x := s.relayed(s.receive(aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0", "no:Content-Length", "\nhello")), bobAt)
	if x.hop.Protocol != flow.TCP || x.Get("Content-Length") != "5" || x.Body != "hello" {
		t.Errorf("by %s:\n%s", x.hop, x.Wire)
	}
	s = newStage(t, `rule "all" { send = "sip:203.0.113.7" }`, udp(proxyAt), tcp(proxyAt))
	for _, status := range []string{"200 OK", "404 Not Found"} { // relayed at once, and kept for the best
		x = s.relayed(s.receiveOn(1, aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0", "Via: SIP/2.0/TCP "+aliceAt+";branch=z9hG4bK-"+status[:3])), bobAt)
		y := s.one(s.receive(bobAt, strings.Replace(answer(x, status), "Content-Length: 0\r\n", "", 1)))
		if y.hop.Protocol != flow.TCP || y.Get("Content-Length") != "0" {
			t.Errorf("by %s:\n%s", y.hop, y.Wire)
		}
	}
}

// What goes by TCP for its size: more than 1300 bytes to a hop by UDP that is no
// flow, where a TCP listener of the family is and nothing says otherwise. It waits
// a second for its connection.
//
// Proves: TP-10, NH-18
func TestWhatGoesByTCPForItsSize(t *testing.T) {
	t.Parallel()
	to := func(uri string) string {
		return fmt.Sprintf("destinations { allow = [\"224.0.1.75\"] }\nrule \"all\" { send = %q }", uri)
	}
	for _, c := range []struct {
		name, config string
		on           []siptest.Listener
		size         int
		want         string
		from         flow.Listener
	}{
		{"a small one", to("sip:203.0.113.7"), []siptest.Listener{udp(proxyAt), tcp(proxyAt)}, 1300, "udp 203.0.113.7:5060", 0},
		{"a large one", to("sip:203.0.113.7"), []siptest.Listener{udp(proxyAt), tcp(proxyAt)}, 1301, "tcp 203.0.113.7:5060", 1},
		{"the listener of the same address", to("sip:203.0.113.7:5070"), []siptest.Listener{udp(proxyAt), tcp("192.0.2.1:5070"), tcp(proxyAt)}, 1301, "tcp 203.0.113.7:5070", 2},
		{"by TCP anyway", to("sip:203.0.113.7;transport=tcp"), []siptest.Listener{udp(proxyAt), tcp(proxyAt)}, 1301, "tcp 203.0.113.7:5060", 1},
		{"no TCP here", to("sip:203.0.113.7"), []siptest.Listener{udp(proxyAt)}, 1301, "udp 203.0.113.7:5060", 0},
		{"none of the family", to("sip:203.0.113.7"), []siptest.Listener{udp(proxyAt), tcp("[2001:db8::1]:5060")}, 1301, "udp 203.0.113.7:5060", 0},
		{"multicast", to("sip:224.0.1.75"), []siptest.Listener{udp(proxyAt), tcp(proxyAt)}, 1301, "udp 224.0.1.75:5060", 0},
		{"switched off", "server {\n domains = [\"example.org\"]\n large_requests = \"udp\"\n}\n" + to("sip:203.0.113.7"), []siptest.Listener{udp(proxyAt), tcp(proxyAt)}, 1301, "udp 203.0.113.7:5060", 0},
	} {
		s := newStage(t, c.config, c.on...)
		x := s.one(s.receive(aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0")))
		body := strings.Repeat("x", c.size-len(x.Wire)-len("100")+len("0"))
		x = s.one(s.receive(aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0", "\n"+body)))
		if !strings.Contains(c.config, "transport=tcp") && len(x.Wire) != c.size {
			t.Fatalf("%s: %d bytes", c.name, len(x.Wire))
		}
		if x.hop.String() != c.want || x.hop.Listener != c.from {
			t.Errorf("%s: went %s from %d, want %s from %d", c.name, x.hop, x.hop.Listener, c.want, c.from)
		}
		within := time.Duration(0)
		if strings.HasPrefix(c.want, "tcp") && !strings.Contains(c.config, "transport=tcp") {
			within = time.Second
		}
		if got := s.fx.Sends[0].ConnectWithin; got != within {
			t.Errorf("%s: waits %s for a connection, want %s", c.name, got, within)
		}
	}
}

// Content-Length is put in before a large request goes by TCP, where nothing else
// tells its end (RFC 3261 §18.3), and by UDP too when it comes to that.
//
// Proves: TP-11
func TestALargeRequestWithoutContentLength(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`, udp(proxyAt), tcp(proxyAt))
	body := strings.Repeat("x", 1400)
	x := s.one(s.receive(aliceAt, s.compose("MESSAGE sip:bob@example.org SIP/2.0", "no:Content-Length", "\n"+body)))
	if x.hop.Protocol != flow.TCP || x.Get("Content-Length") != "1400" || x.Body != body {
		t.Errorf("by %s with Content-Length %q and a body of %d bytes", x.hop, x.Get("Content-Length"), len(x.Body))
	}
	s.fx.Reset()
	s.Broken(s.now, x.about, &s.fx)
	again := s.one(s.sends())
	if again.hop.Protocol != flow.UDP || again.about != x.about || again.Branch() != x.Branch() || again.Body != body || again.Get("Content-Length") != "1400" ||
		len(again.Faults) > 0 || s.fx.Sends[0].ConnectWithin != 0 {
		t.Errorf("again by %s:\n%s", again.hop, again.Wire)
	}
	s.fx.Reset()
	s.Broken(s.now, x.about, &s.fx) // ICMP: now it is over
	s.refused(s.sends(), 500)
}

// A large request that was cancelled before TCP gave it up has never arrived, and
// is not sent by UDP any more.
func TestACancelledLargeRequestIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`, udp(proxyAt), tcp(proxyAt))
	invite := s.compose("INVITE sip:bob@example.org SIP/2.0", "\n"+strings.Repeat("x", 1400))
	x := s.one(s.receive(aliceAt, invite))
	head, _, _ := strings.Cut(invite, "Content-Length")
	s.refused(s.receive(aliceAt, strings.ReplaceAll(head, "INVITE", "CANCEL")+"Content-Length: 0\r\n\r\n"), 200)
	s.fx.Reset()
	s.Broken(s.now, x.about, &s.fx)
	for _, m := range s.sends() {
		if m.IsRequest() {
			t.Errorf("got %s by %s", m.Method, m.hop)
		}
	}
}

// Where TCP failed is remembered for 4,096 places; then the oldest is forgotten.
//
// Proves: TP-11
func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = request_uri }`, udp(proxyAt), tcp(proxyAt))
	const most = 4096
	send := func(i int) sent {
		s.call = fmt.Sprint(i)
		return s.one(s.receive(aliceAt, s.compose(fmt.Sprintf("MESSAGE sip:bob@203.0.113.7:%d SIP/2.0", 2000+i), "\n"+strings.Repeat("x", 1400))))
	}
	refuse := func(i int) {
		x := send(i)
		s.fx.Reset()
		s.Broken(s.now, x.about, &s.fx)
		s.one(s.sends())
	}
	for i := range most + 10 {
		refuse(i)
	}
	if known, forgotten := s.refusals.Held(); known != most || forgotten != 10 || s.core.Stats().LargeByDatagram != most+10 {
		t.Errorf("%d known, %d forgotten, %d by UDP", known, forgotten, s.core.Stats().LargeByDatagram)
	}
	if x := send(9); x.hop.Protocol != flow.TCP {
		t.Errorf("what was forgotten goes by %s", x.hop)
	}
	if x := send(10); x.hop.Protocol != flow.UDP {
		t.Errorf("what is known goes by %s", x.hop)
	}
	if s.core.Stats().LargeByStream != most+11 {
		t.Errorf("%d went by TCP", s.core.Stats().LargeByStream)
	}
}

// The ways of TCP cost no allocation either: a request of the callee into the
// caller's connection, and a large one.
func TestAllocStreams(t *testing.T) {
	for _, kind := range []string{"into a flow", "large"} {
		s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`, udp(proxyAt), tcp(proxyAt))
		from := flow.Flow{Local: netip.MustParseAddrPort(proxyAt), Remote: netip.MustParseAddrPort(bobAt), Protocol: flow.UDP}
		c := s.establishOn(1, 0, "198.51.100.5:40123", bobAt, "sip:bob@example.org")
		wires := make([][]byte, 2101)
		for i := range wires {
			text := s.compose("MESSAGE sip:bob@example.org SIP/2.0", "\n"+strings.Repeat("x", 1400))
			if kind == "into a flow" {
				text = c.back(s, fmt.Sprintf("M%d", i))
			}
			wires[i] = []byte(text)
		}
		n := 0
		step := func() {
			s.fx.Reset()
			s.Receive(s.now, wires[n], from, &s.fx)
			if m := s.fx.Sends; len(m) == 0 || m[len(m)-1].Hop.Protocol != flow.TCP {
				t.Fatalf("%s: it does not go by TCP", kind)
			}
			n++
			s.now = s.now.Add(time.Second)
			s.Expire(s.now, &s.fx)
		}
		for range 1100 {
			step()
		}
		if got := testing.AllocsPerRun(1000, step); got > 0 {
			t.Errorf("%s: %v allocations", kind, got)
		}
	}
}

// Over TCP the torture messages draw what they draw over UDP, but for those that
// a stream cannot be cut after, which never come here whole. The long one goes on
// by TCP.
//
// Proves: TO-7
func TestTorturedProxyOverTCP(t *testing.T) {
	t.Parallel()
	for _, c := range tortured {
		switch c.name {
		case "rfc4475/clerr", "rfc4475/ncl", "rfc4475/mcl01", "rfc4475/inv2543":
			continue
		}
		s := newStage(t, tortureConfig, tcp("192.0.2.200:5060"), udp("192.0.2.200:5060"), udp("[2001:db8::99]:5060"))
		wire := readTorture(t, c.name)
		got := s.receive("198.51.100.5:40123", wire)
		switch {
		case c.status < 0:
			s.silent(got)
		case c.status == 0:
			x := s.relayed(got, bobAt)
			sameButEdits(t, siptest.ReadMessage([]byte(wire)), x)
			if long := len(x.Wire) > 1300; long != (x.hop.Protocol == flow.TCP) {
				t.Errorf("%s: %d bytes by %s", c.name, len(x.Wire), x.hop)
			}
		default:
			copied(t, siptest.ReadMessage([]byte(wire)), s.refused(got, c.status))
		}
	}
}
