package proxy_test

import (
	"slices"
	"strings"
	"testing"

	"viaduct/internal/flow"
)

// An edge passes REGISTERs on to a registrar elsewhere, and what that sends for its
// phones into their flows.
const edgeConfig = `
server { domains = ["example.net"] }
rule "register" {
  when = method == REGISTER
  send = "sip:192.0.2.200"
  path = true
}
rule "out" {
  when = within(src.ip, "203.0.113.0/24")
  send = "sip:192.0.2.200"
}
rule "none" { reply = "403 By Rule" }
`

const (
	registrarAt = "192.0.2.200:5060"
	natAt       = "203.0.113.50:40000"
)

// edgeStage has listeners for UDP, TCP, TLS and WSS. Those of the last two are made
// of others, since the configuration of a stage has no certificates.
func edgeStage(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, edgeConfig, udp(proxyAt), tcp(proxyAt), tcp("192.0.2.1:5061"), tcp("192.0.2.1:443"))
	for i, p := range map[int]flow.Protocol{2: flow.TLS, 3: flow.WSS} {
		s.snap.Listeners[i].Protocol, s.on[i].Protocol = p, p
	}
	s.snap.Prepare()
	return s
}

// onEdge has a phone register by an edge and returns the request as the registrar
// gets it.
func (s *stage) onEdge(on int, from string, lines ...string) sent {
	s.t.Helper()
	return s.relayed(s.receiveOn(on, from, s.compose("REGISTER sip:example.org SIP/2.0", append(lines, "To: <sip:bob@example.org>")...)), registrarAt)
}

// RFC 3327 §5.2, RFC 5626 §5.1: what an edge adds to a REGISTER, and when. The upper
// of two values is for the registrar, the lower one for the client, with its flow.
// Proves: PA-5, PA-10, PA-12, OB-13
func TestPathOfAnEdge(t *testing.T) {
	t.Parallel()
	const ob = `Contact: <sip:bob@203.0.113.50:40000>;reg-id=1;+sip.instance="<urn:uuid:1>"`
	for _, c := range []struct {
		name  string
		on    int
		lines []string
		want  []string // of each Path value, from the @ on
		uris  string
	}{
		{"a phone that can be reached", 0, []string{"Contact: <sip:bob@203.0.113.50:40000>", "Supported: path"}, nil, ""},
		{"behind NAT", 0, []string{"Contact: <sip:bob@10.0.0.9>", "Supported: path"}, []string{"@192.0.2.1:5060;lr>"}, "sip"},
		{"behind a NAT and an edge", 0, []string{"Contact: <sip:bob@10.0.0.9>", "Supported: path", "Path: <sip:192.0.2.9;lr>"}, []string{"@192.0.2.1:5060;lr>", "<sip:192.0.2.9;lr>"}, "sip"},
		{"by TCP", 1, []string{"Contact: <sip:bob@10.0.0.9>", "Supported: path"}, []string{"@192.0.2.1:5060;lr>", "@192.0.2.1:5060;transport=tcp;lr>"}, "sip"},
		{"with a flow", 0, []string{ob, "Supported: path, outbound"}, []string{"@192.0.2.1:5060;lr;ob>"}, "sip"},
		{"by TLS", 2, []string{"Contact: <sip:bob@10.0.0.9>", "Supported: path"}, []string{"@192.0.2.1:5060;lr>", "@192.0.2.1:5061;lr>"}, "sip sips"},
	} {
		s := edgeStage(t)
		x := s.onEdge(c.on, natAt, c.lines...)
		got := x.All("path")
		if len(got) != len(c.want) {
			t.Errorf("%s: Path %q", c.name, got)
			continue
		}
		var schemes []string
		for i := range got {
			if !strings.HasSuffix(got[i], c.want[i]) {
				t.Errorf("%s: Path %q, want %q", c.name, got, c.want)
			}
			if scheme, _, _ := strings.Cut(got[i][1:], ":"); strings.HasPrefix(c.want[i], "@") {
				schemes = append(schemes, scheme)
			}
		}
		if schemes = slices.Compact(schemes); strings.Join(schemes, " ") != c.uris {
			t.Errorf("%s: the schemes are %q in %q", c.name, schemes, got)
		}
		if required := x.All("require"); (len(got) > 0) != slices.Contains(required, "path") || len(required) > 1 {
			t.Errorf("%s: Require %q", c.name, required)
		}
	}
	s := newStage(t, edgeConfig)
	x := s.onEdge(0, natAt, "Contact: <sip:bob@10.0.0.9>", "Require: Path")
	if got := x.All("require"); len(got) != 1 {
		t.Errorf("Require %q", got)
	}
	for _, c := range []string{"Contact: <sip:bob@10.0.0.9>", ob} {
		s := newStage(t, edgeConfig)
		y := s.refused(s.receive(natAt, s.compose("REGISTER sip:example.org SIP/2.0", "To: <sip:bob@example.org>", c)), 421)
		if y.Get("require") != "path" {
			t.Errorf("421 with Require %q", y.Get("require"))
		}
	}
}

