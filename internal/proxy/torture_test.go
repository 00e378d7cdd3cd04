package proxy_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"viaduct/internal/siptest"
)

// tortureConfig serves example.com. Users that the messages name are rules, and
// their contact is the actor at bobAt; others' domains are reached over it too.
const tortureConfig = `
server {
  domains = ["example.com"]
  trust   = network.senders
}
network "senders" { cidrs = ["198.51.100.0/24"] }
destinations { allow = ["127.0.0.0/8"] }

rule "users" {
  when = dest.domain == "example.com" && one_of(dest.user, "user", "UserB", "j.user", "joe", "remote-target", "other")
  send = "sip:203.0.113.7"
}
rule "elsewhere" {
  when = one_of(dest.domain, "example.net", "registrar.example.com", "company.com", "example.org", "[2001:db8::10]", "[2001:db8::192.0.2.1]", "host.example.net")
  send = "sip:203.0.113.7"
}
`

func readTorture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../sip/testdata/" + name + ".sip")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tortured are the messages that are answered, and the answer; 0 for what is
// relayed to bobAt, -1 for what is dropped.
var tortured = []struct {
	name   string
	status int
}{
	{"rfc4475/intmeth", 404},
	{"rfc4475/esc01", 0},
	{"rfc4475/esc02", 0},
	{"rfc4475/lwsdisp", 0},
	{"rfc4475/longreq", 0},
	{"rfc4475/semiuri", 404},
	{"rfc4475/transports", 0},
	{"rfc4475/unreason", -1},
	{"rfc4475/noreason", -1},
	{"rfc4475/badinv01", 400},
	{"rfc4475/clerr", 400},
	{"rfc4475/ncl", 400},
	{"rfc4475/scalar02", 400},
	{"rfc4475/scalarlg", -1},
	{"rfc4475/quotbal", 400},
	{"rfc4475/ltgtruri", 400},
	{"rfc4475/lwsruri", 400},
	{"rfc4475/lwsstart", 400},
	{"rfc4475/trws", 400},
	{"rfc4475/escruri", 0},
	{"rfc4475/baddate", 0},
	{"rfc4475/badaspec", 400},
	{"rfc4475/baddn", 400},
	{"rfc4475/badvers", 505},
	{"rfc4475/mismatch01", 400},
	{"rfc4475/mismatch02", 501},
	{"rfc4475/bigcode", -1},
	{"rfc4475/badbranch", 0},
	{"rfc4475/insuf", 400},
	{"rfc4475/unkscm", 416},
	{"rfc4475/novelsc", 416},
	{"rfc4475/bext01", 420},
	{"rfc4475/invut", 0},
	{"rfc4475/multi01", 400},
	{"rfc4475/mcl01", 400},
	{"rfc4475/bcast", -1},
	{"rfc4475/sdp01", 0},
	{"rfc4475/inv2543", 0},
	{"rfc5118/ipv6-bad", 400},
	{"rfc5118/ipv6-in-sdp", 0},
	{"rfc5118/mult-ip-in-header", 0},
	{"rfc5118/mult-ip-in-sdp", 0},
	{"rfc5118/ipv4-mapped-ipv6", 0},
	{"rfc5118/ipv6-bug-abnf-3-colons", 0},
	{"rfc5118/ipv6-correct-abnf-2-colons", 0},
	// For a registrar, which this is not: 405, not 400, since the messages are sound (VL-15).
	{"rfc4475/escnull", 405},
	{"rfc4475/unksm2", 405},
	{"rfc4475/regbadct", 405},
	{"rfc4475/dblreq", 405},
	{"rfc4475/regaut01", 405},
	{"rfc4475/cparam01", 405},
	{"rfc4475/cparam02", 405},
	{"rfc4475/regescrt", 405},
	{"rfc5118/ipv6-good", 0},
	{"rfc5118/port-ambiguous", 403},
	{"rfc5118/port-unambiguous", 0},
	{"rfc5118/via-received-param-no-delim", 0},
	{"rfc5118/via-received-param-with-delim", 0},
}

