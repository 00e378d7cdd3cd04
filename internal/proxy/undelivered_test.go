package proxy_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/siptest"
	"viaduct/sip"
)

// undelivered tells that x did not reach an address; of an ICMP error no more than n
// bytes of it are there.
func (s *stage) undelivered(x sent, to string, n int) []sent {
	s.t.Helper()
	var m sip.Message
	wire, whole := []byte(x.Wire), n == 0
	if !whole {
		wire = wire[:min(n, len(wire))]
	}
	_ = m.Parse(wire) // cut off, as ICMP does
	at := proxy.PlaceOfResponse(&m, 1)
	s.fx.Reset()
	s.core.Undelivered(s.now, &m, &at, netip.MustParseAddrPort(to), whole, s.snap, &s.fx)
	return s.sends()
}

// callerVia is a stage with a refused INVITE: the response, and the Via that it went by.
func callerVia(t *testing.T, p flow.Protocol, from, via string, known names) (*stage, sent) {
	t.Helper()
	listener := siptest.Listener{Name: "proxy", Protocol: p, Addr: netip.MustParseAddrPort(proxyAt)}
	if p.Reliable() {
		listener.Protocol = flow.TCP
	}
	s := newStage(t, "rule \"all\" {\n  reply = \"486 Busy Here\"\n}", listener)
	s.snap.Listeners[0].Protocol, s.on[0].Protocol = p, p
	s.snap.Prepare()
	s.snap.Known = known
	return s, s.refused(s.receive(from, s.compose("INVITE sip:bob@example.org SIP/2.0", "Via: "+via)), 486)
}

// RFC 3263 §5: a response that does not get through goes to the sent-by, by the
// transport of the Via: an address as it stands there, a name with a port by its
// addresses, a name alone by its SRV records; each of them in turn, and never in clear
// where the Via says TLS.
// Proves: NH-15, NH-24, TV-8
func TestResponsesGoToTheSentBy(t *testing.T) {
	t.Parallel()
	const caller = "198.51.100.5:40123"
	two := func(p flow.Protocol) names {
		return names{"phone.example.net": func() (resolve.Hops, resolve.State) {
			return resolve.Fixed(p, netip.MustParseAddrPort("203.0.113.20:5070"), netip.MustParseAddrPort("203.0.113.21:5071")), resolve.Hit
		}}
	}
	for _, c := range []struct {
		name    string
		p       flow.Protocol
		sentBy  string
		known   names
		failed  string
		want    []string // each after the failure of the one before it
		domains string
	}{
		{"an address", flow.UDP, "203.0.113.9;rport", nil, caller, []string{"203.0.113.9:5060"}, ""},
		{"an address with a port", flow.UDP, "203.0.113.9:5080;rport", nil, caller, []string{"203.0.113.9:5080"}, ""},
		{"the address that it came from", flow.UDP, "198.51.100.5:40123", nil, caller, nil, ""},
		{"the address that it came from, at another port", flow.UDP, "198.51.100.5:5070;rport", nil, caller, []string{"198.51.100.5:5070"}, ""},
		{"an address that may not be spoken to", flow.UDP, "10.1.2.3;rport", nil, caller, nil, ""},
		{"a name", flow.UDP, "phone.example.net;rport", two(flow.UDP), caller, []string{"203.0.113.20:5070", "203.0.113.21:5071"}, ""},
		{"a name that leads nowhere", flow.UDP, "no.example.net;rport", names{"no.example.net": func() (resolve.Hops, resolve.State) { return resolve.Hops{}, resolve.Negative }}, caller, nil, ""},
		{"a connection", flow.TCP, "203.0.113.9:5080", nil, "198.51.100.5:5080", []string{"203.0.113.9:5080"}, ""},
		{"a connection and a name", flow.TCP, "phone.example.net", two(flow.TCP), "198.51.100.5:5060", []string{"203.0.113.20:5070", "203.0.113.21:5071"}, ""},
		{"TLS", flow.TLS, "203.0.113.9", nil, "198.51.100.5:5061", []string{"203.0.113.9:5061"}, "203.0.113.9"},
		{"TLS and a name", flow.TLS, "phone.example.net", two(flow.TLS), "198.51.100.5:5061", []string{"203.0.113.20:5070", "203.0.113.21:5071"}, "phone.example.net"},
		{"a WebSocket", flow.WSS, "df7jal23ls0d.invalid", nil, caller, nil, ""},
	} {
		s, x := callerVia(t, c.p, caller, "SIP/2.0/"+c.p.String()+" "+c.sentBy+";branch=z9hG4bKx", c.known)
		failed := c.failed
		for i, want := range c.want {
			list := s.undelivered(x, failed, 300*(i%2))
			if len(list) != 1 || list[0].hop.Remote.String() != want || list[0].hop.Protocol != c.p || list[0].Wire != x.Wire {
				t.Fatalf("%s: after %s it went to %v, want %s", c.name, failed, list, want)
			}
			if got := list[0].hop; got.Domain.String() != c.domains || got.Conn != 0 {
				t.Errorf("%s: to %s for %q", c.name, got, got.Domain)
			}
			failed = want
		}
		s.silent(s.undelivered(x, failed, 0)) // all were tried
		s.silent(s.undelivered(x, c.failed, 300))
		if st := s.core.Stats(); st.RepliesMoved != uint64(len(c.want)) {
			t.Errorf("%s: %d moved", c.name, st.RepliesMoved)
		}
	}
}

