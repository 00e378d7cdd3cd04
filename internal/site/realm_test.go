package site

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/internal/auth"
	"viaduct/internal/authority"
	"viaduct/internal/clock"
)

// What a users block says of challenges is what a phone gets to read.
// Proves: AU-14
func TestChallengesAreAsTheFileSays(t *testing.T) {
	dir := t.TempDir()
	userFile(t, dir, "a.users", "alice")
	for text, want := range map[string][]string{
		"":                                    {`algorithm=SHA-256, qop="auth"`},
		`algorithms = ["MD5", "SHA-512-256"]`: {`algorithm=MD5, qop="auth"`, `algorithm=SHA-512-256, qop="auth"`},
		`qop = ["auth-int", "auth"]`:          {`algorithm=SHA-256, qop="auth,auth-int"`},
	} {
		cfg := load(t, dir, strings.Replace(strings.ReplaceAll(withFile, "%s", "a.users"), "  file ", "  "+text+"\n  file ", 1))
		s := open(t, cfg, newHeard())
		stop := run(t, s)
		v := auth.NewVerifier(auth.NewGuard(auth.GuardConfig{}, clock.Now()), func(b []byte) { clear(b) })
		lines := strings.Split(strings.TrimSuffix(string(v.AppendChallenge(nil, clock.Now(), auth.UAS, cfg.Snapshot.Realms[0], false)), "\r\n"), "\r\n")
		if len(lines) != len(want) {
			t.Errorf("%s: %d challenges, want %d", text, len(lines), len(want))
		}
		for i := range min(len(lines), len(want)) {
			if !strings.Contains(lines[i], want[i]) {
				t.Errorf("%s: challenge %d is %s, want %s", text, i, lines[i], want[i])
			}
		}
		stop()
	}
}

// A service is asked with the token and by the authorities of its block; a block
// that says another is another source.
func TestAServiceIsAskedAsTheFileSays(t *testing.T) {
	dir, ca := t.TempDir(), authority.New(t)
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(ca.Issue(nil, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }))
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		w.WriteHeader(http.StatusNotFound)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	file := func(token string) string {
		return "server { domains = [\"example.com\"] }\nusers \"web\" {\n  realm = \"example.com\"\n  http {\n" +
			"    url = \"" + server.URL + "\"\n    ca = \"DIR/ca.pem\"\n    token = \"" + token + "\"\n    timeout = \"5s\"\n  }\n}\n" +
			"rule \"all\" {\n  authenticate = users.web\n  reply = \"403\"\n}\n"
	}
	h := newHeard()
	s := open(t, load(t, dir, file("first")), h)
	run(t, s)
	for token, text := range []string{"first", "second", "second"} {
		cfg := load(t, dir, file(text))
		if err := s.Equip(cfg); err != nil {
			t.Fatal(err)
		}
		s.Keep(cfg)
		if _, a := cfg.Snapshot.Users[0].Find(clock.Now(), []byte("alice")); a == auth.Unknown {
			if token != 2 {
				t.Error("another token is the same source")
			}
			continue // as it was told before
		}
		if err := s.Ask("example.com", []byte("alice"), uint64(token)); err != nil {
			t.Fatal(err)
		}
		await(t, h.found)
		if got := await(t, shown); got != "Bearer "+text {
			t.Errorf("the service was shown %q", got)
		}
		if _, a := cfg.Snapshot.Users[0].Find(clock.Now(), []byte("alice")); a != auth.Unknown {
			t.Errorf("after the answer: %v", a)
		}
	}
}
