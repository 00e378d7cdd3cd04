package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// phone is a running one. What it says is looked through in order: each event
// that is waited for comes after the one before.
type phone struct {
	dialect
	dir   string
	hertz float64 // of what is spoken into it
	out   transcript
	past  int // how much of out has been looked through
	say   func(command, parameter string)
	calls int // how many recordings were asked for
}

// dialect is how a kind of phone is told what to do, and what it says then.
type dialect struct {
	dial, answer, hangUp                      string
	registered, rung, established, ended, why string // regular expressions; why has a place for the status
	recording                                 string // of a call, for filepath.Glob
}

var (
	baresipWords = dialect{
		dial: "dial", answer: "accept", hangUp: "hangup",
		registered: `200 OK \(\) \[\d+ binding`, rung: `CALL_INCOMING`, established: `CALL_ESTABLISHED`, ended: `CALL_CLOSED`,
		why: `CALL_CLOSED[^\n}]*"param":"%d `, recording: "dump-*-dec.wav",
	}
	linphoneWords = dialect{
		dial: "call", answer: "answer", hangUp: "terminate",
		registered: `to \[?LinphoneRegistrationOk`, rung: `Receiving new incoming call`, established: `Media streams established`,
		ended: `Call \d+ with [^\n]* ended`, why: `SIP/2.0 %d `, recording: "heard-*.wav",
	}
)

// await waits until the phone has said what a regular expression means.
func (p *phone) await(t *testing.T, pattern string) {
	t.Helper()
	said := regexp.MustCompile(pattern)
	defer func() {
		if t.Failed() {
			t.Logf("what the phone said:\n%s", p.out.String())
		}
	}()
	until(t, pattern, func() bool {
		found := said.FindStringIndex(p.out.String()[p.past:])
		if found == nil {
			return false
		}
		p.past += found[1]
		return true
	})
}

// hears waits until the recording of the call that is under way has the tone of
// the other phone.
func (p *phone) hears(t *testing.T, other *phone) {
	t.Helper()
	until(t, fmt.Sprintf("%s: a tone of %v Hz", p.dir, other.hertz), func() bool {
		files, err := filepath.Glob(filepath.Join(p.dir, p.recording))
		if err != nil {
			t.Fatal(err)
		}
		return len(files) > 0 && heard(files[len(files)-1], other.hertz)
	})
}

// launch starts the program of a phone.
func (p *phone) launch(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed on purpose
	})
}

// account is one line of baresip's accounts.
func (o *office) account(user, transport string) string {
	return fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_user=%s;auth_pass=%s;regint=600\n", user, o.at(1), transport, user, password(user))
}

// baresip starts one on a machine of its own and returns when its accounts are
// registered.
func (o *office) baresip(t *testing.T, hertz float64, accounts ...string) *phone {
	t.Helper()
	pid, addr := o.machine(t)
	return newBaresip(t, pid, addr, hertz, "", accounts...)
}

// newBaresip is baresip at an address of the namespace of a process, with more
// lines of configuration.
func newBaresip(t *testing.T, pid int, addr string, hertz float64, extra string, accounts ...string) *phone {
	t.Helper()
	p := &phone{dialect: baresipWords, dir: t.TempDir(), hertz: hertz}
	config := fmt.Sprintf(baresipConfig, addr, tone(t, p.dir, hertz), p.dir) + extra
	for name, text := range map[string]string{"config": config, "accounts": strings.Join(accounts, "")} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := inNamespace(pid, "baresip", "-f", p.dir)
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	p.launch(t, cmd)
	for range accounts {
		p.await(t, p.registered)
	}
	conn := p.control(t, pid, addr)
	p.say = func(command, parameter string) {
		text, err := json.Marshal(map[string]string{"command": command, "params": parameter})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%d:%s,", len(text), text); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// control connects to the control port of a baresip, and keeps what comes from
// there.
func (p *phone) control(t *testing.T, pid int, addr string) net.Conn {
	t.Helper()
	var conn net.Conn
	until(t, "the control port of baresip at "+addr, func() bool {
		var err error
		conn, err = dialIn(pid, addr+":4444")
		return err == nil
	})
	t.Cleanup(func() { _ = conn.Close() }) // the phone is ended
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			_, _ = p.out.Write(buf[:n]) // a transcript takes everything
			if err != nil {
				return
			}
		}
	}()
	return conn
}

