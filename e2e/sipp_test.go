package e2e

import (
	"encoding/csv"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The scenarios: those that ship with the program, and those of these tests.
const (
	callerXML  = "../examples/sipp/uac.xml"
	calleeXML  = "../examples/sipp/uas.xml"
	refusedXML = "testdata/uac-refused.xml"
	noByeXML   = "testdata/uas-ack.xml"

	// of a call that both sides change by a re-INVITE and the callee ends
	longCallerXML = "testdata/uac-long.xml"
	longCalleeXML = "testdata/uas-long.xml"
)

// sipp is a running sipp.
type sipp struct {
	*exec.Cmd
	out   transcript
	stats string // its statistics, as CSV
	ended chan struct{}
}

// outcome is how the calls of a sipp ended.
type outcome struct {
	created, successful, failed, retransmissions, refused int
}

func startSipp(t *testing.T, scenario string, args ...string) *sipp {
	t.Helper()
	s := &sipp{stats: filepath.Join(t.TempDir(), "stats.csv"), ended: make(chan struct{})}
	args = append([]string{
		"-sf", scenario, "-nostdin", "-trace_stat", "-stf", s.stats, "-fd", "1",
		"-timeout", strconv.Itoa(int(patience.Seconds())), "-timeout_error",
	}, args...)
	s.Cmd = exec.Command("sipp", args...)
	s.Stdout, s.Stderr = &s.out, &s.out
	s.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.Wait() // ProcessState tells
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.Process.Kill() // it may have ended
		<-s.ended
	})
	return s
}

// callee starts a sipp that is called at addr, and returns when its socket is
// bound. It ends after the given number of calls.
func callee(t *testing.T, scenario, addr string, calls int, args ...string) *sipp {
	t.Helper()
	args = append([]string{"-i", addr, "-p", "5070", "-m", strconv.Itoa(calls)}, args...)
	s := startSipp(t, scenario, args...)
	kind := unix.SOCK_DGRAM
	if i := slices.Index(args, "-t"); i >= 0 && args[i+1][0] == 't' {
		kind = unix.SOCK_STREAM
	}
	until(t, "sipp at "+addr, func() bool { return taken(t, kind, addr, 5070) })
	return s
}

// caller starts a sipp at addr that calls uri's host through the proxy.
func caller(t *testing.T, scenario, addr, proxy, uas string, calls, rate int, args ...string) *sipp {
	t.Helper()
	args = append([]string{
		"-i", addr, "-p", "5080", "-rsa", proxy, "-s", "bob",
		"-m", strconv.Itoa(calls), "-r", strconv.Itoa(rate), uas,
	}, args...)
	return startSipp(t, scenario, args...)
}

// wait returns how the calls ended.
func (s *sipp) wait(t *testing.T) outcome {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(2 * patience):
		t.Fatalf("sipp did not end\n%s", s.out.String())
	}
	file, err := os.Open(s.stats)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.out.String())
	}
	defer func() { _ = file.Close() }() // only read from
	r := csv.NewReader(file)
	r.Comma, r.FieldsPerRecord = ';', -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("statistics of sipp: %d lines, %v\n%s", len(rows), err, s.out.String())
	}
	get := func(name string) int {
		for i, column := range rows[0] {
			if column == name {
				n, err := strconv.Atoi(rows[len(rows)-1][i])
				if err != nil {
					t.Fatalf("statistics of sipp: %s: %v", name, err)
				}
				return n
			}
		}
		return 0
	}
	return outcome{
		created: get("TotalCallCreated"), successful: get("SuccessfulCall(C)"), failed: get("FailedCall(C)"),
		retransmissions: get("Retransmissions(C)"), refused: get("refused(C)"),
	}
}

// succeed checks that all calls went through.
func (s *sipp) succeed(t *testing.T, calls int) {
	t.Helper()
	if got := s.wait(t); got.successful != calls || got.failed != 0 {
		t.Errorf("%d of %d calls went through, %d failed\n%s", got.successful, calls, got.failed, s.out.String())
	}
}

// bound reports whether somebody has the UDP port.
func bound(t *testing.T, addr string, port uint16) bool {
	t.Helper()
	return taken(t, unix.SOCK_DGRAM, addr, port)
}

// taken reports whether somebody has a port, by trying to take it.
func taken(t *testing.T, kind int, addr string, port uint16) bool {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	return unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: netip.MustParseAddr(addr).As4()}) != nil
}
