package proxy_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/flow"
	"viaduct/internal/siptest"
)

// callers asks every caller of the domain, and calls bob and carol at once, of whom
// bob alone is trusted. ${identity} and ${rule} are filled in by the test.
const callers = `
server {
  domains = ["example.org", "example.net"]
  trust   = ["203.0.113.7"]
  ${identity}
}
users "staff" {
  realm      = "staff"
  file       = "unused"
  algorithms = ["MD5"]
}
rule "open" {
  when = dest.user == "open"
  send = ["sip:203.0.113.7", "sip:203.0.113.8"]
}
rule "calls" {
  authenticate = users.staff
  ${rule}
  send = ["sip:203.0.113.7", "sip:203.0.113.8"]
}
`

func newCallers(t *testing.T, identity, rule string, listeners ...siptest.Listener) *gate {
	t.Helper()
	return newGate(t, strings.NewReplacer("${identity}", identity, "${rule}", rule).Replace(callers), listeners...)
}

// heard is what bob and carol are told of a caller in a header field.
func (g *gate) heard(list []sent, name string) (bob, carol []string) {
	g.t.Helper()
	if len(list) != 2 || !list[0].IsRequest() || !list[1].IsRequest() {
		g.t.Fatalf("got %d messages, the first a %s, want two requests", len(list), what(list[0]))
	}
	for _, x := range list {
		if x.hop.Remote.String() == bobAt {
			bob = x.All(name)
		} else {
			carol = x.All(name)
		}
	}
	return bob, carol
}

func (g *gate) authenticated(lines ...string) []sent {
	g.t.Helper()
	challenge := g.refused(g.call(lines...), 407)
	return g.call(append(lines, g.answerTo(challenge, "alice", "secret"))...)
}

const (
	pai       = "P-Asserted-Identity"
	anonymous = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a"
)

// RFC 3325 §5–7: who was authenticated is asserted, each branch by itself: toward
// the trust domain, and to others as configured and as long as nobody asks for
// privacy. What a stranger says of itself is worth nothing.
// Proves: PV-1, PV-2, PV-3, PV-6, PV-8
func TestCallersAreAsserted(t *testing.T) {
	t.Parallel()
	const (
		all   = `identity { assert = "all" }`
		never = `identity { assert = "none" }`
		alice = "<sip:alice@example.org>"
		eve   = "P-Asserted-Identity: \"Eve\" <sip:eve@example.org>, tel:+49301"
	)
	for _, c := range []struct {
		name, identity, rule string
		lines                []string
		bob, carol           string // joined by '|'
	}{
		{"by default, to the trust domain", "", "", nil, alice, ""},
		{"instead of what it says of itself", "", "", []string{eve}, alice, ""},
		{"without the display name", "", "", []string{"From: \"The Boss\" <sip:alice@example.org;x=y>;tag=a"}, alice, ""},
		{"to all", all, "", []string{eve}, alice, alice},
		{"but not against its will", all, "", []string{"Privacy: id"}, alice, ""},
		{"and to nobody where it is not wanted", never, "", []string{eve}, "", ""},

		{"as it prefers", "", "", []string{"P-Preferred-Identity: \"A\" <sip:alice@example.net>"}, "<sip:alice@example.net>", ""},
		{"the first that it may", "", "", []string{"P-Preferred-Identity: <sip:bob@example.org>, <tel:+1>, <sips:alice@example.net>"}, "<sip:alice@example.net>", ""},
		{"not as another", "", "", []string{"P-Preferred-Identity: <sip:bob@example.org>", "From: <sip:alice@example.net>;tag=a"}, "<sip:alice@example.net>", ""},
		{"anonymous, by its realm", "", "", []string{anonymous, "Privacy: id"}, alice, ""},
		{"anonymous, as it prefers", "", "", []string{anonymous, "P-Preferred-Identity: <sip:alice@example.net>"}, "<sip:alice@example.net>", ""},
		{"whoever it says it is", "", `identity = "any"`, []string{"From: <sip:+49301@trunk.example.com>;tag=a"}, alice, ""},

		{"as a rule says", "", `header "P-Asserted-Identity" { set = "<tel:+49302>" }`, []string{eve}, "<tel:+49302>", "<tel:+49302>"},
		{"and as a rule says", "", `header "P-Asserted-Identity" { add = "<tel:+49302>" }`, []string{eve}, alice + "|<tel:+49302>", "<tel:+49302>"},
		{"not, as a rule says", "", `header "P-Asserted-Identity" { remove = true }`, []string{eve}, "", ""},
		{"a rule tells it to nobody who may not know", "", `header "P-Asserted-Identity" { set = "<tel:+49302>" }`, []string{"Privacy: id"}, "<tel:+49302>", ""},
		{"a rule asks for privacy", all, `header "Privacy" { set = "id" }`, nil, alice, ""},
		{"a rule asks for more", all, `header "Privacy" { add = "id" }`, []string{"Privacy: user"}, alice, ""},
		{"a rule takes the wish away", all, `header "Privacy" { remove = true }`, []string{"Privacy: id"}, alice, alice},
	} {
		g := newCallers(t, c.identity, c.rule)
		list := g.authenticated(c.lines...)
		bob, carol := g.heard(list, pai)
		if got := strings.Join(bob, "|"); got != c.bob {
			t.Errorf("%s: bob is told %q, want %q", c.name, got, c.bob)
		}
		if got := strings.Join(carol, "|"); got != c.carol {
			t.Errorf("%s: carol is told %q, want %q", c.name, got, c.carol)
		}
		if bob, carol := g.heard(list, "P-Preferred-Identity"); len(bob)+len(carol) > 0 {
			t.Errorf("%s: P-Preferred-Identity went on: %q %q", c.name, bob, carol)
		}
	}
}

