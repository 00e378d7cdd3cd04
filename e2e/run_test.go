package e2e

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// fails runs the program, which must end with the given exit code, and returns
// what it said to standard error.
func fails(t *testing.T, code int, args ...string) string {
	t.Helper()
	var errout transcript
	cmd := exec.Command(binary, args...)
	cmd.Stderr = &errout
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("viaduct %s: got %v, want exit code %d\n%s", strings.Join(args, " "), err, code, errout.String())
	}
	return errout.String()
}

// The built-in configuration listens on 127.0.0.1:5060, so this test has no
// loopback network of its own. It follows what the program prints, word by word.
func TestRunWithoutAFileAndPlaceACall(t *testing.T) {
	t.Parallel()
	s := start(t)
	until(t, "the commands to paste", func() bool {
		return strings.Contains(s.out.String(), "uac.xml") && strings.HasSuffix(s.out.String(), "\n")
	})
	var uas, uac []string
	for line := range strings.Lines(s.out.String()) {
		switch words := strings.Fields(line); {
		case len(words) == 0 || words[0] != "sipp":
		case strings.Contains(line, "uas"):
			uas = words[1:]
		case strings.Contains(line, "uac"):
			uac = words[1:]
		}
	}
	if uas == nil || uac == nil {
		t.Fatalf("no commands to paste in what the server printed:\n%s", s.out.String())
	}
	called := pasted(t, uas, "-m", "1")
	until(t, "the callee", func() bool { return bound(t, "127.0.0.1", 5070) })
	pasted(t, uac).succeed(t, 1)
	called.succeed(t, 1)
}

// pasted runs sipp with a printed command line, at the root of the repository.
func pasted(t *testing.T, args []string, more ...string) *sipp {
	t.Helper()
	for i, arg := range args {
		if strings.HasSuffix(arg, ".xml") {
			args[i] = "../" + arg
		}
	}
	if args[0] != "-sf" {
		t.Fatalf("the command does not begin with a scenario file: %v", args)
	}
	return startSipp(t, args[1], append(args[2:], more...)...)
}

func TestRunRefusesABadConfiguration(t *testing.T) {
	t.Parallel()
	file := configure(t, "listen \"udp\" { address = \"127.0.0.1:5060\" }\nrule \"all\" {\n  when = method == INVTE\n  send = request_uri\n}\n")
	for _, args := range [][]string{{"check", file}, {"run", file}} {
		said := fails(t, 3, args...)
		for _, want := range []string{file + ":3:", "INVTE", "^^^^^", "INVITE"} {
			if !strings.Contains(said, want) {
				t.Errorf("viaduct %s: no %q in:\n%s", args[0], want, said)
			}
		}
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	fails(t, 2, "run", "one", "two")
	fails(t, 2, "check")
	fails(t, 2, "nonsense")
	fails(t, 2, "run", "--log-format", "xml")
	fails(t, 2, "run", "--log-level", "loud")
	fails(t, 2, "run", "--trace", "")
	fails(t, 2, "ctl", "log", "loud", "extra")
}

func TestASecondServerDoesNotTakeTheAddressOfTheFirst(t *testing.T) {
	t.Parallel()
	at := network(t)
	file := configure(t, everywhere, at(1))
	start(t, file)
	if said := fails(t, 1, "run", "--socket", t.TempDir()+"/s.sock", file); !strings.Contains(said, at(1)+":5060") {
		t.Errorf("it does not say which address is taken:\n%s", said)
	}
}

func TestTheControlSocketOfALiveServerIsNotTaken(t *testing.T) {
	t.Parallel()
	at := network(t)
	s := start(t, configure(t, everywhere, at(1)))
	said := fails(t, 1, "run", "--socket", s.socket, configure(t, everywhere, at(2)))
	if !strings.Contains(said, s.socket) {
		t.Errorf("it does not say which socket:\n%s", said)
	}
	if got := s.status(t).State; got != "running" {
		t.Errorf("the first server's state is %v, want running", got)
	}
}

func TestWithoutASocketAskedForTheServerRunsWithoutOne(t *testing.T) {
	t.Parallel()
	at, runtime := network(t), t.TempDir()
	first := startIn(t, runtime, configure(t, everywhere, at(1)))
	second := startIn(t, runtime, configure(t, everywhere, at(2)))
	if !strings.Contains(second.errout.String(), "no control socket") {
		t.Errorf("the second server does not say that it has no control socket:\n%s", second.errout.String())
	}
	if got := first.status(t).Listeners[0].Address; got != at(1)+":5060" {
		t.Errorf("the server at %s answers at the socket, want the first", got)
	}
}

func TestFmt(t *testing.T) {
	t.Parallel()
	file := configure(t, "listen \"udp\" {address=\"127.0.0.1:5060\"}\nrule \"all\" {send=request_uri}\n")
	diff, err := exec.Command(binary, "fmt", "-d", file).Output()
	if err != nil || !strings.Contains(string(diff), "+") {
		t.Errorf("fmt -d: %v, printed:\n%s", err, diff)
	}
	if out, err := exec.Command(binary, "fmt", "-w", file).CombinedOutput(); err != nil {
		t.Errorf("fmt -w: %v\n%s", err, out)
	}
	if out, err := exec.Command(binary, "fmt", "-d", file).CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("fmt -d of what fmt -w wrote: %v\n%s", err, out)
	}
	if out, err := exec.Command(binary, "check", file).CombinedOutput(); err != nil {
		t.Errorf("check of what fmt -w wrote: %v\n%s", err, out)
	}
}

