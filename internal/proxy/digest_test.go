package proxy_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/auth"
)

// openGate asks nobody, and passes on what others ask.
const openGate = `
server { domains = ["example.org"] }
users "staff" {
  realm      = "example.org"
  file       = "unused"
  algorithms = ["MD5"]
}
rule "staff" {
  when         = dest.user == "staff"
  authenticate = users.staff
  send         = "sip:203.0.113.7"
}
rule "all" { send = "sip:203.0.113.7" }
`

// RFC 3261 §22.3, §16.7; RFC 7616 §3.6: what others ask and what clients answer
// them passes byte for byte, whatever it looks like; the proxy adds nothing to it.
// Proves: AU-12, AU-23, AU-29, AU-32
func TestDigestOfOthersPassesUntouched(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"401 Unauthorized", "407 Proxy Authentication Required"} {
		g := newGate(t, openGate)
		credentials := []string{
			"Authorization:  Digest  username = \"alice\" ,realm=\"uas\",nonce=\"a,b\", uri=\"sip:x\" ,response=\"00\"",
			"Proxy-Authorization: Digest realm=\"elsewhere\", username=\"al\\\"ice\"",
			"proxy-authorization : Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
			"Proxy-Authorization: Bearer x.y.z",
			"Authorization: Digest realm=\"example.org.evil\",",
			"Proxy-Authentication-Info: nextnonce=\"n\"",
		}
		x := g.relayed(g.call(credentials...), bobAt)
		var got []string
		for _, l := range x.Lines {
			if strings.Contains(l.Key, "auth") {
				got = append(got, l.Raw)
			}
		}
		if !slices.Equal(got, credentials) {
			t.Errorf("credentials became %q", got)
		}
		challenges := []string{
			"WWW-Authenticate: Digest  realm=\"uas\" ,nonce=\"x\", algorithm=SHA-256,qop=\"auth,auth-int\"",
			"Proxy-Authenticate: Digest realm=\"example.org\", nonce=\"y\"",
			"proxy-Authenticate : Basic realm=\"z\"",
			"Authentication-Info: rspauth=\"1\"",
		}
		list := g.receive(bobAt, answer(x, status, challenges...))
		y := list[len(list)-1]
		got = nil
		for _, l := range y.Lines {
			if strings.Contains(l.Key, "auth") {
				got = append(got, l.Raw)
			}
		}
		if y.IsRequest() || !slices.Equal(got, challenges) {
			t.Errorf("challenges of the %s became %q", status, got)
		}
	}
}

// §22.3: a challenged request goes no further, and a wrong answer is challenged
// again; a right one goes on, without what was meant for us.
// Proves: AU-20, AU-21, AU-22, AU-29
func TestOnlyGoodCredentialsPass(t *testing.T) {
	t.Parallel()
	const own = `realm="example.org"`
	g := newGate(t, oneRealm)
	challenge := g.refused(g.call(), 407)
	mine := g.answerTo(challenge, "alice", "secret")
	for name, lines := range map[string][]string{
		"a wrong password":        {g.answerTo(challenge, "alice", "Secret")},
		"a wrong user":            {g.answerTo(challenge, "mallory", "secret")},
		"another method":          {g.answerFor(challenge, "Proxy-Authorization", "alice", "secret", "BYE", "sip:bob@example.org")},
		"in Authorization":        {strings.Replace(mine, "Proxy-", "", 1)},
		"Basic":                   {"Proxy-Authorization: Basic YWxpY2U6c2VjcmV0"},
		"of another realm":        {strings.Replace(mine, own, `realm="example.net"`, 1)},
		"with another nc":         {strings.Replace(mine, "nc=00000001", "nc=00000002", 1)},
		"with another cnonce":     {strings.Replace(mine, `cnonce="abc"`, `cnonce="abd"`, 1)},
		"with another uri":        {strings.Replace(mine, `uri="sip:bob@`, `uri="sip:carol@`, 1)},
		"as another algorithm":    {strings.Replace(mine, "algorithm=MD5", "algorithm=SHA-512-256", 1)},
		"with a session":          {strings.Replace(mine, "algorithm=MD5", "algorithm=MD5-sess", 1)},
		"without quality":         {strings.Replace(mine, "qop=auth, nc=00000001, cnonce=\"abc\", ", "", 1)},
		"over the body":           {strings.Replace(mine, "qop=auth", "qop=auth-int", 1)},
		"with a nonce of our own": {strings.Replace(mine, `nonce="`, `nonce="A`, 1)},
	} {
		x := g.refused(g.call(lines...), 407)
		if !strings.Contains(x.Get("proxy-authenticate"), own) {
			t.Errorf("%s: challenged with %q", name, x.All("proxy-authenticate"))
		}
		if strings.Contains(x.Wire, "stale") {
			t.Errorf("%s: told that the nonce was all that was wrong", name)
		}
	}
	x := g.relayed(g.call(mine, `Authorization: Digest realm="example.org", username="alice"`), bobAt)
	if strings.Contains(x.Wire, own) {
		t.Errorf("what was meant for us went on:\n%s", x.Wire)
	}
	if n := g.core.Stats(); n.Contexts != 1 {
		t.Errorf("%d contexts, want that of the call", n.Contexts)
	}
}

