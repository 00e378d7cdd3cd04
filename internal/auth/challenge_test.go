package auth

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/sip"
)

// Proves: AU-1, AU-2, AU-14, AU-27, AU-31, AU-32
func TestAChallengeForEachAlgorithmInItsOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *RealmConfig) { c.Algorithms = []Algorithm{SHA512256, MD5, SHA256} })
	line := regexp.MustCompile(`^Proxy-Authenticate: Digest realm="example\.com", nonce="[A-Za-z0-9_-]{32}", ` +
		`opaque="[A-Za-z0-9_-]{12}", algorithm=([A-Z0-9-]+), qop="auth", charset=UTF-8$`)
	text, whole := strings.CutSuffix(b.challenge(false), "\r\n")
	if !whole {
		t.Fatalf("no line end: %q", text)
	}
	var order []string
	for l := range strings.SplitSeq(text, "\r\n") {
		found := line.FindStringSubmatch(l)
		if found == nil {
			t.Fatalf("line %q", l)
		}
		order = append(order, found[1])
	}
	if got := strings.Join(order, " "); got != "SHA-512-256 MD5 SHA-256" {
		t.Errorf("order %s", got)
	}
	if stale := b.challenge(true); strings.Count(stale, ", stale=true, ") != 3 {
		t.Errorf("stale: %q", stale)
	}
	if got := string(b.v.AppendChallenge(nil, start, UAS, b.realm, false)); !strings.HasPrefix(got, "WWW-Authenticate: Digest ") {
		t.Errorf("registrar: %q", got)
	}
	if first, second := b.nonce(), b.nonce(); first == second {
		t.Error("two challenges have one nonce")
	}
	// A response with it is a message.
	m := request(t, "INVITE", "sip:bob@example.com")
	wire := sip.AppendResponse(nil, m, &sip.Response{Status: 407, Tag: []byte("1"), Headers: []byte(b.challenge(false))})
	if err := new(sip.Message).Parse(wire); err != nil {
		t.Errorf("%v in\n%s", err, wire)
	}
}

// Proves: AU-14
func TestMD5AndAuthIntAreOfferedWhereConfiguredOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *RealmConfig) { c.Algorithms = nil })
	if got := b.challenge(false); strings.Count(got, "\r\n") != 1 || !strings.Contains(got, "algorithm=SHA-256,") {
		t.Errorf("by default %q", got)
	}
	b = newBench(t, func(c *RealmConfig) { c.AuthInt = true })
	if got := b.challenge(false); !strings.Contains(got, `qop="auth,auth-int"`) {
		t.Errorf("auth-int: %q", got)
	}
}

// Proves: AU-1
func TestTheRoleSaysWhichCodeAndHeader(t *testing.T) {
	t.Parallel()
	if UAS.Status() != 401 || UAS.Credentials() != sip.Authorization {
		t.Errorf("UAS: %d %v", UAS.Status(), UAS.Credentials())
	}
	if Proxy.Status() != 407 || Proxy.Credentials() != sip.ProxyAuthorization {
		t.Errorf("proxy: %d %v", Proxy.Status(), Proxy.Credentials())
	}
}

func TestARealmIsCheckedWhenItIsMade(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []RealmConfig{
		{},
		{Name: strings.Repeat("r", 257)},
		{Name: "a\r\nb"},
		{Name: "a:b"},
		{Name: "r", Lifetime: time.Second},
		{Name: "r", Lifetime: 25 * time.Hour},
		{Name: "r", Algorithms: []Algorithm{NoAlgorithm}},
		{Name: "r", Algorithms: []Algorithm{MD5, SHA256, MD5}},
		{Name: "r", Algorithms: []Algorithm{numAlgorithms}},
	} {
		if r, err := NewRealm(c, keys); err == nil {
			t.Errorf("%+v: made %q", c, r.Name())
		}
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	const newer = "another server secret, also long"
	b := newBench(t, nil)
	old := b.answer()
	b.realm = mustRealm(t, RealmConfig{Name: realm, Algorithms: []Algorithm{SHA256}, Own: own}, newer, secret)
	b.want(b.give(old), Good) // the second secret verifies
	fresh := b.answer()
	b.want(b.give(fresh), Good)

	b.realm = mustRealm(t, RealmConfig{Name: realm, Own: own}, newer)
	fresh.nc = "00000002"
	b.want(b.give(fresh), Good) // the first has signed
	old.nc = "00000002"
	b.want(b.give(old), Stale)

	if _, err := NewKeys(); err == nil {
		t.Error("keys without a secret")
	}
	if _, err := NewKeys([]byte("short")); !errors.Is(err, ErrShortSecret) {
		t.Errorf("short secret: %v", err)
	}
}

// Proves: AU-14
func TestAlgorithmsHaveTheNamesOfRFC8760(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Algorithm{
		"MD5": MD5, "SHA-256": SHA256, "sha-256": SHA256, "SHA-512-256": SHA512256,
		"SHA-256-sess": NoAlgorithm, "SHA-512": NoAlgorithm, "": NoAlgorithm, "SHA-1": NoAlgorithm,
	} {
		if got := ParseAlgorithm(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
		if want != NoAlgorithm && (!strings.EqualFold(want.String(), name) || want.New().Size() != want.Size()) {
			t.Errorf("%q: %v of %d bytes", name, want, want.Size())
		}
	}
	if NoAlgorithm.New() != nil || NoAlgorithm.Size() != 0 || Algorithm(9).String() != "" {
		t.Error("what is not known has a hash")
	}
}

func TestHA1KeepsToItself(t *testing.T) {
	t.Parallel()
	h := NewHA1("alice", realm, "secret", MD5)
	var copied HA1
	if !copied.SetHex(MD5, "51ed09f7cea0e36d98bd9f5f4fb9b6c6") || copied.SetHex(SHA256, "51ed") || copied.SetHex(MD5, "x") || copied.Set(NoAlgorithm, nil) {
		t.Error("wrong texts taken, or the right one not")
	}
	if h.Get(SHA256) != nil || h.Get(NoAlgorithm) != nil || h.Get(numAlgorithms) != nil || h.Empty() || !new(HA1).Empty() {
		t.Error("has what it has not")
	}
	if h.String() != "HA1" || h.GoString() != "HA1" {
		t.Error("tells")
	}
}
