package proxy_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/siptest"
	"viaduct/internal/users"
)

// gate is a stage whose rules ask for users, of one realm or of several. Each has
// alice and bob, whose password is "secret".
type gate struct {
	*stage
	sources map[string]*gateUsers // by realm
}

// gateUsers is a source of users that can be one that has to be asked, and one
// that fails.
type gateUsers struct {
	*users.Table
	answer auth.Answer // Known: what the table says; Ask, Failed
	looks  int
}

func (g *gateUsers) Find(now clock.Instant, user []byte) (*auth.HA1, auth.Answer) {
	if g.looks++; g.answer != auth.Known {
		return nil, g.answer
	}
	return g.Table.Find(now, user)
}

func newGate(t testing.TB, config string, listeners ...siptest.Listener) *gate {
	t.Helper()
	g := &gate{stage: newStage(t, config, listeners...), sources: map[string]*gateUsers{}}
	keys, err := auth.NewKeys([]byte("a secret of the test bench"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range g.snap.Program.Realms {
		var text strings.Builder
		for _, u := range []string{"alice", "bob"} {
			fmt.Fprintf(&text, "%s:%s:MD5:%s\n", u, r.Realm, hash(u, r.Realm, "secret"))
		}
		table, err := users.Parse("users", []byte(text.String()), r.Realm)
		if err != nil {
			t.Fatal(err)
		}
		realm, err := auth.NewRealm(auth.RealmConfig{
			Name: r.Realm, Algorithms: r.Algorithms, AuthInt: r.AuthInt, NoQop: r.NoQop, Own: g.snap.Domains, Domains: r.Domains,
		}, keys)
		if err != nil {
			t.Fatal(err)
		}
		source := &gateUsers{Table: table, answer: auth.Known}
		g.sources[r.Realm] = source
		g.snap.Realms, g.snap.Users = append(g.snap.Realms, realm), append(g.snap.Users, source)
	}
	return g
}

var md5Challenge = regexp.MustCompile(`realm="([^"]+)", nonce="([^"]+)"[^\n]*algorithm=MD5`)

// answerTo is the credentials of a user for the MD5 challenge in a response. The
// request is the INVITE to bob.
func (g *gate) answerTo(challenge sent, user, password string) string {
	g.t.Helper()
	return g.answerFor(challenge, "Proxy-Authorization", user, password, "INVITE", "sip:bob@example.org")
}

func (g *gate) answerFor(challenge sent, header, user, password, method, uri string) string {
	g.t.Helper()
	for _, l := range challenge.Lines {
		if m := md5Challenge.FindStringSubmatch(l.Raw); m != nil {
			response := hash(hash(user, m[1], password), m[2], "00000001", "abc", "auth", hash(method, uri))
			return fmt.Sprintf(`%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=MD5, qop=auth, nc=00000001, cnonce="abc", response="%s"`,
				header, user, m[1], m[2], uri, response)
		}
	}
	g.t.Fatalf("no MD5 challenge in\n%s", challenge.Wire)
	return ""
}

const (
	fromAlice = "From: <sip:alice@example.org>;tag=a"
	atAlice   = "Contact: <sip:alice@198.51.100.5>"
)

// invitation writes an INVITE from alice to bob.
func (g *gate) invitation(lines ...string) string {
	if !strings.Contains(strings.Join(lines, "\n"), "From: ") {
		lines = append(lines, fromAlice)
	}
	return g.compose("INVITE sip:bob@example.org SIP/2.0", append(lines, atAlice)...)
}

func (g *gate) call(lines ...string) []sent {
	g.t.Helper()
	return g.receive(aliceAt, g.invitation(lines...))
}

// told answers the question of the last step.
func (g *gate) told(a effect.Ask) []sent {
	g.fx.Reset()
	g.core.UserKnown(g.now, a.Handle, &g.fx)
	return g.sends()
}

// oneRealm asks every caller and sends the call to one place.
const oneRealm = `
server {
  domains = ["example.org"]
}
` + staff + `
rule "calls" {
  authenticate = users.staff
  send         = "sip:203.0.113.7"
}
`

// registering is oneRealm with a registrar.
var registering = strings.Replace(oneRealm, `rule "calls"`, `rule "register" {
  when         = method == REGISTER
  authenticate = users.staff
  register {}
}
rule "calls"`, 1)

// twoRealms asks twice, and says afterwards who it was.
const twoRealms = `
server { domains = ["example.org"] }
users "staff" {
  realm      = "example.org"
  file       = "unused"
  algorithms = ["MD5"]
}
users "line" {
  realm      = "line.example.net"
  file       = "unused"
  algorithms = ["MD5"]
}
rule "who" {
  authenticate = users.staff
  header "X-Staff" { set = auth.user }
  next = true
}
rule "calls" {
  authenticate = users.line
  identity     = "any"
  header "X-Line" { set = auth.user }
  send = "sip:203.0.113.7"
}
`

// passTwo brings a caller through the first realm and returns both credentials.
func (g *gate) passTwo(first, second string) []string {
	g.t.Helper()
	mine := g.answerTo(g.refused(g.call(), 407), first, "secret")
	return []string{mine, g.answerTo(g.refused(g.call(mine), 407), second, "secret")}
}

// A request asks about its users in one realm after the other, and waits for each:
// what one has said is kept while the other is asked.
func TestAskingForUsersOfTwoRealms(t *testing.T) {
	t.Parallel()
	g := newGate(t, twoRealms)
	staff, line := g.sources["example.org"], g.sources["line.example.net"]
	challenge := g.refused(g.call("Call-ID: other"), 407)
	both := g.passTwo("alice", "bob")
	both[0] = g.answerTo(challenge, "alice", "secret") // that of passTwo is used up
	staff.answer, line.answer = auth.Ask, auth.Ask
	g.receive(aliceAt, g.invitation(both...))
	first := g.asked()
	if string(first.Bytes) != "example.org\x00alice" {
		t.Fatalf("asked for %q", first.Bytes)
	}
	staff.answer = auth.Known
	g.silent(g.told(first))
	second := g.asked()
	if string(second.Bytes) != "line.example.net\x00bob" {
		t.Fatalf("then asked for %q", second.Bytes)
	}
	// What is proven is not asked for again, although the source has forgotten it.
	staff.answer, line.answer = auth.Ask, auth.Known
	x := g.relayed(g.told(second), bobAt)
	if x.Get("x-staff") != "alice" || x.Get("x-line") != "bob" {
		t.Errorf("X-Staff %q, X-Line %q", x.Get("x-staff"), x.Get("x-line"))
	}
	if len(x.All("proxy-authorization")) != 0 {
		t.Errorf("credentials were passed on: %q", x.All("proxy-authorization"))
	}
}

// A source that does not know by then is not asked for ever.
func TestARealmIsAskedOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t, twoRealms)
	both := g.passTwo("alice", "bob")
	g.sources["line.example.net"].answer = auth.Ask
	challenge := g.refused(g.call("Call-ID: other"), 407)
	both[0] = g.answerTo(challenge, "alice", "secret")
	g.receive(aliceAt, g.invitation(both...))
	x := g.refused(g.told(g.asked()), 503)
	if !x.Has("retry-after") {
		t.Errorf("no Retry-After in\n%s", x.Wire)
	}
	if len(g.fx.Asks) != 0 {
		t.Error("asked again")
	}
}

// What was proven by Proxy-Authorization says nothing of what Authorization claims:
// texts that are evaluated after a failure read the caller, not the claim.
func TestAnUnprovenClaimIsNotRead(t *testing.T) {
	t.Parallel()
	g := newGate(t, strings.Replace(oneRealm, `send         = "sip:203.0.113.7"`, `send         = "sip:203.0.113.7"
  otherwise { send = "sip:${auth.user}@203.0.113.8" }`, 1))
	challenge := g.refused(g.call(), 407)
	claim := g.answerFor(challenge, "Authorization", "bob", "made up", "INVITE", "sip:bob@example.org")
	x := g.relayed(g.call(g.answerTo(challenge, "alice", "secret"), claim), bobAt)
	y := g.relayed(g.receive(bobAt, answer(x, "486 Busy Here"))[1:], carolAt)
	if y.URI != "sip:alice@203.0.113.8" {
		t.Errorf("auth.user was read as in %s", y.URI)
	}
}
