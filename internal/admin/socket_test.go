package admin

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestSocketPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  map[string]string
		uid  int
		want string
	}{
		{"a systemd unit has its own directory", map[string]string{"RUNTIME_DIRECTORY": "/run/viaduct-a", "XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/viaduct-a/viaduct.sock"},
		{"of several directories of a unit the first", map[string]string{"RUNTIME_DIRECTORY": "/run/a:/run/b"}, 7, "/run/a/viaduct.sock"},
		{"a user's session has one", map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/viaduct/viaduct.sock"},
		{"root", nil, 0, "/run/viaduct/viaduct.sock"},
		{"anybody else", nil, 7, "/tmp/viaduct-7/viaduct.sock"},
	} {
		if got := SocketPath(func(k string) string { return c.env[k] }, c.uid, "/tmp"); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestTheSocketIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run", SocketName)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := mode(t, path); got != 0o600 {
		t.Errorf("socket has mode %o, want 600", got)
	}
	if got := mode(t, filepath.Dir(path)); got != 0o700 {
		t.Errorf("directory has mode %o, want 700", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".viaduct-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there after Close: %v", err)
	}
}

func TestALiveSocketIsNotTaken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), SocketName)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as a killed process leaves it
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsNoSocketIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), SocketName)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("a file was replaced by the socket")
	}
}
