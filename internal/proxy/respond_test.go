package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/siptest"
)

// What every response of our own has: RFC 3261 §8.2.6.2.
// Proves: RE-1, RE-2, RE-7
func TestOwnResponses(t *testing.T) {
	t.Parallel()
	vias := []string{
		"Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bK-x;rport, SIP/2.0/TCP a.example.net;branch=z9hG4bK-y;odd",
		"v: SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bK-z",
	}
	for _, c := range []struct {
		name   string
		status int
		start  string
		line   string
	}{
		{"not found", 404, "INVITE sip:nobody@example.org SIP/2.0", "Subject: x"},
		{"too many hops", 483, "INVITE sip:bob@203.0.113.7 SIP/2.0", "Max-Forwards: 0"},
		{"bad extension", 420, "INVITE sip:bob@203.0.113.7 SIP/2.0", "Proxy-Require: x"},
		{"malformed", 400, "INVITE sip:bob@203.0.113.7 SIP/2.0", "Route: <nothing"},
		{"not allowed", 403, "INVITE sip:bob@203.0.113.9 SIP/2.0", "Subject: x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "rule \"bob\" {\n when = dest.domain == \"203.0.113.7\"\n send = request_uri\n}")
			lines := append([]string{"Record-Route: <sip:203.0.113.99;lr>", "Contact: <sip:alice@198.51.100.5>", c.line}, vias...)
			in := s.compose(c.start, lines...)
			x := s.refused(s.receive("198.51.100.9:4567", in), c.status)
			copied(t, siptest.ReadMessage([]byte(in)), x)
			got := x.All("Via")
			if len(got) != 3 || !strings.Contains(got[0], ";received=198.51.100.9") || !strings.Contains(got[0], ";rport=4567") {
				t.Errorf("Vias are %q", got)
			}
			if got[1] != "SIP/2.0/TCP a.example.net;branch=z9hG4bK-y;odd" || got[2] != "SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bK-z" {
				t.Errorf("Vias below are %q", got[1:])
			}
			if x.Tag("To") == "" {
				t.Errorf("To is %q", x.Get("To"))
			}
			if x.Has("Contact") || x.Has("Record-Route") {
				t.Errorf("Contact or Record-Route in\n%s", x.Wire)
			}
			// A To tag that is there stays.
			x = s.refused(s.receive(aliceAt, s.compose(c.start, "To: <sip:bob@example.org>;tag=mine", c.line)), c.status)
			if x.Get("To") != "<sip:bob@example.org>;tag=mine" {
				t.Errorf("To is %q", x.Get("To"))
			}
		})
	}
}

// A 100 has no To tag and copies Timestamp; nothing else provisional is our own.
// Proves: RE-2, RE-4, RE-11
func TestOwnTrying(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Timestamp: 54")), bobAt)
	var own []sent
	for _, x := range s.pass(time.Second) {
		if !x.IsRequest() {
			own = append(own, x)
		}
	}
	x := s.refused(own, 100)
	if x.Tag("To") != "" || !strings.HasPrefix(x.Get("Timestamp"), "54") {
		t.Errorf("got %s", x.Wire)
	}
}

// A copy that is answered without a transaction gets the same tag, and tags of
// different requests differ.
// Proves: RE-3, RE-9
func TestOwnTags(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	in := s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Route: <nothing")
	first, again := s.refused(s.receive(aliceAt, in), 400), s.refused(s.receive(aliceAt, in), 400)
	if first.Wire != again.Wire {
		t.Errorf("a copy is answered\n%s\nafter\n%s", again.Wire, first.Wire)
	}
	tags := map[string]bool{}
	for range 100 {
		tag := s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Route: <nothing")), 400).Tag("To")
		if tags[tag] || len(tag) < 6 { // 6 characters are 36 bits
			t.Fatalf("tag %q is short or was given before", tag)
		}
		tags[tag] = true
	}
	// Another secret gives another tag: it cannot be computed outside.
	other := newStage(t, openConfig)
	keys := *other.snap
	keys.Keys = keysOf(t, "another secret of the test bench")
	other.snap = &keys
	if x := other.refused(other.receive(aliceAt, in), 400); x.Tag("To") == first.Tag("To") {
		t.Error("the tag does not depend on the secret")
	}
}

