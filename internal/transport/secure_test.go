package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/internal/authority"
	"viaduct/internal/certificate"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// vault is what a listener with TLS needs: pairs in files, and who is trusted.
type vault struct {
	t   testing.TB
	dir string
	*authority.Authority
}

func newVault(t testing.TB) *vault { return &vault{t, t.TempDir(), authority.New(t)} }

// in is v with files of its own, for a part of a test that runs beside others.
func (v *vault) in(t testing.TB) *vault { return &vault{t, t.TempDir(), v.Authority} }

func (v *vault) trust() *certificate.Trust {
	v.t.Helper()
	x, err := certificate.NewTrust(v.PEM)
	if err != nil {
		v.t.Fatal(err)
	}
	return x
}

// tls has one pair for each name. edit may be nil.
func (v *vault) tls(edit func(*TLSConfig), names ...string) *TLS {
	v.t.Helper()
	cfg := TLSConfig{Servers: v.trust()}
	for i, n := range names {
		c, k := v.Write(v.dir, fmt.Sprint("pair", i), nil, n)
		cfg.Files = append(cfg.Files, certificate.Files{Certificate: c, Key: k})
	}
	if edit != nil {
		edit(&cfg)
	}
	x, err := NewTLS(cfg)
	if err != nil {
		v.t.Fatal(err)
	}
	return x
}

func asksClients(v *vault, require bool) func(*TLSConfig) {
	return func(c *TLSConfig) { c.Clients, c.Require = v.trust(), require }
}

// client is a configuration of a client that trusts v and shows a certificate for
// names, if there are any.
func (v *vault) client(server string, names ...string) *tls.Config {
	cfg := &tls.Config{RootCAs: v.Pool, ServerName: server}
	if len(names) > 0 {
		cfg.Certificates = []tls.Certificate{v.Pair(names...)}
	}
	return cfg
}

// shake is a TLS connection to h after its handshake.
func (h *hall) shake(cfg *tls.Config) *tls.Conn {
	h.t.Helper()
	c := tls.Client(h.caller(), cfg)
	if err := c.Handshake(); err != nil {
		h.t.Fatal(err)
	}
	return c
}

// from waits for packet n, counted from 1, and tells where it came from.
func (h *hall) from(n int) flow.Flow {
	h.t.Helper()
	h.until("a packet", func() bool { return len(h.got) >= n })
	return h.packets()[n-1].From
}

func (h *hall) told() []Notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.notices)
}

// A message comes whole by TLS however it was cut, and so do many of one write;
// answers come back on the connection, records of all kinds among them.
//
// Proves: SE-1, TP-3
func TestSecureStream(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			h := newHallOf(t, flow.TLS, Settings{TLS: v.in(t).tls(nil, "example.com")}, StreamLimits{}, nil)
			cfg := v.client("example.com")
			cfg.MaxVersion = version
			c := h.shake(cfg)
			for _, b := range []byte(streamed(1, 40)) {
				put(t, c, string(b))
			}
			want(t, c, streamed(1, 40))
			all := ""
			for n := range 200 {
				all += streamed(n, n)
			}
			put(t, c, "\r\n"+all)
			want(t, c, all)
			put(t, c, streamed(7, 60_000)) // several records
			want(t, c, streamed(7, 60_000))
			put(t, c, "\r\n\r\n")
			want(t, c, "\r\n")
			if f := h.from(1); f.Protocol != flow.TLS || f.Listener != 3 || !f.Domain.IsZero() {
				t.Errorf("it came by %+v", f)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			h.until("the end", h.ended(EndPeer, 1))
			over(t, c)
			if n := h.tcp.Counters(); n.Handshakes != 1 || n.Refused != ([Refusals]uint64{}) {
				t.Errorf("counted %+v", n)
			}
		})
	}
}