// Proves: TO-2, TO-3, TO-5, TO-6, TO-7, TO-9, TO-14, TO-17, TO-18, TO-19, TO-20, TO-21, TO-22, TO-23, TO-25, TO-27, TO-28, TO-29, TO-30, TO-31, TO-32, TO-34, TO-35, TO-36, TO-39, TO-41, TO-48, SX-3, SX-15, SX-22, SX-30
func TestTorturedProxy(t *testing.T) {
	t.Parallel()
	for _, c := range tortured {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, tortureConfig, udp("192.0.2.200:5060"), udp("[2001:db8::99]:5060"))
			wire := readTorture(t, c.name)
			got := s.receive(aliceAt, wire)
			switch {
			case c.status < 0:
				s.silent(got)
			case c.status == 0:
				x := s.relayed(got, bobAt)
				sameButEdits(t, siptest.ReadMessage([]byte(wire)), x)
			default:
				x := s.refused(got, c.status)
				copied(t, siptest.ReadMessage([]byte(wire)), x)
			}
			// It keeps serving.
			s.relayed(s.receive(aliceAt, s.compose("INVITE sip:user@example.com SIP/2.0", "Call-ID: after")), bobAt)
		})
	}
}

// sameButEdits holds a relayed request against what was received: every line
// that a proxy may not edit is there as it was, in order, and so is the body.
func sameButEdits(t *testing.T, in *siptest.Message, out sent) {
	t.Helper()
	rows := func(m *siptest.Message) (list []string) {
		for _, l := range m.Lines {
			switch l.Key {
			case "via", "max-forwards", "max-breadth", "record-route", "route":
			default:
				list = append(list, l.Raw)
			}
		}
		return list
	}
	if a, b := strings.Join(rows(in), "\n"), strings.Join(rows(out.Message), "\n"); a != b {
		t.Errorf("lines were\n%s\nand are\n%s", a, b)
	}
	if in.Body != out.Body {
		t.Errorf("the body of %d bytes has become one of %d", len(in.Body), len(out.Body))
	}
	if in.Method != out.Method {
		t.Errorf("method %q became %q", in.Method, out.Method)
	}
	a, b := in.All("Via"), out.All("Via")
	if len(b) != len(a)+1 {
		t.Fatalf("%d Via values have become %d", len(a), len(b))
	}
	for i := 1; i < len(a); i++ { // the top one is stamped
		if a[i] != b[i+1] {
			t.Errorf("Via %q became %q", a[i], b[i+1])
		}
	}
}

// copied wants of an answer what RFC 3261 §8.2.6.2 wants, as far as the request
// had it.
func copied(t *testing.T, in *siptest.Message, out sent) {
	t.Helper()
	if len(out.Faults) > 0 {
		t.Errorf("the answer is not well-formed: %q", out.Faults)
	}
	for _, name := range []string{"From", "Call-ID", "CSeq"} {
		if in.Has(name) && in.Get(name) != out.Get(name) {
			t.Errorf("%s was %q and is %q", name, in.Get(name), out.Get(name))
		}
	}
	if in.Has("To") && !strings.HasPrefix(out.Get("To"), in.Get("To")) {
		t.Errorf("To was %q and is %q", in.Get("To"), out.Get("To"))
	}
	if a, b := in.All("Via"), out.All("Via"); len(a) != len(b) {
		t.Errorf("Vias were %q and are %q", a, b)
	}
}

