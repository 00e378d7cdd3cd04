package proxy_test

import (
	"strings"
	"testing"

	"viaduct/internal/siptest"
)

// RFC 3261 §10.3 step 5, §16.5: the location service is asked by the canonical form
// of the Request-URI: without parameters and headers, escapes undone, the host in
// any case. What makes another address of record is not found.
//
// Proves: TG-12
func TestTheRequestURIIsCanonicalised(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.registered(bobAt, "open", "sip:open@203.0.113.7")
	for uri, there := range map[string]bool{
		"sip:open@example.org":                          true,
		"sip:open@EXAMPLE.Org":                          true,
		"sip:%6fp%65n@example.org":                      true,
		"sip:open@example.org;user=phone;x=y":           true,
		"sip:open@example.org;transport=udp?Subject=hi": true,
		"sip:open:secret@example.org":                   true,
		"sip:open%20@example.org":                       false,
	} {
		d.stage.call = "to" + strings.Map(func(r rune) rune {
			if r < '0' || r > 'z' {
				return '-'
			}
			return r
		}, uri)
		list := d.receive(aliceAt, d.compose("INVITE "+uri+" SIP/2.0", "Contact: <sip:alice@198.51.100.5>"))
		if x := d.one(list); x.IsRequest() != there || there && x.URI != "sip:open@203.0.113.7" {
			t.Errorf("%s: got %s %s", uri, what(x), x.URI)
		}
	}
}

// RFC 3261 §21.4.22: what numbers are too short is known to the rules, which answer
// 484 before anybody is called; the others go on.
//
// Proves: TG-7
func TestIncompleteNumbers(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
rule "short" {
  when  = matches(dest.user, "^[0-9]{1,3}$")
  reply = "484 Address Incomplete"
}
rule "all" { send = "sip:203.0.113.7" }
`)
	s.refused(s.receive(aliceAt, s.invite("061")), 484)
	s.call = "whole"
	s.relayed(s.receive(aliceAt, s.invite("0612")), bobAt)
}

// tortureRegistrar is a desk that registers users of example.com, with a password
// or without.
func tortureRegistrar(t *testing.T, authenticate string) *desk {
	t.Helper()
	d := newDesk(t, `
server { domains = ["example.com"] }
users "staff" {
  realm      = "example.org"
  file       = "unused"
  algorithms = ["MD5"]
}
rule "register" {
  when = method == REGISTER
  `+authenticate+`
  register {}
}
rule "joe" {
  when = dest.user == "joe"
  send = "sip:203.0.113.7"
}
`, udp("192.0.2.200:5060"))
	return d
}

// The bytes behind the message that its Content-Length ends are noise: not a
// request, not a part of it.
//
// Proves: TO-8
func TestTortureTwoRequestsInOneDatagram(t *testing.T) {
	t.Parallel()
	d := tortureRegistrar(t, "")
	wire := readTorture(t, "rfc4475/dblreq")
	x := d.refused(d.receive(aliceAt, wire), 200)
	copied(t, siptest.ReadMessage([]byte(wire)), x)
	if x.Body != "" || !strings.HasPrefix(x.Get("Contact"), "<sip:j.user@host.example.com>") {
		t.Errorf("got\n%s", x.Wire)
	}
	if n := d.core.Stats(); n.Transactions.Servers != 1 {
		t.Errorf("%d transactions came of it", n.Transactions.Servers)
	}
}

// Credentials of a scheme that nobody here knows count as none: 200 where none are
// wanted, 401 with a challenge that can be met where they are, and where the
// REGISTER goes on they go on with it.
//
// Proves: TO-40
func TestTortureUnknownScheme(t *testing.T) {
	t.Parallel()
	wire := readTorture(t, "rfc4475/regaut01")
	open := tortureRegistrar(t, "")
	open.refused(open.receive(aliceAt, wire), 200)

	strict := tortureRegistrar(t, "authenticate = users.staff")
	x := strict.refused(strict.receive(aliceAt, wire), 401)
	if !strings.HasPrefix(x.Get("WWW-Authenticate"), "Digest ") || x.Has("Proxy-Authenticate") {
		t.Errorf("got\n%s", x.Wire)
	}

	s := newStage(t, `
server { domains = ["example.net"] }
rule "elsewhere" { send = "sip:203.0.113.7" }
`)
	y := s.relayed(s.receive(aliceAt, wire), bobAt)
	if got := y.All("Authorization"); len(got) != 1 || got[0] != "NoOneKnowsThisScheme opaque-data=here" {
		t.Errorf("Authorization is %q", got)
	}
}