// §22.1: neither an ACK nor a CANCEL is ever challenged, whatever it carries and
// whether anything is known of its INVITE.
// Proves: AU-24, CA-14
func TestAckAndCancelAreNeverChallenged(t *testing.T) {
	t.Parallel()
	g := newGate(t, oneRealm)
	challenge := g.refused(g.call(), 407)
	wrong := g.answerTo(challenge, "alice", "guess")
	for _, lines := range [][]string{nil, {wrong}, {"Proxy-Authorization: Digest realm=\"example.org\","}} {
		lines = append(lines, fromAlice)
		ack := g.compose("ACK sip:bob@example.org SIP/2.0", append(lines, "To: <sip:bob@example.org>;tag=x")...)
		g.silent(g.receive(aliceAt, ack))
		x := g.one(g.receive(aliceAt, g.compose("CANCEL sip:bob@example.org SIP/2.0", lines...)))
		if x.Status != 481 {
			t.Errorf("a CANCEL of nothing that is known: %d", x.Status)
		}
	}
	// That of an INVITE which was challenged a moment ago, too.
	invite := g.invitation(wrong)
	x := g.refused(g.receive(aliceAt, invite), 407)
	g.refused(g.receive(aliceAt, cancelOf(invite)), 481)
	ack := strings.NewReplacer("INVITE ", "ACK ", " INVITE", " ACK", "To: <sip:bob@example.org>", "To: "+x.Get("to")).Replace(invite)
	g.silent(g.receive(aliceAt, ack))
}

// §22.1: who may send an INVITE may send its ACK and its CANCEL, by the way of its
// dialog or without it.
// Proves: AU-28, AU-33
func TestWhatWasAcceptedMayBeAcknowledgedAndCancelled(t *testing.T) {
	t.Parallel()
	// By the Route of the dialog.
	g := newGate(t, oneRealm)
	mine := g.answerTo(g.refused(g.call(), 407), "alice", "secret")
	x := g.relayed(g.call(mine), bobAt)
	y := g.one(g.receive(bobAt, answer(x, "200 OK", "Contact: <sip:bob@203.0.113.7>")))
	to := "To: <sip:bob@example.org>;tag=b"
	ack := g.compose("ACK sip:bob@203.0.113.7 SIP/2.0", fromAlice, to, mine, "Route: "+y.Get("record-route"))
	if z := g.relayed(g.receive(aliceAt, ack), bobAt); z.Has("proxy-authorization") {
		t.Errorf("the ACK took the credentials along: %q", z.All("proxy-authorization"))
	}

	// By the rules, as its INVITE: with its credentials, which are used up by now.
	g = newGate(t, strings.Replace(oneRealm, "authenticate = users.staff", "authenticate = users.staff\n  record_route = false", 1))
	mine = g.answerTo(g.refused(g.call(), 407), "alice", "secret")
	bare := func(lines ...string) []sent {
		return g.receive(aliceAt, g.compose("ACK sip:bob@example.org SIP/2.0", append(lines, fromAlice, to)...))
	}
	g.silent(bare(mine)) // no INVITE was accepted with them yet
	g.relayed(g.call(mine), bobAt)
	if z := g.relayed(bare(mine), bobAt); z.Has("proxy-authorization") {
		t.Errorf("the ACK took the credentials along: %q", z.All("proxy-authorization"))
	}
	g.relayed(bare(mine), bobAt) // a copy
	g.silent(bare())
	g.silent(bare(strings.Replace(mine, `cnonce="abc"`, `cnonce="abd"`, 1)))
	g.silent(bare(strings.Replace(mine, "nc=00000001", "nc=00000002", 1)))
	g.silent(g.receive(aliceAt, g.compose("ACK sip:bob@example.org SIP/2.0", mine, "From: <sip:bob@example.org>;tag=a", to)))
	g.sources["example.org"].answer = auth.Ask
	g.silent(bare(mine)) // an ACK waits for nobody
	if len(g.fx.Asks) != 0 {
		t.Error("a user was asked for on behalf of an ACK")
	}

	// CANCEL needs no credentials from the hop that the INVITE came from.
	g = newGate(t, oneRealm)
	mine = g.answerTo(g.refused(g.call(), 407), "alice", "secret")
	invite := g.invitation(mine)
	x = g.relayed(g.receive(aliceAt, invite), bobAt)
	g.receive(bobAt, answer(x, "180 Ringing"))
	cancel := cancelOf(strings.Replace(invite, mine+"\r\n", "", 1))
	list := g.receive(aliceAt, cancel)
	if len(list) != 2 || list[0].Status != 200 || list[1].Method != "CANCEL" {
		t.Fatalf("CANCEL gave %d messages, the first %s", len(list), what(list[0]))
	}
}

