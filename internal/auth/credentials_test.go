package auth

import (
	"strings"
	"testing"

	"viaduct/sip"
)

// Proves: AU-10
func TestCredentialsAreReadAsTheGrammarHasThem(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for name, change := range map[string]func(s string) string{
		"scheme in any case": func(s string) string { return strings.Replace(s, "Digest", "dIgEsT", 1) },
		"names in any case":  func(s string) string { return strings.Replace(s, "realm=", "REALM=", 1) },
		"white space": func(s string) string {
			return strings.NewReplacer(", ", " \t,\t ", "=\"", " = \"", "qop=", "qop\t=  ").Replace(s)
		},
		"no white space":     func(s string) string { return strings.ReplaceAll(s, ", ", ",") },
		"folded":             func(s string) string { return strings.ReplaceAll(s, ", ", ",\r\n  ") },
		"quoted qop":         func(s string) string { return strings.Replace(s, "qop=auth", `qop="auth"`, 1) },
		"quoted algorithm":   func(s string) string { return strings.Replace(s, "=SHA-256", `="sha-256"`, 1) },
		"quoted nc":          func(s string) string { return strings.Replace(s, "nc=00000001", `nc="00000001"`, 1) },
		"bare username":      func(s string) string { return strings.Replace(s, `"alice"`, `alice`, 1) },
		"unknown parameters": func(s string) string { return s + `, x=y, x="a, realm=\"b\"", auts=""` },
		"escaped username":   func(s string) string { return strings.Replace(s, `"alice"`, `"al\ice"`, 1) },
		"escaped realm":      func(s string) string { return strings.Replace(s, `"example.com"`, `"example\.com"`, 1) },
		"extended username": func(s string) string {
			return strings.Replace(s, `username="alice"`, `username*=UTF-8''%61lice`, 1)
		},
		"extended username with language": func(s string) string {
			return strings.Replace(s, `username="alice"`, `username*=utf-8'en'alice`, 1)
		},
		"response in upper case": func(s string) string {
			i := strings.Index(s, "response=\"") + len("response=\"")
			return s[:i] + strings.ToUpper(s[i:i+64]) + s[i+64:]
		},
		"opaque of the client": func(s string) string { return s + `, opaque="whatever"` },
	} {
		a := b.answer()
		text := change(a.String())
		if text == a.String() {
			t.Fatalf("%s: nothing changed", name)
		}
		m := request(t, "INVITE", a.uri, "Proxy-Authorization: "+text)
		if got := b.judge(m, Proxy); got != Good || string(b.c.User) != "alice" {
			t.Errorf("%s: got %v (%s), user %q, in %s", name, got, b.c.Fault, b.c.User, text)
		}
		if v, _ := m.First(sip.ProxyAuthorization); !Ours([]*Realm{b.realm}, v.Text) {
			t.Errorf("%s: not ours", name)
		}
	}
}

