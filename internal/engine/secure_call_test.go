package engine_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"viaduct/internal/authority"
	"viaduct/internal/certificate"
	"viaduct/internal/config"
	"viaduct/internal/engine"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/internal/siptest"
	"viaduct/internal/transport"
	"viaduct/sip"
)

// secured is a running engine that listens on UDP, TLS, WS and WSS.
type secured struct {
	*engine.Engine
	*authority.Authority
	at map[flow.Protocol]netip.AddrPort
}

func serveSecured(t testing.TB, rules string) *secured {
	t.Helper()
	c, bad := config.Parse("test", []byte("listen \"udp\" { address = \"127.0.0.1:5060\" }\n"+rules), config.Options{})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	s := &secured{Authority: authority.New(t), at: map[flow.Protocol]netip.AddrPort{}}
	trust, err := certificate.NewTrust(s.PEM)
	if err != nil {
		t.Fatal(err)
	}
	chain, key := s.Write(t.TempDir(), "own", nil, "proxy.example")
	secure, err := transport.NewTLS(transport.TLSConfig{
		Files: []certificate.Files{{Certificate: chain, Key: key}}, Servers: trust, Clients: trust,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := engine.Config{Snapshot: c.Snapshot, Readers: 2, Grace: 20 * time.Millisecond, Settings: []transport.Settings{{}}}
	cfg.Snapshot.Listeners[0].Bind = netip.MustParseAddrPort("127.0.0.1:0")
	for _, p := range []flow.Protocol{flow.TLS, flow.WS, flow.WSS} {
		name := p.String()
		cfg.Snapshot.Listeners = append(cfg.Snapshot.Listeners, proxy.Listener{
			Name: name, Hash: policy.HashName("listen", name), Protocol: p, Bind: netip.MustParseAddrPort("127.0.0.1:0"),
		})
		cfg.Settings = append(cfg.Settings, transport.Settings{TLS: secure, WebSocket: new(transport.WebSocket)})
	}
	if s.Engine, err = engine.New(cfg); err != nil {
		t.Fatal(err)
	}
	for _, a := range s.Addresses() {
		s.at[a.Protocol] = a.Bind
	}
	var group sync.WaitGroup
	group.Go(func() { _ = s.Run(context.Background()) }) // Stop ends it
	t.Cleanup(func() {
		s.Stop()
		group.Wait()
		if n := s.Stats().Panics; n != 0 {
			t.Errorf("%d panics", n)
		}
	})
	return s
}

// peer is a user agent on a connection.
type peer struct {
	t     testing.TB
	word  string // of its Via
	write func(b []byte) error
	read  func() ([]byte, error) // a message
}

// onStream is a peer on TLS.
func onStream(t testing.TB, c net.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() }) // the proxy may have been faster
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var framer sip.Framer
	var have []byte
	return &peer{t: t, word: "TLS", write: func(b []byte) error { _, err := c.Write(b); return err }, read: func() ([]byte, error) {
		for {
			kind, n, err := framer.Next(have)
			switch kind {
			case sip.FrameMsg:
				m := have[:n]
				have = have[n:]
				return m, nil
			case sip.NeedMore:
				b := make([]byte, 4096)
				n, err := c.Read(b)
				if err != nil {
					return nil, err
				}
				have = append(have, b[:n]...)
			case sip.FrameBad:
				return nil, err
			default:
				have = have[n:]
			}
		}
	}}
}

// onWebSocket is a peer on WS or WSS, as a browser opens one.
func (s *secured) onWebSocket(t testing.TB, p flow.Protocol) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	pool := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Pool, ServerName: "proxy.example"}}}
	t.Cleanup(pool.CloseIdleConnections)
	url := strings.ToLower(p.String()) + "://" + s.at[p].String() + "/"
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPClient: pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() }) // the proxy may have been faster
	if c.Subprotocol() != "sip" {
		t.Errorf("the subprotocol is %q", c.Subprotocol())
	}
	return &peer{t: t, word: p.String(), write: func(b []byte) error { return c.Write(ctx, websocket.MessageText, b) }, read: func() ([]byte, error) {
		_, b, err := c.Read(ctx)
		return b, err
	}}
}

