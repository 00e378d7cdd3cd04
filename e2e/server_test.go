package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"viaduct/internal/admin"
)

// patience bounds every wait; nothing is expected to take nearly as long.
const patience = 60 * time.Second

// networks counts the loopback networks given away.
var networks atomic.Int32

// network returns an address maker for a loopback network of the test's own:
// 127.0.N.host.
func network(t *testing.T) func(host int) string {
	t.Helper()
	n := networks.Add(1)
	return func(host int) string { return fmt.Sprintf("127.0.%d.%d", n, host) }
}

// transcript is what a process printed so far.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// server is a running viaduct.
type server struct {
	*exec.Cmd
	socket      string
	out, errout transcript
	told        transcript    // what the service manager heard since READY
	ended       chan struct{} // closed when the process has
}

// configure writes a configuration file and returns its name.
func configure(t *testing.T, format string, args ...any) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "viaduct.hcl")
	if err := os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// start runs `viaduct run` with args until the test ends, and returns when it
// has said that it is ready (sd_notify(3)).
func start(t *testing.T, args ...string) *server {
	t.Helper()
	return startIn(t, t.TempDir(), args...)
}

// startIn is start with the user's runtime directory, where the control socket
// goes.
func startIn(t *testing.T, runtime string, args ...string) *server {
	t.Helper()
	return launch(t, runtime, exec.Command(binary, append([]string{"run"}, args...)...))
}

// launch is startIn with a command that ends up as the server.
func launch(t *testing.T, runtime string, cmd *exec.Cmd) *server {
	t.Helper()
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Cmd: cmd, socket: filepath.Join(runtime, "viaduct", "viaduct.sock"), ended: make(chan struct{})}
	s.Dir = ".." // where the examples are, as for a person who follows the README
	s.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "XDG_RUNTIME_DIR="+runtime, "RUNTIME_DIRECTORY=")
	s.Stdout, s.Stderr = &s.out, &s.errout
	s.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.Wait() // ProcessState tells
		close(s.ended)
		_ = notify.Close() // wakes a start that waits in vain
	}()
	t.Cleanup(func() { s.finish(t) })
	if err := notify.SetReadDeadline(deadline()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := notify.Read(buf)
		if err != nil {
			t.Fatalf("the server did not get ready: %v\n%s", err, s.errout.String())
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			go s.listen(notify)
			return s
		}
	}
}

// listen keeps what the server tells its service manager, until the end of it.
func (s *server) listen(notify *net.UnixConn) {
	_ = notify.SetReadDeadline(time.Time{}) // closed: then the read says so
	buf := make([]byte, 4096)
	for {
		n, err := notify.Read(buf)
		if err != nil {
			return
		}
		_, _ = s.told.Write(append(buf[:n:n], '\n')) // a transcript takes everything
	}
}

// finish stops the server if it still runs, and looks for what must never be in
// its output.
func (s *server) finish(t *testing.T) {
	t.Helper()
	_ = s.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = s.Process.Signal(syscall.SIGINT)  // the second one: at once
	s.exit(t)
	for _, bad := range []string{"DATA RACE", "panic:", "panic contained"} {
		if strings.Contains(s.errout.String(), bad) {
			t.Errorf("%s in the server's output:\n%s", bad, s.errout.String())
		}
	}
	if t.Failed() {
		t.Logf("the server's output:\n%s", s.errout.String())
	}
}

// exit waits for the end of the process and returns its exit code.
func (s *server) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-s.ended:
		return s.ProcessState.ExitCode()
	case <-time.After(patience):
		_ = s.Process.Kill() // the test has failed already
		t.Fatalf("the server did not end\n%s", s.errout.String())
	}
	return -1
}

// ctl runs `viaduct ctl` against the server and returns what it printed.
func (s *server) ctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(binary, append([]string{"ctl", "--socket", s.socket}, args...)...).Output()
	if err != nil {
		t.Fatalf("ctl %s: %v\n%s", strings.Join(args, " "), err, s.errout.String())
	}
	return string(out)
}

// status asks the server at its control socket.
func (s *server) status(t *testing.T) admin.Status {
	t.Helper()
	status, err := admin.NewClient(s.socket).Status(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, s.errout.String())
	}
	return status
}

func deadline() time.Time { return time.Now().Add(patience) }

// until asks again and again whether something has come true.
func until(t *testing.T, what string, come func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !come() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
