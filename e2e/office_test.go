package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// realm is that of all users.
const realm = "office"

// offices counts those that were opened.
var offices atomic.Int32

// office is a server with its users, and the network of their phones: phones do
// not take loopback for one, so each is a machine of its own, and so is the server.
// The tests share a namespace with other phones, which would offer these addresses
// for media as their own.
type office struct {
	hub      int // the process that the server's namespace lives by
	n        int32
	machines int
	file     string // the configuration
	runtime  string
	*server
}

// ip runs the command of that name, in the namespace of a process.
func ip(t *testing.T, pid int, format string, args ...any) {
	t.Helper()
	execute(t, pid, append([]string{"ip"}, strings.Fields(fmt.Sprintf(format, args...))...)...)
}

// execute runs a command to its end.
func execute(t *testing.T, pid int, args ...string) {
	t.Helper()
	if out, err := inNamespace(pid, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// inNamespace is a command in the network namespace of a process.
func inNamespace(pid int, args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-n"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// at returns an address of the office: its server's is the first, four belong
// to each phone.
func (o *office) at(host int) string { return fmt.Sprintf("10.200.%d.%d", o.n, host) }

// machine makes a namespace with a wire to that of the server, and returns the
// process that it lives by and its address.
func (o *office) machine(t *testing.T) (pid int, addr string) {
	t.Helper()
	o.machines++
	pid, addr = namespace(t), o.at(4*o.machines+1)
	o.wire(t, pid, fmt.Sprintf("p%d-%d", o.n, o.machines), o.at(4*o.machines), addr)
	return pid, addr
}

// wire connects a namespace with that of the server.
func (o *office) wire(t *testing.T, pid int, name, here, there string) {
	t.Helper()
	ip(t, o.hub, "link add %s type veth peer name eth0 netns %d", name, pid)
	ip(t, o.hub, "addr add %s/31 dev %s", here, name)
	ip(t, o.hub, "link set %s up", name)
	ip(t, pid, "addr add %s/31 dev eth0", there)
	ip(t, pid, "link set lo up")
	ip(t, pid, "link set eth0 up")
	ip(t, pid, "route add default via %s", here)
}

// namespace starts a process that keeps a network namespace until the test ends.
func namespace(t *testing.T) (pid int) {
	t.Helper()
	keeper := exec.Command("sleep", "infinity")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = keeper.Process.Kill() // it does not end by itself
		_ = keeper.Wait()         // killed on purpose
	})
	return keeper.Process.Pid
}

// open starts a server at the first address of a network of its own, with
// users. What rules says stands before its other rules; {server} in it is that
// address.
func open(t *testing.T, rules string) *office {
	t.Helper()
	o := &office{hub: namespace(t), n: offices.Add(1), runtime: t.TempDir()}
	ip(t, o.hub, "link set lo up")
	ip(t, o.hub, "addr add %s/32 dev lo", o.at(1))
	execute(t, o.hub, "sh", "-c", routing) // media passes by the server
	users := filepath.Join(t.TempDir(), "office.users")
	for _, user := range []string{"alice", "bob", "carol"} {
		add := exec.Command(binary, "user", "add", users, user, "--realm", realm, "--stdin")
		add.Stdin = strings.NewReader(password(user) + "\n")
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("viaduct user add: %v\n%s", err, out)
		}
	}
	o.file = configure(t, officeHCL, o.at(1), t.TempDir(), users, strings.ReplaceAll(rules, "{server}", o.at(1)), o.n)
	o.run(t)
	return o
}

// run starts the server.
func (o *office) run(t *testing.T) {
	t.Helper()
	o.server = launch(t, o.runtime, inNamespace(o.hub, binary, "run", o.file))
}

// routing makes a router of a namespace.
const routing = "echo 1 >/proc/sys/net/ipv4/ip_forward"

// password is that of a user.
func password(user string) string { return "secret-" + user }

// officeHCL offers MD5 only: one of the phones gives up when a challenge names
// any other algorithm.
const officeHCL = `
server {
  domains = ["%[1]s"]
  store   = "%[2]s"
}
listen "udp" { address = "%[1]s:5060" }
listen "tcp" { address = "%[1]s:5060" }
destinations { allow = "10.200.%[5]d.0/24" }
users "office" {
  realm      = "office"
  file       = "%[3]s"
  algorithms = ["MD5"]
}
rule "register" {
  when         = method == REGISTER
  authenticate = users.office
  register {}
}
%[4]s
rule "impatient" {
  when         = local(dest.domain) && dest.user == "carol"
  authenticate = users.office
  send         = location
  ring         = "1s"
  otherwise {
    on    = ["no-answer"]
    reply = "480 No Answer"
  }
}
rule "calls" {
  when         = local(dest.domain)
  authenticate = users.office
  send         = location
  ring         = "30s"
  otherwise {
    on    = ["not-registered"]
    reply = "404 Nobody Home"
  }
}
`