func TestTraceOfOneCall(t *testing.T) {
	t.Parallel()
	at := network(t)
	s := start(t, "--trace", "bob@"+at(3), configure(t, everywhere, at(1)))
	uas := callee(t, calleeXML, at(3), 1)
	caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", 1, rate).succeed(t, 1)
	uas.succeed(t, 1)
	// Five more calls of somebody else, who must not appear.
	uas = callee(t, calleeXML, at(5), 5)
	caller(t, callerXML, at(4), at(1)+":5060", at(5)+":5070", 5, rate).succeed(t, 5)
	uas.succeed(t, 5)
	s.stop(t)
	got := s.out.String()
	for _, want := range []string{
		`#1 1-.*@` + regexp.QuoteMeta(at(2)) + `  from sip:alice@.*  to sip:bob@`,
		`│─+ INVITE ─+▶│`, `│◀─+ 180 Ringing ─+│`, `│◀─+ 200 OK ─+│`, `│─+ ACK ─+▶│`, `│─+ BYE ─+▶│`,
		`udp ` + regexp.QuoteMeta(at(2)) + `:5080 .* viaduct .* udp ` + regexp.QuoteMeta(at(3)) + `:5070`,
		`#1  2 BYE`,
	} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("no %s in the trace:\n%s", want, got)
		}
	}
	for _, bad := range []string{at(4), at(5), "\x1b", "#2"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q in the trace:\n%s", bad, got)
		}
	}
}

// What the README shows as a configuration is one, in its usual form.
func TestTheReadmesConfigurationIsRight(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```hcl\n")
	text, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("no configuration in the README")
	}
	file := configure(t, "%s", text)
	if out, err := exec.Command(binary, "check", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.Command(binary, "fmt", "-d", file).CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// The README shows the commands that the program prints.
func TestTheReadmesCommandsAreThePrintedOnes(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../cmd/viaduct/announce.go")
	if err != nil {
		t.Fatal(err)
	}
	printed := strings.ReplaceAll(string(source), "%[1]s", "127.0.0.1:5060")
	n := 0
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "    sipp ") {
			n++
			if !strings.Contains(printed, line) {
				t.Errorf("the program does not print: %s", line)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d sipp commands in the README, want 2", n)
	}
}