// What is asked for by the sent-by is its SRV records with TLS only where the Via says
// so; the response waits for the answer, and goes nowhere when its transaction has
// ended meanwhile.
// Proves: NH-15, NH-24
func TestTheNameOfASentByIsLookedUp(t *testing.T) {
	t.Parallel()
	const caller = "198.51.100.5:40123"
	for _, c := range []struct {
		p      flow.Protocol
		sentBy string
		port   uint16
		failed string
	}{
		{flow.UDP, "phone.example.net;rport", 0, caller},
		{flow.UDP, "phone.example.net:5070;rport", 5070, caller},
		{flow.TCP, "phone.example.net", 0, "198.51.100.5:5060"},
		{flow.TLS, "phone.example.net", 0, "198.51.100.5:5061"},
	} {
		s, x := callerVia(t, c.p, caller, "SIP/2.0/"+c.p.String()+" "+c.sentBy+";branch=z9hG4bKx", names{})
		s.silent(s.undelivered(x, c.failed, 300))
		ask := s.asked()
		q, ok := resolve.ParseQuery(ask.Bytes)
		if !ok || string(q.Host) != "phone.example.net" || q.Port != c.port || q.Transport != c.p {
			t.Fatalf("%s: asked for %+v", c.sentBy, q)
		}
		const at = "203.0.113.20:5070"
		list := s.resolved(ask, resolve.Fixed(c.p, netip.MustParseAddrPort(at)), nil)
		if len(list) != 1 || list[0].hop.Remote.String() != at || list[0].hop.Protocol != c.p || list[0].Wire != x.Wire {
			t.Errorf("%s: got %v", c.sentBy, list)
		}
		if s.core.Stats().ParkedNow != 0 {
			t.Errorf("%s: it still waits", c.sentBy)
		}
	}
	s, x := callerVia(t, flow.UDP, caller, "SIP/2.0/UDP phone.example.net;rport;branch=z9hG4bKx", names{})
	s.silent(s.undelivered(x, caller, 300))
	ask := s.asked()
	s.pass(40 * time.Second)
	s.silent(s.resolved(ask, hopsOf(bobAt), nil))
	s.silent(s.undelivered(x, caller, 300))
	if !s.core.Idle() || len(s.fx.Asks) != 0 {
		t.Error("something is left of it")
	}
}

