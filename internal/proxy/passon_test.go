package proxy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/siptest"
)

// inMode is a configuration with a server block, in a mode.
func inMode(mode, config string) string {
	return strings.Replace(config, "server {", "server {\n  mode = \""+mode+"\"", 1)
}

// nodesConfig is a front of four nodes.
const nodesConfig = `
server {
  mode    = "stateless"
  domains = ["example.org"]
}
group "nodes" {
  target "sip:203.0.113.11" {}
  target "sip:203.0.113.12" {}
  target "sip:203.0.113.13" {}
  target "sip:203.0.113.14" {}
}
rule "gone" {
  when  = dest.user == "gone"
  reply = "410 Gone"
}
rule "barred" {
  when = has(header["X-Barred"])
  drop = true
}
rule "name" {
  when = dest.user == "name"
  send = "sip:nodes.example.com"
}
rule "all" { send = group.nodes }
`

// family is an INVITE with what follows it: a copy, its CANCEL and the ACK of a
// non-2xx (RFC 3261 §9.1, §17.1.1.3).
func (s *stage) family(n int, via string, lines ...string) []string {
	s.call = fmt.Sprintf("call-%d", n)
	from := fmt.Sprintf("From: <sip:alice@example.net>;tag=%d", n)
	start := func(method string) string { return method + " sip:bob@example.org SIP/2.0" }
	invite := s.compose(start("INVITE"), append(lines, via, from, "Contact: <sip:alice@198.51.100.5>", "User-Agent: test", "\nv=0\r\n")...)
	return []string{
		invite, invite,
		s.compose(start("CANCEL"), via, from),
		s.compose(start("ACK"), via, from, "To: <sip:bob@example.org>;tag=b"),
	}
}

