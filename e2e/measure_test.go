package e2e

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/internal/authority"
)

// measuring is set by bench/peers.sh: the number of calls of each measurement.
// Without it these tests are skipped: what they print is for people, and they
// assert no times.
const measuring = "VIADUCT_MEASURE_CALLS"

// measured returns how many calls to make, or skips the test.
func measured(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(measuring))
	if err != nil || n < 1 {
		t.Skip("bench/peers.sh measures this")
	}
	return n
}

// perSecond is the rate of the calls that are measured.
const perSecond = 200

// ringer is somebody who rings and is busy then, for each INVITE at addr.
func ringer(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // ends the reader
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if !bytes.HasPrefix(buf[:n], []byte("INVITE ")) {
				continue
			}
			for _, status := range []string{"180 Ringing", "486 Busy Here"} {
				_, _ = conn.WriteTo(answered(buf[:n], status), from) // who misses it says so
			}
		}
	}()
}

// answered is a response to a request.
func answered(request []byte, status string) []byte {
	out := []byte("SIP/2.0 " + status + "\r\n")
	for line := range bytes.Lines(request) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "To":
			line = append(bytes.TrimRight(line, "\r\n"), ";tag=ringer\r\n"...)
			out = append(out, line...)
		case "Via", "From", "Call-ID", "CSeq", "Record-Route":
			out = append(out, line...)
		}
	}
	return append(out, "Content-Length: 0\r\n\r\n"...)
}

// prober calls through a proxy and measures the time from INVITE to 180.
type prober struct {
	conn  net.PacketConn
	proxy *net.UDPAddr
	user  string

	mu    sync.Mutex
	sent  map[string]time.Time
	rang  map[string]time.Duration
	final map[string]string
}

func newProber(t *testing.T, addr, proxy, user string) *prober {
	t.Helper()
	conn, err := net.ListenPacket("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // ends the reader
	to, err := net.ResolveUDPAddr("udp4", proxy)
	if err != nil {
		t.Fatal(err)
	}
	p := &prober{
		conn: conn, proxy: to, user: user,
		sent: map[string]time.Time{}, rang: map[string]time.Duration{}, final: map[string]string{},
	}
	go p.read()
	return p
}

// request is an INVITE or its ACK.
func (p *prober) request(method, call, to, body string) []byte {
	return fmt.Appendf(nil, "%[1]s sip:%[2]s@calls.test SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s;branch=z9hG4bK%[4]s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:prober@calls.test>;tag=p\r\nTo: %[5]s\r\nCall-ID: %[4]s\r\nCSeq: 1 %[1]s\r\nContact: <sip:prober@%[3]s>\r\n"+
		"Content-Length: %[6]d\r\n\r\n%[7]s", method, p.user, p.conn.LocalAddr(), call, to, len(body), body)
}

// begin sends the INVITE of a call.
func (p *prober) begin(call, body string) {
	packet := p.request("INVITE", call, "<sip:"+p.user+"@calls.test>", body)
	p.mu.Lock()
	p.sent[call] = time.Now()
	p.mu.Unlock()
	_, _ = p.conn.WriteTo(packet, p.proxy) // a call that is lost is counted
}

func (p *prober) read() {
	buf := make([]byte, 65536)
	for {
		n, _, err := p.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		now := time.Now()
		status, to, call := "", "", ""
		for line := range bytes.Lines(buf[:n]) {
			text := strings.TrimRight(string(line), "\r\n")
			name, value, _ := strings.Cut(text, ": ")
			switch {
			case status == "":
				status = strings.TrimPrefix(text, "SIP/2.0 ")[:3]
			case name == "To":
				to = value
			case name == "Call-ID":
				call = value
			}
		}
		p.mu.Lock()
		if _, rang := p.rang[call]; status == "180" && !rang {
			p.rang[call] = now.Sub(p.sent[call])
		}
		if status >= "200" {
			p.final[call] = status
		}
		p.mu.Unlock()
		if status >= "300" { // RFC 3261 §17.1.1.3
			_, _ = p.conn.WriteTo(p.request("ACK", call, to, ""), p.proxy) // else the answer comes again
		}
	}
}

// done is how many calls have had a final response.
func (p *prober) done() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.final)
}

