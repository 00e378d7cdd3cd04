package sip_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"viaduct/sip"
)

// seeds adds the torture messages and some sound ones.
func seeds(f *testing.F, add func([]byte)) {
	for name := range torture {
		add(readTorture(f, name))
	}
	add(text(routed))
	add(options("Subject: \"a\\\x00b\"\n"))
	add(response(""))
}

// No panic; the verdict and the values are those of the reference; without edits
// the message leaves as it came; a refusal is sound.
func FuzzMessage(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, wire []byte) {
		var m sip.Message
		err := m.Parse(wire)
		ref, ok := refParse(wire)
		if ok != (err == nil) {
			t.Fatalf("Parse: got %v, reference says sound: %v", err, ok)
		}
		useAll(&m)
		if m.Answerable() && len(wire) < 30<<10 {
			out := sip.AppendResponse(nil, &m, &sip.Response{Status: 400, Tag: []byte("t"), Source: source})
			var back sip.Message
			if err := back.Parse(out); err != nil && err.Error() != "sip: Too Many Header Fields" {
				t.Fatalf("the refusal does not parse: %v\n%q", err, out)
			}
		}
		if !ok {
			return
		}
		cerr := m.Check()
		if sound := ref.check(); sound != (cerr == nil) {
			t.Fatalf("Check: got %v, reference says sound: %v", cerr, sound)
		}
		sameLines(t, &m, &ref)
		var r sip.Rewriter
		r.Reset(&m)
		if out := r.AppendTo(nil); !bytes.Equal(out, ref.wire) && !bytes.EqualFold(out, ref.wire) {
			t.Fatalf("rewritten\n got %q\nwant %q", out, ref.wire)
		}
	})
}

// useAll calls what could trip over a message that is not sound.
func useAll(m *sip.Message) {
	_ = sip.AppendResponse(nil, m, &sip.Response{Status: 100, Source: source})
	_ = sip.AppendCancel(sip.AppendAck(nil, m, nil), m, nil)
	_, _, _, _ = m.HeaderPart(), m.Body(), m.RequestURI(), m.ReasonPhrase()
	var r sip.Rewriter
	r.Reset(m)
	v := []byte("v")
	r.SetRequestURI(v)
	r.StampVia(source)
	r.PushVia(v)
	r.PopVia()
	r.PushRoute(v)
	r.AppendRoute(v)
	r.PushRecordRoute(v)
	r.SetMaxBreadth(1)
	r.Set(sip.Subject, v)
	r.Add("X", v)
	r.RemoveAll(sip.Contact)
	r.DropBody()
	_ = r.AppendTo(nil)
}

func sameLines(t *testing.T, m *sip.Message, ref *refMessage) {
	t.Helper()
	var got [][2]string
	for it := m.Lines(); it.Next(); {
		got = append(got, [2]string{string(it.Name), string(it.Value.Text)})
	}
	if !slices.Equal(got, ref.lines) {
		t.Fatalf("lines\n got %q\nwant %q", got, ref.lines)
	}
	for _, id := range []sip.HeaderID{sip.Via, sip.Route, sip.Contact} {
		if got, want := values(m, id), ref.elements(id); !slices.Equal(got, want) {
			t.Fatalf("%s\n got %q\nwant %q", sip.HeaderName(id), got, want)
		}
	}
}

