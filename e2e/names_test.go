package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"viaduct/internal/authority"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// byName calls one URI by what the DNS server at %[1]s says of it, over UDP or
// TCP.
const byName = `
server {
  resolvers = ["%[1]s"]
  timers { silence = "500ms" }
}
listen "udp" { address = "%[2]s:5060" }
listen "tcp" { address = "%[2]s:5060" }
rule "all" { send = "%[3]s" }
`

// soa is the beginning of the zone example.test.
const soa = `$ORIGIN example.test.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 30
@ NS ns
ns A 127.0.0.1
`

// nameServer starts nsd at addr with the zone example.test, and returns where it
// listens.
func nameServer(t *testing.T, addr, zone string) string {
	t.Helper()
	return nameServerBy(t, exec.Command, addr, zone)
}

// nameServerBy is nameServer with how programs are run there.
func nameServerBy(t *testing.T, command func(name string, args ...string) *exec.Cmd, addr, zone string) string {
	t.Helper()
	program, err := exec.LookPath("nsd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nsd"); err != nil { // not in everybody's PATH
			t.Skip("nsd is not installed; `make test` installs it (Debian: apt-get install nsd)")
		}
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`
server:
  ip-address: %[1]s@5353
  username: ""
  zonesdir: "%[2]s"
  database: ""
  pidfile: ""
  xfrdfile: "%[2]s/xfrd.state"
  xfrdir: "%[2]s"
  zonelistfile: "%[2]s/zone.list"
  cookie-secret-file: ""
  server-count: 1
  round-robin: yes
remote-control:
  control-enable: no
zone:
  name: example.test
  zonefile: "zone"
`, addr, dir)
	for name, text := range map[string]string{"nsd.conf": config, "zone": soa + zone} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out transcript
	nsd := command(program, "-d", "-c", filepath.Join(dir, "nsd.conf"))
	nsd.Stdout, nsd.Stderr = &out, &out
	nsd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := nsd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-nsd.Process.Pid, syscall.SIGKILL) // its children, too
		_ = nsd.Wait()                                      // killed on purpose
		if t.Failed() {
			t.Logf("nsd:\n%s", out.String())
		}
	})
	server := addr + ":5353"
	until(t, "nsd", func() bool { // its port is taken before it answers
		return command(binary, "dns", "sip:ns.example.test:5060", "--resolver", server).Run() == nil
	})
	return server
}

// leave ends a callee when its last call has ended, and returns how many it had.
func (s *sipp) leave(t *testing.T) outcome {
	t.Helper()
	_ = s.Process.Signal(syscall.SIGUSR1) // it may have ended
	return s.wait(t)
}

// unlikely is the probability of a count that is at least as far from what is
// expected, on its side, as got: the tail of a binomial distribution.
func unlikely(n, got int, share float64) float64 {
	from, to := 0, got
	if float64(got) > float64(n)*share {
		from, to = got, n
	}
	choose := func(k int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return a - b - c
	}
	sum := 0.0
	for k := from; k <= to; k++ {
		sum += math.Exp(choose(k) + float64(k)*math.Log(share) + float64(n-k)*math.Log1p(-share))
	}
	return sum
}

// 300 calls to one name are shared among three targets by their weights (RFC
// 2782). The test fails by chance less than once in a million times: six tails of
// less than 1e-7 each.
//
// Proves: NH-1, NH-6
func TestCallsAreSharedByTheWeightsOfSRV(t *testing.T) {
	t.Parallel()
	const calls = 300
	at := network(t)
	weights := []int{70, 25, 5}
	zone := "@ NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp\n_sip._udp SRV 20 100 5070 spare\nspare A " + at(9) + "\n"
	var callees []*sipp
	for i, w := range weights {
		addr := at(10 + i)
		zone += fmt.Sprintf("_sip._udp SRV 10 %d 5070 gw%d\ngw%d A %s\n", w, i, i, addr)
		callees = append(callees, callee(t, calleeXML, addr, 10*calls))
	}
	spare := callee(t, calleeXML, at(9), 10*calls)
	dns := nameServer(t, at(53), zone)
	s := start(t, configure(t, byName, dns, at(1), "sip:bob@example.test"))
	caller(t, callerXML, at(2), at(1)+":5060", at(9)+":5070", calls, rate).succeed(t, calls)
	sum := 0
	for i, w := range weights {
		got := callees[i].leave(t)
		sum += got.successful
		if p := unlikely(calls, got.successful, float64(w)/100); p < 1e-7 {
			t.Errorf("the target of weight %d got %d of %d calls: a chance of %.1g", w, got.successful, calls, p)
		}
	}
	if sum != calls {
		t.Errorf("the targets had %d calls, want %d", sum, calls)
	}
	if got := spare.leave(t).created; got != 0 {
		t.Errorf("the target of the next priority had %d calls, want none while the others live", got)
	}
	if got := s.sum(t, "viaduct_dns_lookups_total", ""); got != 1 {
		t.Errorf("%d lookups, want 1 for as long as the TTL", got)
	}
}