func (p *peer) send(lines ...string) {
	p.t.Helper()
	if err := p.write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n")); err != nil {
		p.t.Fatal(err)
	}
}

// expect is the next message other than 100.
func (p *peer) expect(start string) *siptest.Message {
	p.t.Helper()
	for {
		b, err := p.read()
		if err != nil {
			p.t.Fatalf("want %s, got %v", start, err)
		}
		m := siptest.ReadMessage(b)
		if m.Status == 100 {
			continue
		}
		if !strings.HasPrefix(m.Wire, start) || len(m.Faults) > 0 {
			p.t.Fatalf("want %s, got %v\n%s", start, m.Faults, m.Wire)
		}
		return m
	}
}

func (p *peer) answer(req *siptest.Message, status, contact string) {
	p.t.Helper()
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
	p.send(append(lines, "Contact: <"+contact+">", "Content-Length: 0")...)
}

// request builds a request of a user agent whose address nobody can reach.
func (p *peer) request(method, uri, branch string, cseq int, extra ...string) []string {
	to := "To: <sip:bob@example.org>"
	lines := []string{
		method + " " + uri + " SIP/2.0", "Via: SIP/2.0/" + p.word + " df7jal23ls0d.invalid;branch=z9hG4bK" + branch + p.word,
		"Max-Forwards: 70", "From: <sip:alice@example.org>;tag=caller", "Call-ID: secured",
		fmt.Sprintf("CSeq: %d %s", cseq, method), "Contact: <sip:alice@df7jal23ls0d.invalid;transport=ws>",
	}
	for _, x := range extra {
		if strings.HasPrefix(x, "To:") {
			to = x
			continue
		}
		lines = append(lines, x)
	}
	if p.word != "TLS" { // RFC 7118 §5: it may be left out
		return append(lines, to)
	}
	return append(lines, to, "Content-Length: 0")
}

// A caller on UDP and a callee on TLS: the callee is connected to once it has
// proven to be the domain of the URI, and everything goes by that connection.
//
// Proves: SE-1, SE-6, SE-9, TP-1
func TestCallToTLS(t *testing.T) {
	t.Parallel()
	s := serveSecured(t, everywhere)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{s.Pair("sip:callee.example")}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody else comes
	contact := fmt.Sprintf("sip:bob@callee.example:%d;maddr=127.0.0.1;transport=tls", l.Addr().(*net.TCPAddr).Port)
	alice := newPhone(t, "127.0.0.1")
	udp := s.at[flow.UDP]

	alice.send(udp, alice.request("INVITE", contact, "i", 1)...)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	bob := onStream(t, c)
	invite := bob.expect("INVITE sip:bob@callee.example")
	if via := invite.All("Via")[0]; !strings.HasPrefix(via, "SIP/2.0/TLS "+s.at[flow.TLS].String()) {
		t.Errorf("Via is %s", via)
	}
	for _, rr := range invite.All("Record-Route") {
		if strings.Contains(rr, "transport=tls") {
			t.Errorf("Record-Route is %s", rr)
		}
	}
	bob.answer(invite, "180 Ringing", contact)
	alice.expect("SIP/2.0 180")
	bob.answer(invite, "200 OK", contact)
	d := dialogOf(alice.expect("SIP/2.0 200"))
	alice.send(udp, alice.request("ACK", d.target, "i.ack", 1, d.extra...)...)
	bob.expect("ACK sip:bob@callee.example")
	alice.send(udp, alice.request("BYE", d.target, "i.bye", 2, d.extra...)...)
	bob.answer(bob.expect("BYE sip:bob@"), "200 OK", contact)
	alice.expect("SIP/2.0 200")
	for _, l := range s.Stats().Listeners {
		if l.Name == "TLS" && (l.Streams[0].Opened != 1 || l.Streams[0].Handshakes != 1) {
			t.Errorf("counted %+v", l.Streams[0])
		}
	}

	// Another domain at the same address is another connection, and this one does
	// not prove it.
	alice.send(udp, alice.request("INVITE", strings.Replace(contact, "callee", "other", 1), "j", 1)...)
	if c, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err == nil || len(b) > 0 {
		t.Errorf("got %q, %v", b, err)
	}
	if m, _ := alice.next(); m.Status/100 != 5 {
		t.Errorf("got\n%s", m.Wire)
	}
}