// steady places calls at a rate until n are placed or stop is closed.
func (p *prober) steady(name string, n, rate int, body string, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for i := range n {
		select {
		case <-tick.C:
			p.begin(name+strconv.Itoa(i), body)
		case <-stop:
			return
		}
	}
}

// measure places n calls at perSecond, fails unless all of them rang, and returns
// the time from INVITE to 180 of each, sorted.
func (p *prober) measure(t *testing.T, name string, n int) []time.Duration {
	t.Helper()
	p.steady(name, n, perSecond, "", nil)
	until(t, name, func() bool { return p.done() >= n })
	p.mu.Lock()
	defer p.mu.Unlock()
	var times []time.Duration
	for _, d := range p.rang {
		times = append(times, d)
	}
	if len(times) != n {
		t.Errorf("%s: %d of %d calls rang", name, len(times), n)
	}
	slices.Sort(times)
	p.sent, p.rang, p.final = map[string]time.Time{}, map[string]time.Duration{}, map[string]string{}
	return times
}

// percentiles prints a row of figures.
func percentiles(name string, times []time.Duration) string {
	at := func(share float64) time.Duration {
		return times[min(int(share*float64(len(times))), len(times)-1)].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%-42s p50 %8s  p99 %8s  longest %8s", name, at(0.5), at(0.99), times[len(times)-1].Round(10*time.Microsecond))
}

// The time from INVITE to 180 of calls whose peers are well, in quiet, beside
// calls to names that no DNS server answers for, beside calls to 20 peers on
// TCP that never read, and beside 5,000 connections that have sent half a message.
func TestMeasureCallsBesideBadPeers(t *testing.T) {
	n := measured(t)
	at := network(t)
	mute, err := net.ListenPacket("udp4", at(53)+":5353")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() }) // nothing was written
	for i := range 20 {
		neverReads(t, at(100+i)+":5070")
	}
	ringer(t, at(3)+":5070")
	s := start(t, configure(t, `
server {
  domains   = ["calls.test"]
  resolvers = ["%[1]s:5353"]
}
listen "udp" { address = "%[2]s:5060" }
listen "tcp" { address = "%[2]s:5060" }
rule "options" {
  when  = method == OPTIONS
  reply = "200"
}
rule "names" {
  when = dest.user == "name"
  send = "sip:h${hash(call_id) %% 100000}.example.test"
}
rule "stuck" {
  when = dest.user == "stuck"
  send = "sip:bob@%[4]s.${100 + hash(call_id) %% 20}:5070;transport=tcp"
}
rule "all" { send = "sip:bob@%[3]s:5070" }
`, at(53), at(1), at(3), strings.TrimSuffix(at(0), ".0")))
	well := newProber(t, at(2)+":5080", at(1)+":5060", "bob")
	well.measure(t, "warm", n/4+1)
	report := []string{percentiles("quiet", well.measure(t, "quiet", n))}
	for _, bad := range []struct{ name, user, body string }{
		{"beside names that nobody answers for", "name", ""},
		{"beside 20 peers on TCP that never read", "stuck", strings.Repeat("x", 20_000)},
	} {
		p := newProber(t, at(4)+":0", at(1)+":5060", bad.user)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			p.steady(bad.user, 1<<30, 100, bad.body, stop)
			close(stopped)
		}()
		until(t, bad.name, func() bool {
			return bad.user == "name" && s.sum(t, "viaduct_dns_waiting", "") > 100 ||
				bad.user == "stuck" && s.sum(t, "viaduct_connections_ended_total", "overflow")+s.sum(t, "viaduct_connections_ended_total", "stuck") > 0
		})
		report = append(report, percentiles(bad.name, well.measure(t, bad.user, n)))
		close(stop)
		<-stopped
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	open := halfSent(t, at(1)+":5060", 5000)
	go func() {
		trickle(open, stop)
		close(stopped)
	}()
	until(t, "connections", func() bool { return s.sum(t, "viaduct_connections", "") >= 5000 })
	report = append(report, percentiles("beside 5,000 connections half through", well.measure(t, "half", n)))
	if left := s.sum(t, "viaduct_connections", ""); left == 0 {
		t.Error("no such connection is left")
	}
	close(stop)
	<-stopped
	report = append(report, percentiles("quiet again", well.measure(t, "again", n)))
	t.Logf("INVITE to 180 of %d calls, %d a second:\n%s", n, perSecond, strings.Join(report, "\n"))
}