// dialIn connects from the network namespace of a process. The thread comes back:
// were it to end, the kernel would end the phones that it has started
// (prctl(2): PR_SET_PDEATHSIG).
func dialIn(pid int, addr string) (net.Conn, error) {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer func() { _ = here.Close() }() // only entered
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = there.Close() }() // only entered
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	conn, dialled := net.Dial("tcp4", addr)
	if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err // locked for good: no other goroutine must land in that namespace
	}
	runtime.UnlockOSThread()
	return conn, dialled
}

const baresipConfig = `sip_listen %[1]s:5060
net_interface %[1]s
audio_player aufile,/dev/null
audio_source aufile,%[2]s
audio_alert aufile,/dev/null
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
snd_path %[3]s
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %[1]s:4444
`

// linphone starts a linphonec on a machine of its own and returns when its user
// is registered.
func (o *office) linphone(t *testing.T, hertz float64, user, transport string) *phone {
	t.Helper()
	pid, addr := o.machine(t)
	return o.newLinphone(t, pid, addr, hertz, user, transport, "")
}

// newLinphone is linphone at an address of the namespace of a process, with more
// lines of its section [sip].
func (o *office) newLinphone(t *testing.T, pid int, addr string, hertz float64, user, transport, extra string) *phone {
	t.Helper()
	p := &phone{dialect: linphoneWords, dir: t.TempDir(), hertz: hertz}
	ports := map[string]int{"udp": 0, "tcp": 0, "tls": 0, transport: 5060}
	rc := filepath.Join(p.dir, "rc")
	text := fmt.Sprintf(linphoneConfig, addr, ports["udp"], ports["tcp"], o.at(1), transport, user, password(user), realm, ports["tls"], extra)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(p.dir, ".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	near, far := terminal(t)
	cmd := inNamespace(pid, "linphonec", "-d", "6", "-c", rc)
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "TERM=dumb")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = far, far, far
	p.launch(t, cmd)
	_ = far.Close() // the phone has it
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := near.Read(buf)
			_, _ = p.out.Write(buf[:n]) // a transcript takes everything
			if err != nil {
				return
			}
		}
	}()
	p.say = func(command, parameter string) {
		if _, err := fmt.Fprintf(near, "%s %s\n", command, parameter); err != nil {
			t.Fatal(err)
		}
	}
	p.await(t, p.registered)
	p.say("soundcard", "use files")
	p.say("play", tone(t, p.dir, hertz))
	return p
}

// terminal opens a pseudoterminal: linphonec works only while it waits for a key.
func terminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() }) // the phone is ended
	n, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(near.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

const linphoneConfig = `[sip]
bind_address=%[1]s
sip_port=%[2]d
sip_tcp_port=%[3]d
sip_tls_port=%[9]d
default_proxy=0
guess_hostname=1
use_ipv6=0
%[10]s[rtp]
audio_rtp_port=-1
[net]
dns_srv_enabled=0
[proxy_0]
reg_proxy=<sip:%[4]s;transport=%[5]s>
reg_identity=sip:%[6]s@%[4]s
reg_expires=600
reg_sendregister=1
publish=0
[auth_info_0]
username=%[6]s
passwd=%[7]s
realm=%[8]s
`

// record names the file that the next call is recorded to, where a phone has to
// be told.
func (p *phone) record() {
	if p.dial == linphoneWords.dial {
		p.calls++
		p.say("record", filepath.Join(p.dir, fmt.Sprintf("heard-%d.wav", p.calls)))
	}
}
