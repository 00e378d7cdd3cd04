package proxy_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// oddRequest has what a proxy must pass on untouched. ${mf} and ${via} are what
// it changes.
const oddRequest = "FOO sip:b%20ob;x=1:p%40w@203.0.113.7;user=phone;a=%41;lr2 SIP/2.0\r\n" +
	"X-First:  spaces  kept \r\n" +
	"${via}" +
	"f : \"A, \\\"<sip:x@y>\\\" \xd0\xa5\"\r\n\t<sip:alice@example.net>\r\n ;  tag =  a\r\n" +
	"mAx-FoRwArDs :\r\n  ${mf}\r\n" +
	"t:sip:bob@example.org;x=y\r\n" +
	"i:  odd@call \r\n" +
	"CSeq : 0007\r\n FOO\r\n" +
	"k: a,b\r\n" +
	"Supported: c\r\n" +
	"m: <sip:alice@198.51.100.5;ob;gr=1?h=2>;+sip.instance=\"<urn:uuid:1>\"\r\n" +
	"Request-Disposition: no-fork\r\n" +
	"Accept-Contact: *;audio\r\n" +
	"Reject-Contact: *;video\r\n" +
	"Proxy-Authorization: Digest realm=\"other\", nonce=\"1,2\"\r\n" +
	"Proxy-Authorization: Basic x\r\n" +
	"Authorization: Digest realm=\"uas\"\r\n" +
	"Require: none-such\r\n" +
	"Viability: no\r\n" +
	"Identity: \"q\"\r\n" +
	"User-Agent: x (a (nested\\)) \xff\xfe)\r\n" +
	"Subject: (\r\n" +
	"x-FIRST: again, and \"again\r\n" +
	"Content-Type: text/plain\r\n" +
	"l : 12\r\n" +
	"X-Empty:\r\n" +
	"X-Last: \x01\r\n" +
	"\r\n" +
	"\x00\xff\r\n\r\nbody\r\n"