// halfSent opens n connections to addr, each of which asks a question, so that it is
// no stranger, and sends half an INVITE then.
func halfSent(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	const options = "OPTIONS sip:calls.test SIP/2.0\r\nVia: SIP/2.0/TCP half.test;branch=z9hG4bK%[1]d\r\nMax-Forwards: 70\r\n" +
		"From: <sip:half@calls.test>;tag=%[1]d\r\nTo: <sip:calls.test>\r\nCall-ID: half-%[1]d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	open := make([]net.Conn, n)
	for i := range open {
		conn, err := net.Dial("tcp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() }) // half is all there is
		if _, err := fmt.Fprintf(conn, options+"INVITE sip:bob@calls.test SIP/2.0\r\nVia: SIP/2.0/TCP half.test", i); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1024)); err != nil { // of strangers only some are kept
			t.Fatal(err)
		}
		open[i] = conn
	}
	return open
}

// trickle sends a byte on each connection in turn, 2,000 a second, until stop is closed.
func trickle(open []net.Conn, stop <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for at := 0; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for range 20 {
			_, _ = open[at].Write([]byte("x")) // what takes too long is cut, which is the server's right
			at = (at + 1) % len(open)
		}
	}
}

// neverReads accepts connections at addr and reads nothing of them. The kernel
// keeps little for it, so that a few messages are too many.
func neverReads(t *testing.T, addr string) {
	t.Helper()
	small := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		bad := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
		return cmp.Or(err, bad)
	}}
	l, err := small.Listen(t.Context(), "tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // ends the loop
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() }) // nothing was written
		}
	}()
}

// The time from INVITE to 180 of calls whose first target is dead, each in its way.
func TestMeasureFailover(t *testing.T) {
	n := min(measured(t), 100)
	at := network(t)
	for _, host := range []int{5, 53} { // a mute target, a mute DNS server
		port := map[int]string{5: ":5070", 53: ":5354"}[host]
		mute, err := net.ListenPacket("udp4", at(host)+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = mute.Close() }) // nothing was written
	}
	ringer(t, at(3)+":5070")
	dns := nameServer(t, at(54), strings.NewReplacer("DEAD", at(4), "MUTE", at(5), "LIVE", at(3)).Replace(`
_sip._udp.refused SRV 10 0 5070 dead
_sip._udp.refused SRV 20 0 5070 live
_sip._udp.mute SRV 10 0 5070 mute
_sip._udp.mute SRV 20 0 5070 live
_sip._udp.nowhere SRV 10 0 5070 nothing
_sip._udp.nowhere SRV 20 0 5070 live
_sip._udp.live SRV 10 0 5070 live
dead A DEAD
mute A MUTE
live A LIVE
`))
	text := func(resolver string) string {
		return fmt.Sprintf(`
server {
  domains   = ["calls.test"]
  resolvers = ["%[1]s"]
}
listen "udp" { address = "%%s:5060" }
group "unanswered" {
  target "sip:nobody.example.test" {}
  target "sip:%[2]s:5070" { q = 0.5 }
}
rule "unanswered" {
  when = dest.user == "unanswered"
  send = group.unanswered
}
rule "all" { send = "sip:${dest.user}.example.test" }
`, resolver, at(3))
	}
	start(t, configure(t, text(dns), at(1)))
	start(t, configure(t, text(at(53)+":5354"), at(6)))
	var report []string
	for i, c := range []struct{ user, proxy, name string }{
		{"live", at(1), "no failover"},
		{"refused", at(1), "port closed, the next target of SRV"},
		{"mute", at(1), "mute, the next target of SRV"},
		{"nowhere", at(1), "target of SRV without an address"},
		{"unanswered", at(6), "name that no DNS server answers for"},
	} {
		p := newProber(t, at(20+i)+":5080", c.proxy+":5060", c.user)
		report = append(report, percentiles(c.name, p.measure(t, c.user, n)))
	}
	t.Logf("INVITE to 180 of %d calls whose first target is dead:\n%s", n, strings.Join(report, "\n"))
}

