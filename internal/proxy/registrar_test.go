package proxy_test

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
	"viaduct/internal/siptest"
	"viaduct/internal/users"
)

// staff are the users of a desk.
const staff = `
users "staff" {
  realm      = "example.org"
  file       = "unused"
  algorithms = ["SHA-256", "MD5"]
}
`

// office is a stage with users, a registrar and what is done when nobody answers.
const office = `
server { domains = ["example.org"] }
` + staff + `
rule "register" {
  when         = method == REGISTER
  authenticate = users.staff
  register { max_contacts = 3 }
}
rule "open" {
  when = dest.user == "open" || dest.user == "nobody"
  send = location
}
rule "vip" {
  when = dest.user == "vip"
  send = location
  ring = "20s"
  otherwise {
    on   = ["busy", "no-answer", "not-registered", "rejected"]
    send = "sip:mail@203.0.113.99"
    otherwise { reply = "480 Not Even The Machine" }
  }
}
rule "calls" {
  when         = local(dest.domain)
  authenticate = users.staff
  header "X-Who" { set = auth.user }
  response_header "X-Served" { set = "by us" }
  send = location
}
`

// mailAt is the machine that takes calls which nobody answers.
const mailAt = "203.0.113.99:5060"

// asked is a source of users that knows nobody before it was asked.
type askedUsers struct {
	*users.Table
	told bool
}

func (a *askedUsers) Find(now clock.Instant, user []byte) (*auth.HA1, auth.Answer) {
	if !a.told {
		return nil, auth.Ask
	}
	return a.Table.Find(now, user)
}

// desk is a stage with a registrar.
type desk struct {
	*stage
	table *users.Table
}

