package engine

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/internal/authority"
	"viaduct/internal/certificate"
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transport"
	"viaduct/sip"
)

// secureWith are the settings of a listener with one certificate.
func secureWith(t *testing.T, a *authority.Authority, dir, name string) transport.Settings {
	t.Helper()
	chain, key := a.Write(dir, strings.ReplaceAll(name, ":", "-"), nil, name)
	trust, err := certificate.NewTrust(a.PEM)
	if err != nil {
		t.Fatal(err)
	}
	x, err := transport.NewTLS(transport.TLSConfig{Files: []certificate.Files{{Certificate: chain, Key: key}}, Servers: trust, Clients: trust})
	if err != nil {
		t.Fatal(err)
	}
	return transport.Settings{TLS: x}
}

// shake is a connection to listener 1 of e, which must show a certificate of name.
func shake(t *testing.T, e *Engine, a *authority.Authority, name string, own ...tls.Certificate) *tls.Conn {
	t.Helper()
	c := tls.Client(caller(t, e), &tls.Config{RootCAs: a.Pool, ServerName: name, Certificates: own})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// has reports whether text has been logged.
func (l *lines) has(text string) func() bool {
	return func() bool { return strings.Contains(l.String(), text) }
}

// A reload swaps the certificate of a listener that stays; its socket and its
// connections stay as they are.
//
// Proves: SE-12
func TestReloadSwapsCertificates(t *testing.T) {
	a, dir := authority.New(t), t.TempDir()
	s := loopback("127.0.0.1:0", "127.0.0.1:0")
	s.Listeners[1].Protocol = flow.TLS
	e := newFake(t, Config{Snapshot: s, Shards: 1, Settings: []transport.Settings{{}, secureWith(t, a, dir, "one.example")}}, nil)
	run(t, e)
	old := shake(t, e, a, "one.example")
	talk(t, old, request("OPTIONS", 1), request("OPTIONS", 1))
	before := e.inForce.Load().listeners[1]
	if err := e.Reload(at(e), transport.Settings{}, secureWith(t, a, dir, "two.example")); err != nil {
		t.Fatal(err)
	}
	if e.inForce.Load().listeners[1] != before {
		t.Error("the socket was not kept")
	}
	talk(t, shake(t, e, a, "two.example"), request("OPTIONS", 2), request("OPTIONS", 2))
	talk(t, old, request("OPTIONS", 3), request("OPTIONS", 3))
	if err := e.Reload(at(e)); err != nil { // without settings it keeps its own
		t.Fatal(err)
	}
	talk(t, shake(t, e, a, "two.example"), request("OPTIONS", 4), request("OPTIONS", 4))
}

// Who is at the other end is known by the connection, and an alias leads requests
// for that domain into it.
//
// Proves: SE-8, TP-13
func TestPeersAndAliases(t *testing.T) {
	a, dir := authority.New(t), t.TempDir()
	s := loopback("127.0.0.1:0", "127.0.0.1:0")
	s.Listeners[1].Protocol = flow.TLS
	came := make(chan flow.Flow, 1)
	e := newFake(t, Config{Snapshot: s, Shards: 1, Settings: []transport.Settings{{}, secureWith(t, a, dir, "proxy.example")}}, func(f *fake) {
		f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
			if from.Protocol == flow.TLS {
				came <- from
				return
			}
			hop := flow.Hop{Protocol: flow.TLS, Listener: 1, Remote: netip.MustParseAddrPort("127.0.0.1:5999"), Domain: flow.MakeDomain([]byte("peer.example"))}
			fx.Send(hop, fx.Copy(m.Wire()), 0)
		}
	})
	run(t, e)
	c := shake(t, e, a, "proxy.example", a.Pair("sip:peer.example"))
	aliased := strings.Replace(request("OPTIONS", 1), "UDP 127.0.0.1:5060;", "TLS 127.0.0.1:5999;alias;", 1)
	if !strings.Contains(aliased, ":5999;alias") {
		t.Fatalf("no Via in %q", aliased)
	}
	if _, err := fmt.Fprint(c, aliased); err != nil {
		t.Fatal(err)
	}
	from := <-came
	if got := e.Peer(from); len(got) != 1 || got[0] != "peer.example" {
		t.Errorf("the peer is %q", got)
	}
	if e.Peer(flow.Flow{Listener: 9}) != nil || e.Peer(flow.Flow{}) != nil {
		t.Error("nobody has a name")
	}
	write(t, phone(t, e.Addresses()[0].Bind), request("OPTIONS", 2))
	talk(t, c, "", request("OPTIONS", 2))
}

// What is wrong with peers and with certificates is logged: of peers one line a
// second, of our own everything.
func TestNoticesAreLogged(t *testing.T) {
	a, dir := authority.New(t), t.TempDir()
	s := loopback("127.0.0.1:0", "127.0.0.1:0")
	s.Listeners[1].Protocol, s.Listeners[1].Name = flow.TLS, "secure"
	var log lines
	cfg := Config{Snapshot: s, Shards: 1, Streams: transport.StreamLimits{Look: soon}, Log: slog.New(slog.NewTextHandler(&log, nil)), Settings: []transport.Settings{{}, secureWith(t, a, dir, "one.example")}}
	e := newFake(t, cfg, nil)
	run(t, e)
	for range 3 {
		c := caller(t, e)
		if _, err := fmt.Fprint(c, "no TLS at all"); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "a line about them", log.has(`msg="connection not made" listener=secure remote=127.0.0.1:`))
	waitFor(t, "all three", func() bool { return e.Stats().Listeners[1].Streams[0].Refused[transport.RefusedProtocol] == 3 })

	a.Write(dir, "one.example", nil, "one.example")
	waitFor(t, "the renewal", log.has(`msg="certificate renewed" listener=secure file=`))
	if err := os.Remove(filepath.Join(dir, "one.example.key")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the refusal", log.has(`msg="certificate refused, the old one stays" listener=secure error=`))
	talk(t, shake(t, e, a, "one.example"), request("OPTIONS", 2), request("OPTIONS", 2))
}

// Lines beyond one a second are counted in the next.
func TestNoticesAreLimited(t *testing.T) {
	t.Parallel()
	var n notices
	now := clock.Instant(1e9)
	for i, want := range []bool{true, false, false} {
		if _, ok := n.due("kind", now); ok != want {
			t.Errorf("line %d: %v", i, ok)
		}
	}
	if _, ok := n.due("another", now); !ok {
		t.Error("another kind has no line")
	}
	if hidden, ok := n.due("kind", now+1e9); !ok || hidden != 2 {
		t.Errorf("later: %d, %v", hidden, ok)
	}
}