// Of two targets of one weight one is dead: half of the calls meet it, and each
// of them goes on to the other. One target refuses (its port is closed), one is
// mute.
//
// Proves: TP-17
func TestADeadTargetCostsOneFailoverAndNoCall(t *testing.T) {
	t.Parallel()
	const calls = 60
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		at := network(t)
		s := halfDead(t, at)
		caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", calls, rate).succeed(t, calls)
		unreachable := s.sum(t, "viaduct_unreachable_total", "")
		if unreachable == 0 || unreachable > calls {
			t.Errorf("%d branches met a closed port, want some, and one for each of %d calls at most", unreachable, calls)
		}
	})
	t.Run("mute", func(t *testing.T) {
		t.Parallel()
		at := network(t)
		mute, err := net.ListenPacket("udp4", at(4)+":5070")
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan map[string]map[string]bool)
		go func() { heard <- invites(mute) }()
		halfDead(t, at)
		caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", calls, rate).succeed(t, calls)
		_ = mute.Close() // ends invites
		got := <-heard
		if len(got) == 0 {
			t.Error("no call met the mute target")
		}
		for call, branches := range got {
			if len(branches) != 1 {
				t.Errorf("call %s came to the mute target %d times, want once", call, len(branches))
			}
		}
	})
}

// halfDead starts a proxy and what lives of two targets.
func halfDead(t *testing.T, at func(int) string) *server {
	t.Helper()
	dns := nameServer(t, at(53), "_sip._udp SRV 10 50 5070 alive\n_sip._udp SRV 10 50 5070 dead\nalive A "+at(3)+"\ndead A "+at(4)+"\n")
	callee(t, calleeXML, at(3), 10_000)
	return start(t, configure(t, byName, dns, at(1), "sip:bob@example.test"))
}

// invites reads requests until conn is closed: the branches of the INVITEs, by call.
func invites(conn net.PacketConn) map[string]map[string]bool {
	seen := map[string]map[string]bool{}
	buf := make([]byte, 65536)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return seen
		}
		var m sip.Message
		if m.Parse(buf[:n]) != nil || m.Method() != sip.INVITE {
			continue
		}
		via, err := m.TopVia()
		if err != nil {
			continue
		}
		call := string(m.CallIDValue())
		if seen[call] == nil {
			seen[call] = map[string]bool{}
		}
		seen[call][string(via.Branch)] = true
	}
}

// A DNS server that never answers holds up the calls to names, and no others.
//
// Proves: NH-11
func TestAMuteNameServerDelaysOnlyItsOwnCalls(t *testing.T) {
	t.Parallel()
	const lost, calls = 200, 100
	at := network(t)
	mute, err := net.ListenPacket("udp4", at(53)+":5353")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() }) // nothing was written
	s := start(t, configure(t, `
server { resolvers = ["%[1]s:5353"] }
listen "udp" { address = "%[2]s:5060" }
rule "names" {
  when = dest.user == "nobody"
  send = "sip:h${hash(call_id) %% 1000}.example.test"
}
rule "all" { send = "sip:bob@%[3]s:5070" }
`, at(53), at(1), at(3)))
	callee(t, calleeXML, at(3), 10*calls)
	waiting := startSipp(t, callerXML, "-i", at(5), "-p", "5080", "-rsa", at(1)+":5060", "-s", "nobody",
		"-m", fmt.Sprint(lost), "-r", "20", at(3)+":5070")
	until(t, "a call that waits for a name", func() bool { return s.sum(t, "viaduct_dns_waiting", "") > 0 })
	caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", calls, rate).succeed(t, calls)
	select {
	case <-waiting.ended:
		t.Error("the calls to names ended before the others: these were never beside them")
	default:
	}
	if got := waiting.wait(t); got.failed != lost {
		t.Errorf("of %d calls to names that nobody tells, %d failed", lost, got.failed)
	}
}