func newDesk(t *testing.T, config string, listeners ...siptest.Listener) *desk {
	t.Helper()
	s := newStage(t, config, listeners...)
	var text strings.Builder
	for _, u := range []string{"alice", "bob", "open", "vip"} {
		fmt.Fprintf(&text, "%s:example.org:MD5:%s\n", u, hash(u, "example.org", "secret"))
	}
	table, err := users.Parse("users", []byte(text.String()), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewKeys([]byte("a secret of the test bench"))
	if err != nil {
		t.Fatal(err)
	}
	realm, err := auth.NewRealm(auth.RealmConfig{
		Name: "example.org", Algorithms: []auth.Algorithm{auth.SHA256, auth.MD5}, Own: s.snap.Domains,
	}, keys)
	if err != nil {
		t.Fatal(err)
	}
	s.snap.Realms, s.snap.Users = []*auth.Realm{realm}, []auth.Users{table}
	if s.snap.GRUUs, err = registrar.NewKeys([]byte("a secret of the test bench")); err != nil {
		t.Fatal(err)
	}
	s.snap.Directory = location.New(location.Config{
		Now: func() clock.Instant { return s.now }, Wall: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}, nil)
	return &desk{stage: s, table: table}
}

func hash(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(sum[:])
}

var nonceOf = regexp.MustCompile(`nonce="([^"]+)"[^\n]*algorithm=MD5`)

// answerTo is the credentials for a challenge.
func (d *desk) answerTo(challenge sent, header, user, password, method, uri string) string {
	d.t.Helper()
	var nonce string
	for _, l := range challenge.Lines {
		if m := nonceOf.FindStringSubmatch(l.Raw); m != nil {
			nonce = m[1]
		}
	}
	if nonce == "" {
		d.t.Fatalf("no MD5 challenge in\n%s", challenge.Wire)
	}
	response := hash(hash(user, "example.org", password), nonce, "00000001", "abc", "auth", hash(method, uri))
	return fmt.Sprintf(`%s: Digest username="%s", realm="example.org", nonce="%s", uri="%s", algorithm=MD5, qop=auth, nc=00000001, cnonce="abc", response="%s"`,
		header, user, nonce, uri, response)
}

func (d *desk) registerLines(user string, lines ...string) []string {
	return append([]string{
		fmt.Sprintf("To: <sip:%s@example.org>", user), fmt.Sprintf("From: <sip:%s@example.org>;tag=r", user),
		fmt.Sprintf("Call-ID: reg-%s", user), fmt.Sprintf("CSeq: %d REGISTER", d.n+1),
	}, lines...)
}

// register takes a user through the challenge and returns the last answer.
func (d *desk) register(from, user, password string, lines ...string) sent {
	d.t.Helper()
	return d.registerOn(0, from, user, password, lines...)
}

// registerOn is register at another listener than the first.
func (d *desk) registerOn(i int, from, user, password string, lines ...string) sent {
	d.t.Helper()
	const start = "REGISTER sip:example.org SIP/2.0"
	challenge := d.one(d.receiveOn(i, from, d.compose(start, d.registerLines(user, lines...)...)))
	if challenge.Status != 401 {
		return challenge
	}
	lines = append(lines, d.answerTo(challenge, "Authorization", user, password, "REGISTER", "sip:example.org"))
	return d.one(d.receiveOn(i, from, d.compose(start, d.registerLines(user, lines...)...)))
}

func (d *desk) registered(from, user, contact string) {
	d.t.Helper()
	if x := d.register(from, user, "secret", "Contact: <"+contact+">"); x.Status != 200 {
		d.t.Fatalf("%s registers: %d %s", user, x.Status, x.Reason)
	}
}

func (d *desk) call(user string, lines ...string) []sent {
	d.t.Helper()
	if !strings.Contains(strings.Join(lines, "\n"), "From: ") {
		lines = append(lines, "From: <sip:alice@example.org>;tag=a")
	}
	return d.receive(aliceAt, d.compose("INVITE sip:"+user+"@example.org SIP/2.0", append(lines, "Contact: <sip:alice@198.51.100.5>")...))
}

// §10.3, §22: a REGISTER is challenged with 401, then answered with its bindings;
// a wrong password and an unknown user read alike; and nothing of a challenge is
// kept.
func TestRegister(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	x := d.register(bobAt, "bob", "secret", "Contact: <sip:bob@203.0.113.7>;q=0.5")
	if x.Status != 200 || !strings.Contains(x.Get("contact"), "sip:bob@203.0.113.7") || !strings.Contains(x.Get("contact"), "expires=3600") {
		t.Fatalf("got\n%s", x.Wire)
	}
	var told []string
	for _, c := range [][2]string{{"bob", "wrong"}, {"mallory", "secret"}} {
		x := d.register(bobAt, c[0], c[1], "Contact: <sip:x@203.0.113.7>")
		told = append(told, fmt.Sprint(x.Status, x.Reason, strings.Count(x.Wire, "WWW-Authenticate")))
	}
	if told[0] != told[1] || !strings.HasPrefix(told[0], "401") {
		t.Errorf("a wrong password reads %q, an unknown user %q", told[0], told[1])
	}
	if n := d.core.Stats(); n.Contexts != 0 {
		t.Errorf("%d contexts are left", n.Contexts)
	}
	if x := d.register(bobAt, "bob", "secret", "Contact: <sip:bob@203.0.113.7>;expires=10"); x.Status != 423 || x.Get("min-expires") != "60" {
		t.Errorf("too brief: %d, Min-Expires %q", x.Status, x.Get("min-expires"))
	}
	if x := d.register(bobAt, "bob", "secret", "Contact: *"); x.Status != 400 {
		t.Errorf("* without Expires: 0 gave %d", x.Status)
	}
	if x := d.register(bobAt, "bob", "secret", "Contact: *", "Expires: 0"); x.Status != 200 || x.Has("contact") {
		t.Errorf("* gave %d with %q", x.Status, x.Get("contact"))
	}
}

// safety.md rule 13: who has valid credentials registers only itself.
func TestRegisterSomebodyElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	const start = "REGISTER sip:example.org SIP/2.0"
	challenge := d.one(d.receive(aliceAt, d.compose(start, d.registerLines("bob")...)))
	credentials := d.answerTo(challenge, "Authorization", "alice", "secret", "REGISTER", "sip:example.org")
	x := d.one(d.receive(aliceAt, d.compose(start, d.registerLines("bob", credentials, "Contact: <sip:a@198.51.100.5>")...)))
	if x.Status != 403 {
		t.Errorf("alice registers bob: %d", x.Status)
	}
}

