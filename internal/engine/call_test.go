package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/internal/config"
	"viaduct/internal/engine"
	"viaduct/internal/siptest"
)

// patience is how long a test waits for what must come; it passes as soon as it
// has come.
const patience = 10 * time.Second

const everywhere = `
destinations { allow = ["127.0.0.0/8", "::1"] }
rule "all" { send = request_uri }
`

// server is a running engine with the real core.
type server struct {
	*engine.Engine
	addr   netip.AddrPort
	cancel func() // TERM
	result <-chan error
}

// serve runs an engine on loopback until the end of the test. No test may leave
// a panic behind (safety.md rule 5).
func serve(t testing.TB, bind, rules string, cfg engine.Config) *server {
	t.Helper()
	return serveText(t, bind, fmt.Sprintf("listen \"udp\" { address = %q }\n%s", strings.TrimSuffix(bind, "0")+"5060", rules), cfg)
}

// serveText is serve for a file with its one listen block, which is bound to bind. A
// Snapshot in cfg gives no more than what is known of names.
func serveText(t testing.TB, bind, text string, cfg engine.Config) *server {
	t.Helper()
	c, bad := config.Parse("test", []byte(text), config.Options{})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	if cfg.Snapshot != nil {
		c.Snapshot.Known = cfg.Snapshot.Known
	}
	cfg.Snapshot = c.Snapshot
	cfg.Snapshot.Listeners[0].Bind = netip.MustParseAddrPort(bind)
	if cfg.Grace == 0 {
		cfg.Grace = 20 * time.Millisecond
	}
	if cfg.Readers == 0 {
		cfg.Readers = 2
	}
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var group sync.WaitGroup
	group.Go(func() { done <- e.Run(ctx) })
	t.Cleanup(func() {
		e.Stop()
		group.Wait()
		cancel()
		if n := e.Stats().Panics; n != 0 {
			t.Errorf("%d panics", n)
		}
	})
	addr := e.Addresses()[0].Bind
	if addr.Addr().IsUnspecified() {
		host := netip.MustParseAddr("127.0.0.1")
		if addr.Addr().Is6() {
			host = netip.IPv6Loopback()
		}
		addr = netip.AddrPortFrom(host, addr.Port())
	}
	return &server{Engine: e, addr: addr, cancel: cancel, result: done}
}

// phone is a user agent by hand: a socket, not connected, with a deadline.
type phone struct {
	t    testing.TB
	conn *net.UDPConn
	addr netip.AddrPort
	last map[string]bool // what has come, to see copies
}

func newPhone(t testing.TB, host string) *phone {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have done so
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &phone{t: t, conn: c, addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), last: map[string]bool{}}
}

func (p *phone) send(to netip.AddrPort, lines ...string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"), to); err != nil {
		p.t.Fatal(err)
	}
}

// next is the next message that is no copy of an earlier one and no 100, and
// where it came from.
func (p *phone) next() (*siptest.Message, netip.AddrPort) {
	p.t.Helper()
	b := make([]byte, 1<<16)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			p.t.Fatal(err)
		}
		if p.last[string(b[:n])] {
			continue
		}
		p.last[string(b[:n])] = true
		m := siptest.ReadMessage(b[:n])
		if len(m.Faults) > 0 {
			p.t.Errorf("%v in\n%s", m.Faults, m.Wire)
		}
		if m.Status != 100 {
			return m, from
		}
	}
}

// expect is next with a start line.
func (p *phone) expect(start string) *siptest.Message {
	p.t.Helper()
	m, _ := p.next()
	if !strings.HasPrefix(m.Wire, start) {
		p.t.Fatalf("want %s, got\n%s", start, m.Wire)
	}
	return m
}

// answer responds to req along its Via.
func (p *phone) answer(to netip.AddrPort, req *siptest.Message, status string) {
	p.t.Helper()
	p.send(to, p.response(req, status)...)
}

// response is what p answers to req.
func (p *phone) response(req *siptest.Message, status string) []string {
	lines := []string{"SIP/2.0 " + status}
	for _, l := range req.Lines {
		switch l.Key {
		case "via", "record-route", "from", "call-id", "cseq":
			lines = append(lines, l.Raw)
		case "to":
			if req.Tag("To") == "" {
				l.Raw += ";tag=callee"
			}
			lines = append(lines, l.Raw)
		}
	}
	return append(lines, "Contact: <sip:bob@"+p.addr.String()+">", "Content-Length: 0")
}

