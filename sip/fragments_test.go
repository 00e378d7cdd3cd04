package sip_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"viaduct/sip"
)

// fragments of the grammar: strung together at random they come near to sound
// values far more often than mutated bytes do.
var fragments = []string{
	"SIP", "/", "2.0", "UDP", " ", "\t", "\r\n ", "h", "host.example.com", "192.0.2.1", "444.1.1.1", "[::1]", "[1:2::192.0.2.1]", "[1:::1.2.3.4]",
	":", "5060", "99999", ";", "branch=z9hG4bK1", "branch", "rport", "rport=1", "received=1.2.3.4", "ttl=1", "ttl=999", "maddr=h", "maddr=-", "=", "x",
	"\"", "\"a;,<b\\\"\"", "\"\"", "\\", "<", ">", ",", "sip:", "sips:", "tel:", "alice", "@", "%41", "%4", "%", "?", "&", "a=b", "lr", "transport=tcp",
	"tag=1", "tag=", ".", "-", "_", "\xff", "\x00", "\r", "\n", "(", ")", "SIP/2.0/UDP h", "<sip:a@h>", "sip:a@h", "Bob", "*", "1", "#", "'", "{",
}

func randomText(r *rand.Rand, prefix string) string {
	var b strings.Builder
	if r.IntN(4) > 0 {
		b.WriteString(prefix)
	}
	for range r.IntN(9) {
		b.WriteString(fragments[r.IntN(len(fragments))])
	}
	return b.String()
}

// The parsers against the reference, on texts strung together from fragments.
func TestAgainstReference(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	n := 20000
	if testing.Short() {
		n = 5000
	}
	for range n {
		s := randomText(r, "SIP/2.0/UDP h")
		if _, err := sip.ParseVia([]byte(s)); refViaOK(s) != (err == nil) {
			t.Fatalf("Via %q: got %v", s, err)
		}
		s = randomText(r, "<sip:a@h>")
		a, err := sip.ParseAddress([]byte(s))
		if uri, angle, ok := refAddress(s); ok != (err == nil) || (ok && (uri != string(a.URI) || angle != a.Angle)) {
			t.Fatalf("address %q: got %+v %v; reference %q %v %v", s, a, err, uri, angle, ok)
		}
		s = randomText(r, "sip:")
		if _, err := sip.ParseURI([]byte(s)); refURIOK(s) != (err == nil) {
			t.Fatalf("URI %q: got %v", s, err)
		}
	}
}

// Whole messages whose routing headers are strung together from fragments.
func TestMessagesAgainstReference(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	n := 8000
	if testing.Short() {
		n = 2000
	}
	var m sip.Message
	sound := 0
	for range n {
		wire := options("Route: " + randomText(r, "<sip:a@h>") + "\nVia: " + randomText(r, "SIP/2.0/UDP h") +
			"\nX" + []string{"", " ", "\r\n "}[r.IntN(3)] + ": " + randomText(r, "") + "\n")
		err := m.Parse(wire)
		ref, ok := refParse(wire)
		if ok != (err == nil) {
			t.Fatalf("Parse: got %v, reference says sound: %v\n%q", err, ok, wire)
		}
		if !ok {
			continue
		}
		if cerr := m.Check(); ref.check() != (cerr == nil) {
			t.Fatalf("Check: got %v, reference says otherwise\n%q", cerr, wire)
		} else if cerr == nil {
			sound++
		}
		sameLines(t, &m, &ref)
	}
	if sound < n/1000 {
		t.Errorf("only %d of %d messages are sound: the test sees little", sound, n)
	}
}
