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

func (b *bench) nonce() string {
	return nonceText.FindStringSubmatch(b.challenge(false))[1]
}

// answer is what a client makes of a challenge, by the formulas of RFC 7616 §3.4.
type answer struct {
	user, realm, password    string
	nonce, cnonce, nc        string
	method, uri, qop, body   string
	algorithm                Algorithm
	hideQop, hideAlgorithm   bool
	extra                    string
	changeResponse, noBodyIn bool
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

// Proves: AU-3
func TestARightAnswerIsGoodAndAnyChangeOfItIsNot(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.want(b.give(b.answer()), Good)
	for _, a := range []Algorithm{SHA256, SHA512256, MD5} {
		right := b.answer()
		right.algorithm = a
		b.want(b.give(right), Good)
	}
	if string(b.c.User) != "alice" {
		t.Errorf("user %q", b.c.User)
	}
}