// §26.3.2.4: a challenge is sent once for each copy of a request, and nothing of
// the request is kept: no retransmission, no wait for its ACK.
// Proves: AU-30
func TestAChallengeIsSentOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t, oneRealm)
	for _, method := range []string{"INVITE", "MESSAGE", "SUBSCRIBE"} {
		request := g.compose(method+" sip:bob@example.org SIP/2.0", fromAlice, atAlice)
		first := g.refused(g.receive(aliceAt, request), 407)
		if !g.core.Idle() {
			t.Errorf("%s: kept %+v", method, g.core.Stats())
		}
		g.silent(g.pass(40 * time.Second))
		second := g.refused(g.receive(aliceAt, request), 407)
		if first.Get("to") != second.Get("to") { // §8.2.7: a stateless UAS gives every copy the same tag
			t.Errorf("%s: tags of To %q and %q", method, first.Get("to"), second.Get("to"))
		}
	}
}

// §16.3: who has a request to be refused anyway is not asked for a password, and
// who has no password hears nothing of where a request would go.
// Proves: VL-14
func TestAuthenticationComesAfterTheChecksAndBeforeTheSearch(t *testing.T) {
	t.Parallel()
	g := newGate(t, strings.Replace(oneRealm, `send         = "sip:203.0.113.7"`, "send         = location", 1))
	g.snap.Directory = newDesk(t, office).snap.Directory
	g.refused(g.call("Max-Forwards: 0"), 483)
	g.refused(g.call("Max-Forwards: many"), 400)
	g.refused(g.call("Proxy-Require: gzip"), 420)
	g.refused(g.call("Route: <sip:203.0.113.9;lr>"), 403)
	g.refused(g.receive(aliceAt, g.compose("INVITE mailto:bob@example.org SIP/2.0", fromAlice)), 416)
	challenge := g.refused(g.call(), 407) // whether bob is there is not told
	g.refused(g.call(g.answerTo(challenge, "alice", "secret")), 480)
}

// A user who does not exist, a wrong password, and one that cannot be told from
// them, read alike to the byte, whether the users are at hand or have to be asked
// for: the same messages in the same order.
// Proves: AU-4
func TestAnUnknownUserReadsLikeAWrongPassword(t *testing.T) {
	t.Parallel()
	unlike := regexp.MustCompile(`nonce="[^"]*"|z9hG4bK-[0-9]*|tag=[^;\r\n]*|mallo|alice`)
	for _, asked := range []bool{false, true} {
		for _, method := range []string{"INVITE", "REGISTER", "MESSAGE"} {
			var told []string
			for _, c := range [][2]string{{"alice", "wrong"}, {"mallo", "secret"}, {"mallo", "wrong"}} {
				g := newGate(t, registering)
				source := g.sources["example.org"]
				uri, who, header := "sip:bob@example.org", "From: <sip:alice@example.org>;tag=a", "Proxy-Authorization"
				lines := []string{who, atAlice}
				if method == "REGISTER" {
					uri, header = "sip:example.org", "Authorization"
					lines = append(lines, "To: <sip:"+c[0]+"@example.org>")
				}
				start := method + " " + uri + " SIP/2.0"
				challenge := g.one(g.receive(aliceAt, g.compose(start, lines...)))
				lines = append(lines, g.answerFor(challenge, header, c[0], c[1], method, uri))
				if asked {
					source.answer = auth.Ask
				}
				request := g.compose(start, lines...)
				all := g.receive(aliceAt, request)
				if asked {
					ask := g.asked()
					all = append(all, g.pass(200*time.Millisecond)...)
					source.answer = auth.Known
					all = append(all, g.told(ask)...)
				}
				all = append(all, g.pass(3*time.Second)...)
				var text strings.Builder
				for _, x := range all {
					text.WriteString(x.hop.String() + "\n" + unlike.ReplaceAllString(x.Wire, "") + "\n")
				}
				if source.looks == 0 {
					t.Errorf("%s %s was not looked up", method, c[0])
				}
				told = append(told, fmt.Sprint(text.String(), " looks ", source.looks))
			}
			if told[0] != told[1] || told[0] != told[2] || !strings.Contains(told[0], "SIP/2.0 40") {
				t.Errorf("%s, asked %v: a wrong password reads\n%s\nan unknown user\n%s", method, asked, told[0], told[1])
			}
		}
	}
}

