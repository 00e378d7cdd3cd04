package auth

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/sip"
)

const (
	start  = clock.Instant(1000 * time.Second)
	realm  = "example.com"
	secret = "a server secret of some length"
)

var (
	source = netip.MustParseAddr("192.0.2.7")
	own    = hosts{"example.com", "example.net", "192.0.2.1"}
	alice  = NewHA1("alice", realm, "secret", SHA256, SHA512256, MD5)
)

// hosts is a small set of hosts.
type hosts []string

func (h hosts) Contains(host []byte) bool {
	for _, s := range h {
		if sip.EqualHost([]byte(s), host) {
			return true
		}
	}
	return false
}

// bench is a server for tests: a realm, a verifier and the time.
type bench struct {
	t     testing.TB
	now   clock.Instant
	realm *Realm
	guard *Guard
	v     *Verifier
	c     Credentials
	h     *HA1
	from  netip.Addr
}

func newBench(t testing.TB, change func(*RealmConfig)) *bench {
	t.Helper()
	c := RealmConfig{Name: realm, Algorithms: []Algorithm{SHA256, SHA512256, MD5}, Own: own}
	if change != nil {
		change(&c)
	}
	b := &bench{t: t, now: start, realm: mustRealm(t, c, secret), guard: NewGuard(GuardConfig{}, start), h: &alice, from: source}
	b.v = NewVerifier(b.guard, counter())
	return b
}

func mustRealm(t testing.TB, c RealmConfig, secrets ...string) *Realm {
	t.Helper()
	var all [][]byte
	for _, s := range secrets {
		all = append(all, []byte(s))
	}
	keys, err := NewKeys(all...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRealm(c, keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counter is a source of bytes that differ.
func counter() func([]byte) {
	n := 0
	return func(b []byte) {
		n++
		sum := sha256.Sum256(fmt.Append(nil, n))
		copy(b, sum[:])
	}
}

// request is a message with the given lines.
func request(t testing.TB, method, uri string, lines ...string) *sip.Message {
	t.Helper()
	wire := method + " " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n" +
		"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1\r\nCSeq: 1 " + method + "\r\n"
	for _, l := range lines {
		wire += l + "\r\n"
	}
	m := new(sip.Message)
	if err := m.Parse([]byte(wire + "Content-Length: 4\r\n\r\nbody")); err != nil {
		t.Fatalf("%v in\n%s", err, wire)
	}
	return m
}

// judge goes both steps.
func (b *bench) judge(m *sip.Message, role Role) Verdict {
	verdict := b.v.Find(b.now, m, role, b.realm, b.from, &b.c)
	if verdict != Ready {
		return verdict
	}
	return b.v.Check(b.now, m, &b.c, b.h)
}

func (b *bench) challenge(stale bool) string {
	return string(b.v.AppendChallenge(nil, b.now, Proxy, b.realm, stale))
}

var nonceText = regexp.MustCompile(`nonce="([^"]*)"`)

// swapCase alters all letters of a nonce.
func swapCase(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c ^ 0x20
		}
		return c
	}, s)
}

func (b *bench) nonce() string {
	return nonceText.FindStringSubmatch(b.challenge(false))[1]
}

// answer is what a client makes of a challenge, by the formulas of RFC 7616 §3.4.
type answer struct {
	user, realm, password  string
	nonce, cnonce, nc      string
	method, uri, qop, body string
	algorithm              Algorithm
	hideQop, hideAlgorithm bool
	extra                  string
}

func (b *bench) answer() answer {
	return answer{
		user: "alice", realm: realm, password: "secret", nonce: b.nonce(), cnonce: "0a4f113b", nc: "00000001",
		method: "INVITE", uri: "sip:bob@example.com", qop: "auth", body: "body", algorithm: SHA256,
	}
}

func (a answer) response() string {
	sum := func(s string) string {
		h := a.algorithm.New()
		h.Write([]byte(s))
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	a1 := sum(a.user + ":" + a.realm + ":" + a.password)
	a2 := a.method + ":" + a.uri
	if a.qop == "auth-int" {
		a2 += ":" + sum(a.body)
	}
	if a.hideQop {
		return sum(a1 + ":" + a.nonce + ":" + sum(a2))
	}
	return sum(strings.Join([]string{a1, a.nonce, a.nc, a.cnonce, a.qop, sum(a2)}, ":"))
}

func (a answer) String() string {
	s := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"`,
		a.user, a.realm, a.nonce, a.uri, a.response())
	if !a.hideAlgorithm {
		s += ", algorithm=" + a.algorithm.String()
	}
	if !a.hideQop {
		s += fmt.Sprintf(`, cnonce="%s", qop=%s, nc=%s`, a.cnonce, a.qop, a.nc)
	}
	return s + a.extra
}