// Nobody is asserted whom nobody has authenticated, and a stranger is not believed;
// one who is trusted is, and by listener as well as by address.
// Proves: PV-1, PV-2, PV-6, PV-8
func TestWhoIsBelieved(t *testing.T) {
	t.Parallel()
	const word = "P-Asserted-Identity: <sip:eve@example.org>, <tel:+1>, <sip:second@example.org>"
	const kept = "<sip:eve@example.org>, <tel:+1>"
	inside := siptest.Listener{Name: "inside", Protocol: flow.UDP, Addr: udp("192.0.2.1:5070").Addr}
	for _, c := range []struct {
		name       string
		on         int
		from       string
		lines      []string
		bob, carol string
	}{
		{"a stranger", 0, aliceAt, nil, "", ""},
		{"a friend", 0, bobAt, nil, kept, kept},
		{"a friend of whom the caller wants privacy", 0, bobAt, []string{"Privacy: id"}, kept, ""},
		{"a friend, by his listener", 1, aliceAt, nil, kept, kept},
	} {
		g := newCallers(t, "", "", udp(proxyAt), inside)
		g.snap.Listeners[1].Trusted = true
		list := g.receiveOn(c.on, c.from, g.compose("INVITE sip:open@example.org SIP/2.0", append(c.lines, fromAlice, atAlice, word)...))
		bob, carol := g.heard(list, pai)
		if strings.Join(bob, ", ") != c.bob || strings.Join(carol, ", ") != c.carol {
			t.Errorf("%s: bob is told %q, carol %q, want %q and %q", c.name, bob, carol, c.bob, c.carol)
		}
	}
}