// §16.5: calls go to what is registered, best q first; 480 to who is not there,
// 404 to who does not exist.
func TestCallsToRegisteredUsers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.refused(d.call("open"), 480)
	d.refused(d.call("nobody"), 404)
	s := newStage(t, `rule "all" { send = location }`)
	s.snap.Directory = d.snap.Directory
	s.refused(s.receive(aliceAt, s.compose("FOO sip:example.org SIP/2.0")), 501)
	s.call = "2"
	s.refused(s.receive(aliceAt, s.compose("FOO sip:bob@example.org SIP/2.0")), 480)
	for from, contact := range map[string]string{
		bobAt: "Contact: <sip:open@203.0.113.7>;q=0.5", carolAt: "Contact: <sip:open@203.0.113.8>;q=0.9",
	} {
		if x := d.register(from, "open", "secret", contact); x.Status != 200 {
			t.Fatalf("%d", x.Status)
		}
	}
	x := d.relayed(d.call("open"), carolAt)
	if x.URI != "sip:open@203.0.113.8" {
		t.Errorf("Request-URI %s", x.URI)
	}
	list := d.receive(carolAt, answer(x, "486 Busy Here"))
	d.relayed(list[1:], bobAt)
}

// §16.5: somebody's maddr makes the Request-URI its own only target, so nobody is
// looked up; nor is the rule a way to that address.
// Proves: TG-2
func TestMaddrIsNotLookedUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.registered(bobAt, "open", "sip:open@203.0.113.7")
	in := func(params string) []sent {
		return d.receive(aliceAt, d.compose("INVITE sip:open@example.org"+params+" SIP/2.0", "From: <sip:alice@example.org>;tag=a"))
	}
	d.refused(in(";maddr=203.0.113.9"), 403)
	d.relayed(in(";maddr=192.0.2.1"), bobAt)
}

// §22.3: a caller is challenged with 407 without a trace, the credentials are
// taken out, what the rule edits is edited, upstream too.
func TestAnAuthenticatedCall(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.registered(bobAt, "bob", "sip:bob@203.0.113.7")
	challenge := d.refused(d.call("bob"), 407)
	if !strings.Contains(challenge.Get("proxy-authenticate"), "SHA-256") {
		t.Errorf("offered first: %q", challenge.Get("proxy-authenticate"))
	}
	if s := d.core.Stats(); s.Contexts != 0 || s.Transactions.UnderWay != 0 {
		t.Errorf("the challenge left %d contexts, %d transactions", s.Contexts, s.Transactions.UnderWay)
	}
	mine := d.answerTo(challenge, "Proxy-Authorization", "alice", "secret", "INVITE", "sip:bob@example.org")
	others := `Proxy-Authorization: Digest username="a", realm="elsewhere", nonce="n", uri="sip:x", response="00"`
	x := d.relayed(d.call("bob", mine, others), bobAt)
	if got := x.All("proxy-authorization"); len(got) != 1 || !strings.Contains(got[0], "elsewhere") {
		t.Errorf("credentials passed on: %q", got)
	}
	if x.Get("x-who") != "alice" {
		t.Errorf("X-Who: %q", x.Get("x-who"))
	}
	if y := d.one(d.receive(bobAt, answer(x, "180 Ringing"))); y.Get("x-served") != "by us" {
		t.Errorf("upstream X-Served is %q", y.Get("x-served"))
	}
	// The same credentials once more: a replay is stale, never accepted.
	y := d.refused(d.call("bob", mine, "Call-ID: again"), 407)
	if !strings.Contains(y.Wire, "stale=true") {
		t.Errorf("a replay got\n%s", y.Wire)
	}
	// As somebody else: valid credentials are no permission for that.
	challenge = d.refused(d.call("bob", "Call-ID: third"), 407)
	mine = d.answerTo(challenge, "Proxy-Authorization", "alice", "secret", "INVITE", "sip:bob@example.org")
	d.refused(d.call("bob", mine, "Call-ID: third", "From: <sip:open@example.org>;tag=z"), 403)
}