// What is not TLS 1.2 or later with AEAD gets no connection, and what is not TLS
// at all gets no answer of SIP.
//
// Proves: SE-7
func TestOldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "example.com")}, StreamLimits{}, nil)
	for name, edit := range map[string]func(*tls.Config){
		"TLS 1.0": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 },
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 },
		"no AEAD": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
	} {
		cfg := v.client("example.com")
		edit(cfg)
		if err := tls.Client(h.caller(), cfg).Handshake(); err == nil {
			t.Errorf("%s: a connection", name)
		}
	}
	c := h.caller()
	put(t, c, streamed(1, 0))
	if b, _ := io.ReadAll(c); strings.Contains(string(b), "SIP/2.0") {
		t.Errorf("got %q", b)
	}
	h.until("all refused", func() bool { return h.tcp.Counters().Refused[RefusedProtocol] == 4 })
	if len(h.packets()) > 0 {
		t.Error("a message came by")
	}
	h.until("notices", func() bool { return len(h.notices) == 4 })
}

// The certificate is that of the name the client asks for.
func TestCertificateByName(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "one.example", "two.example")}, StreamLimits{}, nil)
	for _, name := range []string{"one.example", "two.example"} {
		c := h.shake(v.client(name)) // which verifies it
		put(t, c, streamed(1, 0))
		want(t, c, streamed(1, 0))
	}
}

// Who a client is, is known only by a valid certificate; without one it is let in
// as nobody, unless one is required.
//
// Proves: SE-1, SE-8
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	v, others := newVault(t), newVault(t)
	mine, strange := v.client("example.com", "sip:Peer.example", "sip:second.example"), others.client("example.com", "sip:peer.example")
	strange.RootCAs = v.Pool
	for name, c := range map[string]struct {
		cfg     *tls.Config
		require bool
		want    []string // nil: nobody
		refused bool
	}{
		"asked for, valid":   {mine, false, []string{"peer.example", "second.example"}, false},
		"asked for, strange": {strange, false, nil, false},
		"asked for, none":    {v.client("example.com"), false, nil, false},
		"required, valid":    {mine, true, []string{"peer.example", "second.example"}, false},
		"required, strange":  {strange, true, nil, true},
		"required, none":     {v.client("example.com"), true, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHallOf(t, flow.TLS, Settings{TLS: v.in(t).tls(asksClients(v, c.require), "example.com")}, StreamLimits{}, nil)
			asked := false
			cfg := c.cfg.Clone()
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				if len(cfg.Certificates) == 0 {
					return new(tls.Certificate), nil
				}
				return &cfg.Certificates[0], nil
			}
			conn := tls.Client(h.caller(), cfg)
			_, err := io.WriteString(conn, streamed(1, 0))
			if c.refused {
				if err == nil {
					_, err = io.ReadAll(conn) // with TLS 1.3 the client hears of it later
				}
				if err == nil || len(h.packets()) > 0 {
					t.Errorf("%v, and %d messages", err, len(h.packets()))
				}
				h.until("a count", func() bool { return h.tcp.Counters().Refused[RefusedCertificate] == 1 })
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want(t, conn, streamed(1, 0))
			if !asked {
				t.Error("no certificate was asked for")
			}
			if got := h.Peer(h.from(1)); !slices.Equal(got, c.want) {
				t.Errorf("it is %q, want %q", got, c.want)
			}
			if f := h.from(1); f.Domain != flow.MakeProven(c.want) {
				t.Errorf("its messages come from %q, want %q", f.Domain, c.want)
			}
			if h.Peer(flow.Flow{Conn: 99}) != nil {
				t.Error("a connection that is not there has a peer")
			}
		})
	}
}

// server is a TLS server that h connects to; it shows a certificate for names.
type server struct {
	*net.TCPListener
	cfg   *tls.Config
	asked chan string // the names of SNI
}

func (v *vault) server(names ...string) *server {
	s := &server{TCPListener: callee(v.t), asked: make(chan string, 16)}
	pair := v.Pair(names...)
	s.cfg = &tls.Config{ClientAuth: tls.RequestClientCert, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		s.asked <- h.ServerName
		return &pair, nil
	}}
	return s
}

