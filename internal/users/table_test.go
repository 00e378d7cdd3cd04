package users

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"viaduct/internal/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	realm  = "example.com"
	sha256 = "dc7e61f47e3f9a1a6b11a6cc9ac5ab3f66cf0ba8c5c0a7fc3b3f5c8c4b9b1c01"
	md5    = "51ed09f7cea0e36d98bd9f5f4fb9b6c6"
)

func TestAFileIsRead(t *testing.T) {
	t.Parallel()
	text := "# the staff\r\n\n  alice:example.com:SHA-256:" + sha256 + "  \r\nalice:example.com:md5:" + strings.ToUpper(md5) +
		"\nalice:example.net:MD5:" + md5 + "\njürgen m@x:example.com:MD5:" + md5
	table, err := Parse("staff.users", []byte(text), realm)
	if err != nil {
		t.Fatal(err)
	}
	if table.Len() != 2 || table.Others != 1 {
		t.Errorf("%d users, %d lines for others", table.Len(), table.Others)
	}
	h, answer := table.Find(0, []byte("alice"))
	if answer != auth.Known || fmt.Sprintf("%x", h.Get(auth.SHA256)) != sha256 || fmt.Sprintf("%x", h.Get(auth.MD5)) != md5 || h.Get(auth.SHA512256) != nil {
		t.Errorf("alice: %v", answer)
	}
	if _, answer := table.Find(0, []byte("jürgen m@x")); answer != auth.Known {
		t.Errorf("jürgen: %v", answer)
	}
	for _, name := range []string{"Alice", "bob", "", "alice ", "# the staff"} {
		if h, answer := table.Find(0, []byte(name)); answer != auth.Unknown || h != nil {
			t.Errorf("%q: %v", name, answer)
		}
	}
}

func TestAllFaultsOfAFileAreToldAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"parts", "alice:example.com:MD5", "f:1: not of the form user:realm:algorithm:HA1"},
		{"more parts", "a:b:c:d:e", "f:1: not of the form user:realm:algorithm:HA1"},
		{"algorithm", "alice:example.com:SHA-1:00", `f:1: unknown algorithm "SHA-1": SHA-256, SHA-512-256 or MD5`},
		{"session", "alice:example.com:MD5-sess:" + md5, `f:1: unknown algorithm "MD5-sess": SHA-256, SHA-512-256 or MD5`},
		{"digits", "alice:example.com:SHA-256:" + md5, "f:1: SHA-256 has 64 hexadecimal digits, not what stands here"},
		{"a password", "alice:example.com:MD5:" + strings.Repeat("x", 32), "f:1: MD5 has 32 hexadecimal digits, not what stands here"},
		{"no user", ":example.com:MD5:" + md5, `f:1: user "" is empty`},
		{"no realm", "alice::MD5:" + md5, `f:1: realm "" is empty`},
		{"lost space", "alice :example.com:MD5:" + md5, `f:1: user "alice " begins or ends with what would be lost`},
		{"control character", "al\x01ce:example.com:MD5:" + md5, `f:1: user "al\x01ce" holds a colon or a control character`},
		{"long user", strings.Repeat("u", 257) + ":r:MD5:" + md5, `f:1: user "` + strings.Repeat("u", 40) + `" is too long`},
		{"long line", strings.Repeat("u", 2000), "f:1: longer than 1024 bytes"},
		{"twice", "a:r:MD5:" + md5 + "\n\na:r:md5:" + md5, "f:3: MD5 of a in r is in line 1 too"},
		{"two faults", "x\n#\ny", "f:1: not of the form user:realm:algorithm:HA1\nf:3: not of the form user:realm:algorithm:HA1"},
	} {
		table, err := Parse("f", []byte(c.text), realm)
		if table != nil || err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	_, err := Parse("f", []byte(strings.Repeat("x\n", 1000)), realm)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxFaults+1 || lines[maxFaults] != "f: there may be more" {
		t.Errorf("%d lines: %q", len(lines), lines[len(lines)-1])
	}
}

func TestLoadTellsWhoElseMayReadTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "u")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.WriteFile(path, []byte("a:example.com:MD5:"+md5+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		table, err := Load(path, realm)
		if err != nil || table.Exposed != want || table.Len() != 1 {
			t.Errorf("%v: %+v, %v", mode, table, err)
		}
	}
	if _, err := Load(path+"x", realm); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, realm); err == nil || !strings.Contains(err.Error(), path+":1: ") {
		t.Errorf("faulty file: %v", err)
	}
}

func TestAllocFind(t *testing.T) {
	table, err := Parse("f", []byte("a user with a name of some length:example.com:MD5:"+md5), realm)
	if err != nil {
		t.Fatal(err)
	}
	names := [][]byte{[]byte("a user with a name of some length"), []byte("another user with a name of some length")}
	if got := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			table.Find(0, name)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// FuzzFile: a file that is taken can be changed and is taken again, with the same
// users and that one more.
func FuzzFile(f *testing.F) {
	f.Add([]byte("# c\nalice:example.com:MD5:" + md5 + "\n"))
	f.Add([]byte("a:example.com:SHA-256:" + sha256 + "\r\n\r\n#"))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before, err := Parse("f", text, realm)
		if err != nil {
			return
		}
		file := fileOf(text)
		if string(file.Bytes()) != string(text) {
			t.Fatalf("%q became %q", text, file.Bytes())
		}
		added, err := file.Set("someone", realm, "password")
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse("f", file.Bytes(), realm)
		if err != nil {
			t.Fatalf("%v in %q", err, file.Bytes())
		}
		want := before.Len()
		if added {
			want++
		}
		if after.Len() != want || after.Len() != len(file.Users(realm)) || after.Others != before.Others {
			t.Fatalf("%d users, want %d, in %q", after.Len(), want, file.Bytes())
		}
		if !file.Remove("someone", realm) || len(file.Users(realm)) != after.Len()-1 {
			t.Fatalf("not removed from %q", file.Bytes())
		}
	})
}