// What was answered statelessly is never sent again by itself, and the ACK of it
// goes nowhere, even where rules would relay one.
// Proves: RE-10, VL-12
func TestStatelessAnswerIsForgotten(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	via := "Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKbad"
	x := s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", via, "Proxy-Require: p", "Max-Forwards: x")), 400)
	s.silent(s.pass(40 * time.Second))
	to := "To: " + x.Get("To")
	s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", via, to)))
	if !s.Idle() {
		t.Error("something is kept")
	}
	// An ACK of somebody else's 2xx is relayed.
	s.relayed(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", "To: <sip:bob@example.org>;tag=b")), bobAt)
}

// Proves: RE-8
func TestServerHeader(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	if x := s.refused(s.receive(aliceAt, s.compose("OPTIONS sip:192.0.2.1 SIP/2.0")), 200); x.Has("Server") {
		t.Errorf("Server: %q without being told", x.Get("Server"))
	}
	s = newStage(t, strings.Replace(openConfig, "server {", "server {\n  server_header = \"Test/1\"", 1))
	if x := s.refused(s.receive(aliceAt, s.compose("OPTIONS sip:192.0.2.1 SIP/2.0")), 200); x.Get("Server") != "Test/1" {
		t.Errorf("Server: %q", x.Get("Server"))
	}
}

// safety.md rule 17: new dialogs are refused; dialogs go on.
// Proves: RE-6
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	c := s.establish(aliceAt, bobAt, "sip:bob@203.0.113.7")
	s.core.Drain(true)
	x := s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Call-ID: 2")), 503)
	if !x.Has("Retry-After") {
		t.Error("no Retry-After")
	}
	if x = s.refused(s.receive(aliceAt, s.compose("OPTIONS sip:192.0.2.1 SIP/2.0")), 503); !x.Has("Retry-After") {
		t.Error("no Retry-After")
	}
	s.relayed(s.receive(aliceAt, c.ack(s)), bobAt)
	s.relayed(s.receive(aliceAt, c.within(s, "BYE")), bobAt)
	// A target of our own domain is found by the rules, the dialog is the same.
	s.relayed(s.receive(aliceAt, c.to(s, "BYE", "sip:bob@example.org")), bobAt)
	s.core.Drain(false)
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Call-ID: 3")), bobAt)
}

// safety.md rule 8: at the bound of transactions a request is refused
// statelessly, and a CANCEL is still served.
// Proves: RE-6
func TestFull(t *testing.T) {
	t.Parallel()
	s := newStageOf(t, openConfig, 4)
	via := "Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKfirst"
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", via)), bobAt)
	s.receive(bobAt, answer(x, "180 Ringing"))
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Call-ID: 2")), bobAt)
	in := s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Call-ID: 3")
	y := s.refused(s.receive(aliceAt, in), 503)
	if !y.Has("Retry-After") {
		t.Error("no Retry-After")
	}
	s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", "Call-ID: 3", "Via: "+y.Get("Via"), "To: "+y.Get("To"))))
	got := s.receive(aliceAt, s.compose("CANCEL sip:bob@203.0.113.7 SIP/2.0", via))
	if len(got) != 2 || got[0].Status != 200 || got[1].Method != "CANCEL" {
		t.Fatalf("got %d messages for a CANCEL, want a 200 and a CANCEL", len(got))
	}
	s.pass(11 * time.Minute)
	if !s.Idle() {
		t.Error("something is left")
	}
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Call-ID: 4")), bobAt)
}

// Requests that waited for a name may find the table full of others: §16.7 step 6
// lets a 503 through where every further request would get it.
// Proves: RE-6, BR-5
func TestFullAfterAWait(t *testing.T) {
	t.Parallel()
	s := newStageOf(t, `rule "all" { send = "sip:bob@bob.example.com" }`, 4)
	s.snap.Known = names{}
	var asks []effect.Ask
	for i := range 3 {
		s.call = fmt.Sprint(i)
		s.refused(s.receive(aliceAt, s.invite("bob")), 100)
		asks = append(asks, s.asked())
	}
	s.relayed(s.resolved(asks[0], hopsOf(bobAt), nil), bobAt)
	if x := s.refused(s.resolved(asks[1], hopsOf(bobAt), nil), 503); !x.Has("Retry-After") {
		t.Error("no Retry-After")
	}
	s.relayed(s.resolved(asks[2], hopsOf(bobAt), nil), bobAt) // the 503 has made room
}

// A rule may build the Contact of its 3xx of what the message says: what is no URI
// then is left out.
func TestRedirectionToNoURI(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
rule "both" {
  when     = dest.user == "both"
  redirect = ["sip:${from.user}@203.0.113.8", "tel:${from.user}"]
}
rule "tel" { redirect = "tel:${from.user}" }
`)
	for i, c := range []struct {
		user, from string
		status     int
		want       []string
	}{
		{"both", "sip:alice@example.org", 302, []string{"<sip:alice@203.0.113.8>", "<tel:alice>"}},
		{"both", "sip:example.org", 302, []string{"<sip:203.0.113.8>"}},
		{"tel", "sip:example.org", 404, nil},
	} {
		s.call = fmt.Sprint(i)
		x := s.refused(s.receive(aliceAt, s.compose("INVITE sip:"+c.user+"@example.org SIP/2.0", "From: <"+c.from+">;tag=a")), c.status)
		if got := x.All("Contact"); !slices.Equal(got, c.want) {
			t.Errorf("%s from %s: Contact is %q, want %q", c.user, c.from, got, c.want)
		}
	}
}