// request builds a request from p; extra lines follow. The call is what stands
// before a dot in branch.
func (p *phone) request(method, uri, branch string, cseq int, extra ...string) []string {
	call, _, _ := strings.Cut(branch, ".")
	to := "To: <sip:bob@example.org>"
	lines := []string{
		method + " " + uri + " SIP/2.0",
		"Via: SIP/2.0/UDP " + p.addr.String() + ";branch=z9hG4bK" + branch + ";rport",
		"Max-Forwards: 70", "From: <sip:alice@example.org>;tag=caller", "Call-ID: " + call + "@" + p.addr.String(),
		fmt.Sprintf("CSeq: %d %s", cseq, method), "Contact: <sip:alice@" + p.addr.String() + ">",
	}
	for _, x := range extra {
		if strings.HasPrefix(x, "To:") {
			to = x
			continue
		}
		lines = append(lines, x)
	}
	return append(lines, to, "Content-Length: 0")
}

// dialog is what a caller knows after a 2xx.
type dialog struct {
	target string
	extra  []string // Route and To
}

func dialogOf(m *siptest.Message) dialog {
	contact := m.Get("Contact")
	d := dialog{target: strings.Trim(contact, "<>"), extra: []string{"To: " + m.Get("To")}}
	routes := m.All("Record-Route")
	for i := range routes { // RFC 3261 §12.1.2: the caller's route set is the reverse
		d.extra = append(d.extra, "Route: "+routes[len(routes)-1-i])
	}
	return d
}

// A whole call from socket to socket, over IPv4 and IPv6, by a wildcard and by an
// address.
//
// Proves: TV-4, TP-15
func TestCall(t *testing.T) {
	for _, c := range []struct{ bind, host string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"[::]:0", "::1"},
	} {
		t.Run(c.bind, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.bind, everywhere, engine.Config{})
			alice, bob := newPhone(t, c.host), newPhone(t, c.host)

			alice.send(s.addr, alice.request("INVITE", "sip:bob@"+bob.addr.String(), "i", 1)...)
			invite := bob.expect("INVITE sip:bob@")
			bob.answer(s.addr, invite, "180 Ringing")
			alice.expect("SIP/2.0 180")
			bob.answer(s.addr, invite, "200 OK")
			ok, from := alice.next()
			if ok.Status != 200 || from != s.addr || len(ok.Vias()) != 1 {
				t.Fatalf("from %s came\n%s", from, ok.Wire)
			}
			d := dialogOf(ok)
			alice.send(s.addr, alice.request("ACK", d.target, "i.ack", 1, d.extra...)...)
			bob.expect("ACK sip:bob@")
			alice.send(s.addr, alice.request("BYE", d.target, "i.bye", 2, d.extra...)...)
			bye := bob.expect("BYE sip:bob@")
			if len(bye.Vias()) != 2 || bye.Has("Route") {
				t.Errorf("got\n%s", bye.Wire)
			}
			bob.answer(s.addr, bye, "200 OK")
			alice.expect("SIP/2.0 200")
			st := s.Stats()
			if st.InSetup != 0 || st.Proxy.AcksForwarded != 1 || st.Proxy.Forwarded != 2 || st.Proxy.Relayed != 3 {
				t.Errorf("got %+v", st.Proxy)
			}
		})
	}
}

// With rport the answer goes to where the request came from, whatever sent-by
// says; without, to that address and the port of sent-by.
//
// Proves: TV-4, TV-5
func TestWhereAnswersGo(t *testing.T) {
	s := serve(t, "127.0.0.1:0", everywhere, engine.Config{})
	alice, named := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	options := func(branch, rport string) []string {
		lines := alice.request("OPTIONS", "sip:"+s.addr.String(), branch, 1)
		lines[1] = fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s", named.addr, branch, rport)
		return lines
	}
	alice.send(s.addr, options("r", ";rport")...)
	if m, from := alice.next(); m.Status != 200 || from != s.addr {
		t.Errorf("from %s came\n%s", from, m.Wire)
	}
	alice.send(s.addr, options("n", "")...)
	if m, from := named.next(); m.Status != 200 || from != s.addr {
		t.Errorf("from %s came\n%s", from, m.Wire)
	}
}

