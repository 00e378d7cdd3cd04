package proxy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
)

// fuzzConfig has something of everything.
const fuzzConfig = `
server {
  domains         = ["example.com", "example.org"]
  trust           = network.senders
  redirects       = "follow"
  stray_responses = "forward"
}
network "senders" { cidrs = ["198.51.100.0/24"] }
group "two" {
  target "sip:203.0.113.7" {}
  target "sip:[2001:db8::7]:5070;transport=udp" { q = 0.5 }
}
rule "header" {
  when = header["Subject"] == "drop"
  drop = true
}
rule "users" {
  when = dest.user == "user"
  send = group.two
}
rule "away" {
  when     = dest.user == "away"
  redirect = "sip:away@203.0.113.8"
}
rule "all" { send = request_uri }
`

// Two packets of anybody's making: no panic, nothing that leaves is damaged or
// goes where nothing may go, and at the end nothing is left.
func FuzzPackets(f *testing.F) {
	files, _ := filepath.Glob("../../sip/testdata/rfc*/*.sip")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b), string(b))
	}
	s := &stage{t: f, call: "seed"}
	for _, lines := range [][]string{
		{"Route: <sip:AJnYz70nTuB1EAAAAAAoGIqDGr_CtYI2@192.0.2.1;lr>, <sip:203.0.113.9>", "To: <sip:b@c>;tag=b"},
		{"Via: SIP/2.0/UDP 10.0.0.1;maddr=203.0.113.5;rport;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKAAAAAAAAAAEBAgMEqH1On2rmeD9PvQ"},
		{"Max-Breadth: 2", "Proxy-Require: x", "Record-Route: <sip:x;lr>", "Contact: <sip:a@10.0.0.1>"},
	} {
		for _, start := range []string{"INVITE sip:user@example.com;maddr=192.0.2.1 SIP/2.0", "ACK sip:user@example.org SIP/2.0", "CANCEL sip:a@203.0.113.7?x=y SIP/2.0", "SIP/2.0 200 OK"} {
			f.Add(s.compose(start, lines...), s.compose(start, append(lines, "CSeq: 1 CANCEL")...))
		}
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		s := newStage(t, fuzzConfig, udp("192.0.2.1:5060"), udp("[2001:db8::1]:5060"))
		var forwarded []sent
		take := func(list []sent) {
			for _, x := range list {
				if len(x.Faults) > 0 {
					t.Errorf("%q left as\n%q", x.Faults, x.Wire)
				}
				if a := x.hop.Remote.Addr(); x.IsRequest() && (a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() || a.IsPrivate()) {
					t.Errorf("a request went to %s", a)
				}
				if x.IsRequest() {
					forwarded = append(forwarded, x)
				}
			}
		}
		take(s.receive(aliceAt, first))
		take(s.receive(aliceAt, second))
		take(s.receiveOn(1, "[2001:db8::5]:5060", second))
		for _, x := range forwarded {
			take(s.receive(x.hop.Remote.String(), answer(x, "180 Ringing")))
			take(s.receive(x.hop.Remote.String(), answer(x, "302 Moved", "Contact: <sip:user@203.0.113.7>, <sip:[::1]>;q=0.1")))
			if len(forwarded) > 100 {
				t.Fatal("requests beget requests")
			}
		}
		for range 12 {
			s.now = s.now.Add(time.Minute)
			for range 2000 {
				next, armed := s.core.Next()
				if !armed || next > s.now {
					break
				}
				s.fx.Reset()
				s.Expire(s.now, &s.fx)
				take(s.sends())
			}
		}
		if !s.Idle() {
			t.Error("something is left")
		}
	})
}

// Whatever a stranger writes for credentials, in whichever field: it is refused
// without a trace, and nothing reaches the next hop nor the bindings.
func FuzzStrangers(f *testing.F) {
	for _, text := range []string{
		`Digest username="alice", realm="example.org", nonce="%s", uri="sip:bob@example.org", algorithm=MD5, qop=auth, nc=00000001, cnonce="abc", response="00112233445566778899aabbccddeeff"`,
		`Digest username*=UTF-8''alice, realm="exam\ple.org", nonce=%s, uri=sip:example.org, algorithm="SHA-256", qop="auth", nc=FFFFFFFF, cnonce=a, response=00`,
		`Digest realm="example.org", Digest realm="example.org"`, `Basic YWxpY2U6c2VjcmV0`, "", "Digest",
	} {
		f.Add(text, text)
	}
	g := newGate(f, registering)
	g.snap.Directory = location.New(location.Config{
		Now: func() clock.Instant { return g.now }, Wall: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}, nil)
	f.Fuzz(func(t *testing.T, first, second string) {
		g.t = t
		g.now = g.now.Add(time.Minute)
		nonce := md5Challenge.FindStringSubmatch(g.refused(g.call(), 407).Wire)[2]
		lines := []string{atAlice, "To: <sip:alice@example.org>", fromAlice}
		for name, value := range map[string]string{"Proxy-Authorization": first, "Authorization": second} {
			if strings.ContainsAny(value, "\r\n\x00") {
				return
			}
			lines = append(lines, name+": "+strings.ReplaceAll(value, "%s", nonce))
		}
		for _, start := range []string{"INVITE sip:bob@example.org SIP/2.0", "REGISTER sip:example.org SIP/2.0", "ACK sip:bob@example.org SIP/2.0"} {
			for _, x := range g.receive(aliceAt, g.compose(start, lines...)) {
				if x.IsRequest() || x.Status < 400 || x.Status >= 500 && x.Status != 503 && x.Status != 513 {
					t.Fatalf("%s drew %s to %s:\n%s", start, what(x), x.hop.Remote, x.Wire)
				}
			}
		}
		if !g.core.Idle() || g.snap.Directory.Stats().Bindings != 0 {
			t.Fatalf("left: %+v", g.core.Stats())
		}
	})
}