// Who was authenticated is asserted, too, when the request has waited for its user,
// and when another end follows.
// Proves: PV-8
func TestAnAssertionOutlivesWaits(t *testing.T) {
	t.Parallel()
	g := newGate(t, `
server {
  domains = ["example.org"]
  trust   = ["203.0.113.0/24"]
}
users "staff" {
  realm      = "example.org"
  file       = "unused"
  algorithms = ["MD5"]
}
rule "calls" {
  authenticate = users.staff
  send         = "sip:203.0.113.7"
  otherwise { send = "sip:203.0.113.8" }
}
`)
	mine := g.answerTo(g.refused(g.call(), 407), "alice", "secret")
	g.sources["example.org"].answer = auth.Ask
	g.receive(aliceAt, g.invitation(mine))
	ask := g.asked()
	g.sources["example.org"].answer = auth.Known
	x := g.relayed(g.told(ask), bobAt)
	y := g.relayed(g.receive(bobAt, answer(x, "486 Busy Here"))[1:], carolAt)
	for _, z := range []sent{x, y} {
		if got := z.All(pai); !slices.Equal(got, []string{"<sip:alice@example.org>"}) {
			t.Errorf("%s is told %q", z.hop.Remote, got)
		}
	}
}

// Responses are treated like requests: a callee's word counts when it is trusted,
// and goes to whom it may.
// Proves: PV-1, PV-2
func TestCalleesAreAssertedToWhomItMay(t *testing.T) {
	t.Parallel()
	const word = "P-Asserted-Identity: <sip:bob@example.org>"
	for _, c := range []struct {
		name  string
		lines []string
		at    string // who answers
		want  string
	}{
		{"a friend's word", nil, bobAt, "<sip:bob@example.org>"},
		{"a friend's word that is kept", []string{"Privacy: id"}, bobAt, ""},
		{"a stranger's word", nil, carolAt, ""},
	} {
		g := newCallers(t, "", "")
		for _, x := range g.receive(aliceAt, g.compose("INVITE sip:open@example.org SIP/2.0", fromAlice, atAlice)) {
			if x.hop.Remote.String() != c.at {
				continue
			}
			for _, status := range []string{"180 Ringing", "486 Busy Here"} { // what is passed on at once, and what is kept
				list := g.receive(c.at, answer(x, status, append(c.lines, word)...))
				for _, y := range list {
					if got := strings.Join(y.All(pai), ", "); !y.IsRequest() && got != c.want {
						t.Errorf("%s in a %s: the caller is told %q, want %q", c.name, status, got, c.want)
					}
				}
			}
		}
		// Without a transaction it is the same.
		s := newStage(t, `server {
  domains = ["example.org"]
  mode    = "stateless"
  trust   = ["203.0.113.7"]
}
rule "b" {
  when = dest.user == "bob"
  send = "sip:203.0.113.7"
}
rule "c" { send = "sip:203.0.113.8" }`)
		user := map[string]string{bobAt: "bob", carolAt: "carol"}[c.at]
		x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:"+user+"@example.org SIP/2.0", fromAlice, atAlice)), c.at)
		y := s.one(s.receive(c.at, answer(x, "180 Ringing", append(c.lines, word)...)))
		if got := strings.Join(y.All(pai), ", "); got != c.want {
			t.Errorf("%s without a transaction: the caller is told %q, want %q", c.name, got, c.want)
		}
	}
}

// In a dialog nobody is authenticated, and so nobody asserted; a stranger's word is
// taken out there too.
// Proves: PV-1
func TestNobodyIsAssertedInADialog(t *testing.T) {
	t.Parallel()
	g := newGate(t, strings.Replace(oneRealm, `server {`, "server {\n  trust = [\"203.0.113.7\"]\n", 1))
	x := g.relayed(g.authenticated(), bobAt)
	if got := x.All(pai); len(got) != 1 {
		t.Fatalf("the INVITE tells %q", got)
	}
	y := g.one(g.receive(bobAt, answer(x, "200 OK", "Contact: <sip:bob@203.0.113.7>")))
	bye := g.compose("BYE sip:bob@203.0.113.7 SIP/2.0", fromAlice, "To: <sip:bob@example.org>;tag=b", "Route: "+y.Get("record-route"), "P-Asserted-Identity: <sip:eve@example.org>")
	z := g.relayed(g.receive(aliceAt, bye), bobAt)
	if z.Has(pai) {
		t.Errorf("the BYE tells %q", z.All(pai))
	}
}