// NAPTR says which transport: TCP here, which is preferred to UDP. RFC 3263 §4.1.
//
// Proves: NH-1
func TestTheTransportIsThatOfNAPTR(t *testing.T) {
	t.Parallel()
	at := network(t)
	dns := nameServer(t, at(53), `@ NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp
@ NAPTR 10 10 "s" "SIP+D2S" "" _sip._sctp
@ NAPTR 15 10 "s" "SIP+D2T" "" _sip._tcp
_sip._sctp SRV 10 10 5070 gw
_sip._udp SRV 10 10 5070 nobody
_sip._tcp SRV 10 10 5070 gw
nobody A `+at(4)+`
gw A `+at(3)+"\n")
	start(t, configure(t, byName, dns, at(1), "sip:bob@example.test"))
	uas := callee(t, calleeXML, at(3), calls, "-t", "t1")
	caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", calls, rate).succeed(t, calls)
	uas.succeed(t, calls)
}

// A name with SIPS+D2T is called by TLS, and its server has to be the host of the
// URI: the name that was looked up, whatever the target of SRV is called. What
// follows in the dialog comes by TLS, too, because the server behind advertises
// that name.
//
// Proves: NH-1
func TestTLSByTheServiceOfAName(t *testing.T) {
	t.Parallel()
	at, ca, dir := network(t), authority.New(t), t.TempDir()
	trusted := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(trusted, ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	chain, key := ca.Write(dir, "behind", nil, "example.test")
	dns := nameServer(t, at(53), `@ NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp
_sips._tcp SRV 10 10 5061 gw
gw A `+at(4)+`
wrong NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.wrong
_sips._tcp.wrong SRV 10 10 5061 gw
`)
	const behind = `
listen "tls" {
  address     = "%[1]s:5061"
  advertise   = "example.test"
  certificate = "%[3]s"
  key         = "%[4]s"
}
listen "udp" { address = "%[1]s:5060" }
rule "all" { send = "sip:bob@%[2]s:5070" }
`
	start(t, configure(t, behind, at(4), at(3), chain, key))
	own, ownKey := ca.Write(dir, "front", nil, "front.test")
	const front = `
server { resolvers = ["%[1]s"] }
listen "tls" {
  address     = "%[2]s:5061"
  certificate = "%[3]s"
  key         = "%[4]s"
  ca          = "%[5]s"
}
listen "udp" { address = "%[2]s:5060" }
rule "wrong" {
  when = dest.user == "wrong"
  send = "sip:bob@wrong.example.test"
}
rule "all" { send = "sip:bob@example.test" }
`
	start(t, configure(t, front, dns, at(2), own, ownKey, trusted))
	for calling, called := range map[string]string{callerXML: calleeXML, longCallerXML: longCalleeXML} {
		uas := callee(t, called, at(3), calls)
		caller(t, calling, at(5), at(2)+":5060", at(3)+":5070", calls, rate).succeed(t, calls)
		uas.succeed(t, calls)
	}
	if got := startSipp(t, callerXML, "-i", at(6), "-p", "5080", "-rsa", at(2)+":5060", "-s", "wrong", "-m", "1",
		at(3)+":5070").wait(t); got.failed != 1 {
		t.Errorf("a call to a server with a certificate for another name: %+v, want it to fail", got)
	}
}

// viaduct dns tells what the proxy would do, as people and as programs read it.
func TestDNSCommand(t *testing.T) {
	t.Parallel()
	at := network(t)
	dns := nameServer(t, at(53), "@ NAPTR 10 10 \"s\" \"SIP+D2T\" \"\" _sip._tcp\n_sip._tcp SRV 10 60 5070 gw\ngw A "+at(3)+"\n")
	file := configure(t, byName, dns, at(1), "sip:bob@example.test")
	out, err := exec.Command(binary, "dns", "example.test", "--config", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NAPTR example.test", "300s", "SRV 10 60 5070 gw.example.test.", "10        60      tcp        " + at(3) + ":5070"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if out, err = exec.Command(binary, "dns", "sip:gw.example.test:5062", "--transport", "tcp", "--resolver", dns, "-o", "json").Output(); err != nil {
		t.Fatal(err)
	}
	var report resolve.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Hops) != 1 || report.Hops[0].Address.String() != at(3)+":5062" || report.Hops[0].Transport != "tcp" {
		t.Errorf("got hops %+v, want tcp %s:5062", report.Hops, at(3))
	}
	fails(t, 1, "dns", "sip:nobody.example.test", "--resolver", dns)
	fails(t, 2, "dns", "sip:example.test", "--transport", "ws")
	fails(t, 3, "dns", "sip:example.test", "--config", configure(t, "nonsense"))
}
