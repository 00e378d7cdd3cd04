package proxy_test

import (
	"strings"
	"testing"
	"time"
)

// openConfig relays whatever it gets; calls to example.org go to bob.
const openConfig = `
server {
  domains = ["example.org"]
  trust   = network.trusted
}
network "trusted" { cidrs = ["198.51.100.200/32"] }
rule "ours" {
  when = dest.domain == "example.org"
  send = "sip:203.0.113.7"
}
rule "others" {
  send = request_uri
}
`

// trustedAt may pre-load a Route in openConfig.
const trustedAt = "198.51.100.200:5060"

// The checks are the same in both modes.
// Proves: VL-1, VL-2, VL-3, VL-4, VL-5, VL-8, VL-9, VL-15, VL-18, SX-5, SX-20, SX-21, SX-28, UR-5, UR-10, UR-11, UR-16, FW-20
func TestValidation(t *testing.T) {
	t.Parallel()
	const to = "INVITE sip:bob@203.0.113.7 SIP/2.0"
	cases := []struct {
		name   string
		status int // 0: relayed
		start  string
		lines  []string
	}{
		{"a sound request", 0, to, nil},
		{"no To", 400, to, []string{"no:To"}},
		{"no From", 400, to, []string{"no:From"}},
		{"no Call-ID", 400, to, []string{"no:Call-ID"}},
		{"no CSeq", 400, to, []string{"no:CSeq"}},
		{"no Max-Forwards", 0, to, []string{"no:Max-Forwards"}},
		{"a To that does not parse", 400, to, []string{"To: <sip:bob@example.org"}},
		{"a lower Via that does not parse", 400, to, []string{"Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKx, SIP/2.0/UDP"}},
		{"CSeq of another method", 400, to, []string{"CSeq: 1 OPTIONS"}},
		{"CSeq of another unknown method", 501, "FOO sip:bob@203.0.113.7 SIP/2.0", []string{"CSeq: 1 BAR"}},
		{"CSeq out of range", 400, to, []string{"CSeq: 4294967296 INVITE"}},
		{"an unknown method", 0, "FOO sip:bob@203.0.113.7 SIP/2.0", nil},
		{"a method in small letters", 0, "invite sip:bob@203.0.113.7 SIP/2.0", nil},
		{"a method of strange letters", 0, "!interesting-Method0123456789_*+`.%indeed'~ sip:bob@203.0.113.7 SIP/2.0", nil},
		{"Max-Forwards of letters", 400, to, []string{"Max-Forwards: abc"}},
		{"Max-Forwards with a sign", 400, to, []string{"Max-Forwards: -1"}},
		{"Max-Forwards beyond 255", 400, to, []string{"Max-Forwards: 256"}},
		{"Max-Forwards twice", 400, to, []string{"Max-Forwards: 7", "Max-Forwards: 8"}},
		{"Max-Forwards used up", 483, to, []string{"Max-Forwards: 0"}},
		{"Max-Forwards used up, with zeros", 483, to, []string{"Max-Forwards: 000"}},
		{"Max-Forwards of one", 0, to, []string{"Max-Forwards: 1"}},
		{"an unknown scheme", 416, "INVITE nosuch:bob SIP/2.0", nil},
		{"tel", 416, "INVITE tel:+31201234567 SIP/2.0", nil},
		{"sips, where nothing is secure", 416, "INVITE sips:bob@203.0.113.7 SIP/2.0", nil},
		{"two @", 400, "INVITE sip:a@b@203.0.113.7 SIP/2.0", nil},
		{"an empty user", 400, "INVITE sip:@203.0.113.7 SIP/2.0", nil},
		{"a broken address", 400, "INVITE sip:bob@444.555.666.777 SIP/2.0", nil},
		{"a port out of range", 400, "INVITE sip:bob@203.0.113.7:99999 SIP/2.0", nil},
		{"semicolons in the user", 0, "INVITE sip:user;par=u%40x@203.0.113.7 SIP/2.0", nil},
		{"damage that is no proxy's business", 0, to, []string{"Date: yesterday", "Contact: <<>>", "Expires: never", "Subject: ("}},
		{"header fields of responses", 0, to, []string{"Unsupported: x", "WWW-Authenticate: y"}},
		{"unknown everything", 0, to, []string{"From: <xyz:a>;tag=1;u=\"v\"", "X-!%: ;;,,", "Supported: none-such"}},
		{"a REGISTER that only a registrar could take", 405, "REGISTER sip:192.0.2.1 SIP/2.0", nil},
		{"an unknown method that only the server itself could take", 501, "FOO sip:192.0.2.1 SIP/2.0", nil},
		{"a REGISTER for others", 0, "REGISTER sip:203.0.113.7 SIP/2.0", nil},
	}
	// 405 needs a place without the rule for others.
	closed := strings.Replace(openConfig, "  send = request_uri", "  when = dest.domain == \"203.0.113.7\"\n  send = request_uri", 1)
	for _, c := range cases {
		for _, mode := range []string{"stateful", "stateless"} {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, inMode(mode, closed))
				got := s.receive(aliceAt, s.compose(c.start, c.lines...))
				if c.status == 0 {
					s.relayed(got, bobAt)
					return
				}
				x := s.refused(got, c.status)
				if x.hop.Remote.String() != aliceAt {
					t.Errorf("the answer went to %s", x.hop.Remote)
				}
				if allow := x.Has("Allow"); allow != (c.status == 405) {
					t.Errorf("Allow is there: %v", allow)
				}
			})
		}
	}
}

