package registrar_test

import (
	"strings"
	"testing"

	"viaduct/internal/registrar"
	"viaduct/sip"
)

// Contacts, Paths and extensions of anybody's making: no panic; the answer is a sound
// response that is no 6xx; what is refused changes nothing; what is listed can be
// taken away as it is listed; nothing beyond the bounds is kept.
//
// Proves: RG-27, RG-32
func FuzzRegister(f *testing.F) {
	for _, contact := range []string{
		"*", "<sip:a@192.0.2.1>", `"A, B" <sip:a@192.0.2.1;x=y?h=v>;q=0.5;expires=60, sip:b@h;expires=0`, "",
		`<sips:a@[2001:db8::1]>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>";reg-id=1;expires=4294967296`,
		`<sip:bob@example.com;gr=urn:x:y>;+sip.instance="<urn:x:y>"`, "<tel:+1>;q=1.000, <mailto:a@b>", `<sip:a@h>;x="\"";pub-gruu="q"`,
	} {
		f.Add(contact, "0", "<sip:p;lr;ob>, <sip:q;lr>", "path, outbound, gruu")
		f.Add(contact, "4000", "", "")
	}
	f.Fuzz(func(t *testing.T, contact, expires, path, supported string) {
		lines := []string{"Contact: " + contact, "Expires: " + expires}
		if path != "" {
			lines = append(lines, "Path: "+path)
		}
		if supported != "" {
			lines = append(lines, "Supported: "+supported)
		}
		var m sip.Message
		if m.Parse(compose("", lines...)) != nil || m.Check() != nil || m.Method() != sip.REGISTER {
			return
		}
		d := newDesk(t)
		out := d.step(&m, nil)
		if d.last != 200 {
			f := d.r.Refusal()
			checkResponse(t, &m, d.last, f.Headers)
			if n := d.d.Stats().Bindings; d.last < 400 || d.last >= 600 || n != 0 {
				t.Fatalf("%d %s leaves %d bindings", d.last, f.Reason, n)
			}
			return
		}
		response := checkResponse(t, &m, 200, out)
		kept := d.d.Stats().Bindings
		listed := 0
		for it := response.Values(sip.Contact); it.Next(); listed++ {
			a, err := sip.ParseAddress(it.Value.Text)
			if err != nil || !a.Params.Has("expires") {
				t.Fatalf("listed: %s", it.Value.Text)
			}
			uri, _, _ := strings.Cut(string(it.Value.Text), ">")
			if got := d.send("", "CSeq: 2 REGISTER", "Contact: "+uri+">;expires=0"); got.status != 200 {
				t.Fatalf("%s> cannot be taken away: %d %s", uri, got.status, got.reason)
			}
		}
		if listed != int(kept) || listed > 10 {
			t.Fatalf("%d are kept, %d listed", kept, listed)
		}
		if n := d.d.Stats().Bindings; n != 0 {
			t.Fatalf("%d bindings are left of\n%s", n, out)
		}
	})
}

// checkResponse builds the answer and reads it again.
func checkResponse(t *testing.T, m *sip.Message, status int, headers []byte) *sip.Message {
	t.Helper()
	wire := sip.AppendResponse(nil, m, &sip.Response{Status: status, Tag: []byte("t"), Headers: headers})
	var response sip.Message
	if err := response.Parse(wire); err != nil {
		t.Fatalf("%v in\n%s", err, wire)
	}
	if err := response.Check(); err != nil {
		t.Fatalf("%v in\n%s", err, wire)
	}
	return &response
}

// URIs of anybody's making: no panic, what is read as a GRUU leads to an AOR that
// is one, and nobody can make a temporary one.
func FuzzGRUU(f *testing.F) {
	for _, uri := range []string{
		"sip:bob@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "sip:example.com;gr=urn:x:%61", "sip:b;gr",
		"sips:tgruu." + strings.Repeat("A", 108) + "@example.com;gr", "sip:tgruu.@[::1]:5;gr=", "tel:1;gr", "sip:a@b;GR=URN:X:%%",
	} {
		f.Add(uri)
	}
	d := newDesk(f)
	f.Fuzz(func(t *testing.T, text string) {
		u, err := sip.ParseURI([]byte(text))
		if err != nil {
			return
		}
		g, v := d.r.ParseGRUU(&u)
		if v != registrar.ValidGRUU {
			return
		}
		if g.Temporary {
			t.Fatalf("%q is a temporary one", text)
		}
		aor, err := sip.ParseURI(g.AOR)
		if err != nil || !aor.IsSIP() || len(aor.Params) > 0 {
			t.Fatalf("%q: AOR %q, %v", text, g.AOR, err)
		}
	})
}