// Proves: AU-15, AU-16
func TestMalformedCredentialsGetA400(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	good := b.answer().String()
	replace := func(old, text string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(good, old, text, 1)
	}
	nonce := nonceText.FindString(good)
	for _, c := range []struct{ name, text, fault string }{
		{"doubled realm", good + `, realm="example.com"`, doubledParameter},
		{"doubled username", good + `, Username="alice"`, doubledParameter},
		{"doubled nonce", good + `, nonce=x`, doubledParameter},
		{"doubled response", good + `, response="0"`, doubledParameter},
		{"doubled nc", good + `, nc=00000002`, doubledParameter},
		{"doubled opaque", good + `, opaque="", opaque=""`, doubledParameter},
		{"both names", good + `, username*=UTF-8''alice`, doubledUsername},
		{"no username", replace(`username="alice", `, ""), missingParameter},
		{"no nonce", replace(nonce+", ", ""), missingParameter},
		{"no uri", replace(`uri="sip:bob@example.com", `, ""), missingParameter},
		{"no response", `Digest username="alice", realm="example.com", nonce="1", uri="sip:bob@example.com"`, missingParameter},
		{"no nc", replace(", nc=00000001", ""), missingParameter},
		{"no cnonce", replace(`, cnonce="0a4f113b"`, ""), missingParameter},
		{"short nc", replace("nc=00000001", "nc=1"), badParameter},
		{"long nc", replace("nc=00000001", "nc=000000001"), badParameter},
		{"nc 0", replace("nc=00000001", "nc=00000000"), badParameter},
		{"nc no number", replace("nc=00000001", "nc=0000000g"), badParameter},
		{"empty username", replace(`"alice"`, `""`), badParameter},
		{"long username", replace(`"alice"`, `"`+strings.Repeat("a", maxText+1)+`"`), badParameter},
		{"long cnonce", replace("0a4f113b", strings.Repeat("a", maxText+1)), badParameter},
		{"long uri", replace("sip:bob@example.com", "sip:"+strings.Repeat("b", sip.MaxURI)), badParameter},
		{"uri with escapes", replace("sip:bob@", `sip:b\ob@`), badParameter},
		{"short response", replace(`response="`, `response="", x="`), badParameter},
		{"response of another algorithm", replace("=SHA-256", "=MD5"), badParameter},
		{"charset of username*", replace(`username="alice"`, `username*=ISO-8859-1'en'alice`), badParameter},
		{"username* cut short", replace(`username="alice"`, `username*=UTF-8''alice%4`), badParameter},
		{"username* no hex", replace(`username="alice"`, `username*=UTF-8''%4xlice`), badParameter},
		{"username* without language", replace(`username="alice"`, `username*=UTF-8'alice`), badParameter},
		{"username* no UTF-8", replace(`username="alice"`, `username*=UTF-8''%ff`), badParameter},
		{"username* empty", replace(`username="alice"`, `username*=UTF-8''`), badParameter},
		{"username* with quotes in it", replace(`username="alice"`, `username*="UTF-8''a'b"`), badParameter},
		{"userhash neither", good + ", userhash=maybe", badParameter},
		{"comma at the end", good + ",", badCredentials},
		{"empty element", replace(", uri", ", , uri"), badCredentials},
		{"no comma", replace(`, uri`, ` uri`), badCredentials},
		{"no value", good + ", x", badCredentials},
		{"no name", good + `, ="x"`, badCredentials},
		{"empty value", good + ", x=", badCredentials},
		{"open quote", good + `, x="y`, badCredentials},
		{"open escape", good + `, x="y\`, badCredentials},
		{"bare uri", replace(`"sip:bob@example.com"`, `sip:bob@example.com`), badCredentials},
		{"two in one line", good + ", " + good, badCredentials},
		{"control character", good + ", x=\"\x01\"", badCredentials},
		{"too many", good + strings.Repeat(", x=y", sip.MaxParams), tooManyParameters},
	} {
		m := request(t, "INVITE", "sip:bob@example.com", "Proxy-Authorization: "+c.text)
		if got := b.judge(m, Proxy); got != Malformed || b.c.Fault != c.fault {
			t.Errorf("%s: got %v (%s), want %v (%s)", c.name, got, b.c.Fault, Malformed, c.fault)
		}
	}
	b.want(b.give(b.answer()), Good) // service goes on
}

func TestWhatIsMalformedForOthersIsNoneOfOurBusiness(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for _, text := range []string{
		"", "Digest", "Digest ", "Digest realm", `Digest realm="example.org", broken`, `Digest "example.com"`,
		`Digest realm="example.com`, `Digest broken, realm="example.com"`, `Digestrealm="example.com"`,
		`Digest realm="example.com.evil.org"`, `Digest realm="example.co"`, `Digest realm="EXAMPLE.com"`,
	} {
		m := request(t, "INVITE", "sip:bob@example.com", "Proxy-Authorization: "+text)
		if got := b.judge(m, Proxy); got != Absent {
			t.Errorf("%q: got %v, want %v", text, got, Absent)
		}
		if Ours([]*Realm{b.realm}, []byte(text)) {
			t.Errorf("%q: taken as ours", text)
		}
	}
}

func TestARealmWithQuotesFindsItsCredentials(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *RealmConfig) { c.Name = `a "b" \c` })
	if !strings.Contains(b.challenge(false), `realm="a \"b\" \\c"`) {
		t.Errorf("challenge %s", b.challenge(false))
	}
	if !Ours([]*Realm{b.realm}, []byte(`Digest realm="a \"b\" \\c"`)) {
		t.Error("not ours")
	}
}

// Proves: AU-13
func TestOnlyTheUserItselfSpeaksAsTheUser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		user, uri string
		domains   Hosts
		want      bool
	}{
		{"alice", "sip:alice@example.com", nil, true},
		{"alice", "sips:alice@EXAMPLE.com:5061;transport=tls", nil, true},
		{"alice", "sip:%61lice@example.com", nil, true},
		{"alice", "sip:alice@192.0.2.1", nil, true},
		{"jürgen", "sip:j%C3%BCrgen@example.com", nil, true},
		{"alice", "sip:bob@example.com", nil, false},
		{"alice", "sip:Alice@example.com", nil, false},
		{"alice", "sip:alice2@example.com", nil, false},
		{"alice", "sip:alice@example.org", nil, false},
		{"alice", "sip:example.com", nil, false},
		{"alice", "tel:alice", nil, false},
		{"+491", "tel:+491", nil, false},
		{"alice@example.com", "sip:alice@example.com", nil, true},
		{"alice@example.com", "sip:alice@example.net", nil, false},
		{"alice@example.org", "sip:alice@example.org", nil, false},
		{"alice", "sip:alice@example.net", nil, true},
		{"alice", "sip:alice@example.net", hosts{"example.com"}, false},
		{"alice", "sip:alice@example.com", hosts{"example.com"}, true},
		{"", "sip:alice@example.com", nil, false},
	} {
		r := mustRealm(t, RealmConfig{Name: realm, Own: own, Domains: c.domains}, secret)
		uri, err := sip.ParseURI([]byte(c.uri))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Speaks([]byte(c.user), &uri); got != c.want {
			t.Errorf("%s as %s: got %v, want %v", c.user, c.uri, got, c.want)
		}
	}
	r := mustRealm(t, RealmConfig{Name: realm}, secret)
	uri, _ := sip.ParseURI([]byte("sip:alice@example.com"))
	if r.Speaks([]byte("alice"), &uri) {
		t.Error("a server without domains has users of its own")
	}
}
