package proxy_test

import (
	"strings"
	"testing"
)

// RFC 3261 §10.3 steps 3 to 5: who is not known, or is not entitled, changes nothing;
// and an AOR of a domain that is not served is nobody's.
// Proves: RG-7, RG-9
func TestNobodyElseChangesBindings(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	d.registered(bobAt, "bob", "sip:bob@203.0.113.7")
	const start = "REGISTER sip:example.org SIP/2.0"
	listed := func(when string) {
		t.Helper()
		if x := d.register(bobAt, "bob", "secret"); x.Status != 200 || len(x.All("contact")) != 1 || !strings.Contains(x.Get("contact"), "<sip:bob@203.0.113.7>") {
			t.Errorf("%s: %d with %q", when, x.Status, x.All("contact"))
		}
	}
	for name, contact := range map[string][]string{
		"another Contact": {"Contact: <sip:bob@198.51.100.5>"},
		"the same":        {"Contact: <sip:bob@203.0.113.7>;expires=0"},
		"all":             {"Contact: *", "Expires: 0"},
	} {
		challenge := d.refused(d.receive(aliceAt, d.compose(start, d.registerLines("bob", contact...)...)), 401)
		listed("unknown: " + name)
		lines := append([]string{d.answerTo(challenge, "Authorization", "bob", "wrong", "REGISTER", "sip:example.org")}, contact...)
		d.refused(d.receive(aliceAt, d.compose(start, d.registerLines("bob", lines...)...)), 401)
		listed("a wrong password: " + name)
		challenge = d.refused(d.receive(aliceAt, d.compose(start, d.registerLines("bob", contact...)...)), 401)
		lines[0] = d.answerTo(challenge, "Authorization", "alice", "secret", "REGISTER", "sip:example.org")
		d.refused(d.receive(aliceAt, d.compose(start, d.registerLines("bob", lines...)...)), 403)
		listed("somebody else: " + name)
	}
	d = newDesk(t, settingsConfig[:strings.Index(settingsConfig, "  authenticate")]+"  register { }\n}\n")
	if x := d.one(d.receive(aliceAt, d.compose(start, "To: <sip:bob@elsewhere.example>", "Contact: <sip:bob@198.51.100.5>"))); x.Status != 404 {
		t.Errorf("an AOR of another domain: %d", x.Status)
	}
}

// §17.2.2: a copy of a REGISTER draws the same answer and is not worked off again:
// otherwise it would be a 500, since its CSeq is no higher.
// Proves: RG-31
func TestCopiesOfARegister(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	const start = "REGISTER sip:example.org SIP/2.0"
	lines := d.registerLines("bob", "Contact: <sip:bob@203.0.113.7>")
	challenge := d.one(d.receive(bobAt, d.compose(start, lines...)))
	request := d.compose(start, d.registerLines("bob", "Contact: <sip:bob@203.0.113.7>",
		d.answerTo(challenge, "Authorization", "bob", "secret", "REGISTER", "sip:example.org"))...)
	first := d.refused(d.receive(bobAt, request), 200)
	before := d.core.Stats().Registers
	d.pass(5_000_000_000)
	if again := d.refused(d.receive(bobAt, request), 200); again.Wire != first.Wire {
		t.Errorf("a copy was answered\n%s\nand not\n%s", again.Wire, first.Wire)
	}
	if n := d.core.Stats().Registers; n != before {
		t.Errorf("%d registrations more", n-before)
	}
}

// §10.3: what has been registered is called from the 200 on, and what has been taken
// away is not.
// Proves: RG-1, PA-1, PA-8
func TestRegistrationsCountAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	for i, c := range []struct{ lines, to, route string }{
		{"Contact: <sip:open@203.0.113.7>", bobAt, ""},
		{"Contact: <sip:open@203.0.113.7>|Path: <sip:192.0.2.77;lr>|Supported: path", edgeAt, "<sip:192.0.2.77;lr>"},
		{"Contact: <sip:open@203.0.113.7>|Path: <sip:192.0.2.77:5070;lr>|Supported: path", "192.0.2.77:5070", "<sip:192.0.2.77:5070;lr>"},
		{"Contact: <sip:open@203.0.113.7>", bobAt, ""},
		{"Contact: <sip:open@203.0.113.7>;expires=0|Contact: <sip:open@203.0.113.8>", carolAt, ""},
		{"Contact: *|Expires: 0", "", ""},
	} {
		from := bobAt
		if c.to == carolAt {
			from = carolAt
		}
		if x := d.register(from, "open", "secret", strings.Split(c.lines, "|")...); x.Status != 200 {
			t.Fatalf("%s: %d", c.lines, x.Status)
		}
		d.stage.call = "call-" + string(rune('a'+i))
		if c.to == "" {
			d.refused(d.call("open"), 480)
			continue
		}
		if x := d.relayed(d.call("open"), c.to); strings.Join(x.All("route"), " ") != c.route {
			t.Errorf("%s: Route %q", c.lines, x.All("route"))
		}
	}
}