// RFC 5630 §5.2: a client that is to be reached by sips has sips all the way.
func TestPathForSIPS(t *testing.T) {
	t.Parallel()
	s := edgeStage(t)
	for on, count := range map[int]int{2: 1, 3: 2} {
		x := s.relayed(s.receiveOn(on, natAt, s.compose("REGISTER sips:example.org SIP/2.0", "To: <sips:bob@example.org>",
			"Contact: <sips:bob@10.0.0.9>", "Supported: path")), "192.0.2.200:5061")
		got := x.All("path")
		if len(got) != count || slices.ContainsFunc(got, func(v string) bool { return !strings.HasPrefix(v, "<sips:") }) {
			t.Errorf("listener %d: Path %q", on, got)
		}
	}
}

// An edge without state adds the same value to each copy.
// Proves: PA-5
func TestPathOfAStatelessEdge(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
server { mode = "stateless" }
rule "register" {
  when = method == REGISTER
  send = "sip:192.0.2.200"
  path = true
}
`)
	request := s.compose("REGISTER sip:example.org SIP/2.0", "To: <sip:bob@example.org>", "Contact: <sip:bob@10.0.0.9>", "Supported: path")
	first := s.relayed(s.receive(natAt, request), registrarAt)
	if got := first.All("path"); len(got) != 1 || !strings.HasSuffix(got[0], "@192.0.2.1:5060;lr>") {
		t.Errorf("Path %q", got)
	}
	if again := s.relayed(s.receive(natAt, request), registrarAt); again.Wire != first.Wire {
		t.Errorf("a copy became\n%s\nand not\n%s", again.Wire, first.Wire)
	}
	s.refused(s.receive(natAt, strings.Replace(request, "Supported: path\r\n", "", 1)), 421)
}

// RFC 3327 §5.2, RFC 3608 §6.2: what the registrar says in Path and Service-Route is
// nobody's business on the way.
// Proves: PA-6, PA-9, RG-3
func TestAnswersOfTheRegistrarPass(t *testing.T) {
	t.Parallel()
	s := newStage(t, edgeConfig)
	x := s.onEdge(0, natAt, "Contact: <sip:bob@10.0.0.9>", "Supported: path")
	if x.URI != "sip:example.org" {
		t.Errorf("Request-URI %s", x.URI)
	}
	lines := []string{
		"Path: " + x.Get("path") + " , <sip:192.0.2.9;lr;x=\"a,b\">", "Service-Route:  <sip:home@192.0.2.200;lr> ,<sip:x;lr>",
		"service-route: <sip:y;lr>", "Contact: <sip:bob@10.0.0.9>;expires=60",
	}
	y := s.refused(s.receive(registrarAt, answer(x, "200 OK", lines...)), 200)
	for _, l := range lines {
		if !strings.Contains(y.Wire, "\r\n"+l+"\r\n") {
			t.Errorf("%q became\n%s", l, y.Wire)
		}
	}
}

// RFC 5626 §5.3: a request that comes with the flow token is sent into the flow;
// later ones of the dialog reach the same flow from outside, and leave it as
// requests that go outward.
// Proves: OB-9, OB-19
func TestFlowsOfAnEdge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		on    int
		lines []string
	}{
		"behind NAT":  {0, []string{"Contact: <sip:bob@10.0.0.9>", "Supported: path"}},
		"by TCP":      {1, []string{"Contact: <sip:bob@10.0.0.9;transport=tcp>", "Supported: path"}},
		"with a flow": {0, []string{`Contact: <sip:bob@203.0.113.50:40000;ob>;reg-id=1;+sip.instance="<urn:uuid:1>"`, "Supported: path, outbound"}},
	} {
		s := edgeStage(t)
		path := s.onEdge(c.on, natAt, c.lines...).All("path")
		contact := strings.TrimSuffix(strings.TrimPrefix(strings.Split(c.lines[0], ">")[0], "Contact: <"), ">")
		var route []string
		for _, p := range path {
			route = append(route, "Route: "+p)
		}
		s.call = "inward"
		x := s.relayed(s.receive(registrarAt, s.compose("INVITE "+contact+" SIP/2.0", append(route, "Contact: <sip:alice@192.0.2.200>")...)), natAt)
		if x.Has("route") || x.URI != contact || int(x.hop.Listener) != c.on || x.hop.Protocol.Reliable() && x.hop.Conn != flow.Existing {
			t.Errorf("%s: %s by %s with Route %q", name, x.URI, x.hop, x.Get("route"))
		}
		ok := s.refused(s.receiveOn(c.on, natAt, answer(x, "200 OK", "Contact: <"+contact+">")), 200)
		caller, callee := ok.All("record-route"), x.All("record-route")
		slices.Reverse(caller)
		within := func(on int, from, method, uri string, route []string) []sent {
			lines := []string{"From: " + ok.Get("from"), "To: " + ok.Get("to"), "CSeq: 7 " + method}
			if from == natAt {
				lines[0], lines[1] = "From: "+ok.Get("to"), "To: "+ok.Get("from")
			}
			for _, r := range route {
				lines = append(lines, "Route: "+r)
			}
			return s.receiveOn(on, from, s.compose(method+" "+uri+" SIP/2.0", lines...))
		}
		for _, method := range []string{"ACK", "INFO", "BYE"} {
			if y := s.relayed(within(0, registrarAt, method, contact, caller), natAt); y.hop.Listener != x.hop.Listener {
				t.Errorf("%s: %s by %s", name, method, y.hop)
			}
		}
		s.relayed(within(c.on, natAt, "BYE", "sip:alice@192.0.2.200", callee), registrarAt)

		// The token in a request out of the flow: it goes outward, by the rules.
		s.call = "outward"
		own := "Route: " + path[len(path)-1]
		y := s.relayed(s.receiveOn(c.on, natAt, s.compose("INVITE sip:carol@example.net SIP/2.0", own, "Contact: <"+contact+">")), registrarAt)
		if y.Has("route") {
			t.Errorf("%s: outward with Route %q", name, y.Get("route"))
		}
		// A client that wants its flow to be used is reached by it (§5.3.2).
		ok = s.refused(s.receive(registrarAt, answer(y, "200 OK", "Contact: <sip:carol@192.0.2.200>")), 200)
		if z := s.relayed(within(0, registrarAt, "BYE", contact, y.All("record-route")), natAt); int(z.hop.Listener) != c.on {
			t.Errorf("%s: BYE by %s", name, z.hop)
		}
	}
}

// RFC 5626 §5.3.1: 403 for a token that was tampered with, 430 for a flow that is
// gone. Neither is sent anywhere else.
// Proves: OB-10
func TestFlowsThatAreNoneOfAnEdge(t *testing.T) {
	t.Parallel()
	s := edgeStage(t)
	for on, from := range map[int]string{0: natAt, 1: "203.0.113.51:40001"} {
		path := s.onEdge(on, from, "Contact: <sip:bob@10.0.0.9>", "Supported: path").All("path")
		token := cookieOf(t, path[len(path)-1])
		for i := range len(token) {
			other := byte('A')
			if token[i] == other {
				other = 'B'
			}
			bad := strings.Replace(strings.Join(path, ", "), token, token[:i]+string(other)+token[i+1:], 1)
			x := s.one(s.receive(registrarAt, s.compose("MESSAGE sip:bob@10.0.0.9 SIP/2.0", "Route: "+bad, "Call-ID: bad-"+token[:i])))
			// Of another kind or listener it is no token of ours, and the rules decide.
			if known := i >= 8; x.Status != 403 || known && x.Reason == "By Rule" {
				t.Fatalf("listener %d: character %d changed gave %s %s", on, i, what(x), x.Reason)
			}
		}
		s.call = "gone"
		x := s.relayed(s.receive(registrarAt, s.compose("INVITE sip:bob@10.0.0.9 SIP/2.0", "Route: "+strings.Join(path, ", "))), from)
		s.fx.Reset()
		s.core.Broken(s.now, x.about, &s.fx)
		s.refused(s.sends(), 430)
	}
}

// A phone that pre-loads the address of its outbound proxy with a user part is none
// that has tampered.
func TestUserPartsThatAreNoTokens(t *testing.T) {
	t.Parallel()
	s := newStage(t, edgeConfig)
	for _, user := range []string{"bob", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "ABBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", strings.Repeat("x", 200)} {
		s.call = user[:3] + string(rune('0'+len(user)%10))
		s.relayed(s.receive(bobAt, s.compose("INVITE sip:carol@example.net SIP/2.0", "Route: <sip:"+user+"@192.0.2.1;lr>")), registrarAt)
	}
}

// A Path whose first value is a strict router becomes the Request-URI, and the
// Contact the last Route value (RFC 3261 §16.6 step 6).
func TestPathWithAStrictRouter(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"<sip:192.0.2.77>": "<sip:open@203.0.113.7>",
		"<sip:192.0.2.77;x=y> , <sip:192.0.2.78;lr>;q=\"a,b\"": `<sip:192.0.2.78;lr>;q="a,b" <sip:open@203.0.113.7>`,
	} {
		d := newDesk(t, office)
		if x := d.register(edgeAt, "open", "secret", "Contact: <sip:open@203.0.113.7>", "Path: "+path, "Supported: path"); x.Status != 200 {
			t.Fatalf("%d %s", x.Status, x.Reason)
		}
		x := d.relayed(d.call("open"), edgeAt)
		if !strings.HasPrefix(x.URI, "sip:192.0.2.77") || strings.Join(x.All("route"), " ") != want {
			t.Errorf("%s: %s with Route %q", path, x.URI, x.All("route"))
		}
	}
}