// Proves: TO-1, RT-14
func TestTortureWhitespace(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	// Only the host of the Route is another: nobody resolves names here.
	wire := strings.Replace(readTorture(t, "rfc4475/wsinv"), "services.example.com", "203.0.113.7", 1)
	in := siptest.ReadMessage([]byte(wire))
	x := s.relayed(s.receive(aliceAt, wire), bobAt)
	sameButEdits(t, in, x)
	if x.URI != in.URI || x.MaxForwards() != 67 || len(x.Body) != 150 {
		t.Errorf("got Request-URI %q, Max-Forwards %d, %d bytes of body", x.URI, x.MaxForwards(), len(x.Body))
	}
	if got := x.All("Route"); len(got) != 1 || got[0] != "<sip:203.0.113.7;lr;unknownwith=value;unknown-no-value>" {
		t.Errorf("Route is %q", got)
	}
}

// Proves: TO-11, RT-7
func TestTortureStrictRouter(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	wire := readTorture(t, "rfc4475/mpart01")
	x := s.relayed(s.receive(aliceAt, wire), "127.0.0.1:5080")
	sameButEdits(t, siptest.ReadMessage([]byte(wire)), x)
	if route := x.All("Route"); x.URI != "sip:127.0.0.1:5080" || len(route) != 1 || route[0] != "<sip:kumiko@example.org>" {
		t.Errorf("Request-URI is %q, Route %q", x.URI, route)
	}
	if len(x.Body) != 553 || !strings.Contains(x.Body, "\x00") {
		t.Errorf("%d bytes of body", len(x.Body))
	}
}

// Proves: TO-10
func TestTortureTransports(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	x := s.relayed(s.receive(aliceAt, readTorture(t, "rfc4475/transports")), bobAt)
	back := s.refused(s.receive(bobAt, answer(x, "200 OK")), 200)
	if back.hop.Remote.String() != aliceAt {
		t.Errorf("the response went to %s", back.hop.Remote)
	}
	var transports []string
	for _, v := range back.Vias() {
		transports = append(transports, v.Transport)
	}
	if got := strings.Join(transports, " "); got != "UDP SCTP TLS UNKNOWN TCP" {
		t.Errorf("the Vias are %s", got)
	}
}

// Proves: TO-12, TO-13, SX-6
func TestTortureReasons(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"unreason", "noreason"} {
		s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
		x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:user@example.com SIP/2.0")), bobAt)
		printed := siptest.ReadMessage([]byte(readTorture(t, "rfc4475/"+name)))
		got := s.receive(bobAt, answer(x, strings.TrimPrefix(strings.SplitN(printed.Wire, "\r\n", 2)[0], "SIP/2.0 ")))
		if name == "unreason" {
			if back := s.refused(got, 200); back.Reason != printed.Reason {
				t.Errorf("the phrase was %q and is %q", printed.Reason, back.Reason)
			}
			continue
		}
		s.silent(got)
		for _, y := range s.pass(2 * time.Second) {
			if y.Method == "INVITE" {
				t.Error("the 100 without a phrase does not stop timer A")
			}
		}
	}
}

// Proves: TO-24, UR-8, UR-6, FW-2
func TestTortureEscapedHeaders(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	x := s.relayed(s.receive(aliceAt, readTorture(t, "rfc4475/escruri")), bobAt)
	if strings.Contains(x.URI, "?") || x.Has("Route") {
		t.Errorf("Request-URI is %q, Route %q", x.URI, x.Get("Route"))
	}
	// The same where the Request-URI is not replaced by a target's.
	x = s.relayed(s.receive(aliceAt, s.compose("INVITE sip:a%20b:p@example.net;method=X;y=z?Route=%3Csip:example.com%3E SIP/2.0", "Call-ID: 2")), bobAt)
	if x.URI != "sip:a%20b:p@example.net;y=z" || x.Has("Route") {
		t.Errorf("Request-URI is %q, Route %q", x.URI, x.Get("Route"))
	}
	x = s.relayed(s.receive(aliceAt, readTorture(t, "rfc4475/esc01")), bobAt)
	if x.URI != "sip:sips%3Auser%40example.com@example.net" {
		t.Errorf("Request-URI is %q", x.URI)
	}
}