// A closed port of the callee ends the request at once, and a second target is
// tried; a closed port of the caller ends nothing.
//
// Proves: NH-7, TV-10, TV-13
func TestClosedPorts(t *testing.T) {
	alice, bob, gone := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	_ = gone.conn.Close()
	s := serve(t, "127.0.0.1:0", everywhere, engine.Config{})

	alice.send(s.addr, alice.request("INVITE", "sip:bob@"+gone.addr.String(), "d", 1)...)
	if m, _ := alice.next(); m.Status/100 != 5 {
		t.Errorf("got\n%s", m.Wire)
	}

	// The caller goes away while its call rings: the callee hears nothing of it.
	carol := newPhone(t, "127.0.0.1")
	carol.send(s.addr, carol.request("INVITE", "sip:bob@"+bob.addr.String(), "c", 1)...)
	invite := bob.expect("INVITE")
	_ = carol.conn.Close()
	bob.answer(s.addr, invite, "180 Ringing")
	waitFor(t, func() bool {
		return s.Stats().Listeners[0].Sockets[0].Unreachable+s.Stats().Listeners[0].Sockets[1].Unreachable >= 2
	})
	alice.send(s.addr, alice.request("OPTIONS", "sip:"+s.addr.String(), "o", 1)...)
	alice.expect("SIP/2.0 200")
	if st := s.Stats(); st.InSetup != 1 || st.Proxy.Cancels != 0 {
		t.Errorf("the ringing call ended: %+v", st)
	}
	bob.answer(s.addr, invite, "486 Busy Here")
	bob.expect("ACK") // and no CANCEL before
}

func waitFor(t testing.TB, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}

// TERM: the call in setup is completed and answered, a new one is refused, and a
// call in progress can be ended.
//
// Proves: RB-8
func TestDrain(t *testing.T) {
	s := serve(t, "127.0.0.1:0", everywhere, engine.Config{Drain: time.Hour, Grace: 500 * time.Millisecond})
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	alice.send(s.addr, alice.request("INVITE", "sip:bob@"+bob.addr.String(), "i", 1)...)
	invite := bob.expect("INVITE")
	s.cancel()
	waitFor(t, s.Draining)

	alice.send(s.addr, alice.request("INVITE", "sip:bob@"+bob.addr.String(), "j", 1)...)
	if m := alice.expect("SIP/2.0 503"); !m.Has("Retry-After") {
		t.Errorf("no Retry-After in\n%s", m.Wire)
	}
	bob.answer(s.addr, invite, "200 OK")
	d := dialogOf(alice.expect("SIP/2.0 200"))
	alice.send(s.addr, alice.request("ACK", d.target, "i.ack", 1, d.extra...)...)
	bob.expect("ACK")
	alice.send(s.addr, alice.request("BYE", d.target, "i.bye", 2, d.extra...)...)
	bob.answer(s.addr, bob.expect("BYE"), "200 OK")
	alice.expect("SIP/2.0 200")
	if err := <-s.result; err != nil {
		t.Error(err)
	}
}

// A call that rings on when the drain time is over is cancelled at the callee
// and answered 503 at the caller.
//
// Proves: RB-8
func TestDrainTimeIsOver(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, "127.0.0.1:0", everywhere, engine.Config{
		Drain: 50 * time.Millisecond, Grace: 500 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	alice, bob := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
	alice.send(s.addr, alice.request("INVITE", "sip:bob@"+bob.addr.String(), "i", 1)...)
	invite := bob.expect("INVITE")
	bob.answer(s.addr, invite, "180 Ringing")
	alice.expect("SIP/2.0 180")
	s.cancel()
	alice.expect("SIP/2.0 503")
	cancel := bob.expect("CANCEL")
	bob.answer(s.addr, cancel, "200 OK")
	bob.answer(s.addr, invite, "487 Request Terminated")
	bob.expect("ACK")
	if err := <-s.result; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "refused=1") {
		t.Errorf("logged %s", log.String())
	}
}

// Whatever comes, by whomever it was sent, the server answers the next OPTIONS.
//
// Proves: RB-1
func TestGarbageFlood(t *testing.T) {
	s := serve(t, "127.0.0.1:0", everywhere, engine.Config{})
	alice := newPhone(t, "127.0.0.1")
	random := rand.New(rand.NewPCG(1, 2))
	seeds := [][]byte{[]byte(strings.Join(alice.request("INVITE", "sip:bob@"+s.addr.String(), "g", 1), "\r\n") + "\r\n\r\n")}
	files, err := filepath.Glob("../../sip/testdata/*/*.sip")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	for i := range 3000 {
		b := bytes.Clone(seeds[i%len(seeds)])
		switch i % 4 {
		case 0: // noise
			for j := range b {
				b[j] = byte(random.Uint32())
			}
		case 1: // a few bytes differ
			for range 1 + random.IntN(4) {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
		case 2: // cut
			b = b[:random.IntN(len(b))]
		}
		if _, err := alice.conn.WriteToUDPAddrPort(b, s.addr); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 { // a caller who is heard while it goes on
			dora := newPhone(t, "127.0.0.1")
			dora.send(s.addr, dora.request("OPTIONS", "sip:"+s.addr.String(), "o", 1)...)
			dora.expect("SIP/2.0 200")
		}
	}
}
