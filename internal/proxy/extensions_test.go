package proxy_test

import (
	"strings"
	"testing"
	"time"
)

// What this proxy takes no part in passes as it came, in requests and in responses:
// session timers, preferences of the caller, header fields of networks. It puts no
// Session-Expires anywhere, and adds no word of its own to a Via of others.
//
// Proves: EX-1, EX-5, EX-11, EX-18
func TestExtensionsPass(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	const via = "SIP/2.0/UDP 198.51.100.5:5060;branch=z9hG4bKx;keep;oc;oc-algo=\"loss\""
	lines := []string{
		"Supported: timer", "Session-Expires: 60;refresher=uas", "Min-SE: 30",
		"Request-Disposition: no-fork, sequential", "Accept-Contact: *;video;require", "Reject-Contact: *;automata",
		"P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=1", "P-Visited-Network-ID: other.example", "P-Charging-Vector: icid-value=1", "P-Early-Media: supported",
	}
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", append(lines, "Via: "+via)...)), bobAt)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		if got := x.All(name); strings.Join(got, ", ") != value {
			t.Errorf("%s was %q and is %q", name, value, got)
		}
	}
	if vias := x.All("Via"); vias[1] != via || strings.Contains(vias[0], ";oc") || strings.Contains(vias[0], ";keep") {
		t.Errorf("Vias are %q", vias)
	}
	back := []string{"Session-Expires: 60;refresher=uac", "Require: timer", "P-Asserted-Service: urn:x", "P-Charging-Vector: icid-value=2"}
	y := s.refused(s.receive(bobAt, answer(x, "200 OK", back...)), 200)
	for _, l := range back {
		name, value, _ := strings.Cut(l, ": ")
		if y.Get(name) != value {
			t.Errorf("upstream %s was %q and is %q", name, value, y.Get(name))
		}
	}
	if y.All("Via")[0] != via {
		t.Errorf("upstream the Via is %q", y.All("Via")[0])
	}
	// Nor is anything put in where there is nothing.
	s.call = "plain"
	x = s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Supported: timer")), bobAt)
	y = s.refused(s.receive(bobAt, answer(x, "200 OK")), 200)
	if x.Has("Session-Expires") || x.Has("Min-SE") || y.Has("Session-Expires") || y.Has("Require") {
		t.Errorf("got\n%s\n%s", x.Wire, y.Wire)
	}
	z := s.refused(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Via: "+strings.Replace(via, "4bKx", "4bKy", 1), "Proxy-Require: x")), 420)
	if got := z.All("Via"); len(got) != 1 || got[0] != strings.Replace(via, "4bKx", "4bKy", 1) {
		t.Errorf("our own answer has %q", got)
	}
}

// RFC 4028 §8.3: a session that is not refreshed is not ended by a proxy.
//
// Proves: EX-16
func TestNoByeWhenASessionExpires(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Session-Expires: 90")), bobAt)
	s.refused(s.receive(bobAt, answer(x, "200 OK", "Session-Expires: 90;refresher=uac", "Contact: <sip:bob@203.0.113.7>")), 200)
	ack := s.compose("ACK sip:bob@203.0.113.7 SIP/2.0", "To: <sip:bob@example.org>;tag=b", "Route: "+x.Get("Record-Route"))
	s.relayed(s.receive(aliceAt, ack), bobAt)
	s.silent(s.pass(5 * time.Minute))
	if !s.core.Idle() {
		t.Errorf("left: %+v", s.core.Stats())
	}
}

// RFC 3261 §16.10, §20.19: how long an INVITE is good for concerns the callee. The
// proxy makes no answer of it, and does not cancel.
//
// Proves: EX-4
func TestExpiresOfAnInvite(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "Expires: 5")), bobAt)
	if x.Get("Expires") != "5" {
		t.Errorf("Expires is %q", x.Get("Expires"))
	}
	s.refused(s.receive(bobAt, answer(x, "180 Ringing")), 180)
	s.silent(s.pass(time.Minute))
	s.refused(s.receive(bobAt, answer(x, "200 OK")), 200)
}

// RFC 8599: the parameters by which a phone is woken are part of its Contact, which
// is kept and called as it was registered.
//
// Proves: EX-6
func TestPushParametersAreKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	const contact = "sip:open@203.0.113.7;pn-provider=acme;pn-param=acme-param;pn-prid=ZTY4ZDJlMzODE1NmUgKi0K"
	d.registered(bobAt, "open", contact)
	if x := d.relayed(d.call("open"), bobAt); x.URI != contact {
		t.Errorf("called as %s", x.URI)
	}
}

// RFC 6140: who asks for the registration of many numbers at once learns that this
// registrar does not know it, and not that it was done.
//
// Proves: EX-12
func TestBulkRegistrationIsNotPretended(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	x := d.register(bobAt, "bob", "secret", "Require: gin", "Proxy-Require: gin", "Contact: <sip:203.0.113.7;bnc>")
	if x.Status != 420 || x.Get("Unsupported") != "gin" {
		t.Errorf("got %s, Unsupported %q", what(x), x.Get("Unsupported"))
	}
	if x = d.register(bobAt, "bob", "secret", "Require: gin", "Contact: <sip:203.0.113.7;bnc>"); x.Status != 420 || x.Get("Unsupported") != "gin" {
		t.Errorf("got %s, Unsupported %q", what(x), x.Get("Unsupported"))
	}
}
