package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"viaduct/internal/authority"
)

// webPhones is a registrar for browsers and for phones on UDP, which shows browsers
// the page of a phone, too. JsSIP knows the first challenge only, and MD5 only.
const webPhones = `
server { domains = ["phones.test"] }
listen "wss" {
  address     = "%[1]s:8443"
  certificate = "%[2]s"
  key         = "%[3]s"
  files       = "%[4]s"
}
listen "udp" { address = "%[1]s:5060" }
users "all" {
  realm      = "phones.test"
  file       = "%[5]s"
  algorithms = ["MD5"]
}
rule "register" {
  when         = method == REGISTER
  authenticate = users.all
  register { on_disconnect = "remove" }
}
rule "calls" {
  when         = local(dest.domain)
  authenticate = users.all
  send         = location
  otherwise {
    on    = "not-registered"
    reply = "480 Not Registered"
  }
}
`

// packets is how many must have gone each way before a call is hung up: a second
// of sound.
const packets = 50

// webPhone is what a page has to know to register.
type webPhone struct {
	User     string `json:"user"`
	Domain   string `json:"domain"`
	Password string `json:"password"`
}

// browserJob is the argument of browser/call.mjs.
type browserJob struct {
	Chromium string     `json:"chromium"`
	Page     string     `json:"page"`
	Socket   string     `json:"socket"`
	Phones   []webPhone `json:"phones"`
	Target   string     `json:"target"`
	Packets  int        `json:"packets"`
	Patience int64      `json:"patience"`
}

// sound is what a browser knows of the sound of a call.
type sound struct {
	Sent     int    `json:"sent"`
	Received int    `json:"received"`
	DTLS     string `json:"dtls"`
	ICE      string `json:"ice"`
	SRTP     string `json:"srtp"`
}

// exchange is a running registrar with its users.
type exchange struct {
	*server
	addr string
	pass map[string]string
}

// newExchange starts one at addr with users; its page is that of browser/.
func newExchange(t *testing.T, addr string, users ...string) *exchange {
	t.Helper()
	dir, ca := t.TempDir(), authority.New(t)
	bundle := exec.Command("browser/node_modules/.bin/esbuild", "browser/phone.js", "--bundle", "--log-level=warning",
		"--outfile="+filepath.Join(dir, "page", "phone.bundle.js"))
	if out, err := bundle.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	page, err := os.ReadFile("browser/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page", "index.html"), page, 0o600); err != nil {
		t.Fatal(err)
	}
	chain, key := ca.Write(dir, "server", nil, "phones.test")
	x := &exchange{addr: addr, pass: map[string]string{}}
	file := filepath.Join(dir, "all.users")
	for _, user := range users {
		x.pass[user] = rand.Text()
		add := exec.Command(binary, "user", "add", file, user, "--realm", "phones.test", "--stdin")
		add.Stdin = strings.NewReader(x.pass[user] + "\n")
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	x.server = start(t, configure(t, webPhones, addr, chain, key, filepath.Join(dir, "page"), file))
	return x
}

// browserRun is a browser in which users register and one call is made.
type browserRun struct {
	*exec.Cmd
	users       []string
	out, errout transcript
	ended       chan struct{}
}

// browsers registers users in a browser, each in a context of its own, and has the
// first call target, or be called when there is none.
func (x *exchange) browsers(t *testing.T, target string, users ...string) *browserRun {
	t.Helper()
	j := browserJob{
		Chromium: chromium(t), Page: "https://" + x.addr + ":8443/", Socket: "wss://" + x.addr + ":8443/",
		Target: target, Packets: packets, Patience: patience.Milliseconds(),
	}
	for _, user := range users {
		j.Phones = append(j.Phones, webPhone{user, "phones.test", x.pass[user]})
	}
	argument, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	b := &browserRun{users: users, ended: make(chan struct{})}
	b.Cmd = exec.Command("node", "browser/call.mjs", string(argument))
	b.Stdout, b.Stderr = &b.out, &b.errout
	b.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = b.Wait() // ProcessState tells
		close(b.ended)
	}()
	t.Cleanup(func() {
		_ = b.Process.Signal(syscall.SIGTERM) // it may have ended
		<-b.ended
	})
	return b
}