// What follows a response that went another way goes there too: copies, later
// responses, and what was already on its way when the connection failed. A 2xx of
// which nothing is kept goes there when its callee sends it again.
// Proves: NH-15
func TestWhatFollowsAResponseThatMoved(t *testing.T) {
	t.Parallel()
	const caller, moved = "198.51.100.5:40123", "203.0.113.9:5060"
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`)
	invite := s.compose("INVITE sip:bob@example.org SIP/2.0", "Via: SIP/2.0/UDP 203.0.113.9;rport;branch=z9hG4bKx")
	x := s.relayed(s.receive(caller, invite), bobAt)
	ringing := s.refused(s.receive(bobAt, answer(x, "180 Ringing")), 180)
	s.refused(s.undelivered(ringing, caller, 250), 180)
	if y := s.refused(s.receive(bobAt, answer(x, "183 Session Progress")), 183); y.hop.Remote.String() != moved {
		t.Errorf("the 183 goes to %s", y.hop.Remote)
	}
	if y := s.refused(s.receive(caller, invite), 183); y.hop.Remote.String() != moved {
		t.Errorf("a copy is answered at %s", y.hop.Remote)
	}

	s = newStage(t, `rule "all" { send = "sip:203.0.113.7" }`)
	x = s.relayed(s.receive(caller, invite), bobAt)
	ok := answer(x, "200 OK", "Contact: <sip:bob@203.0.113.7>")
	first := s.refused(s.receive(bobAt, ok), 200)
	s.silent(s.undelivered(first, caller, 250))
	if y := s.refused(s.receive(bobAt, ok), 200); y.hop.Remote.String() != moved {
		t.Errorf("the 200 goes to %s again", y.hop.Remote)
	}

	s = newStage(t, `rule "all" { send = "sip:203.0.113.7" }`, tcp(proxyAt), udp("192.0.2.1:5062"))
	x = s.relayed(s.receive(caller, strings.ReplaceAll(invite, "SIP/2.0/UDP", "SIP/2.0/TCP")), bobAt)
	ringing = s.refused(s.receiveOn(1, bobAt, answer(x, "180 Ringing")), 180)
	first = s.refused(s.receiveOn(1, bobAt, answer(x, "200 OK", "Contact: <sip:bob@203.0.113.7>")), 200)
	for _, y := range []sent{ringing, first} {
		if z := s.refused(s.undelivered(y, "198.51.100.5:5060", 0), y.Status); z.hop.Remote.String() != moved || z.hop.Protocol != flow.TCP {
			t.Errorf("the %d goes to %s", y.Status, z.hop)
		}
	}
}

// FuzzUndelivered holds that whatever ICMP quotes, it moves the responses of nobody but
// the transaction that sent it, and panics never.
func FuzzUndelivered(f *testing.F) {
	const caller = "198.51.100.5:40123"
	f.Add([]byte("SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP phone.example.net;rport;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\n\r\n"), true)
	f.Add([]byte("SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 203.0.113.9;rport;branch=z9hG4bKx\r\nCSeq: 1 INVITE"), false)
	f.Add([]byte("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h\r\nf: <sip:a>;tag=\r\ni: \r\n"), true)
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP [::1"), false)
	f.Fuzz(func(t *testing.T, quoted []byte, whole bool) {
		s := newStage(t, "rule \"all\" {\n  reply = \"486 Busy Here\"\n}")
		s.snap.Known = names{}
		x := s.refused(s.receive(caller, s.compose("INVITE sip:bob@example.org SIP/2.0", "Via: SIP/2.0/UDP 203.0.113.9;rport;branch=z9hG4bKx")), 486)
		var m sip.Message
		_ = m.Parse(quoted) // as the engine does
		at := proxy.PlaceOfResponse(&m, 1)
		s.fx.Reset()
		s.core.Undelivered(s.now, &m, &at, netip.MustParseAddrPort(caller), whole, s.snap, &s.fx)
		for _, y := range s.sends() {
			if y.Wire != x.Wire || y.hop.Remote.String() != "203.0.113.9:5060" {
				t.Errorf("it went to %s as\n%s", y.hop.Remote, y.Wire)
			}
		}
		for _, a := range s.fx.Asks {
			s.resolved(a, resolve.Hops{}, resolve.ErrNoName)
		}
	})
}
