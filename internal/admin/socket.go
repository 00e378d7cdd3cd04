package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrInUse is returned when another process answers at the socket.
var ErrInUse = errors.New("another process answers there")

// SocketName is the file name of the control socket in its runtime directory.
const SocketName = "viaduct.sock"

// SocketPath is where the control socket is when nobody says otherwise: in the
// directory that systemd made for the unit, in the user's runtime directory, or
// in /run for root. Server and client agree by asking the same question.
func SocketPath(getenv func(string) string, uid int, temp string) string {
	switch run, user := getenv("RUNTIME_DIRECTORY"), getenv("XDG_RUNTIME_DIR"); {
	case run != "":
		// systemd separates several directories by colons; the first is ours.
		return filepath.Join(filepath.SplitList(run)[0], SocketName)
	case user != "":
		return filepath.Join(user, "viaduct", SocketName)
	case uid == 0:
		return filepath.Join("/run/viaduct", SocketName)
	}
	return filepath.Join(temp, "viaduct-"+strconv.Itoa(uid), SocketName)
}

// Listen opens the control socket at path, for its owner only. A directory that
// is missing is made with mode 0700. A socket that nobody answers at is replaced;
// one that somebody does is left alone: ErrInUse.
//
// The socket is bound in a private directory beside path and then moved there, so
// that it never stands open to others, not even for a moment.
func Listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := vacant(path); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	private, err := os.MkdirTemp(dir, ".viaduct-")
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	defer func() { _ = os.RemoveAll(private) }() // empty, or with a socket that failed
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(private, "s"), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(filepath.Join(private, "s"), 0o600), os.Rename(filepath.Join(private, "s"), path)); err != nil {
		_ = l.Close() // the first error is the one to tell
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &socket{l, path}, nil
}

// vacant reports whether path is free or holds a socket that nobody answers at.
func vacant(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("there is a file that is no socket")
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		_ = conn.Close() // opened only to see whether somebody answers
		return ErrInUse
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// socket removes its file when it is closed.
type socket struct {
	*net.UnixListener
	path string
}

func (s *socket) Close() error {
	// The file goes first: once nobody listens, it may already be a successor's.
	err := os.Remove(s.path)
	return errors.Join(s.UnixListener.Close(), err)
}