// Proves: TO-33
func TestTortureBareCookie(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	wire := readTorture(t, "rfc4475/badbranch")
	x := s.relayed(s.receive(aliceAt, wire), bobAt)
	y := s.relayed(s.receive(aliceAt, strings.Replace(wire, "badbranch.", "another.", 1)), bobAt)
	if x.Branch() == y.Branch() {
		t.Error("two transactions have one branch")
	}
	s.silent(s.receive(aliceAt, wire))
}

// Proves: TO-38, VL-10, VL-11
func TestTortureProxyRequire(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	x := s.refused(s.receive(aliceAt, readTorture(t, "rfc4475/bext01")), 420)
	if got := strings.Join(x.All("Unsupported"), " "); got != "noProxiesSupportThis norDoAnyProxiesSupportThis" {
		t.Errorf("Unsupported: %s", got)
	}
	x = s.refused(s.receive(aliceAt, s.compose("INVITE sip:user@example.com SIP/2.0", "Proxy-Require: a, b", "Proxy-Require: c", "Require: d")), 420)
	if got := strings.Join(x.All("Unsupported"), " "); got != "a b c" {
		t.Errorf("Unsupported: %s", got)
	}
	s.relayed(s.receive(aliceAt, s.compose("INVITE sip:user@example.com SIP/2.0", "Require: d", "Call-ID: 2")), bobAt)
}

// As printed the top Via is not ours; with ours on top the next one is a broadcast address.
// Proves: TO-43
func TestTortureBroadcast(t *testing.T) {
	t.Parallel()
	for _, config := range []string{tortureConfig, strings.Replace(tortureConfig, "server {", "server {\n  stray_responses = \"forward\"", 1)} {
		s := newStage(t, config, udp("192.0.2.200:5060"))
		wire := readTorture(t, "rfc4475/bcast")
		s.silent(s.receive(bobAt, wire))
		s.silent(s.receive(bobAt, strings.Replace(wire, "192.0.2.198", "192.0.2.200:5060", 1)))
	}
}

// Proves: TO-44, VL-6
func TestTortureZeroMaxForwards(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	s.refused(s.receive(aliceAt, readTorture(t, "rfc4475/zeromf")), 200)
}

// Proves: TO-49, FW-4
func TestTortureRFC2543(t *testing.T) {
	t.Parallel()
	s := newStage(t, tortureConfig, udp("192.0.2.200:5060"))
	wire := readTorture(t, "rfc4475/inv2543")
	in := siptest.ReadMessage([]byte(wire))
	x := s.relayed(s.receive(aliceAt, wire), bobAt)
	sameButEdits(t, in, x)
	if x.MaxForwards() != 70 || x.Tag("From") != "" {
		t.Errorf("Max-Forwards is %d, From %q", x.MaxForwards(), x.Get("From"))
	}
	if rr := x.All("Record-Route"); len(rr) < 2 || rr[len(rr)-1] != in.Get("Record-Route") {
		t.Errorf("Record-Route is %q", rr)
	}
	for _, y := range s.receive(aliceAt, wire) {
		if y.IsRequest() {
			t.Errorf("a copy made a second branch: %s", y.Wire)
		}
	}
	// A CANCEL and an ACK find it without a branch.
	s.receive(bobAt, answer(x, "180 Ringing"))
	cancel := strings.Replace(strings.Replace(wire, "INVITE sip", "CANCEL sip", 1), "56 INVITE", "56 CANCEL", 1)
	got := s.receive(aliceAt, cancel)
	if len(got) != 2 {
		t.Fatalf("got %d messages for the CANCEL, want its 200 and a CANCEL", len(got))
	}
	for _, y := range got {
		if !(y.Status == 200 || y.Method == "CANCEL" && y.Branch() == x.Branch()) {
			t.Errorf("got %s", y.Wire)
		}
	}
}