// give sends an answer in an INVITE.
func (b *bench) give(a answer) Verdict {
	return b.judge(request(b.t, "INVITE", "sip:bob@example.com", "Proxy-Authorization: "+a.String()), Proxy)
}

func (b *bench) want(got, want Verdict) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("got %v (%s), want %v", got, b.c.Fault, want)
	}
}

// Proves: AU-3, AU-21
func TestARightAnswerIsGood(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, a := range []Algorithm{SHA256, SHA512256, MD5} {
		right := b.answer()
		right.algorithm = a
		b.want(b.give(right), Good)
		if string(b.c.User) != "alice" || b.c.Algorithm != a {
			t.Errorf("user %q, algorithm %v", b.c.User, b.c.Algorithm)
		}
	}
}

// Proves: AU-3
func TestAnyChangeOfTheAnswerMakesItWrong(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *RealmConfig) { c.AuthInt = true })
	for name, change := range map[string]func(*answer){
		"user": func(a *answer) { a.user = "alicia" }, "password": func(a *answer) { a.password = "Secret" },
		"nonce": func(a *answer) { a.nonce = b.nonce() }, "cnonce": func(a *answer) { a.cnonce = "1" },
		"nc": func(a *answer) { a.nc = "00000002" }, "qop": func(a *answer) { a.qop = "auth-int" },
		"method": func(a *answer) { a.method = "MESSAGE" }, "uri": func(a *answer) { a.uri = "sip:bob2@example.com" },
		"algorithm": func(a *answer) { a.algorithm = SHA512256 },
	} {
		right := b.answer()
		other := right
		change(&other)
		text := strings.Replace(right.String(), right.response(), other.response(), 1)
		got := b.judge(request(t, "INVITE", right.uri, "Proxy-Authorization: "+text), Proxy)
		if got != Wrong {
			t.Errorf("%s: got %v, want %v", name, got, Wrong)
		}
		b.guard = NewGuard(GuardConfig{}, start) // each is the first guess
		b.v.guard = b.guard
	}
}

// Proves: AU-3
func TestAuthIntCoversTheBody(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *RealmConfig) { c.AuthInt = true })
	a := b.answer()
	a.qop = "auth-int"
	b.want(b.give(a), Good)
	a.nc, a.body = "00000002", "Body"
	b.want(b.give(a), Wrong)

	b = newBench(t, nil)
	a = b.answer()
	a.qop = "auth-int"
	b.want(b.give(a), Refused) // not offered
}

// Proves: AU-3
func TestTheExamplesOfRFC7616(t *testing.T) {
	t.Parallel()
	h := NewHA1("Mufasa", "http-auth@example.org", "Circle of Life", MD5, SHA256)
	b := newBench(t, func(c *RealmConfig) { c.Name = "http-auth@example.org" })
	for a, response := range map[Algorithm]string{
		MD5:    "8ca523f5e9506fed4657c9700eebdbec",
		SHA256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		var c Credentials
		digest, fault := c.parse([]byte(`Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=` +
			a.String() + `, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ` +
			`cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="` + response +
			`", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`))
		if !digest || fault != "" {
			t.Fatalf("%v: %q", digest, fault)
		}
		got := b.v.response([]byte("GET"), nil, &c, h.Get(a))
		if string(got) != response {
			t.Errorf("%v: got %s, want %s", a, got, response)
		}
	}
}

// Proves: AU-5, AU-6, AU-25
func TestOnlyANonceOfOursThatIsFreshIsGood(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	other := newBench(t, func(c *RealmConfig) { c.Name = "example.net" })
	old := b.answer()

	foreign := b.answer()
	foreign.nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
	b.want(b.give(foreign), Stale)
	foreign.password = "guess"
	b.want(b.give(foreign), Wrong)

	altered := b.answer()
	altered.nonce = swapCase(altered.nonce)
	b.want(b.give(altered), Stale)

	borrowed := b.answer() // of another realm, with the same keys
	borrowed.nonce = other.nonce()
	b.want(b.give(borrowed), Stale)

	b.now = start.Add(DefaultLifetime)
	b.want(b.give(old), Good)
	old.nc = "00000002"
	b.now = start.Add(DefaultLifetime + time.Second)
	b.want(b.give(old), Stale)
	old.password = "guess"
	b.want(b.give(old), Wrong) // RFC 7616 §3.3: stale only when the digest is right
}

