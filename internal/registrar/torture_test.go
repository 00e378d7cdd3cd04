package registrar_test

import (
	"os"
	"strings"
	"testing"

	"viaduct/sip"
)

// The REGISTERs of RFC 4475 and 5118, as they come to a registrar of example.com.
//
// Proves: TO-4, TO-26, TO-37, TO-45, TO-46, TO-47
func TestTortureMessages(t *testing.T) {
	t.Parallel()
	cases := []struct {
		file     string
		status   int
		contacts []string // as listed, without their interval
	}{
		{"rfc4475/escnull", 200, []string{"<sip:%00%00@host5.example.com>", "<sip:%00@host5.example.com>"}},
		{"rfc4475/regbadct", 400, nil},
		{"rfc4475/unksm2", 400, nil},
		{"rfc4475/regaut01", 200, nil},
		{"rfc4475/cparam01", 200, []string{"<sip:+19725552222@gw1.example.net>;unknownparam"}},
		{"rfc4475/cparam02", 200, []string{"<sip:+19725552222@gw1.example.net;unknownparam>"}},
		{"rfc4475/regescrt", 200, []string{"<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"}},
		{"rfc4475/dblreq", 200, []string{"<sip:j.user@host.example.com>"}},
		{"rfc5118/ipv6-good", 200, []string{"<sip:caller@[2001:db8::1]>"}},
		{"rfc5118/port-ambiguous", 200, []string{"<sip:caller@[2001:db8::1]>"}},
	}
	for _, c := range cases {
		wire, err := os.ReadFile("../../sip/testdata/" + c.file + ".sip")
		if err != nil {
			t.Fatal(err)
		}
		var m sip.Message
		if err := m.Parse(wire); err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		if err := m.Check(); err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		d := newDesk(t)
		got := d.wire(wire)
		to, err := m.ToAddress()
		if err != nil {
			t.Fatal(err)
		}
		fetch := got
		if got.status == 200 {
			fetch = d.send("", "To: <"+string(to.URI)+">")
		}
		for _, a := range []answer{got, fetch} {
			var listed []string
			for l := range strings.SplitSeq(a.headers, "\r\n") {
				if l, ok := strings.CutPrefix(l, "Contact: "); ok {
					listed = append(listed, strings.TrimSuffix(l, ";expires=3600"))
				}
			}
			if a.status != c.status || strings.Join(listed, "\n") != strings.Join(c.contacts, "\n") {
				t.Errorf("%s: got %d %s, %q, want %d, %q", c.file, a.status, a.reason, listed, c.status, c.contacts)
			}
		}
		if c.status != 200 && d.d.Stats().Bindings != 0 {
			t.Errorf("%s: a binding is left", c.file)
		}
	}
	// A NUL does not end a user: RFC 4475 §3.1.1.4.
	d := newDesk(t)
	d.send("", "To: <sip:null-%00-null@example.com>", "Contact: <sip:a@192.0.2.10>")
	if got := d.send("", "To: <sip:null-@example.com>"); strings.Contains(got.headers, "Contact:") {
		t.Errorf("got %s", got.headers)
	}
}