// Nothing changes but Via, Max-Forwards, Max-Breadth, Record-Route.
// Proves: FW-1, FW-3, FW-5, FW-6, FW-14, FW-20, TG-11, UR-5, UR-6, UR-12, SX-7, SX-8, SX-9, SX-11, SX-12, SX-16, SX-19, SX-20, SX-24, SX-26, SX-27
func TestRequestIsRelayedFaithfully(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = request_uri }`)
	fill := func(mf, via string) string {
		return strings.NewReplacer("${mf}", mf, "${via}", via).Replace(oddRequest)
	}
	const via = "v :\tSIP / 2.0 / UDP\r\n 198.51.100.5 ; branch = z9hG4bKodd , SIP/2.0/TCP a;branch=1\r\nVIA: SIP/2.0/X [::1]:9;q=\"a,b\"\r\n"
	x := s.relayed(s.receive(aliceAt, fill("070", via)), bobAt)
	got := x.Wire
	for _, l := range x.Lines { // what was added, each once
		switch l.Key {
		case "record-route", "max-breadth":
			got = strings.Replace(got, l.Raw+"\r\n", "", 1)
		}
	}
	own := "Via: " + x.All("Via")[0] + "\r\n"
	got = strings.Replace(got, own, "", 1)
	if want := fill("69", via); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if !strings.Contains(x.Wire, own+strings.SplitAfter(via, "\r\n")[0]) {
		t.Errorf("our Via is not above the others:\n%s", x.Wire)
	}
	// A copy of it is one, to the byte; and it is not sent on again.
	s.silent(s.receive(aliceAt, fill("070", via)))
}

// A datagram longer than Content-Length says is cut; one without is its body.
// Proves: SX-13, SX-14, SX-2, SX-4
func TestFraming(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Content-Length: 5", "\n12345junk")), bobAt)
	if x.Body != "12345" || !strings.HasSuffix(x.Wire, "\r\n\r\n12345") {
		t.Errorf("body is %q", x.Body)
	}
	x = s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "no:Content-Length", "\n12345junk")), bobAt)
	if x.Body != "12345junk" {
		t.Errorf("body is %q", x.Body)
	}
	x = s.relayed(s.receive(aliceAt, "\r\n\r\n"+s.compose("INVITE sip:bob@203.0.113.7 sip/2.0")), bobAt)
	if !strings.HasPrefix(x.Wire, "INVITE sip:bob@203.0.113.7 SIP/2.0\r\n") {
		t.Errorf("got %q", x.Wire[:40])
	}
	whole := s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0")
	for _, y := range s.receive(aliceAt, whole[:len(whole)-2]) {
		if y.IsRequest() {
			t.Error("a message without its last line is relayed")
		}
	}
}

// Max-Forwards falls by one, by all spellings.
// Proves: FW-3, FW-4
func TestMaxForwards(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	for in, want := range map[string]string{"Max-Forwards: 70": "69", "Max-Forwards: 1": "0", "Max-Forwards: 255": "254", "max-forwards:\r\n 007": "6", "no:Max-Forwards": "70"} {
		lines := []string{in}
		if in[0] == 'm' {
			lines = append(lines, "no:Max-Forwards")
		}
		for _, method := range []string{"INVITE", "ACK", "FOO"} {
			x := s.relayed(s.receive(aliceAt, s.compose(method+" sip:bob@203.0.113.7 SIP/2.0", lines...)), bobAt)
			if got := x.All("Max-Forwards"); len(got) != 1 || got[0] != want {
				t.Errorf("%s %q became %q", method, in, got)
			}
		}
	}
}

// Each branch is built from the request as it came, with a branch of its own,
// and is sent again on its own.
// Proves: FW-8, FW-10, FW-12, TG-3, TG-4, TG-5, TG-8
func TestBranches(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
server { domains = ["example.org"] }
group "phones" {
  target "sip:a@203.0.113.7;x=1" {}
  target "sip:203.0.113.8;lr" {}
  target "sip:later@203.0.113.9" { q = 0.5 }
}
rule "all" { send = [group.phones, "sip:a@203.0.113.7;X=1", "sip:A@203.0.113.7"] }
`)
	got := s.receive(aliceAt, s.compose("INVITE sip:bob@example.org;y=z SIP/2.0", "Route: <sip:192.0.2.1;lr>"))
	var uris, branches []string
	for _, x := range got {
		uris = append(uris, x.URI)
		if slices.Contains(branches, x.Branch()) || x.Has("Route") || x.MaxForwards() != 69 || len(x.All("Record-Route")) != 1 || len(x.All("Via")) != 2 {
			t.Errorf("got %s", x.Wire)
		}
		branches = append(branches, x.Branch())
	}
	// User parts differ by case (§19.1.4), parameters do not.
	if want := []string{"sip:a@203.0.113.7;x=1", "sip:bob@203.0.113.8;lr", "sip:A@203.0.113.7"}; !slices.Equal(uris, want) {
		t.Fatalf("called %q, want %q", uris, want)
	}
	copies := map[string]int{}
	for _, x := range s.pass(700 * time.Millisecond) {
		if x.Method == "INVITE" {
			copies[x.Branch()]++
		}
	}
	for _, b := range branches {
		if copies[b] != 1 {
			t.Errorf("%d copies of %s after T1", copies[b], b)
		}
	}
	// The next group comes when all of the first have failed.
	var later []sent
	for i, x := range got {
		for _, y := range s.receive(x.hop.Remote.String(), answer(x, "480 Temporarily Unavailable")) {
			if y.Method == "INVITE" {
				later = append(later, y)
				if i < 2 {
					t.Error("the second group was called too early")
				}
			}
		}
	}
	if x := s.one(later); x.URI != "sip:later@203.0.113.9" {
		t.Errorf("then %s was called", x.URI)
	}
}

// Proves: FW-21
func TestAckOfSuccess(t *testing.T) {
	t.Parallel()
	s := newStage(t, tightConfig)
	c := s.establish(aliceAt, bobAt, "sip:bob@example.org")
	ack := c.ack(s)
	first := s.relayed(s.receive(aliceAt, ack), bobAt)
	again := s.relayed(s.receive(aliceAt, ack), bobAt)
	if first.Wire != again.Wire || first.Branch() == c.invite.Branch() || first.MaxForwards() != 69 {
		t.Errorf("got\n%s\nand\n%s", first.Wire, again.Wire)
	}
	if other := s.relayed(s.receive(aliceAt, c.ack(s)), bobAt); other.Branch() == first.Branch() {
		t.Error("another ACK has the same branch")
	}
	s.silent(s.pass(10 * time.Second)) // nothing is sent again, nothing is answered
	// Without our cookie it goes as its INVITE would, when the rules still send that.
	s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", "To: <sip:bob@example.org>;tag=b")))
	s.silent(s.receive(aliceAt, s.compose("ACK sip:bob@example.org SIP/2.0", "To: <sip:bob@example.org>;tag=b")))
	open := newStage(t, openConfig)
	open.relayed(open.receive(aliceAt, open.compose("ACK sip:bob@example.org SIP/2.0", "To: <sip:bob@example.org>;tag=b")), bobAt)
}
