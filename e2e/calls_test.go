package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// everywhere relays each request to where its Request-URI says.
const everywhere = `
listen "udp" { address = "%s:5060" }
rule "all" { send = request_uri }
`

// onward calls one fixed address.
const onward = `
listen "udp" { address = "%s:5060" }
rule "all" { send = "sip:bob@%s:5070" }
`

const calls, rate = 100, 100

func TestCallsThroughOneProxy(t *testing.T) {
	t.Parallel()
	at := network(t)
	start(t, configure(t, everywhere, at(1)))
	uas := callee(t, calleeXML, at(3), calls)
	uac := caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", calls, rate)
	uac.succeed(t, calls)
	uas.succeed(t, calls)
}

func TestCallsThroughTwoProxiesInARow(t *testing.T) {
	t.Parallel()
	at := network(t)
	start(t, configure(t, everywhere, at(1)))
	start(t, configure(t, onward, at(4), at(3)))
	uas := callee(t, calleeXML, at(3), calls)
	uac := caller(t, callerXML, at(2), at(1)+":5060", at(4)+":5060", calls, rate)
	uac.succeed(t, calls)
	uas.succeed(t, calls)
}

func TestCallsThroughKamailioBehind(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("kamailio"); err != nil {
		t.Skip("kamailio is not installed; bench/acceptance.sh installs it and makes the same calls")
	}
	at := network(t)
	start(t, configure(t, everywhere, at(1)))
	kamailio(t, at(4), at(3))
	uas := callee(t, calleeXML, at(3), calls)
	uac := caller(t, callerXML, at(2), at(1)+":5060", at(4)+":5060", calls, rate)
	uac.succeed(t, calls)
	uas.succeed(t, calls)
}

// kamailio starts one at addr that calls uas, with the configuration of the
// acceptance runs.
func kamailio(t *testing.T, addr, uas string) {
	t.Helper()
	dir := t.TempDir()
	template, err := os.ReadFile("../bench/conf/kamailio-behind.cfg")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("@LISTEN@", addr+":5060", "@UAS@", uas+":5070").Replace(string(template))
	file := filepath.Join(dir, "kamailio.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out transcript
	k := exec.Command("kamailio", "-f", file, "-DD", "-E", "-m", "64", "-M", "8", "-Y", dir, "-P", filepath.Join(dir, "pid"))
	k.Stdout, k.Stderr = &out, &out
	k.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-k.Process.Pid, syscall.SIGKILL) // all its workers
		_ = k.Wait()                                      // killed on purpose
	})
	until(t, "kamailio", func() bool { return bound(t, addr, 5060) })
}