// The grammar is the reference's; Equal is reflexive and symmetric; a
// Request-URI made of a sound URI is sound and carries neither headers nor method.
func FuzzURI(f *testing.F) {
	for _, s := range []string{"sip:alice:pw@example.com:5060;lr;method=X?a=b&c=%3C", "sips:%61@[2001:db8:::192.0.2.1]", "tel:+1;x=y", "sip:a@192.0.2.1;%6Cr"} {
		f.Add([]byte(s), []byte("sip:alice@EXAMPLE.com;transport=tcp"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		u, err := sip.ParseURI(a)
		if refURIOK(string(a)) != (err == nil) {
			t.Fatalf("%q: got %v, reference says sound: %v", a, err, refURIOK(string(a)))
		}
		if err != nil {
			return
		}
		if !u.Equal(&u) {
			t.Fatalf("%q differs from itself", a)
		}
		if v, err := sip.ParseURI(b); err == nil && u.Equal(&v) != v.Equal(&u) {
			t.Fatalf("%q and %q: not symmetric", a, b)
		}
		out := u.AppendRequestURI(nil)
		v, err := sip.ParseURI(out)
		if err != nil || (v.IsSIP() && (v.Headers != nil || v.Params.Has("method"))) {
			t.Fatalf("%q became %q: %v", a, out, err)
		}
		if !bytes.Equal(v.AppendRequestURI(nil), out) {
			t.Fatalf("%q: not stable", out)
		}
		u.LooseRouter()
		u.MAddr()
	})
}

// The grammar is the reference's, and a stamped Via tells the source.
func FuzzVia(f *testing.F) {
	for _, s := range []string{"SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport", "SIP / 2.0 / TCP [::1] : 1 ; received=x;ttl=1;maddr=224.0.0.1;y=\"a;\\\"\"", "SIP/2.0/UDP h;rport;received=1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := sip.ParseVia(text)
		if refViaOK(string(text)) != (err == nil) {
			t.Fatalf("%q: got %v, reference says sound: %v", text, err, refViaOK(string(text)))
		}
		wire := bytes.Replace(options(""), []byte("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1"), text, 1)
		var m sip.Message
		if err != nil || m.Parse(wire) != nil || m.Check() != nil {
			return
		}
		before, _ := m.TopVia()
		out := sip.AppendResponse(nil, &m, &sip.Response{Status: 404, Source: source})
		var back sip.Message
		if err := back.Parse(out); err != nil {
			t.Fatal(err)
		}
		v, err := back.TopVia()
		if err != nil || !bytes.Equal(v.SentBy, before.SentBy) || !bytes.Equal(v.Branch, before.Branch) || v.HasRPort != before.HasRPort {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
		addr, _ := sip.HostAddr(before.Host)
		if named := addr != source.Addr() || before.HasRPort; named != (string(v.Received) == "198.51.100.7") || (v.HasRPort && string(v.RPort) != "4321") {
			t.Fatalf("%q became %q", text, out)
		}
	})
}

// The grammar is the reference's.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"\"a\\\"b\" <sip:a@h;x>;tag=1", "Bell, A <sip:a@h>", "sip:a@h;tag=2 ;x = \"y\"", "a b<tel:+1>", "<sip:a@h>;q=0.5"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := sip.ParseAddress(text)
		uri, angle, ok := refAddress(string(text))
		if ok != (err == nil) || (ok && (uri != string(a.URI) || angle != a.Angle)) {
			t.Fatalf("%q: got %+v, %v; reference %q %v %v", text, a, err, uri, angle, ok)
		}
		a.Q(0)
		a.Tag()
		var both sip.Address
		var u sip.URI
		berr := sip.ParseAddressURI(text, &both, &u)
		v, uerr := sip.ParseURI(a.URI)
		if (berr == nil) != (err == nil && uerr == nil) {
			t.Fatalf("%q: both in one %v, one by one %v and %v", text, berr, err, uerr)
		}
		if berr == nil && (!reflect.DeepEqual(u, v) || !bytes.Equal(both.Params, a.Params)) {
			t.Fatalf("%q: both in one %+v, one by one %+v", text, u, v)
		}
	})
}

// Any chunking gives the same frames, and Parse sees a frame as the Framer did.
func FuzzFramer(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, uint8(3)) })
	f.Add(append([]byte("\r\n\r\n\r\n"), options("")...), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		whole := frames(stream, len(stream)+1)
		if got := frames(stream, int(chunk)+1); !slices.Equal(got, whole) {
			t.Fatalf("chunks of %d\n got %q\nwant %q", int(chunk)+1, got, whole)
		}
		for _, s := range whole {
			var m sip.Message
			if strings.Contains(s, "\r\n\r\n") && m.Parse([]byte(s)) == nil && string(m.Wire()) != s {
				t.Fatalf("Parse sees %q in frame %q", m.Wire(), s)
			}
		}
	})
}

// Edits do what they say to the values of their header and keep all other bytes.
func FuzzRewriter(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}) })
	f.Fuzz(func(t *testing.T, wire, script []byte) {
		var m sip.Message
		if m.Parse(wire) != nil || m.Check() != nil || len(script) > 32 || len(wire) > 20<<10 {
			return
		}
		var r sip.Rewriter
		r.Reset(&m)
		model := newModel(&m)
		for i, op := range script {
			model.step(&r, &m, op, fmt.Sprintf("<sip:n%d>", i))
		}
		out := r.AppendTo(nil)
		if len(out) > r.Size() {
			t.Fatalf("%d bytes, Size %d", len(out), r.Size())
		}
		var back sip.Message
		if err := back.Parse(out); err != nil {
			if err.Error() == "sip: Too Many Header Fields" {
				return
			}
			t.Fatalf("%v\n%q", err, out)
		}
		model.compare(t, &back)
	})
}