func TestANonceFromTheFutureIsGoodWhenClocksMayDiffer(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.now = start.Add(time.Hour)
	a := b.answer()
	b.now = start.Add(time.Hour - maxAhead)
	b.want(b.give(a), Good)
	a.nc = "00000002"
	b.now = b.now.Add(-2 * time.Second)
	b.want(b.give(a), Stale)
}

func TestEachLifetimeIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *RealmConfig) { c.Lifetime = 20 * time.Second })
	a := b.answer()
	b.now = start.Add(21 * time.Second)
	b.want(b.give(a), Stale)
}

// Proves: AU-8
func TestNcRisesAndIsUsedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.answer()
	for _, step := range []struct {
		nc   string
		want Verdict
	}{
		{"00000005", Good},
		{"00000005", Stale}, // a replay
		{"00000003", Good},  // overtaken
		{"00000003", Stale},
		{"00000006", Good},
		{"00000100", Good},
		{"000000c1", Good},  // 63 below
		{"000000c1", Stale}, // again
		{"000000c0", Stale}, // below the window
		{"00000007", Stale},
		{"ffffffff", Good},
		{"FFFFFFFE", Good},
		{"00000001", Stale},
	} {
		a.nc = step.nc
		if got := b.give(a); got != step.want {
			t.Errorf("nc %s: got %v, want %v", step.nc, got, step.want)
		}
	}
}

// Proves: AU-7
func TestWithoutQopOnlyWhereConfiguredAndOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.answer()
	a.hideQop = true
	b.want(b.give(a), Refused)

	b = newBench(t, func(c *RealmConfig) { c.NoQop = true })
	a = b.answer()
	a.hideQop, a.algorithm, a.hideAlgorithm = true, MD5, true // as RFC 2069 has it
	b.want(b.give(a), Good)
	b.want(b.give(a), Stale)
}

// Proves: AU-14, AU-15
func TestOnlyWhatIsOfferedIsAccepted(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *RealmConfig) { c.Algorithms = nil })
	a := b.answer()
	b.want(b.give(a), Good)
	a.algorithm = MD5
	b.want(b.give(a), Refused)
	a.hideAlgorithm = true
	b.want(b.give(a), Refused)
	for _, unknown := range []string{"SHA-256-sess", "MD5-sess", "SHA-1", "token", `"SHA-512"`} {
		a = b.answer()
		text := strings.Replace(a.String(), "=SHA-256", "="+unknown, 1)
		b.want(b.judge(request(t, "INVITE", a.uri, "Proxy-Authorization: "+text), Proxy), Refused)
	}
	a = b.answer()
	a.extra = ", userhash=true"
	b.want(b.give(a), Refused)
	a.extra = ", userhash=false"
	b.want(b.give(a), Good)
}

// Proves: AU-4
func TestAnUnknownUserReadsAsAWrongPassword(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.h = nil
	b.want(b.give(b.answer()), Wrong)
	// Not even who knows the key of unknown users comes in.
	keys := newBench(t, nil)
	a := b.answer()
	m := request(t, "INVITE", a.uri, "Proxy-Authorization: "+a.String())
	if got := keys.v.Find(start, m, Proxy, keys.realm, source, &keys.c); got != Ready {
		t.Fatal(got)
	}
	stand := keys.v.signer.sign(keys.v.signer.unknown, []byte("alice"), []byte(realm))
	want := string(keys.v.response(m.MethodName(), m.Body(), &keys.c, append([]byte(nil), stand...)))
	m = request(t, "INVITE", a.uri, "Proxy-Authorization: "+strings.Replace(a.String(), a.response(), want, 1))
	b.want(b.judge(m, Proxy), Wrong)

	b.h = new(HA1) // known, but without this algorithm
	b.want(b.give(b.answer()), Wrong)
}