// What is done otherwise: when nobody is registered, busy, silent or refusing, and
// when that fails too.
func TestOtherwise(t *testing.T) {
	t.Parallel()
	final := func(d *desk, list []sent) sent { return list[len(list)-1] }
	d := newDesk(t, office)
	x := d.relayed(d.call("vip"), mailAt)
	if y := final(d, d.receive(mailAt, answer(x, "486 Busy Here"))); y.Status != 480 || y.Reason != "Not Even The Machine" {
		t.Errorf("when all failed: %d %s", y.Status, y.Reason)
	}
	for _, status := range []string{"486 Busy Here", "603 Decline", "600 Busy Everywhere"} {
		d := newDesk(t, office)
		d.registered(bobAt, "vip", "sip:vip@203.0.113.7")
		x := d.relayed(d.call("vip"), bobAt)
		y := d.relayed(d.receive(bobAt, answer(x, status))[1:], mailAt)
		if z := d.one(d.receive(mailAt, answer(y, "200 OK", "Contact: <sip:mail@203.0.113.99>"))); z.Status != 200 {
			t.Errorf("%s: the machine's answer came as %d", status, z.Status)
		}
	}
	// not there: what nobody says otherwise goes upstream
	d = newDesk(t, office)
	d.registered(bobAt, "vip", "sip:vip@203.0.113.7")
	x = d.relayed(d.call("vip"), bobAt)
	if y := final(d, d.receive(bobAt, answer(x, "488 Not Acceptable Here"))); y.Status != 488 {
		t.Errorf("488 came as %d", y.Status)
	}
}

// `ring`: what rings too long is cancelled, and the next end is carried out; a
// late 200 of the first still wins.
func TestRing(t *testing.T) {
	t.Parallel()
	begin := func() (*desk, sent, sent) {
		d := newDesk(t, office)
		d.registered(bobAt, "vip", "sip:vip@203.0.113.7")
		x := d.relayed(d.call("vip"), bobAt)
		d.receive(bobAt, answer(x, "180 Ringing"))
		var mail sent
		cancelled := false
		for _, y := range d.pass(20100 * time.Millisecond) {
			switch {
			case y.Method == "CANCEL" && y.hop.Remote.String() == bobAt:
				cancelled = true
			case y.Method == "INVITE" && y.hop.Remote.String() == mailAt:
				mail = y
			}
		}
		if !cancelled || mail.Message == nil {
			t.Fatalf("after 20 s: cancelled %v, machine called %v", cancelled, mail.Message != nil)
		}
		return d, x, mail
	}
	d, x, mail := begin()
	d.silent(d.receive(bobAt, answer(x, "487 Request Terminated"))[1:]) // after its ACK
	if y := d.one(d.receive(mailAt, answer(mail, "200 OK", "Contact: <sip:m@203.0.113.99>"))); y.Status != 200 {
		t.Errorf("the machine's answer: %d", y.Status)
	}
	d, x, _ = begin()
	if y := d.one(d.receive(bobAt, answer(x, "200 OK", "Contact: <sip:b@203.0.113.7>"))); y.Status != 200 {
		t.Errorf("the late answer: %d", y.Status)
	}
	// The caller gives up while the machine is called: nothing else is begun.
	d, _, mail = begin()
	d.receive(mailAt, answer(mail, "486 Busy Here"))
}

