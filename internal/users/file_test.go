package users

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"viaduct/internal/auth"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func set(user, password string) func(*File) error {
	return func(f *File) error {
		_, err := f.Set(user, realm, password)
		return err
	}
}

func TestUsersAreAddedChangedAndRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "staff.users")
	must := func(change func(*File) error) {
		t.Helper()
		if err := Edit(path, change); err != nil {
			t.Fatal(err)
		}
	}
	must(set("alice", "secret"))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file has mode %v, %v", info.Mode(), err)
	}
	// echo -n alice:example.com:secret | md5sum, and the like
	want := "alice:example.com:SHA-256:" + digestOf("alice", auth.SHA256) + "\n" +
		"alice:example.com:SHA-512-256:" + digestOf("alice", auth.SHA512256) + "\n" +
		"alice:example.com:MD5:" + digestOf("alice", auth.MD5) + "\n"
	if got := read(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := os.WriteFile(path, []byte("# head\n"+want+"# tail, without a line end"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(set("bob", "secret"))
	must(set("alice", "other"))
	got := read(t, path)
	if !strings.HasPrefix(got, "# head\nalice:example.com:SHA-256:") || !strings.Contains(got, "\n# tail, without a line end\nbob:") ||
		strings.Contains(got, digestOf("alice", auth.MD5)) || strings.Count(got, "\n") != 8 {
		t.Errorf("got\n%s", got)
	}
	must(func(f *File) error {
		if names := f.Users(realm); fmt.Sprint(names) != "[alice bob]" {
			t.Errorf("users %v", names)
		}
		if !f.Remove("alice", realm) || f.Remove("alice", realm) || f.Remove("bob", "example.net") {
			t.Error("removed what is not there, or not what is")
		}
		return nil
	})
	if got := read(t, path); !strings.HasPrefix(got, "# head\n# tail, without a line end\nbob:") {
		t.Errorf("got\n%s", got)
	}
}

func digestOf(user string, a auth.Algorithm) string {
	f := a.New()
	f.Write([]byte(user + ":" + realm + ":secret"))
	return fmt.Sprintf("%x", f.Sum(nil))
}

func TestAnEditThatFailsLeavesTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "u")
	const faulty = "x\n"
	if err := os.WriteFile(path, []byte(faulty), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Edit(path, set("a", "b")); err == nil || read(t, path) != faulty {
		t.Errorf("a faulty file was changed: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err := Edit(path, func(f *File) error {
		_, err := f.Set("a", realm, "b")
		return errors.Join(err, stop)
	})
	if !errors.Is(err, stop) || read(t, path) != "" {
		t.Errorf("got %v", err)
	}
	for _, c := range [][3]string{{"a:b", realm, "x"}, {"a", "", "x"}, {"a", realm, ""}, {"", realm, "x"}, {"a\n", realm, "x"}} {
		if _, err := new(File).Set(c[0], c[1], c[2]); err == nil {
			t.Errorf("%q was taken", c)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := Edit(filepath.Join(dir, "no", "u"), set("a", "b")); !os.IsNotExist(err) {
		t.Errorf("no directory: %v", err)
	}
}

func TestTheModeStaysButTheWorldIsShutOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "u")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Edit(path, set("a", "b")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestALinkStaysALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "u"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	if err := Edit(link, set("a", "b")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 || read(t, path) == "" {
		t.Errorf("%v, %v", info, err)
	}
}

func TestEditsWaitForEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "u")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := Edit(path, set(fmt.Sprintf("user%d", i), "secret")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	table, err := Load(path, realm)
	if err != nil || table.Len() != 20 {
		t.Errorf("%v, %v", table, err)
	}
}

func TestPasswordsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	used := map[rune]bool{}
	for range 500 {
		p := Password()
		if len(p) != passwordLen || seen[p] {
			t.Fatalf("password %q", p)
		}
		seen[p] = true
		for _, c := range p {
			used[c] = true
		}
	}
	if len(used) != len(letters) {
		t.Errorf("%d letters of %d are used", len(used), len(letters))
	}
}

func TestAFileInUseFollowsWhatIsWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "u")
	if err := Edit(path, set("alice", "secret")); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, realm)
	if err != nil {
		t.Fatal(err)
	}
	refresh := func(want bool, fault string) {
		t.Helper()
		changed, err := l.refresh()
		if changed != want || (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("changed %v, %v; want %v, %q", changed, err, want, fault)
		}
	}
	knows := func(user string, want auth.Answer) {
		t.Helper()
		if _, answer := l.Find(0, []byte(user)); answer != want {
			t.Errorf("%s: %v, want %v", user, answer, want)
		}
	}
	refresh(false, "")
	if err := Edit(path, set("bob", "secret")); err != nil {
		t.Fatal(err)
	}
	refresh(true, "")
	knows("bob", auth.Known)
	if err := os.WriteFile(path, []byte("faulty"), 0o600); err != nil {
		t.Fatal(err)
	}
	refresh(false, ":1: ")
	refresh(false, "") // told once
	knows("bob", auth.Known)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refresh(false, "no such file")
	refresh(false, "")
	knows("bob", auth.Known)
	if err := Edit(path, set("carol", "secret")); err != nil {
		t.Fatal(err)
	}
	refresh(true, "")
	knows("bob", auth.Unknown)
	if l.Faults() != 2 {
		t.Errorf("%d faults", l.Faults())
	}
}

func TestAFileThatLostMostUsersIsNotBelieved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "u")
	write := func(n int) {
		t.Helper()
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "user%d:example.com:MD5:%s\n", i, md5)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(200)
	l, err := Open(path, realm)
	if err != nil {
		t.Fatal(err)
	}
	write(99)
	if changed, err := l.refresh(); changed || err == nil || l.Table().Len() != 200 {
		t.Errorf("99 of 200: %v, %v, %d users", changed, err, l.Table().Len())
	}
	write(100)
	if changed, err := l.refresh(); !changed || err != nil || l.Table().Len() != 100 {
		t.Errorf("100 of 200: %v, %v, %d users", changed, err, l.Table().Len())
	}
	write(1)
	if changed, err := l.refresh(); changed || err == nil {
		t.Errorf("1 of 100: %v, %v", changed, err)
	}
	if err := l.Reload(); err != nil || l.Table().Len() != 1 {
		t.Errorf("a reload: %v, %d users", err, l.Table().Len())
	}
	if err := os.WriteFile(path, []byte("faulty"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err == nil || l.Table().Len() != 1 {
		t.Errorf("a reload of a faulty file: %v, %d users", err, l.Table().Len())
	}
}