// RFC 8224, RFC 4916: what is signed, and From and To as an UPDATE changes them,
// pass as they are, beside all that is done about identity.
// Proves: PV-7
func TestSignedHeadersPassUntouched(t *testing.T) {
	t.Parallel()
	g := newCallers(t, `identity {
    assert  = "all"
    privacy = "id"
  }`, "")
	signed := []string{
		"From: \"A. \\\"L.\\\" Ice\"  <sip:alice@example.org;x=1>;tag=a", "To: <sip:bob@example.org> ; y=2", "Date: Sat, 13 Nov 2010 23:29:00 GMT",
		"Identity: eyJ.e30.sig==;info=<https://cert.example.org/c.pem>;alg=ES256;ppt=shaken", "Identity-Info: <https://x.example.org>;alg=rsa-sha1",
		"Content-Type: application/sdp", "Privacy: user;header",
	}
	for _, start := range []string{"INVITE", "UPDATE"} {
		request := func(lines ...string) string {
			lines = append(append(slices.Clone(signed), lines...), "Content-Length: 5", "\nv=0\r\n")
			return g.compose(start+" sip:bob@example.org SIP/2.0", append([]string{atAlice}, lines...)...)
		}
		challenge := g.refused(g.receive(aliceAt, request()), 407)
		mine := g.answerFor(challenge, "Proxy-Authorization", "alice", "secret", start, "sip:bob@example.org")
		for _, x := range g.receive(aliceAt, request(mine)) {
			for _, line := range signed {
				if !strings.Contains(x.Wire, "\r\n"+line+"\r\n") {
					t.Errorf("%s to %s: %q is not there in\n%s", start, x.hop.Remote, line, x.Wire)
				}
			}
			if !strings.HasSuffix(x.Wire, "\r\n\r\nv=0\r\n") {
				t.Errorf("%s: the body was changed", start)
			}
		}
	}
}

// RFC 3323 §4.3, §5: without a privacy service a demand for one is refused and a
// wish relayed; with one, what it does is crossed off, and what it cannot do is
// refused if it is critical.
// Proves: PV-4, PV-5, PV-10, PV-11
func TestPrivacyServices(t *testing.T) {
	t.Parallel()
	const demand = "Proxy-Require: privacy"
	g := newCallers(t, "", "")
	x := g.refused(g.call(demand, "Privacy: id"), 420)
	if got := x.All("Unsupported"); !slices.Equal(got, []string{"privacy"}) {
		t.Errorf("Unsupported: %q", got)
	}
	for _, wish := range []string{"header;session;user", "history;critical", "none", "id"} {
		bob, carol := g.heard(g.authenticated("Privacy: "+wish), "Privacy")
		if strings.Join(bob, "|") != wish || strings.Join(carol, "|") != wish {
			t.Errorf("without a service, %q became %q and %q", wish, bob, carol)
		}
	}
	g = newCallers(t, `identity { privacy = "id" }`, "")
	g.refused(g.call(demand, "Privacy: header;critical"), 500)
	if got := g.refused(g.call("Proxy-Require: privacy, gzip"), 420).All("Unsupported"); !slices.Equal(got, []string{"gzip"}) {
		t.Errorf("Unsupported: %q", got)
	}
	list := g.authenticated(demand, "Privacy: id;critical")
	if bob, carol := g.heard(list, "Privacy"); strings.Join(bob, "|") != "id;critical" || len(carol) != 0 {
		t.Errorf("bob reads Privacy %q, carol %q", bob, carol)
	}
	if bob, carol := g.heard(list, "Proxy-Require"); strings.Join(bob, "|") != "privacy" || len(carol) != 0 {
		t.Errorf("bob reads Proxy-Require %q, carol %q", bob, carol)
	}
}