func (s *server) accept(t testing.TB) *tls.Conn {
	t.Helper()
	return tls.Server(acceptOn(t, s.TCPListener), s.cfg)
}

// secured is a Send to a server of a domain.
func (h *hall) secured(to net.Addr, domain string, about effect.Handle) effect.Send {
	m := h.request(to.String(), about)
	m.Hop.Protocol, m.Hop.Domain = flow.TLS, flow.MakeDomain([]byte(domain))
	return m
}

// A server must be the one that the URI names, by an authority that counts;
// else not a byte of SIP is sent. Connections are used again for the same domain
// at the same address, and never for another.
//
// Proves: SE-6, SE-11, SE-19, SE-21, TP-22
func TestServersProveTheirDomain(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "sip:proxy.example")}, StreamLimits{}, nil)
	s := v.server("sip:one.example", "sip:two.example")
	w, lost := h.NewSender(), Trouble{}
	send := func(domain string, about effect.Handle) {
		w.Send(h.tcp, []effect.Send{h.secured(s.Addr(), domain, about)}, &lost)
	}
	send("One.example", 1)
	one := s.accept(t)
	want(t, one, streamed(1, 0))
	if got := <-s.asked; got != "one.example" {
		t.Errorf("SNI is %q", got)
	}
	if mine := one.ConnectionState().PeerCertificates; len(mine) != 1 || certificate.Identities(mine[0])[0] != "proxy.example" {
		t.Errorf("it has shown %v", mine)
	}
	send("one.example", 2)
	want(t, one, streamed(2, 0))

	send("two.example", 3) // the same certificate would do, and yet
	two := s.accept(t)
	want(t, two, streamed(3, 0))
	<-s.asked

	send("three.example", 4)
	three := s.accept(t)
	if _, err := three.Read(make([]byte, 1)); err == nil {
		t.Error("bytes came for a domain that was not proven")
	}
	h.until("the loss", func() bool { return len(h.failed) == 1 && h.failed[0].For == 4 })
	h.until("the reason", func() bool { return len(h.notices) == 1 })
	var wrong *certificate.DomainError
	if n := h.told()[0]; !errors.As(n.Err, &wrong) || wrong.Domain != "three.example" || n.Remote.String() != s.Addr().String() {
		t.Errorf("told %+v", n)
	}
	put(t, one, streamed(5, 0))
	want(t, one, streamed(5, 0))
	if got := h.Peer(h.from(1)); !slices.Equal(got, []string{"one.example", "two.example"}) {
		t.Errorf("the server is %q", got)
	}
	if f := h.from(1); !f.Domain.Proves([]byte("two.example")) || f.Domain.Proves([]byte("three.example")) {
		t.Errorf("what came from it came from %q", f.Domain)
	}

	unproven := h.secured(s.Addr(), "", 6)
	w.Send(h.tcp, []effect.Send{unproven}, &lost)
	if len(lost.Failed) != 1 || lost.Failed[0].Err != ErrDomain {
		t.Errorf("got %+v", lost.Failed)
	}
	if n := h.tcp.Counters(); n.Opened != 2 || n.Refused[RefusedCertificate] != 1 || n.Handshakes != 2 || n.Ended[EndHandshake] != 1 {
		t.Errorf("counted %+v", n)
	}
}