// seams.md §4: who has to be asked for lets the request wait, with a 100; copies
// are absorbed; a CANCEL ends it with 487; the answer takes it up again.
func TestAskingForAUser(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.registered(bobAt, "bob", "sip:bob@203.0.113.7")
	source := &askedUsers{Table: d.table}
	d.snap.Users[0] = source
	challenge := d.refused(d.call("bob"), 407)
	mine := d.answerTo(challenge, "Proxy-Authorization", "alice", "secret", "INVITE", "sip:bob@example.org")
	invite := d.compose("INVITE sip:bob@example.org SIP/2.0", "From: <sip:alice@example.org>;tag=a", "Contact: <sip:alice@198.51.100.5>", mine)
	d.receive(aliceAt, invite)
	ask := d.asked()
	if ask.Kind != effect.AskUser || string(ask.Bytes) != "example.org\x00alice" {
		t.Fatalf("asked %d %q", ask.Kind, ask.Bytes)
	}
	if list := d.pass(100 * time.Millisecond); len(list) != 1 || list[0].Status != 100 {
		t.Errorf("no 100 while it waits: %d messages", len(list))
	}
	d.receive(aliceAt, invite)
	if len(d.fx.Asks) != 0 {
		t.Error("a copy asked again")
	}
	source.told = true
	d.fx.Reset()
	d.core.UserKnown(d.now, ask.Handle, &d.fx)
	d.relayed(d.sends(), bobAt)

	// cancelled meanwhile
	source.told = false
	challenge = d.refused(d.call("bob", "Call-ID: other"), 407)
	mine = d.answerTo(challenge, "Proxy-Authorization", "alice", "secret", "INVITE", "sip:bob@example.org")
	invite = d.compose("INVITE sip:bob@example.org SIP/2.0", "Call-ID: other", "From: <sip:alice@example.org>;tag=a", "Contact: <sip:alice@198.51.100.5>", mine)
	d.receive(aliceAt, invite)
	ask = d.asked()
	list := d.receive(aliceAt, cancelOf(invite))
	if len(list) != 2 || list[0].Status != 200 || list[1].Status != 487 {
		t.Fatalf("CANCEL: %d messages", len(list))
	}
	source.told = true
	d.fx.Reset()
	d.core.UserKnown(d.now, ask.Handle, &d.fx)
	d.silent(d.sends())
}

// heldStore takes changes and has them committed when the test says so.
type heldStore struct{ err error }

func (h *heldStore) Load(func(*location.Row) error) error { return nil }
func (h *heldStore) Apply([]location.Op) error            { return h.err }
func (h *heldStore) Close() error                         { return nil }

// safety.md rule 14: the 200 waits until the change is safe; a copy meanwhile is
// absorbed; what could not be stored is a 500.
func TestRegisterWaitsForTheStore(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{nil, errors.New("disk full")} {
		d := newDesk(t, office)
		d.snap.Directory = location.New(location.Config{
			Store: &heldStore{}, Now: func() clock.Instant { return d.now }, Wall: func() time.Time { return time.Unix(1_800_000_000, 0) },
		}, nil)
		const start = "REGISTER sip:example.org SIP/2.0"
		challenge := d.one(d.receive(bobAt, d.compose(start, d.registerLines("bob")...)))
		lines := d.registerLines("bob", "Contact: <sip:bob@203.0.113.7>",
			d.answerTo(challenge, "Authorization", "bob", "secret", "REGISTER", "sip:example.org"))
		request := d.compose(start, lines...)
		d.silent(d.receive(bobAt, request))
		d.silent(d.receive(bobAt, request))
		handle := effect.MakeHandle(0, 0, 1) // of the first wait that this core made
		d.fx.Reset()
		d.core.Stored(d.now, handle, failure, &d.fx)
		x := d.one(d.sends())
		want := 200
		if failure != nil {
			want = 500
		}
		if x.Status != want {
			t.Errorf("stored with %v: got %d", failure, x.Status)
		}
		d.pass(40 * time.Second)
		if !d.core.Idle() {
			t.Errorf("left: %+v", d.core.Stats())
		}
	}
}

// A store that answers when the transaction is long over finds nobody, and harms
// nothing.
func TestTheStoreAnswersTooLate(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.snap.Directory = location.New(location.Config{
		Store: &heldStore{}, Now: func() clock.Instant { return d.now }, Wall: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}, nil)
	const start = "REGISTER sip:example.org SIP/2.0"
	challenge := d.one(d.receive(bobAt, d.compose(start, d.registerLines("bob")...)))
	d.receive(bobAt, d.compose(start, d.registerLines("bob", "Contact: <sip:bob@203.0.113.7>",
		d.answerTo(challenge, "Authorization", "bob", "secret", "REGISTER", "sip:example.org"))...))
	d.pass(5 * time.Minute)
	d.fx.Reset()
	d.core.Stored(d.now, effect.MakeHandle(0, 0, 1), nil, &d.fx)
	d.silent(d.sends())
	if !d.core.Idle() {
		t.Errorf("left: %+v", d.core.Stats())
	}
}