// An unknown method is no INVITE: no 100, and copies until timer F.
// Proves: SX-5, FW-20
func TestUnknownMethodIsNonInvite(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	x := s.relayed(s.receive(aliceAt, s.compose("invite sip:bob@203.0.113.7 SIP/2.0")), bobAt)
	s.silent(s.receive(bobAt, answer(x, "180 Ringing"))) // RFC 4320 §4.1
	for _, y := range s.pass(3 * time.Second) {
		if y.Wire != x.Wire {
			t.Errorf("got %s", y.Wire)
		}
	}
}

// The answer to OPTIONS for the proxy itself.
// Proves: VL-6, VL-7
func TestOptions(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, start string
		lines       []string
		relayed     bool
	}{
		{"by address", "OPTIONS sip:192.0.2.1 SIP/2.0", nil, false},
		{"by address and port", "OPTIONS sip:192.0.2.1:5060;transport=udp SIP/2.0", nil, false},
		{"by domain", "OPTIONS sip:EXAMPLE.org SIP/2.0", nil, false},
		{"by its own Route", "OPTIONS sip:192.0.2.1 SIP/2.0", []string{"Route: <sip:192.0.2.1;lr>"}, false},
		{"at the last hop", "OPTIONS sip:bob@203.0.113.7 SIP/2.0", []string{"Max-Forwards: 0"}, false},
		{"of a user", "OPTIONS sip:bob@example.org SIP/2.0", nil, true},
		{"of another server", "OPTIONS sip:203.0.113.7 SIP/2.0", nil, true},
		{"of another port here", "OPTIONS sip:192.0.2.1:5070 SIP/2.0", nil, true},
		{"of somebody else by maddr", "OPTIONS sip:192.0.2.1;maddr=203.0.113.7 SIP/2.0", nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, openConfig)
			got := s.receive(aliceAt, s.compose(c.start, c.lines...))
			if c.relayed {
				if x := s.one(got); !x.IsRequest() {
					t.Errorf("got %d, want it relayed", x.Status)
				}
				return
			}
			x := s.refused(got, 200)
			again := strings.Replace(s.compose(c.start, append(c.lines, "Require: x, y", "Require: 100rel", "Call-ID: 2")...), "branch=", "branch=z9hG4bK2", 1)
			if y := s.refused(s.receive(aliceAt, again), 420); strings.Join(y.All("Unsupported"), ", ") != "x, y, 100rel" { // §8.2.2.3: it is the UAS
				t.Errorf("Unsupported: %q", y.All("Unsupported"))
			}
			for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Supported"} {
				if len(x.All(name)) == 0 && !strings.Contains(x.Wire, "\r\n"+name+":") {
					t.Errorf("no %s in\n%s", name, x.Wire)
				}
			}
			if x.Has("Allow") || x.Body != "" {
				t.Errorf("Allow or a body in\n%s", x.Wire)
			}
		})
	}
}

