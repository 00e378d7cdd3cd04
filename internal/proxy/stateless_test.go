package proxy_test

import (
	"strings"
	"testing"
	"time"
)

// A CANCEL that belongs to nothing here goes the way of its INVITE, when that way
// is a function of what it carries; else it is answered.
// Proves: CA-6
func TestUnknownCancel(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	in := s.compose("CANCEL sip:bob@203.0.113.7 SIP/2.0", "Proxy-Require: x")
	x := s.relayed(s.receive(aliceAt, in), bobAt)
	if x.MaxForwards() != 69 || len(x.All("Via")) != 2 || x.Has("Record-Route") || x.Get("Proxy-Require") != "x" {
		t.Errorf("got %s", x.Wire)
	}
	if y := s.relayed(s.receive(aliceAt, in), bobAt); y.Wire != x.Wire {
		t.Errorf("a copy leaves as\n%s\nafter\n%s", y.Wire, x.Wire)
	}
	s.silent(s.pass(40 * time.Second))
	if !s.Idle() {
		t.Error("something is kept")
	}
	// Its answer is known by the MAC in the branch, and by nothing else.
	wire := answer(x, "200 OK")
	if back := s.refused(s.receive(bobAt, wire), 200); back.hop.Remote.String() != aliceAt || len(back.All("Via")) != 1 {
		t.Errorf("got %s", back.Wire)
	}
	below := x.All("Via")[1]
	s.silent(s.receive(bobAt, strings.Replace(wire, below, strings.Replace(below, "198.51.100.5", "198.51.100.6", 1), 1)))
	s.silent(s.receive(bobAt, strings.Replace(wire, x.Branch(), x.Branch()[:20]+"xxxx"+x.Branch()[24:], 1)))

	for uri, lines := range map[string][]string{
		"sip:bob@127.0.0.1":   nil,                                  // no destination
		"sip:bob@203.0.113.8": {"Route: <sip:203.0.113.9;lr>"},      // not trusted
		"sip:bob@203.0.113.9": {"Max-Forwards: 0"},                  //
		"nosuch:bob":          nil,                                  //
		"sip:bob@name.test":   {"Route: <sip:example.org;lr>"},      // nobody resolves it
		"sip:bob@203.0.113.6": {"Route: <sip:192.0.2.1;lr>, <x:y>"}, //
	} {
		s.refused(s.receive(aliceAt, s.compose("CANCEL "+uri+" SIP/2.0", lines...)), 481)
	}
	for _, config := range []string{
		"rule \"r\" {\n when = header[\"Subject\"] == \"x\"\n send = request_uri\n}\nrule \"s\" { send = request_uri }",
		"rule \"r\" { send = [\"sip:203.0.113.7\", \"sip:203.0.113.8\"] }",
		"rule \"r\" { reply = \"404 Not Found\" }",
		"group \"g\" {\n target \"sip:203.0.113.7\" {}\n target \"sip:203.0.113.8\" {}\n}\nrule \"r\" { send = group.g }",
		"rule \"r\" { drop = true }",
	} {
		s := newStage(t, config)
		s.refused(s.receive(aliceAt, s.compose("CANCEL sip:bob@203.0.113.7 SIP/2.0")), 481)
	}
}