// RFC 5626 §5.3: a phone behind NAT is reached by its flow, though its Contact
// says otherwise.
func TestAPhoneBehindNAT(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	const nat = "203.0.113.50:40000"
	d.registered(nat, "open", "sip:open@10.0.0.9:5060")
	x := d.relayed(d.call("open"), nat)
	if x.URI != "sip:open@10.0.0.9:5060" {
		t.Errorf("Request-URI %s", x.URI)
	}
}

// safety.md rule 10: every phone is told its own Path value, so it proves nothing
// for what comes out of its flow: no way round the rules, with a made-up To tag or
// without. From elsewhere it leads into the flow, and nowhere else.
func TestAPathValueIsNoTicket(t *testing.T) {
	t.Parallel()
	const edge = `
server { domains = ["example.org"] }
rule "register" {
  when = method == REGISTER
  send = "sip:192.0.2.200"
  path = true
}
rule "none" { reply = "403 By Rule" }
`
	const phone = "203.0.113.50:40000"
	d := newDesk(t, edge)
	x := d.relayed(d.receive(phone, d.compose("REGISTER sip:example.org SIP/2.0", d.registerLines("bob",
		"Contact: <sip:bob@10.0.0.9>", "Supported: path")...)), "192.0.2.200:5060")
	path := x.Get("path")
	if path == "" {
		t.Fatalf("no Path in\n%s", x.Wire)
	}
	const start = "INVITE sip:bob@198.51.100.77 SIP/2.0"
	contact := "Contact: <sip:bob@10.0.0.9>"
	for name, lines := range map[string][]string{
		"alone":           {"Route: " + path},
		"with a To tag":   {"Route: " + path, "To: <sip:bob@example.org>;tag=made-up"},
		"with more Route": {"Route: " + path + ", <sip:198.51.100.77;lr>"},
		"with both":       {"Route: " + path + ", <sip:198.51.100.77;lr>", "To: <sip:bob@example.org>;tag=made-up"},
	} {
		d.stage.call = strings.ReplaceAll(name, " ", "-")
		list := d.receive(phone, d.compose(start, append(lines, contact)...))
		if y := d.one(list); y.Status != 403 {
			t.Errorf("%s: got %s, want 403", name, what(y))
		}
	}
	d.stage.call = "inward"
	y := d.relayed(d.receive(aliceAt, d.compose("INVITE sip:bob@10.0.0.9 SIP/2.0", "Route: "+path, "Contact: <sip:alice@198.51.100.5>")), phone)
	if y.Has("route") {
		t.Errorf("our Path value was passed on: %q", y.Get("route"))
	}
	forged := strings.Replace(path, "@", "A@", 1)
	d.stage.call = "forged"
	if z := d.one(d.receive(aliceAt, d.compose("INVITE sip:bob@10.0.0.9 SIP/2.0", "Route: "+forged, "Contact: <sip:alice@198.51.100.5>"))); z.Status != 403 {
		t.Errorf("a forged Path value: got %s, want 403", what(z))
	}
}

// A 6xx that came before an end had rung long enough is what that end says: those
// who have not ended by then are not what it is judged by.
func TestDeclinedBeforeItHasRungLongEnough(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `
server { domains = ["example.org"] }
rule "both" {
  send = ["sip:bob@203.0.113.7", "sip:bob@203.0.113.8"]
  ring = "20s"
  otherwise {
    on   = ["no-answer"]
    send = "sip:mail@203.0.113.99"
  }
}
`)
	list := d.call("bob")
	if len(list) != 2 {
		t.Fatalf("%d messages", len(list))
	}
	d.receive(carolAt, answer(list[1], "180 Ringing"))
	d.receive(bobAt, answer(list[0], "603 Decline")) // and nothing more is heard of the other
	for _, x := range d.pass(21 * time.Second) {
		switch {
		case x.Method == "INVITE":
			t.Fatalf("an INVITE to %s", x.hop.Remote)
		case x.Status == 603:
			return
		}
	}
	t.Error("no 603 came")
}
