package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"viaduct/internal/admin"
)

// rewrite puts another text into a configuration file.
func rewrite(t *testing.T, file, format string, args ...any) {
	t.Helper()
	if err := os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload runs `viaduct reload` and returns what it printed.
func (s *server) reload(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(binary, "reload", "--socket", s.socket).CombinedOutput()
	if err != nil {
		t.Fatalf("reload: %v\n%s", err, out)
	}
	return string(out)
}

// metric reads one sample.
func (s *server) metric(t *testing.T, name string) int {
	t.Helper()
	var samples []admin.Sample
	if err := json.Unmarshal([]byte(s.ctl(t, "metrics", "-o", "json")), &samples); err != nil {
		t.Fatal(err)
	}
	for _, x := range samples {
		if x.Name == name {
			return int(x.Value)
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestReloadChangesRulesAndListeners(t *testing.T) {
	t.Parallel()
	at := network(t)
	file := configure(t, everywhere, at(1))
	s := start(t, file)
	if got := s.reload(t); got != "nothing has changed\n" {
		t.Errorf("got %q", got)
	}
	rewrite(t, file, `
server {
  log = "debug"
  timers { t1 = "400ms" }
}
listen "udp" { address = "%s:5062" }
rule "others" { send = request_uri }
`, at(1))
	want := []string{
		`server.log: is now "debug"`, `listen "udp ` + at(1) + `:5062" added`, `rule "others" added`,
		`listen "udp ` + at(1) + `:5060" removed`, `rule "all" removed`, `needs a restart: server.timers.t1`,
	}
	checked, err := exec.Command(binary, "check", "--socket", s.socket, file).Output()
	if err != nil {
		t.Error(err)
	}
	if got := s.status(t).Listeners; len(got) != 1 || got[0].Address != at(1)+":5060" {
		t.Errorf("a check changed the server: %+v", got)
	}
	said := s.reload(t)
	for _, w := range want {
		for what, text := range map[string]string{"reload": said, "check": string(checked)} {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q:\n%s", what, w, text)
			}
		}
	}
	uas := callee(t, calleeXML, at(3), 10)
	caller(t, callerXML, at(2), at(1)+":5062", at(3)+":5070", 10, rate).succeed(t, 10)
	uas.succeed(t, 10)
	until(t, "the end of the old listener", func() bool { return len(s.status(t).Listeners) == 1 })
	until(t, "the manager to hear of both", func() bool {
		told := s.told.String()
		return strings.Count(told, "RELOADING=1\nMONOTONIC_USEC=") == 2 && strings.Count(told, "READY=1") == 2
	})
	if got := s.status(t); got.LogLevel != "DEBUG" || got.Reloads != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestReloadOfABrokenFileChangesNothing(t *testing.T) {
	t.Parallel()
	at := network(t)
	file := configure(t, everywhere, at(1))
	s := start(t, file)
	start(t, configure(t, everywhere, at(4)))
	rewrite(t, file, "listen \"udp\" { address = \"%s:5060\" }\nrule \"all\" { sned = request_uri }\n", at(1))
	said := fails(t, 3, "reload", "--socket", s.socket)
	for _, want := range []string{file + ":2:", "sned", "^^^^", "send"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in:\n%s", want, said)
		}
	}
	if err := s.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the second refusal", func() bool { return strings.Count(s.errout.String(), "reload refused") == 2 })
	rewrite(t, file, everywhere+"listen \"udp\" { address = \"%s:5060\" }\n", at(1), at(4)) // which the other server has
	if said := fails(t, 1, "reload", "--socket", s.socket); !strings.Contains(said, at(4)+":5060") {
		t.Errorf("it does not say which address is taken:\n%s", said)
	}
	if got := s.status(t); got.Reloads != 0 || len(got.Listeners) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := s.metric(t, "viaduct_reloads_refused_total"); got != 3 {
		t.Errorf("%d reloads counted as refused, want 3", got)
	}
	uas := callee(t, calleeXML, at(3), 1)
	caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", 1, rate).succeed(t, 1)
	uas.succeed(t, 1)
	if said := fails(t, 1, "reload", "--socket", filepath.Join(t.TempDir(), "none")); !strings.Contains(said, "none") {
		t.Errorf("it does not say where nobody answers:\n%s", said)
	}
}

func TestReloadsUnderLoadLoseNoCall(t *testing.T) {
	t.Parallel()
	at := network(t)
	file := configure(t, everywhere, at(1))
	s := start(t, file)
	warm := callee(t, calleeXML, at(5), 10)
	caller(t, callerXML, at(4), at(1)+":5060", at(5)+":5070", 10, rate).succeed(t, 10)
	warm.succeed(t, 10)
	s.reload(t)
	files, routines := s.metric(t, "process_open_fds"), s.metric(t, "go_goroutines")

	const many, reloads = 500, 20
	uas := callee(t, calleeXML, at(3), many)
	uac := caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", many, rate)
	for n := range reloads { // a listener comes and goes with each
		until(t, "calls between reloads", func() bool { return s.status(t).Listeners[0].Received > uint64(n*many*8/reloads/2) })
		extra := ""
		if n%2 == 0 {
			extra = fmt.Sprintf("listen \"udp\" { address = \"%s:5062\" }\nserver { drain = \"%ds\" }\n", at(1), n+1)
		}
		rewrite(t, file, "%s"+everywhere, extra, at(1))
		if n%4 == 3 {
			want := s.status(t).Reloads + 1
			if err := s.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			// The file must not change again before it is read.
			until(t, "the reload by HUP", func() bool { return s.status(t).Reloads == want })
			continue
		}
		s.reload(t)
	}
	uac.succeed(t, many)
	uas.succeed(t, many)
	until(t, "all reloads", func() bool { return s.status(t).Reloads == reloads+1 })
	until(t, "the end of what was removed", func() bool { return len(s.status(t).Listeners) == 1 })
	until(t, "descriptors and goroutines as before", func() bool {
		return s.metric(t, "process_open_fds") <= files && s.metric(t, "go_goroutines") <= routines
	})
}

// Calls survive a restart by the key in the store, and a reload with a new key in
// front of it.
func TestCallsSurviveARestartAndARotation(t *testing.T) {
	t.Parallel()
	at := network(t)
	store := t.TempDir()
	file := configure(t, everywhere+"server { store = \"%s\" }\n", at(1), store)
	s := start(t, file)
	key := filepath.Join(store, "viaduct.key")
	info, err := os.Stat(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the key file has mode %o, want 600", got)
	}
	const calls = 60
	uas := callee(t, calleeXML, at(3), calls)
	uac := caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", calls, rate, "-d", "8000") // held for 8 s before the BYE
	until(t, "all calls answered", func() bool { return s.metric(t, "viaduct_acks_forwarded_total") == calls })
	s.stop(t)
	s = start(t, file)
	old, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, append([]byte("another key of thirty-two bytes!"), old...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.reload(t); got != "a key is new\n" {
		t.Errorf("got %q", got)
	}
	uac.succeed(t, calls)
	uas.succeed(t, calls)
}