// Callers on TLS, WS and WSS reach a callee on UDP, and its requests come back by
// the connection of the caller, whose own address leads nowhere.
//
// Proves: SE-1, WS-1, WS-2, WS-3, WS-5, WS-8, WS-14
func TestCallFromConnections(t *testing.T) {
	t.Parallel()
	s := serveSecured(t, everywhere)
	for _, p := range []flow.Protocol{flow.TLS, flow.WS, flow.WSS} {
		t.Run(p.String(), func(t *testing.T) {
			var alice *peer
			if p == flow.TLS {
				c, err := tls.Dial("tcp", s.at[p].String(), &tls.Config{RootCAs: s.Pool, ServerName: "proxy.example"})
				if err != nil {
					t.Fatal(err)
				}
				alice = onStream(t, c)
			} else {
				alice = s.onWebSocket(t, p)
			}
			udp := s.at[flow.UDP]
			bob := newPhone(t, "127.0.0.1")
			alice.send(alice.request("INVITE", "sip:bob@"+bob.addr.String(), "i", 1)...)
			invite := bob.expect("INVITE sip:bob@")
			if via := invite.All("Via")[1]; !strings.HasPrefix(via, "SIP/2.0/"+p.String()+" df7jal23ls0d.invalid") {
				t.Errorf("Via is %s", via)
			}
			routes := invite.All("Record-Route")
			if len(routes) != 2 || p != flow.TLS && !strings.Contains(routes[1], ";transport=ws;") || strings.Contains(routes[1], "wss") {
				t.Errorf("Record-Route is %q", routes)
			}
			bob.answer(udp, invite, "200 OK")
			ok := alice.expect("SIP/2.0 200")
			d := dialogOf(ok)
			alice.send(alice.request("ACK", d.target, "i.ack", 1, d.extra...)...)
			bob.expect("ACK")
			bye := []string{
				"BYE sip:alice@df7jal23ls0d.invalid;transport=ws SIP/2.0", "Via: SIP/2.0/UDP " + bob.addr.String() + ";branch=z9hG4bKbye" + p.String(),
				"Max-Forwards: 70", "From: " + ok.Get("To"), "To: <sip:alice@example.org>;tag=caller", "Call-ID: secured", "CSeq: 9 BYE", "Content-Length: 0",
			}
			for _, r := range routes { // RFC 3261 §12.1.1: the callee's route set
				bye = append(bye, "Route: "+r)
			}
			bob.send(udp, bye...)
			alice.answer(alice.expect("BYE sip:alice@df7jal23ls0d.invalid"), "200 OK", "sip:alice@df7jal23ls0d.invalid;transport=ws")
			bob.expect("SIP/2.0 200")
		})
	}
}

// A message over a WebSocket that says another length than it has is refused.
//
// Proves: WS-5
func TestLengthOfAWebSocketMessage(t *testing.T) {
	t.Parallel()
	s := serveSecured(t, everywhere)
	alice := s.onWebSocket(t, flow.WS)
	for _, length := range []string{"0", "9"} {
		lines := alice.request("MESSAGE", "sip:bob@127.0.0.1", "m"+length, 1, "Content-Length: "+length)
		if err := alice.write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\nhello")); err != nil {
			t.Fatal(err)
		}
		alice.expect("SIP/2.0 400 ")
	}
}

// A contact of a WebSocket is neither looked up nor connected to.
//
// Proves: WS-3
func TestNobodyConnectsToAWebSocket(t *testing.T) {
	t.Parallel()
	s := serveSecured(t, everywhere)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody has come
	alice := newPhone(t, "127.0.0.1")
	alice.send(s.at[flow.UDP], alice.request("INVITE", "sip:bob@"+l.Addr().String()+";transport=ws", "i", 1)...)
	if m, _ := alice.next(); m.Status/100 != 5 {
		t.Errorf("got\n%s", m.Wire)
	}
	for _, x := range s.Stats().Listeners {
		for _, c := range x.Streams {
			if c.Opened+c.Ended[transport.EndConnect] > 0 {
				t.Errorf("%s has connected", x.Name)
			}
		}
	}
}