// Credentials that cannot be read are told so (400), whatever is wrong; what is of
// no realm of ours is challenged. Neither leaves a trace, changes a binding, nor
// reaches the next hop.
// Proves: AU-15, AU-16
func TestMalformedCredentialsChangeNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"INVITE", "REGISTER"} {
		g := newGate(t, registering)
		g.snap.Directory = newDesk(t, office).snap.Directory
		uri, header, refused := "sip:bob@example.org", "Proxy-Authorization", 407
		if method == "REGISTER" {
			uri, header, refused = "sip:example.org", "Authorization", 401
		}
		start := method + " " + uri + " SIP/2.0"
		base := []string{fromAlice, atAlice, "To: <sip:alice@example.org>"}
		challenge := g.refused(g.receive(aliceAt, g.compose(start, base...)), refused)
		good := g.answerFor(challenge, header, "alice", "secret", method, uri)
		change := func(old, new string) string {
			if !strings.Contains(good, old) {
				t.Fatalf("%q is not in %q", old, good)
			}
			return strings.Replace(good, old, new, 1)
		}
		for _, c := range []struct {
			line string
			want int
		}{
			{header + ": ", refused},
			{header + ":", refused},
			{header + ": Digest", refused},
			{header + ": Digest ,,,", refused},
			{header + ": \x01", refused},
			{header + ": Digest " + strings.Repeat("a", 5000), refused},
			{header + ": Digest realm=\"example.org", refused}, // no end of the realm: whose it is cannot be told
			{header + ": Digest realm=\"example.org\"", 400},
			{header + ": Digest realm=\"example.org\" username", 400},
			{change(`username="alice", `, ""), 400},
			{change(`username="alice"`, `username=""`), 400},
			{change(`username="alice"`, `username="alice", username="bob"`), 400},
			{change(`username="alice"`, `username="alice", username*=UTF-8''alice`), 400},
			{change(`username="alice"`, `username*=latin-1''alice`), 400},
			{change(`username="alice"`, `username*=UTF-8''al%ff`), 400},
			{change(`username="alice"`, `username="`+strings.Repeat("a", 300)+`"`), 400},
			{change(`nc=00000001`, `nc=1`), 400},
			{change(`nc=00000001`, `nc=00000000`), 400},
			{change(`nc=00000001`, `nc=0000000g`), 400},
			{change(`nc=00000001, `, ``), 400},
			{change(`cnonce="abc", `, ``), 400},
			{change(`uri="`+uri+`"`, `uri=""`), 400},
			{change(`uri="`+uri+`"`, `uri="sip:elsewhere.example.com"`), 400},
			{change(`response="`, `response="0`), 400},
			{change(`realm="example.org"`, `realm="example.org", realm="x"`), 400},
			{change(`qop=auth`, `qop=auth, x`), 400},
			{change(`qop=auth`, `qop=auth,, x=y`), 400},
			{change(`qop=auth`, `userhash=maybe, qop=auth`), 400},
			{good + strings.Repeat(`, x=y`, 40), 400},
			{change(`algorithm=MD5`, `algorithm=TOKEN`), refused},
			{change(`qop=auth`, `qop=token`), refused},
			{change(`realm="example.org"`, `realm="EXAMPLE.org"`), refused},
			{change("Digest ", "NTLM "), refused},
		} {
			x := g.one(g.receive(aliceAt, g.compose(start, append(slices.Clone(base), c.line)...)))
			if x.Status != c.want || c.want == 400 && (x.Reason == "" || x.Has("www-authenticate") || x.Has("proxy-authenticate")) {
				t.Errorf("%.120q: got %d %s, want %d", c.line, x.Status, x.Reason, c.want)
			}
			if !g.core.Idle() {
				t.Fatalf("%q left %+v", c.line, g.core.Stats())
			}
		}
		if n := g.snap.Directory.Stats().Bindings; n != 0 {
			t.Errorf("%d bindings", n)
		}
		// All that has not used the credentials up.
		if x := g.one(g.receive(aliceAt, g.compose(start, append(slices.Clone(base), good)...))); x.IsRequest() != (method == "INVITE") || x.Status >= 300 {
			t.Errorf("the right ones after that: %s", what(x))
		}
	}
}