// model is what a message should be after edits: the routing values as lists,
// all other lines and the body as they were.
type model struct {
	vias, routes []string // as received; taken where taken out
	above, below []string // routes pushed and appended
	pushed       []string // vias pushed, topmost last
	popped       int
	others       []string
	body         string
	hops         string
}

// taken is no value of a header: those may be empty.
const taken = "\x00"

func newModel(m *sip.Message) *model {
	mo := &model{vias: values(m, sip.Via), routes: values(m, sip.Route), body: string(m.Body())}
	mo.hops, _ = textOf(m, sip.MaxForwards)
	for it := m.Lines(); it.Next(); {
		if it.ID != sip.Via && it.ID != sip.Route && it.ID != sip.MaxForwards {
			mo.others = append(mo.others, fmt.Sprintf("%s|%s", it.Name, it.Value.Text))
		}
	}
	return mo
}

func textOf(m *sip.Message, id sip.HeaderID) (string, bool) {
	v, ok := m.First(id)
	return string(v.Text), ok
}

// step does one edit, in the message and in the model.
func (mo *model) step(r *sip.Rewriter, m *sip.Message, op byte, value string) {
	switch n := int(op) / 8; op % 8 {
	case 0:
		r.PushVia([]byte("SIP/2.0/UDP " + value[5:len(value)-1]))
		mo.pushed = append(mo.pushed, "SIP/2.0/UDP "+value[5:len(value)-1])
	case 1:
		if mo.popped+1 < len(mo.vias) {
			r.PopVia()
			mo.vias[mo.popped] = taken
			mo.popped++
		}
	case 2:
		r.PushRoute([]byte(value))
		mo.above = append([]string{value}, mo.above...)
	case 3:
		r.AppendRoute([]byte(value))
		mo.below = append(mo.below, value)
	case 4, 5:
		i := 0
		for it := m.Values(sip.Route); it.Next(); i++ {
			if i == n {
				r.RemoveValue(sip.Route, it.Value)
				mo.routes[i] = taken
			}
		}
	case 6:
		r.SetMaxForwards(n)
		mo.hops = fmt.Sprint(n)
	case 7:
		r.RemoveAll(sip.Route)
		for i := range mo.routes {
			mo.routes[i] = taken
		}
	}
}

func (mo *model) compare(t *testing.T, m *sip.Message) {
	t.Helper()
	slices.Reverse(mo.pushed)
	gone := func(s string) bool { return s == taken }
	want := append(mo.pushed, slices.DeleteFunc(mo.vias, gone)...)
	if got := values(m, sip.Via); !slices.Equal(got, want) {
		t.Fatalf("Via\n got %q\nwant %q", got, want)
	}
	want = append(append(mo.above, slices.DeleteFunc(mo.routes, gone)...), mo.below...)
	if got := values(m, sip.Route); !slices.Equal(got, want) {
		t.Fatalf("Route\n got %q\nwant %q", got, want)
	}
	after := newModel(m)
	if !slices.Equal(after.others, mo.others) || after.body != mo.body || after.hops != mo.hops {
		t.Fatalf("the rest\n got %q %q %q\nwant %q %q %q", after.others, after.body, after.hops, mo.others, mo.body, mo.hops)
	}
}

// HostAddr is netip.ParseAddr without zones and with one colon too many allowed.
func FuzzHostAddr(f *testing.F) {
	f.Add("2001:db8:::192.0.2.1")
	f.Add("192.0.2.1")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := sip.HostAddr([]byte(s))
		want, err := netip.ParseAddr(s)
		if err == nil && want.Zone() == "" && (!ok || got != want) {
			t.Fatalf("%q: got %v %v, want %v", s, got, ok, want)
		}
		if ok && err != nil && !strings.Contains(s, ":::") && !strings.HasPrefix(s, "[") {
			t.Fatalf("%q: got %v, want a refusal", s, got)
		}
	})
}
