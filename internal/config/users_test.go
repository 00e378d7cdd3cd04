package config

import (
	"slices"
	"strings"
	"testing"

	"viaduct/internal/auth"
	"viaduct/internal/authority"
)

const usersAround = "server { domains = [\"example.com\"] }\nlisten \"udp\" { address = \"192.0.2.1:5060\" }\n"

// What is offered is what the file says, in its order (RFC 8760 §2.4): MD5, auth-int
// and answers without qop where it names them.
// Proves: AU-14
func TestWhatUsersAreOffered(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		algorithms     []auth.Algorithm
		authInt, noQop bool
	}{
		"":                                  {[]auth.Algorithm{auth.SHA256}, false, false},
		`algorithms = ["MD5", "SHA-256"]`:   {[]auth.Algorithm{auth.MD5, auth.SHA256}, false, false},
		`algorithms = "SHA-512-256"`:        {[]auth.Algorithm{auth.SHA512256}, false, false},
		`qop = ["auth"]`:                    {[]auth.Algorithm{auth.SHA256}, false, false},
		`qop = ["auth-int", "auth"]`:        {[]auth.Algorithm{auth.SHA256}, true, false},
		`qop = ["auth", "auth-int","none"]`: {[]auth.Algorithm{auth.SHA256}, true, true},
	} {
		c := load(t, usersAround+"users \"a\" {\n  realm = \"example.com\"\n  file = \"x\"\n  "+text+"\n}\n")
		if r := c.Users[0].Realm; !slices.Equal(r.Algorithms, want.algorithms) || r.AuthInt != want.authInt || r.NoQop != want.noQop {
			t.Errorf("%s: got %+v, want %+v", text, r, want)
		}
	}
	for text, want := range map[string]string{
		`algorithms = ["MD5", "SHA-256", "MD5"]`: "MD5 is offered twice",
		`algorithms = ["MD5-sess"]`:              `unknown algorithm "MD5-sess"`,
		`qop = ["auth-int"]`:                     `qop needs "auth"`,
		`qop = ["auth", "auht-int"]`:             `unknown qop "auht-int"`,
	} {
		_, diags := Parse("x", []byte(usersAround+"users \"a\" {\n  realm = \"example.com\"\n  file = \"x\"\n  "+text+"\n}\n"), quiet())
		if len(diags) != 1 || !strings.Contains(diags[0].Message, want) {
			t.Errorf("%s: got %v, want %q", text, diags, want)
		}
	}
}

// The token of a service is a secret, and its authorities are read.
func TestServicesOfUsers(t *testing.T) {
	t.Parallel()
	const token = "an-open-secret"
	pem := string(authority.New(t).PEM)
	opts := quiet()
	opts.ReadFile = func(path string) ([]byte, error) {
		if strings.HasSuffix(path, "ca.pem") {
			return []byte(pem), nil
		}
		return []byte("no certificate"), nil
	}
	file := func(text string) []byte {
		return []byte(usersAround + "users \"a\" {\n  realm = \"example.com\"\n  http {\n    " + text + "\n  }\n}\n")
	}
	c, diags := Parse("x", file("url = \"https://users.example.com\"\n    token = \""+token+"\"\n    ca = \"ca.pem\""), opts)
	if diags != nil {
		t.Fatal(diags)
	}
	if h := c.Users[0].HTTP; h.Token != token || h.CA != pem {
		t.Errorf("got %+v", h)
	}
	for text, want := range map[string]string{
		"url = \"https://u\"\n    ca = \"other.pem\"":           "no certificate",
		"url = \"http://u\"\n    ca = \"ca.pem\"":               "https",
		"url = \"https://u\"\n    token = \"" + token + "\\n\"": "one line",
		"url = \"https://u\"\n    token = [\"" + token + "\"]":  "",
	} {
		_, diags := Parse("x", file(text), opts)
		var out strings.Builder
		diags.Print(&out, false)
		if len(diags) == 0 || !strings.Contains(out.String(), want) || strings.Contains(out.String(), token) {
			t.Errorf("%s: got %s, want %q", text, out.String(), want)
		}
	}
}

// How much is remembered of guesses and nonces is the file's to say, and stays for
// the life of the process.
func TestLimitsOfWhatIsRememberedOfCredentials(t *testing.T) {
	t.Parallel()
	file := func(limits string) []byte {
		return []byte("listen \"udp\" { address = \"127.0.0.1:5060\" }\nserver {\n  limits {\n" + limits + "\n  }\n}\n")
	}
	running, diags := Parse("x", file(""), quiet())
	if diags != nil {
		t.Fatal(diags)
	}
	if want := (auth.GuardConfig{Guesses: 20, Marks: 16384, Nonces: 262144}); running.Guard != want {
		t.Errorf("by default %+v, want %+v", running.Guard, want)
	}
	next, diags := Parse("x", file("guesses = 5\nguess_marks = 2048\nnonces = 4096"), quiet())
	if diags != nil {
		t.Fatal(diags)
	}
	if want := (auth.GuardConfig{Guesses: 5, Marks: 2048, Nonces: 4096}); next.Guard != want {
		t.Errorf("got %+v, want %+v", next.Guard, want)
	}
	opts := quiet()
	opts.Running = running
	next, diags = Parse("x", file("guesses = 5\nguess_marks = 2048\nnonces = 4096"), opts)
	if diags != nil {
		t.Fatal(diags)
	}
	if d := Compare(running, next); len(d.Restart) != 3 || next.Guard != running.Guard {
		t.Errorf("a reload: %+v, %q", next.Guard, d.Lines())
	}
}