// RFC 3323 §4.1.1.3: From may say nobody; the credentials decide. Of somebody else
// it may not, and nobody registers.
func TestAnonymousCallersMayBeAuthenticated(t *testing.T) {
	t.Parallel()
	g := newCallers(t, "", "")
	g.heard(g.authenticated(anonymous, "Privacy: id"), pai)
	challenge := g.refused(g.call(anonymous), 407)
	g.refused(g.call(anonymous, g.answerTo(challenge, "alice", "wrong")), 407)
	challenge = g.refused(g.call(), 407)
	g.refused(g.call("From: <sip:bob@example.org>;tag=a", g.answerTo(challenge, "alice", "secret")), 403)
	challenge = g.refused(g.call(), 407)
	g.refused(g.call("From: <sip:anonymous@example.org>;tag=a", g.answerTo(challenge, "alice", "secret")), 403)
}

// A Request-URI that §16.4 has rewritten survives the edits of a rule.
func TestEditsLeaveTheRequestURI(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" {
  header "X-Long" { set = "what is written where the Request-URI was" }
  send = request_uri
}`)
	for _, method := range []string{"INVITE", "ACK"} {
		x := s.relayed(s.receive(aliceAt, s.compose(method+" sip:bob@203.0.113.7;maddr=192.0.2.1 SIP/2.0")), bobAt)
		if x.URI != "sip:bob@203.0.113.7" || !x.Has("X-Long") {
			t.Errorf("%s: Request-URI %s, X-Long %q", method, x.URI, x.Get("X-Long"))
		}
	}
}

// Neither a challenge nor a wrong answer to one allocates, nor a right one with all
// that is told of its user.
func TestAllocAuthentication(t *testing.T) {
	g := newCallers(t, `identity { assert = "all" }`, "")
	request := func(lines ...string) []byte {
		return []byte(g.compose("MESSAGE sip:bob@example.org SIP/2.0", append(lines, anonymous)...))
	}
	challenge := g.refused(g.receive(aliceAt, string(request())), 407)
	right := g.answerFor(challenge, "Proxy-Authorization", "alice", "secret", "MESSAGE", "sip:bob@example.org")
	nonce := md5Challenge.FindStringSubmatch(challenge.Wire)[2]
	nc := 0
	from := flow.Flow{Local: g.on[0].Addr, Remote: netip.MustParseAddrPort(aliceAt), Protocol: flow.UDP}
	for _, c := range []struct {
		name  string
		sends int
		wire  func() []byte
	}{
		{"a challenge", 1, func() []byte { return request() }},
		{"a wrong answer", 1, func() []byte {
			return request(strings.Replace(right, `response="`, `response="0`, 1)[:len(right)-1] + `"`)
		}},
		{"a right answer", 2, func() []byte {
			nc++
			count := fmt.Sprintf("%08x", nc)
			response := hash(hash("alice", "staff", "secret"), nonce, count, "abc", "auth", hash("MESSAGE", "sip:bob@example.org"))
			line, _, _ := strings.Cut(strings.Replace(right, "nc=00000001", "nc="+count, 1), "response=")
			return request(line + `response="` + response + `"`)
		}},
	} {
		play := func(n int) float64 {
			var messages [][]byte
			for range n {
				messages = append(messages, c.wire())
			}
			i := 0
			allocs := testing.AllocsPerRun(n-1, func() {
				g.fx.Reset()
				g.Receive(g.now, messages[i], from, &g.fx)
				i++
			})
			if len(g.fx.Sends) != c.sends || c.sends == 2 && !bytes.Contains(g.fx.Sends[1].Wire, []byte("P-Asserted-Identity: <sip:alice@example.org>")) {
				t.Errorf("%s: %d messages, the last\n%s", c.name, len(g.fx.Sends), g.fx.Sends[0].Wire)
			}
			for end := g.now.Add(40 * time.Second); g.now < end; {
				g.now = g.now.Add(100 * time.Millisecond)
				g.fx.Reset()
				g.Expire(g.now, &g.fx)
			}
			return allocs
		}
		play(150)
		if allocs := play(100); allocs != 0 {
			t.Errorf("%s: %v allocations", c.name, allocs)
		}
	}
}