// Certificates that are no good get no message.
//
// Proves: SE-6, SE-16, SE-17, SE-21
func TestUnfitServersGetNothing(t *testing.T) {
	t.Parallel()
	v, others := newVault(t), newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "sip:proxy.example")}, StreamLimits{}, nil)
	for name, pair := range map[string]func() (chain, key []byte){
		"another authority": func() ([]byte, []byte) { return others.Issue([]string{"sip:callee.example"}, nil) },
		"a wildcard":        func() ([]byte, []byte) { return v.Issue([]string{"*.example"}, nil) },
		"a parent":          func() ([]byte, []byte) { return v.Issue([]string{"sip:example"}, nil) },
		"a user":            func() ([]byte, []byte) { return v.Issue([]string{"sip:bob@callee.example"}, nil) },
		"an address": func() ([]byte, []byte) {
			return v.Issue(nil, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
		},
		"a DNS name beside a URI": func() ([]byte, []byte) { return v.Issue([]string{"sip:other.example", "callee.example"}, nil) },
		"expired": func() ([]byte, []byte) {
			return v.Issue([]string{"sip:callee.example"}, func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, err := tls.X509KeyPair(pair())
			if err != nil {
				t.Fatal(err)
			}
			s := &server{TCPListener: callee(t), cfg: &tls.Config{Certificates: []tls.Certificate{own}}}
			w, lost := h.NewSender(), Trouble{}
			w.Send(h.tcp, []effect.Send{h.secured(s.Addr(), "callee.example", 1)}, &lost)
			if b, err := io.ReadAll(s.accept(t)); err == nil || len(b) > 0 {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
}

// An alias leads requests for a proven domain back into the connection of its
// client; without a certificate, by TCP or for another domain it leads nowhere.
//
// Proves: TP-13, TP-21, TP-22, SE-11
func TestAlias(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(asksClients(v, false), "proxy.example")}, StreamLimits{}, nil)
	s := v.server("sip:peer.example", "sip:other.example")
	at := s.Addr().(*net.TCPAddr).AddrPort()
	n := 0
	from := func(names ...string) (*tls.Conn, flow.Flow) {
		c := h.shake(v.client("proxy.example", names...))
		put(t, c, streamed(1, 0))
		want(t, c, streamed(1, 0))
		n++
		return c, h.from(n)
	}
	w, lost := h.NewSender(), Trouble{}
	send := func(domain string, about effect.Handle) {
		w.Send(h.tcp, []effect.Send{h.secured(s.Addr(), domain, about)}, &lost)
	}
	_, nobody := from()
	h.Alias(nobody, at.Port())
	peer, known := from("sip:peer.example")
	h.Alias(known, at.Port())

	send("peer.example", 2)
	want(t, peer, streamed(2, 0))
	send("other.example", 3)
	want(t, s.accept(t), streamed(3, 0))
	_ = peer.Close() // what follows waits for its end
	h.until("its end", func() bool { return len(h.gone) == 1 })
	send("peer.example", 4)
	want(t, s.accept(t), streamed(4, 0))
}

// A client that says nothing, or stops in the middle, is cut after the limit, and
// holds nobody up meanwhile.
//
// Proves: RB-5
func TestStalledHandshakes(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "example.com")}, StreamLimits{Handshake: 300 * time.Millisecond, Computing: 1}, nil)
	var stalled []net.Conn
	for range 20 {
		stalled = append(stalled, h.caller())
	}
	half := h.caller()
	put(t, half, "\x16\x03\x01\x02\x00\x01") // the beginning of a ClientHello
	// One that stops after the server's turn has made it compute.
	mute := h.caller()
	client := tls.Client(muted{mute}, v.client("example.com"))
	var group sync.WaitGroup
	group.Go(func() { _ = client.Handshake() }) // it ends when it is cut
	defer group.Wait()
	c := h.shake(v.client("example.com"))
	put(t, c, streamed(1, 0))
	want(t, c, streamed(1, 0))
	for _, x := range append(stalled, half) {
		over(t, x)
	}
	h.until("a count of each", func() bool { return h.tcp.Counters().Refused[RefusedTimeout] == 22 })
}

// muted sends its first flight only.
type muted struct{ net.Conn }