// sounds waits for the end of the call, and checks how the sound of each went.
func (b *browserRun) sounds(t *testing.T) {
	t.Helper()
	<-b.ended // it ends by itself after patience
	if b.ProcessState.ExitCode() != 0 {
		t.Fatalf("%v\n%s", b.ProcessState, b.errout.String())
	}
	var seen struct {
		Registered []string `json:"registered"`
		Media      []sound  `json:"media"`
	}
	if err := json.Unmarshal([]byte(b.out.String()), &seen); err != nil {
		t.Fatalf("%v: %s", err, b.out.String())
	}
	for i, m := range seen.Media {
		if m.Sent < packets || m.Received < packets || m.DTLS != "connected" || m.SRTP == "" {
			t.Errorf("%s: %+v, want %d packets each way by DTLS-SRTP", b.users[i], m, packets)
		}
		t.Logf("%s: %+v", b.users[i], m)
	}
	if n := len(b.users); len(seen.Media) != n || len(seen.Registered) != n {
		t.Errorf("%d browsers registered and %d had a call, want %d", len(seen.Registered), len(seen.Media), n)
	}
}

// chromium finds the browser, or skips the test without one.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("chromium is not installed; `make test` installs it (Debian: apt-get install chromium)")
	return ""
}

// needChromium skips a test where what the browser needs is missing.
func needChromium(t *testing.T) {
	t.Helper()
	chromium(t)
	if _, err := os.Stat("browser/node_modules"); err != nil {
		t.Skip("the packages of e2e/browser are not installed; `make test` does it (npm ci)")
	}
}

// Two browsers register over WSS and one calls the other: ICE and DTLS-SRTP
// between them, sound both ways.
//
// Proves: WS-2
func TestABrowserCallsABrowser(t *testing.T) {
	t.Parallel()
	needChromium(t)
	at := network(t)
	x := newExchange(t, at(1), "alice", "bob")
	x.browsers(t, "sip:bob@phones.test", "alice", "bob").sounds(t)
	if n := x.status(t).Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// A browser calls a baresip that has registered over UDP and knows ICE and
// DTLS-SRTP; and is called by one, by the connection that it has opened.
func TestABrowserAndAPhoneOnUDPCallEachOther(t *testing.T) {
	t.Parallel()
	needChromium(t)
	if os.Getenv(inside) == "" {
		t.Skip("baresip takes no loopback addresses for ICE, and there is no network of our own here to have others")
	}
	at := network(t)
	x := newExchange(t, at(1), "alice", "carol")
	registered := func(user string) func() bool {
		return func() bool {
			return exec.Command(binary, "registrations", "show", user+"@phones.test", "--socket", x.socket).Run() == nil
		}
	}
	icePhone(t, x, at(2), "carol")
	until(t, "carol registers", registered("carol"))
	x.browsers(t, "sip:carol@phones.test", "alice").sounds(t)
	b := x.browsers(t, "", "alice")
	until(t, "alice registers", registered("alice"))
	icePhone(t, x, at(3), "carol", "-e", "/dial sip:alice@phones.test")
	b.sounds(t)
}

// icePhone starts a baresip at addr that answers whoever calls.
func icePhone(t *testing.T, x *exchange, addr, user string, args ...string) {
	t.Helper()
	program, err := exec.LookPath("baresip")
	if err != nil {
		t.Skip("baresip is not installed; `make test` installs it (Debian: apt-get install baresip-core)")
	}
	dir := t.TempDir()
	files := map[string]string{
		"config": fmt.Sprintf(`sip_listen %s:5060
call_max_calls 4
audio_source ausine,440
audio_player aufile,%s/heard.wav
audio_alert aufile,%s/alert.wav
rtcp_mux yes
module_path /usr/lib/baresip/modules
module opus.so
module ausine.so
module aufile.so
module ice.so
module dtls_srtp.so
module srtp.so
module_app account.so
module_app menu.so
`, addr, dir, dir),
		"accounts": fmt.Sprintf("<sip:%s@phones.test>;auth_user=%s;auth_pass=%s;outbound=\"sip:%s:5060;transport=udp\";"+
			"answermode=auto;mediaenc=dtls_srtp;medianat=ice;audio_codecs=opus;regint=600\n", user, user, x.pass[user], x.addr),
		"contacts": "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := new(transcript)
	cmd := exec.Command(program, append([]string{"-f", dir, "-v", "-s"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it runs until it is told
		_ = cmd.Wait()         // killed on purpose
		if t.Failed() {
			t.Logf("baresip:\n%s", out.String())
		}
	})
}