// RFC 7616 §3.3: right credentials with a nonce that cannot be used get another one
// with stale=true, so that nobody is asked for a password: it was too old, or used
// with that nc. Datagrams may overtake each other meanwhile.
// Proves: AU-6, AU-8
func TestRightAnswersToUselessNoncesAreStale(t *testing.T) {
	t.Parallel()
	g := newGate(t, oneRealm)
	challenge := g.refused(g.call(), 407)
	counted := func(nc int) string {
		m := md5Challenge.FindStringSubmatch(challenge.Wire)
		count := fmt.Sprintf("%08x", nc)
		line, _, _ := strings.Cut(strings.Replace(g.answerTo(challenge, "alice", "secret"), "nc=00000001", "nc="+count, 1), "response=")
		return line + `response="` + hash(hash("alice", m[1], "secret"), m[2], count, "abc", "auth", hash("INVITE", "sip:bob@example.org")) + `"`
	}
	for _, nc := range []int{2, 1, 70, 8} {
		g.relayed(g.call(counted(nc)), bobAt)
	}
	for name, line := range map[string]string{"used": counted(2), "below the window": counted(3)} {
		if x := g.refused(g.call(line), 407); strings.Count(x.Wire, "stale=true") != 2 {
			t.Errorf("%s: got\n%s", name, x.Wire)
		}
	}
	g.pass(6 * time.Minute)
	x := g.refused(g.call(counted(71)), 407)
	if strings.Count(x.Wire, "stale=true") != 2 {
		t.Errorf("too old: got\n%s", x.Wire)
	}
	wrong := strings.Replace(counted(72), `response="`, `response="0`, 1)
	wrong = wrong[:len(wrong)-2] + `"`
	if y := g.refused(g.call(wrong), 407); strings.Contains(y.Wire, "stale") {
		t.Errorf("a wrong one with it: got\n%s", y.Wire)
	}
	challenge = x
	g.relayed(g.call(counted(1)), bobAt)
}

// qop is offered as configured, auth-int last; with it the body is part of what was
// proven. Answers without qop are taken once, where the configuration has it.
// Proves: AU-3, AU-7
func TestQualityOfProtection(t *testing.T) {
	t.Parallel()
	g := newGate(t, strings.Replace(oneRealm, "  file ", "  qop = [\"auth-int\", \"none\", \"auth\"]\n  file ", 1))
	challenge := g.refused(g.call(), 407)
	if n := strings.Count(challenge.Wire, `qop="auth,auth-int"`); n != 2 {
		t.Errorf("%d challenges with both", n)
	}
	m := md5Challenge.FindStringSubmatch(challenge.Wire)
	ha1 := hash("alice", m[1], "secret")
	const uri, body = "sip:bob@example.org", "v=0\r\n"
	line := g.answerTo(challenge, "alice", "secret")
	line, _, _ = strings.Cut(strings.Replace(line, "qop=auth", "qop=auth-int", 1), "response=")
	line += `response="` + hash(ha1, m[2], "00000001", "abc", "auth-int", hash("INVITE", uri, hash(body))) + `"`
	with := func(body string) string {
		return g.compose("INVITE "+uri+" SIP/2.0", fromAlice, atAlice, line, fmt.Sprintf("Content-Length: %d", len(body)), "\n"+body)
	}
	g.refused(g.receive(aliceAt, with("v=1\r\n")), 407)
	g.relayed(g.receive(aliceAt, with(body)), bobAt)

	m = md5Challenge.FindStringSubmatch(g.refused(g.call(), 407).Wire)
	old := fmt.Sprintf(`Proxy-Authorization: Digest username="alice", realm="%s", nonce="%s", uri="%s", response="%s"`,
		m[1], m[2], uri, hash(ha1, m[2], hash("INVITE", uri)))
	g.relayed(g.call(old), bobAt)
	if x := g.refused(g.call(old), 407); !strings.Contains(x.Wire, "stale=true") {
		t.Errorf("the second time: got\n%s", x.Wire)
	}
}