func (m muted) Write(b []byte) (int, error) {
	if len(b) > 0 && b[0] != 0x16 {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

// Certificates change while calls go on: connections that are there notice
// nothing, those that come are shown the new one.
//
// Proves: SE-12
func TestCertificatesAreSwapped(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "one.example")}, StreamLimits{}, nil)
	old := h.shake(v.client("one.example"))
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
				put(t, old, streamed(n, n%300))
				want(t, old, streamed(n, n%300))
			}
		}
	})
	v.Write(v.dir, "pair0", nil, "two.example")
	h.lookAtFiles()
	c := h.shake(v.client("two.example"))
	put(t, c, streamed(1, 0))
	want(t, c, streamed(1, 0))
	v.Write(v.dir, "pair0", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}, "three.example")
	h.lookAtFiles()
	h.shake(v.client("two.example"))
	h.tcp.Use(Settings{TLS: v.tls(nil, "four.example")}) // as a reload does
	h.shake(v.client("four.example"))
	close(done)
	group.Wait()
	h.until("what was told", func() bool { return len(h.notices) == 2 })
	if n := h.told(); n[0].Err != nil || n[0].Renewed.File == "" || n[1].Err == nil || !strings.Contains(n[1].Err.Error(), "expired") {
		t.Errorf("told %+v", n)
	}
	if e := h.tcp.Counters().Expiries; len(e) != 1 || time.Until(e[0].End) < time.Minute {
		t.Errorf("ends %v", e)
	}
}

// Nothing new is begun on a connection that its peer has closed for writing.
//
// Proves: SE-23
func TestClosureAlert(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "sip:proxy.example")}, StreamLimits{}, nil)
	s := v.server("sip:one.example")
	w, lost := h.NewSender(), Trouble{}
	w.Send(h.tcp, []effect.Send{h.secured(s.Addr(), "one.example", 1)}, &lost)
	one := s.accept(t)
	want(t, one, streamed(1, 0))
	if err := one.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	h.until("its end", func() bool { return len(h.gone) == 1 })
	if b, err := io.ReadAll(one); err != nil || len(b) > 0 { // io.EOF here is a closure alert of ours
		t.Errorf("got %q, %v", b, err)
	}
	w.Send(h.tcp, []effect.Send{h.secured(s.Addr(), "one.example", 2)}, &lost)
	want(t, s.accept(t), streamed(2, 0))
}

// A peer that does not read costs its own connection alone, and what it has read
// is whole to the last record.
func TestSecureQueue(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "example.com")}, StreamLimits{QueueMessages: 1000, QueueBytes: 64 << 20}, nil)
	raw := h.caller()
	c := tls.Client(raw, v.client("example.com"))
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for n := range 400 {
			put(t, c, streamed(n, 30_000))
		}
	})
	h.until("a queue", func() bool { return h.tcp.Counters().Queued > 3 })
	for n := range 400 {
		want(t, c, streamed(n, 30_000))
	}
}

// Proves: RB-5
func TestSecureListenerNeedsACertificate(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	for _, p := range []flow.Protocol{flow.TLS, flow.WSS, flow.UDP} {
		if _, err := h.ListenTCP(context.Background(), TCPConfig{Bind: netip.MustParseAddrPort("127.0.0.1:0"), Protocol: p}); err == nil {
			t.Errorf("%s listens", p)
		}
	}
}

// Sending a message allocates nothing. (Receiving one costs the one allocation
// that crypto/tls makes for each record.)
func TestSecureSendAllocatesNothing(t *testing.T) {
	v := newVault(t)
	h := newHallOf(t, flow.TLS, Settings{TLS: v.tls(nil, "example.com")}, StreamLimits{}, nil)
	raw := h.caller()
	c := tls.Client(raw, v.client("example.com"))
	put(t, c, streamed(1, 600))
	want(t, c, streamed(1, 600))
	from := h.from(1)
	h.quiet.Store(true)
	w, lost := h.NewSender(), Trouble{}
	const overhead = 5 + 1 + 16 // of a record of TLS 1.3: header, type, tag
	wire, record := []byte(streamed(2, 600)), make([]byte, len(streamed(2, 600))+overhead)
	list := []effect.Send{{}}
	if n := testing.AllocsPerRun(200, func() {
		list[0] = effect.Send{Hop: from.Hop(), Wire: wire}
		w.Send(h.tcp, list, &lost)
		if _, err := io.ReadFull(raw, record); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a message", n)
	}
}