// Proves: AU-11, AU-23, AU-27, AU-32
func TestTheCredentialsForTheRealmAreFoundAmongOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.answer()
	other := a
	other.realm = "example.org"
	old := a
	old.nonce = "0011"
	for _, lines := range [][]string{
		{other.String(), a.String()},
		{a.String(), other.String()},
		{"Basic YWxpY2U6c2VjcmV0", "Bearer x, realm=\"example.com\"", `Digest realm="other", broken`, a.String()},
		{old.String(), a.String()}, // RFC 3261 §22.3: two proxies of one realm
		{`Digest realm="example.com"`, a.String()},
	} {
		var all []string
		for _, l := range lines {
			all = append(all, "Proxy-Authorization: "+l)
		}
		b.guard = NewGuard(GuardConfig{}, start)
		b.v.guard = b.guard
		m := request(t, "INVITE", a.uri, all...)
		b.want(b.judge(m, Proxy), Good)
		ours := 0
		for it := m.Values(sip.ProxyAuthorization); it.Next(); {
			if Ours([]*Realm{b.realm}, it.Value.Text) {
				ours++
			}
		}
		if want := strings.Count(strings.Join(lines, "\n"), `Digest username="alice", realm="example.com"`) +
			strings.Count(strings.Join(lines, "\n"), `Digest realm="example.com"`); ours != want {
			t.Errorf("%q: %d values are ours, want %d", lines, ours, want)
		}
	}
	b.want(b.judge(request(t, "INVITE", a.uri, "Proxy-Authorization: "+other.String()), Proxy), Absent)
	b.want(b.judge(request(t, "INVITE", a.uri, "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0"), Proxy), Absent)
	b.want(b.judge(request(t, "INVITE", a.uri), Proxy), Absent)
	// A registrar asks in another header than a proxy.
	b.want(b.judge(request(t, "INVITE", a.uri, "Proxy-Authorization: "+a.String()), UAS), Absent)
	a.nonce = b.nonce()
	b.want(b.judge(request(t, "INVITE", a.uri, "Authorization: "+a.String()), UAS), Good)
}

// What has been proven for a user must not pass to another when the request is read
// again later.
func TestTheChoiceAmongCredentialsDoesNotDependOnTheTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	older := b.answer()
	older.user = "carol"
	b.now = b.now.Add(time.Second)
	right := b.answer()
	foreign := right
	foreign.user, foreign.nonce = "bob", "00"
	m := request(t, "INVITE", right.uri, "Proxy-Authorization: "+foreign.String(),
		"Proxy-Authorization: "+older.String(), "Proxy-Authorization: "+right.String())
	for _, after := range []time.Duration{0, DefaultLifetime, DefaultLifetime + time.Second, time.Hour} {
		b.now = start.Add(time.Second + after)
		b.want(b.v.Find(b.now, m, Proxy, b.realm, source, &b.c), Ready)
		if string(b.c.User) != "alice" {
			t.Errorf("after %v: %s", after, b.c.User)
		}
	}
}

func TestNoMoreThanAFewCandidatesAreLookedAt(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	var lines []string
	for range maxCandidates {
		lines = append(lines, `Proxy-Authorization: Digest realm="example.com"`)
	}
	lines = append(lines, "Proxy-Authorization: "+b.answer().String())
	b.want(b.judge(request(t, "INVITE", "sip:bob@example.com", lines...), Proxy), Malformed)
}

// Proves: AU-9
func TestTheURIOfTheCredentialsIsOfAResourceOfOurs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uri, requestURI string
		want, exact     Verdict
	}{
		{"sip:bob@example.com", "sip:bob@example.com", Good, Good},
		{"sip:b%6fb@EXAMPLE.com", "sip:bob@example.com", Good, Good},
		{"sip:bob@example.com", "sip:bob@192.0.2.99", Good, Malformed}, // changed on the way
		{"sip:example.com", "sip:bob@example.com", Good, Malformed},    // as some phones write it
		{"sip:bob@192.0.2.99", "sip:carol@192.0.2.99", Good, Malformed},
		{"sip:bob@example.org", "sip:bob@example.com", Malformed, Malformed},
		{"tel:+491", "tel:+491", Good, Good},
		{"tel:+491", "sip:+491@example.com", Malformed, Malformed},
		{"/index.html", "sip:bob@example.com", Malformed, Malformed},
	} {
		for exact, want := range map[bool]Verdict{false: c.want, true: c.exact} {
			b := newBench(t, func(c *RealmConfig) { c.ExactURI = exact })
			a := b.answer()
			a.uri = c.uri
			m := request(t, "INVITE", c.requestURI, "Proxy-Authorization: "+a.String())
			if got := b.judge(m, Proxy); got != want {
				t.Errorf("%s for %s, exact %v: got %v, want %v", c.uri, c.requestURI, exact, got, want)
			}
		}
	}
}

// Proves: AU-26
func TestANonceServesARequestOfTheDialog(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.answer()
	b.want(b.give(a), Good)
	a.method, a.uri, a.nc = "BYE", "sip:bob@192.0.2.9:5070", "00000002"
	b.want(b.judge(request(t, "BYE", a.uri, "Proxy-Authorization: "+a.String()), Proxy), Good)
}

func TestVerdictsAreCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.answer()
	b.give(a)
	b.give(a)
	a.password = "guess"
	b.give(a)
	b.judge(request(t, "INVITE", a.uri), Proxy)
	if got, want := b.v.Counts(), [NumVerdicts]uint64{Absent: 1, Good: 1, Stale: 1, Wrong: 1}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
