package e2e

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// stop ends the server as an operator does and checks that it ended well.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.exit(t); code != 0 {
		t.Errorf("exit code %d, want 0\n%s", code, s.errout.String())
	}
	if _, err := os.Stat(s.socket); err == nil {
		t.Error("the control socket is left behind")
	}
}

// Proves: RB-8
func TestTermLosesNoCallInSetup(t *testing.T) {
	t.Parallel()
	at := network(t)
	s := start(t, configure(t, everywhere, at(1)))
	// Three seconds of calls that ring for four: TERM comes while they begin, and
	// the server is still there when the last of them does.
	const calls = 300
	uas := callee(t, noByeXML, at(3), calls, "-d", "4000")
	uac := caller(t, refusedXML, at(2), at(1)+":5060", at(3)+":5070", calls, rate)
	until(t, "calls in setup", func() bool { return s.status(t).InSetup >= 50 })
	s.stop(t)
	got := uac.wait(t)
	if got.failed != 0 || got.successful != calls {
		t.Errorf("%d of %d calls were answered or refused, %d failed\n%s", got.successful, calls, got.failed, uac.out.String())
	}
	if got.refused == 0 || got.refused > calls-50 {
		t.Errorf("%d of %d calls were refused: TERM came at no interesting moment", got.refused, calls)
	}
	_ = uas.Process.Signal(syscall.SIGUSR1) // sipp: end when the calls under way have
	if answered := uas.wait(t); answered.successful != calls-got.refused {
		t.Errorf("the callee had %d calls, the caller %d\n%s", answered.successful, calls-got.refused, uas.out.String())
	}
}

// Proves: RB-8
func TestWhatRingsWhenTheDrainTimeIsOverIsCancelledAndAnswered(t *testing.T) {
	t.Parallel()
	at := network(t)
	s := start(t, configure(t, everywhere+"server { drain = \"1s\" }\n", at(1)))
	uas := callee(t, calleeXML, at(3), 5, "-d", "50000") // rings longer than anybody waits
	uac := caller(t, refusedXML, at(2), at(1)+":5060", at(3)+":5070", 5, rate)
	until(t, "calls in setup", func() bool { return s.status(t).InSetup == 5 })
	s.stop(t)
	if got := uac.wait(t); got.refused != 5 {
		t.Errorf("%d of 5 ringing calls were answered 503\n%s", got.refused, uac.out.String())
	}
	if got := uas.wait(t); got.failed != 5 { // sipp calls a cancelled call failed
		t.Errorf("%d of 5 ringing calls were cancelled\n%s", got.failed, uas.out.String())
	}
}

func TestASecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	at := network(t)
	s := start(t, configure(t, everywhere, at(1)))
	callee(t, calleeXML, at(3), 5, "-d", "50000")
	caller(t, refusedXML, at(2), at(1)+":5060", at(3)+":5070", 5, rate)
	until(t, "calls in setup", func() bool { return s.status(t).InSetup == 5 })
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		if err := s.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	if code := s.exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if !strings.Contains(s.errout.String(), "in_setup=5") {
		t.Errorf("the log does not count the calls that were left:\n%s", s.errout.String())
	}
}

func TestHangupIsNoReasonToEnd(t *testing.T) {
	t.Parallel()
	s := start(t, configure(t, everywhere, network(t)(1)))
	if err := s.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "a reload", func() bool { return strings.Contains(s.errout.String(), "msg=reloaded") })
	if got := s.status(t).State; got != "running" {
		t.Errorf("the state is %s, want running", got)
	}
}