// Nothing answers an ACK, whatever is wrong with it.
// Proves: VL-12
func TestNothingAnswersAck(t *testing.T) {
	t.Parallel()
	for _, lines := range [][]string{
		{"Max-Forwards: 0"},
		{"Max-Forwards: abc"},
		{"no:To"},
		{"CSeq: 1 INVITE"},
		{"Max-Breadth: 0"},
		{"Content-Length: 7"},
		{"Route: <sip:203.0.113.99;lr>"},
		{"Route: bad"},
	} {
		s := newStage(t, openConfig)
		s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", lines...)))
	}
	s := newStage(t, openConfig)
	s.silent(s.receive(aliceAt, s.compose("ACK nosuch:bob SIP/2.0")))
	s.silent(s.receive(aliceAt, s.compose("ACK  sip:bob@203.0.113.7 SIP/2.0")))
	// Proxy-Require asks for nothing here: it goes on.
	s.relayed(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", "Proxy-Require: x", "To: <sip:bob@example.org>;tag=b")), bobAt)
}

// Proxy-Require is ignored in a CANCEL.
// Proves: VL-13
func TestCancelRequiresNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	via := "Via: SIP/2.0/UDP 198.51.100.5;branch=z9hG4bKcc"
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", via)), bobAt)
	s.receive(bobAt, answer(x, "180 Ringing"))
	got := s.receive(aliceAt, s.compose("CANCEL sip:bob@203.0.113.7 SIP/2.0", via, "Proxy-Require: x", "Require: y"))
	if len(got) != 2 || got[0].Status != 200 || got[1].Method != "CANCEL" {
		t.Fatalf("got %d messages, want a 200 and a CANCEL", len(got))
	}
	if got[1].Has("Proxy-Require") || got[1].Has("Require") {
		t.Errorf("the CANCEL downstream has them too:\n%s", got[1].Wire)
	}
}

// Proves: VL-17
func TestMergedRequestIsRelayed(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0")), bobAt)
	y := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0")), bobAt)
	if x.Branch() == y.Branch() {
		t.Error("both have one branch")
	}
}

// The order of §16.3: what is wrong first decides.
// Proves: VL-3, VL-5, VL-10
func TestValidationOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	s.refused(s.receive(aliceAt, s.compose("INVITE nosuch:bob SIP/2.0", "Max-Forwards: 0", "Proxy-Require: x")), 416)
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Max-Forwards: 0", "Proxy-Require: x")), 483)
	s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Route: <sip:203.0.113.9;lr>", "Proxy-Require: x")), 420)
}

// Proves: SX-18, VL-16
func TestSizes(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	long := "X-Long: " + strings.Repeat("x", 8<<10)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", long)), bobAt)
	if len(x.Get("X-Long")) != 8<<10 {
		t.Error("the line was cut")
	}
	got := s.one(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "X-Long: "+strings.Repeat("x", 40<<10))))
	if got.Status != 413 && got.Status != 513 && got.Status != 400 {
		t.Errorf("got %d", got.Status)
	}
}

// Call-IDs differ by case, branches do not.
// Proves: SX-29
func TestCase(t *testing.T) {
	t.Parallel()
	s := newStage(t, tightConfig)
	via := func(branch string) string { return "Via: SIP/2.0/udp 198.51.100.5;BRANCH=" + branch }
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0", via("z9hG4bKaBc"))), bobAt)
	s.pass(time.Second)
	for _, x := range s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0", via("Z9HG4BKAbC"))) {
		if x.IsRequest() {
			t.Error("a branch in other case makes a second transaction")
		}
	}
	c := s.establish(aliceAt, bobAt, "sip:bob@example.org")
	s.relayed(s.receive(aliceAt, c.within(s, "INFO")), bobAt)
	c.callID = strings.ToUpper(c.callID) // so the cookie is another call's
	s.refused(s.receive(aliceAt, c.within(s, "INFO")), 403)
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@EXAMPLE.ORG;TRANSPORT=UDP SIP/2.0", "Route: <SIP:192.0.2.1;LR;Transport=udp>")), bobAt)
}