// Whatever belongs to one INVITE goes to one place with one branch; another
// machine with the same secret, or the same one after a restart, does the same.
// Proves: SL-3, SL-4, SL-5, SL-7, SL-9, SL-13
func TestWhatFollowsAnInviteLandsWhereItWent(t *testing.T) {
	t.Parallel()
	one, two, foreign := newStage(t, nodesConfig), newStage(t, nodesConfig), newStage(t, nodesConfig)
	two.element = newElementWith(&siptest.Setup{TB: t, Name: "two", Config: nodesConfig, Start: two.now, Listeners: two.on}, 99)
	foreign.snap.Keys = keysOf(t, "quite another secret")
	vias := map[string]func(n int) string{
		"RFC 3261":   func(n int) string { return fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKf%d", aliceAt, n) },
		"RFC 2543":   func(int) string { return "Via: SIP/2.0/UDP " + aliceAt },
		"its branch": func(n int) string { return fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=%d", aliceAt, n) },
		"a name": func(n int) string {
			return fmt.Sprintf("Via: SIP/2.0/UDP phone.example.net;rport;branch=z9hG4bKf%d", n)
		},
	}
	for kind, via := range vias {
		branches, places := map[string]bool{}, map[string]int{}
		for n := range 40 {
			list := one.family(n, via(n))
			first := one.one(one.receive(aliceAt, list[0]))
			branches[first.Branch()] = true
			places[first.hop.Remote.String()]++
			for i, wire := range list {
				x, y := one.one(one.receive(aliceAt, wire)), two.one(two.receive(aliceAt, wire))
				if x.hop != first.hop || x.Branch() != first.Branch() {
					t.Fatalf("%s: message %d of call %d goes to %s as %s, the INVITE to %s as %s", kind, i, n, x.hop, x.Branch(), first.hop, first.Branch())
				}
				if x.Wire != y.Wire || x.hop != y.hop {
					t.Fatalf("%s: another machine sends\n%s\nto %s instead of\n%s\nto %s", kind, y.Wire, y.hop, x.Wire, x.hop)
				}
				if i < 2 && x.Wire != first.Wire {
					t.Fatalf("%s: a copy differs:\n%s\n%s", kind, x.Wire, first.Wire)
				}
			}
			if x := foreign.one(foreign.receive(aliceAt, list[0])); x.Branch() == first.Branch() {
				t.Errorf("%s: another secret makes the same branch", kind)
			}
		}
		if len(branches) != 40 || len(places) != 4 {
			t.Errorf("%s: 40 calls have %d branches and %d places", kind, len(branches), len(places))
		}
	}
	for _, s := range []*stage{one, two} {
		if !s.Idle() {
			t.Error("something is kept")
		}
	}
	if got := one.core.Stats(); got.PassedOn != 4*40*5 || got.Forwarded != 0 {
		t.Errorf("%d passed on, %d forwarded", got.PassedOn, got.Forwarded)
	}
}

// Two transactions have two branches, however much they are alike.
// Proves: SL-3
func TestStatelessBranchesDiffer(t *testing.T) {
	t.Parallel()
	s := newStage(t, nodesConfig)
	old := "Via: SIP/2.0/UDP " + aliceAt
	seen := map[string]string{}
	for name, wire := range map[string]string{
		"plain":          s.compose("MESSAGE sip:bob@example.org SIP/2.0", old),
		"sent-by":        s.compose("MESSAGE sip:bob@example.org SIP/2.0", old+"1"),
		"Request-URI":    s.compose("MESSAGE sip:carol@example.org SIP/2.0", old),
		"CSeq":           s.compose("MESSAGE sip:bob@example.org SIP/2.0", old, "CSeq: 2 MESSAGE"),
		"Call-ID":        s.compose("MESSAGE sip:bob@example.org SIP/2.0", old, "Call-ID: other"),
		"From tag":       s.compose("MESSAGE sip:bob@example.org SIP/2.0", old, "From: <sip:alice@example.net>;tag=b"),
		"branch":         s.compose("MESSAGE sip:bob@example.org SIP/2.0", old+";branch=1"),
		"cookie":         s.compose("MESSAGE sip:bob@example.org SIP/2.0", old+";branch=z9hG4bK1"),
		"cookie, other":  s.compose("MESSAGE sip:bob@example.org SIP/2.0", old+";branch=z9hG4bK2"),
		"cookie, sentby": s.compose("MESSAGE sip:bob@example.org SIP/2.0", old+"1;branch=z9hG4bK1"),
	} {
		x := s.one(s.receive(aliceAt, wire))
		if other, ok := seen[x.Branch()]; ok {
			t.Errorf("%q and %q have one branch", name, other)
		}
		seen[x.Branch()] = name
	}
}

// Own answers are the same for every copy, also when they say when to come back,
// and are given once for each; what follows them is ignored.
// Proves: SL-8, RE-3, RE-10
func TestStatelessAnswersAreReproducible(t *testing.T) {
	t.Parallel()
	s := newStage(t, nodesConfig)
	for i, prepare := range []func() string{
		func() string { return s.compose("INVITE sip:gone@example.org SIP/2.0") },
		func() string { return s.compose("INVITE sip:bob@example.org SIP/2.0", "Proxy-Require: x") },
		func() string { return s.compose("INVITE sip:bob@example.org SIP/2.0", "Max-Forwards: 0") },
		func() string { return s.compose("INVITE sip:bob@example.org SIP/2.0", "CSeq: 1 BYE") },
		func() string { s.core.Drain(true); return s.compose("INVITE sip:bob@example.org SIP/2.0") },
	} {
		wire := prepare()
		x := s.one(s.receive(aliceAt, wire))
		if y := s.one(s.receive(aliceAt, wire)); x.Status < 300 || x.Wire != y.Wire {
			t.Errorf("%d: a copy gets\n%s\ninstead of\n%s", i, y.Wire, x.Wire)
		}
		s.silent(s.pass(40 * time.Second))
		ack := strings.NewReplacer("INVITE sip", "ACK sip", "CSeq: 1 INVITE", "CSeq: 1 ACK", "To: <sip:bob@example.org>", "To: "+x.Get("To")).Replace(wire)
		if !strings.Contains(wire, "CSeq: 1 BYE") {
			s.silent(s.receive(aliceAt, ack))
		}
	}
	s.core.Drain(false)
	wire := s.compose("INVITE sip:gone@example.org SIP/2.0")
	s.refused(s.receive(aliceAt, wire), 410)
	s.silent(s.receive(aliceAt, strings.NewReplacer("INVITE sip", "CANCEL sip", "1 INVITE", "1 CANCEL").Replace(wire)))
	if got := s.core.Stats(); got.Dropped[proxy.DropCancel] != 1 || got.Dropped[proxy.DropAck] != 4 || got.PassedOn != 0 {
		t.Errorf("%d CANCELs and %d ACKs dropped, %d passed on", got.Dropped[proxy.DropCancel], got.Dropped[proxy.DropAck], got.PassedOn)
	}
	// What a rule drops by something that no CANCEL has was not forwarded; its
	// CANCEL is not asked.
	s.silent(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0", "X-Barred: 1")))
	if x := s.one(s.receive(aliceAt, s.compose("CANCEL sip:bob@example.org SIP/2.0"))); x.Method != "CANCEL" {
		t.Errorf("got %s", what(x))
	}
}

// RFC 3263 §4.4: of the equal addresses of a name, all that belongs to one INVITE
// gets the same.
// Proves: NH-14
func TestStatelessChoiceAmongEqualAddresses(t *testing.T) {
	t.Parallel()
	s := newStage(t, nodesConfig)
	var addrs []netip.AddrPort
	for _, a := range []string{"203.0.113.21:5060", "203.0.113.22:5060", "203.0.113.23:5060"} {
		addrs = append(addrs, netip.MustParseAddrPort(a))
	}
	hops := resolve.Equal(flow.UDP, addrs...)
	known := names{"nodes.example.com": func() (resolve.Hops, resolve.State) { return hops, resolve.Hit }}
	s.snap.Known = known
	places := map[string]int{}
	for n := range 30 {
		var at string
		for _, wire := range s.family(n, fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKn%d", aliceAt, n)) {
			x := s.one(s.receive(aliceAt, strings.ReplaceAll(wire, "sip:bob@example.org SIP", "sip:name@example.org SIP")))
			if at == "" {
				at = x.hop.Remote.String()
			}
			if x.hop.Remote.String() != at {
				t.Fatalf("%s of call %d goes to %s, the INVITE went to %s", what(x), n, x.hop.Remote, at)
			}
		}
		places[at]++
	}
	if len(places) != 3 {
		t.Errorf("30 calls have %d places", len(places))
	}
	// A name that nobody knows: each copy waits, and each goes.
	s.snap.Known = names{}
	invite := strings.ReplaceAll(s.family(99, "Via: SIP/2.0/UDP "+aliceAt+";branch=z9hG4bKw")[0], "sip:bob@example.org SIP", "sip:name@example.org SIP")
	s.silent(s.receive(aliceAt, invite))
	first := s.asked()
	s.silent(s.receive(aliceAt, invite))
	x := s.one(s.resolved(first, hops, nil))
	if y := s.one(s.resolved(s.askedAgain(invite), hops, nil)); x.Wire != y.Wire || x.hop != y.hop {
		t.Errorf("a copy goes to %s as\n%s\ninstead of %s\n%s", y.hop, y.Wire, x.hop, x.Wire)
	}
}

// askedAgain is the question that one more copy of wire puts.
func (s *stage) askedAgain(wire string) (a effect.Ask) {
	s.silent(s.receive(aliceAt, wire))
	return s.asked()
}

// Responses go back where the request came from, by what our Via says, and
// nowhere else.
// Proves: SL-6, TV-9, TV-16
func TestStatelessResponsesFindTheirWay(t *testing.T) {
	t.Parallel()
	inner, outer := udp("10.0.0.1:5060"), udp(proxyAt)
	tcp := siptest.Listener{Name: "proxy", Protocol: flow.TCP, Addr: netip.MustParseAddrPort(proxyAt)}
	for _, c := range []struct {
		name, via, from, to string
		on                  int // listener
	}{
		{"by sent-by", "SIP/2.0/UDP 198.51.100.5:5062;branch=z9hG4bK1", "198.51.100.5:9999", "198.51.100.5:5062", 0},
		{"by sent-by, RFC 2543", "SIP/2.0/UDP 198.51.100.5:5062", "198.51.100.5:9999", "198.51.100.5:5062", 0},
		{"by rport", "SIP/2.0/UDP 10.9.9.9;rport;branch=z9hG4bK2", "198.51.100.5:40123", "198.51.100.5:40123", 0},
		{"behind a NAT without rport", "SIP/2.0/UDP 10.9.9.9:5062;branch=z9hG4bK3", "198.51.100.5:40123", "198.51.100.5:5062", 0},
		{"a name", "SIP/2.0/UDP phone.example.net;branch=z9hG4bK4", "198.51.100.5:40123", "198.51.100.5:5060", 0},
		{"a network that only its requests open", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK5", "10.0.0.9:5060", "10.0.0.9:5060", 0},
		{"the other listener", "SIP/2.0/UDP 10.0.0.9;rport;branch=z9hG4bK6", "10.0.0.9:5060", "10.0.0.9:5060", 1},
		{"a connection", "SIP/2.0/TCP 198.51.100.5;branch=z9hG4bK7", "198.51.100.5:40123", "198.51.100.5:40123", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nodesConfig, outer, inner, tcp)
			x := s.one(s.receiveOn(c.on, c.from, s.compose("INVITE sip:bob@example.org SIP/2.0", "Via: "+c.via, "Contact: <sip:alice@10.0.0.9>")))
			below := x.All("Via")[1]
			wire := answer(x, "180 Ringing")
			back := s.one(s.receive("203.0.113.11:5060", wire))
			if back.hop.Remote.String() != c.to || int(back.hop.Listener) != c.on || back.hop.Protocol != s.on[c.on].Protocol {
				t.Errorf("it went to %s by listener %d, want %s by %d", back.hop, back.hop.Listener, c.to, c.on)
			}
			if vias := back.All("Via"); len(vias) != 1 || vias[0] != below {
				t.Errorf("Vias are %q", vias)
			}
			if last := &s.fx.Sends[0]; c.on == 2 && (last.Hop.Conn != flow.Existing || last.Fallback != netip.MustParseAddrPort("198.51.100.5:5060")) {
				t.Errorf("conn %d, fallback %s", last.Hop.Conn, last.Fallback)
			}
			// All copies; then changed ones, of which none may go elsewhere.
			if again := s.one(s.receive("203.0.113.11:5060", wire)); again.Wire != back.Wire {
				t.Errorf("got %s", again.Wire)
			}
			s.silent(s.receive(bobAt, strings.Replace(wire, x.Branch(), x.Branch()[:12]+"xxxx"+x.Branch()[16:], 1)))
			s.silent(s.receive(bobAt, strings.Replace(wire, below, strings.Replace(below, ";branch=z", ";branch=Z9hG4bKq", 1)+"x", 1)))
			forged := strings.Replace(wire, below, strings.NewReplacer("received=198.51.100.5", "received=10.0.0.77", "rport=40123", "rport=5060").Replace(below), 1)
			for _, y := range s.receive(bobAt, forged) {
				if y.hop.Remote.Addr().String() == "10.0.0.77" {
					t.Errorf("a response can be had sent to %s", y.hop)
				}
			}
		})
	}
	// Nothing but our own branches is passed on, whatever they are of.
	s := newStage(t, nodesConfig)
	for _, via := range []string{"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1"} {
		s.silent(s.receive(bobAt, s.compose("SIP/2.0 200 OK", "CSeq: 1 INVITE", "no:Max-Forwards", "Via: "+via+", SIP/2.0/UDP "+aliceAt+";branch=z9hG4bKx")))
	}
}

// A new key signs, the old one still verifies (seams.md §2).
func TestStatelessResponsesOutliveAKey(t *testing.T) {
	t.Parallel()
	s := newStage(t, nodesConfig)
	s.snap.Keys = keysOf(t, "the old secret of the bench")
	var waiting []sent
	for _, via := range []string{"SIP/2.0/UDP 198.51.100.5;branch=z9hG4bK1", "SIP/2.0/UDP 198.51.100.5", "SIP/2.0/UDP 10.9.9.9;rport;branch=z9hG4bK2"} {
		waiting = append(waiting, s.one(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0", "Via: "+via))))
	}
	s.snap.Keys = keysOf(t, "the new secret of the bench", "the old secret of the bench")
	for _, x := range waiting {
		if back := s.one(s.receive(bobAt, answer(x, "200 OK"))); back.hop.Remote.String() != aliceAt {
			t.Errorf("it went to %s", back.hop)
		}
	}
	s.snap.Keys = keysOf(t, "the new secret of the bench")
	s.silent(s.receive(bobAt, answer(waiting[0], "200 OK")))
}

// A call goes on in its dialog by our Record-Route, from both sides.
// Proves: SL-7, SL-13
func TestStatelessDialog(t *testing.T) {
	t.Parallel()
	s := newStage(t, nodesConfig)
	invite := s.compose("INVITE sip:bob@example.org SIP/2.0", "Contact: <sip:alice@198.51.100.5>")
	x := s.one(s.receive(aliceAt, invite))
	node := x.hop.Remote.String()
	route := "Route: " + x.Get("Record-Route")
	bye := s.one(s.receive(aliceAt, s.compose("BYE sip:bob@"+node+" SIP/2.0", route, "To: <sip:bob@example.org>;tag=b", "CSeq: 2 BYE")))
	if bye.hop.Remote.String() != node || bye.Has("Route") || bye.Has("Record-Route") {
		t.Errorf("to %s: %s", bye.hop, bye.Wire)
	}
	bye = s.one(s.receive(node, s.compose("BYE sip:alice@198.51.100.5 SIP/2.0", route, "Via: SIP/2.0/UDP "+node+";branch=z9hG4bKbob", "From: <sip:bob@example.org>;tag=b", "To: <sip:alice@example.net>;tag=a")))
	if bye.hop.Remote.String() != aliceAt {
		t.Errorf("to %s: %s", bye.hop, bye.Wire)
	}
	// Without a Route of ours the way to a node is by rules only.
	s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@example.net SIP/2.0", "Route: <sip:203.0.113.12;lr>", "To: <sip:bob@example.org>;tag=b")))
	s.refused(s.receive(aliceAt, s.compose("BYE sip:bob@example.net SIP/2.0", "Route: <sip:203.0.113.12;lr>", "To: <sip:bob@example.org>;tag=b")), 403)
}

// A listener that becomes stateless ends its transactions as it began them.
func TestTransactionsOutliveTheModeOfTheirListener(t *testing.T) {
	t.Parallel()
	s := newStage(t, strings.Replace(nodesConfig, "\"stateless\"", "\"stateful\"", 1))
	invite := s.compose("INVITE sip:bob@203.0.113.11 SIP/2.0")
	invite = strings.Replace(invite, "sip:bob@203.0.113.11", "sip:name@example.org", 1)
	s.snap.Known = names{"nodes.example.com": func() (resolve.Hops, resolve.State) { return hopsOf("203.0.113.21:5060"), resolve.Hit }}
	x := s.one(s.receive(aliceAt, invite))
	changed := *s.snap
	changed.Listeners = append(changed.Listeners[:0:0], changed.Listeners...)
	changed.Listeners[0].Stateless = true
	s.snap = &changed
	s.refused(s.receive(aliceAt, invite), 100) // a copy is absorbed
	cancel := strings.NewReplacer("INVITE sip", "CANCEL sip", "1 INVITE", "1 CANCEL").Replace(invite)
	s.refused(s.receive(aliceAt, cancel), 200)
	if got := s.receive("203.0.113.21:5060", answer(x, "180 Ringing")); len(got) != 2 { // the CANCEL that it is owed, and the 180
		t.Errorf("got %d messages", len(got))
	}
	y := s.compose("INVITE sip:bob@example.org SIP/2.0")
	if z := s.one(s.receive(aliceAt, y)); z.Status != 0 {
		t.Errorf("a new request is answered %d", z.Status)
	}
	if got := s.core.Stats(); got.PassedOn != 1 {
		t.Errorf("%d passed on", got.PassedOn)
	}
}

// Calls over a network that loses, doubles and reorders: the parties repair it,
// and nothing is kept in between.
// Proves: SL-1, SL-2
func TestStatelessSimulation(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		n := siptest.NewNetwork(t, seed, siptest.Link{Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.05})
		n.Setup.Rules.Stateless = true
		alice := n.Caller("alice", "127.0.0.2:5060")
		n.Callee("one", "127.0.0.3:5060", siptest.Manner{Ring: 100 * time.Millisecond, Answer: 2 * time.Second})
		n.Callee("two", "127.0.0.4:5060", siptest.Manner{Answer: 200 * time.Millisecond, Status: 486})
		n.Setup.Config = "server {\n  mode = \"stateless\"\n  domains = [\"example.org\"]\n}\ngroup \"g\" {\n  target \"sip:${one}\" {}\n  target \"sip:${two}\" {}\n}\nrule \"all\" { send = group.g }\n"
		for i := range 300 {
			plan := siptest.Plan{URI: "sip:bob@example.org", Talk: 3 * time.Second}
			if i%5 == 0 {
				plan.Cancel = time.Duration(i%40) * 50 * time.Millisecond
			}
			alice.Call(time.Duration(i)*20*time.Millisecond, plan)
		}
		n.Attach(newElement)
		n.Finish()
		outcomes := n.Outcomes()
		for _, status := range []int{200, 486, 487} {
			if outcomes[status] == 0 {
				t.Errorf("no call ended with %d: %v", status, outcomes)
			}
		}
	}
}