// The certificate of a server is exchanged again and again while calls go through
// it over one connection, and others over a new connection each.
func TestMeasureCertificatesExchangedUnderLoad(t *testing.T) {
	n := measured(t)
	at, ca, dir := network(t), authority.New(t), t.TempDir()
	trusted := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(trusted, ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	chain, key := ca.Write(dir, "behind", nil, "example.test")
	ringer(t, at(3)+":5070")
	start(t, configure(t, `
listen "tls" {
  address     = "%[1]s:5061"
  certificate = "%[3]s"
  key         = "%[4]s"
}
listen "udp" { address = "%[1]s:5060" }
rule "all" { send = "sip:bob@%[2]s:5070" }
`, at(4), at(3), chain, key))
	own, ownKey := ca.Write(dir, "front", nil, "front.test")
	start(t, configure(t, `
listen "tls" {
  address     = "%[1]s:5061"
  certificate = "%[2]s"
  key         = "%[3]s"
  ca          = "%[4]s"
}
listen "udp" { address = "%[1]s:5060" }
rule "all" { send = "sip:bob@example.test;maddr=%[5]s;transport=tls" }
`, at(1), own, ownKey, trusted, at(4)))
	stop, stopped := make(chan struct{}), make(chan struct{})
	var asked, lost atomic.Int64
	serials := map[string]bool{}
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			serial, err := options(at(4)+":5061", ca, i)
			asked.Add(1)
			if err != nil {
				lost.Add(1)
				t.Logf("over a new connection: %v", err)
			}
			serials[serial] = true
		}
	}()
	p := newProber(t, at(2)+":5080", at(1)+":5060", "bob")
	exchanged := 0
	var times []time.Duration
	for first := time.Now(); exchanged < 3 || time.Since(first) < 5*time.Second; exchanged++ {
		newChain, newKey := ca.Write(dir, "next", nil, "example.test")
		for from, to := range map[string]string{newChain: chain, newKey: key} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		times = append(times, p.measure(t, "tls"+strconv.Itoa(exchanged), max(n/3, 5*perSecond))...) // 5 s: the files are looked at every 4 s
	}
	close(stop)
	<-stopped
	slices.Sort(times)
	if lost.Load() > 0 || len(serials) < 2 {
		t.Errorf("%d of %d requests over new connections were lost, which saw %d certificates", lost.Load(), asked.Load(), len(serials))
	}
	t.Logf("certificate exchanged %d times: %d requests over new connections saw %d certificates, %d lost\n%s",
		exchanged, asked.Load(), len(serials), lost.Load(), percentiles("INVITE to 180 by TLS", times))
}

// options sends an OPTIONS over a new connection and returns the serial number of
// the certificate that was shown.
func options(addr string, ca *authority.Authority, i int) (serial string, err error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := tls.DialWithDialer(&dialer, "tcp4", addr, &tls.Config{RootCAs: ca.Pool, ServerName: "example.test"})
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // the answer is there
	if err := conn.SetDeadline(deadline()); err != nil {
		return "", err
	}
	if _, err = fmt.Fprintf(conn, "OPTIONS sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKo%[2]d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:a@calls.test>;tag=o\r\nTo: <sip:%[1]s>\r\nCall-ID: o%[2]d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", addr, i); err != nil {
		return "", err
	}
	line := make([]byte, len("SIP/2.0 200"))
	if _, err = io.ReadFull(conn, line); err != nil {
		return "", err
	}
	if string(line) != "SIP/2.0 200" {
		return "", fmt.Errorf("the answer begins with %q", line)
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}
