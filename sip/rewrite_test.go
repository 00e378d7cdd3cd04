package sip_test

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/sip"
)

const routed = "INVITE sip:bob@example.com SIP/2.0\n" +
	"Subject: x\n" +
	"Via: SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/UDP b\n" +
	"v:\tSIP/2.0/TCP c\n" +
	"Route: <sip:r1;lr>,<sip:r2;lr>\n ,\t<sip:r3;lr>\n" +
	"Max-Forwards: 70\n" +
	"route: <sip:r4;lr>\n" +
	"From: <sip:alice@example.com>;tag=a1\nTo: <sip:bob@example.com>\nCall-ID: c1\nCSeq: 7 INVITE\n" +
	"X-A: 1\nX-B: 2\nx-a: 3\n" +
	"Content-Length: 2\n\nhi"

// edited wants that the edits turn routed into want, where want is given by
// replacements in routed.
func edited(t *testing.T, edit func(*sip.Rewriter, *sip.Message), oldnew ...string) {
	t.Helper()
	want := routed
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(want, oldnew[i]) {
			t.Fatalf("no %q", oldnew[i])
		}
		want = strings.Replace(want, oldnew[i], oldnew[i+1], 1)
	}
	equal(t, "rewritten", rewrite(t, text(routed), edit), string(text(want)))
}

// Proves: SX-24
func TestRewriter(t *testing.T) {
	t.Parallel()
	type R = *sip.Rewriter
	b := func(s string) []byte { return []byte(s) }
	via := "Via: SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/UDP b\n"
	route := "Route: <sip:r1;lr>,<sip:r2;lr>\n ,\t<sip:r3;lr>\n"
	for _, c := range []struct {
		name   string
		edit   func(R, *sip.Message)
		oldnew []string
	}{
		{"nothing", func(r R, m *sip.Message) {}, nil},
		{"Request-URI, twice", func(r R, m *sip.Message) { r.SetRequestURI(b("sip:x")); r.SetRequestURI(b("sip:y@z")) }, []string{"sip:bob@example.com", "sip:y@z"}},
		{"Max-Forwards", func(r R, m *sip.Message) { r.SetMaxForwards(7); r.SetMaxForwards(69) }, []string{"70", "69"}},
		{"Max-Breadth is added", func(r R, m *sip.Message) { r.SetMaxBreadth(60); r.SetMaxBreadth(30) }, []string{"v:\tSIP/2.0/TCP c\n", "v:\tSIP/2.0/TCP c\nMax-Breadth: 30\n"}},
		{"push Via and stamp", func(r R, m *sip.Message) {
			r.PushVia(b("V1"))
			r.StampVia(netip.MustParseAddrPort("192.0.2.1:5"))
			r.PushVia(b("V2"))
		}, []string{via, "Via: V2\nVia: V1\n" + strings.Replace(via, "K1", "K1;received=192.0.2.1", 1)}},
		{"pop", func(r R, m *sip.Message) { r.PopVia() }, []string{via, "Via: SIP/2.0/UDP b\n"}},
		{"pop twice", func(r R, m *sip.Message) { r.PopVia(); r.PopVia() }, []string{via, ""}},
		{"pop all and more", func(r R, m *sip.Message) { r.PopVia(); r.PopVia(); r.PopVia(); r.PopVia() }, []string{via, "", "v:\tSIP/2.0/TCP c\n", ""}},
		{"pop and push", func(r R, m *sip.Message) { r.PopVia(); r.PushVia(b("V")) }, []string{via, "Via: V\nVia: SIP/2.0/UDP b\n"}},
		{"stamp and pop", func(r R, m *sip.Message) { r.StampVia(netip.MustParseAddrPort("192.0.2.1:5")); r.PopVia() }, []string{via, "Via: SIP/2.0/UDP b\n"}},
		{
			"push routes", func(r R, m *sip.Message) {
				r.PushRoute(b("A"))
				r.PushRoute(b("B"))
				r.AppendRoute(b("Y"))
				r.AppendRoute(b("Z"))
			},
			[]string{route, "Route: B\nRoute: A\n" + route, "route: <sip:r4;lr>\n", "route: <sip:r4;lr>\nRoute: Y\nRoute: Z\n"},
		},
		{"first route", remove(0), []string{"<sip:r1;lr>,", ""}},
		{"middle route", remove(1), []string{",<sip:r2;lr>", ""}},
		{"last route", remove(2), []string{"\n ,\t<sip:r3;lr>", ""}},
		{"route alone in its line", remove(3), []string{"route: <sip:r4;lr>\n", ""}},
		{"first two routes", remove(0, 1), []string{"<sip:r1;lr>,<sip:r2;lr>\n ,\t", ""}},
		{"first and third route", remove(2, 0), []string{"<sip:r1;lr>,", "", "\n ,\t<sip:r3;lr>", ""}},
		{"last two routes of a line", remove(2, 1), []string{",<sip:r2;lr>\n ,\t<sip:r3;lr>", ""}},
		{"a whole line of routes", remove(0, 1, 2, 1), []string{route, ""}},
		{"all routes", remove(3, 1, 2, 0), []string{route, "", "route: <sip:r4;lr>\n", ""}},
		{"remove all routes, push and append", func(r R, m *sip.Message) {
			r.PushRoute(b("A"))
			remove(3, 1, 2, 0)(r, m)
			r.PushRoute(b("B"))
			r.AppendRoute(b("Z"))
		}, []string{route, "Route: B\nRoute: A\n", "route: <sip:r4;lr>\n", "Route: Z\n"}},
		{"RemoveAll", func(r R, m *sip.Message) { r.RemoveAll(sip.Route); r.RemoveAll(sip.Route); r.RemoveAll(sip.Date) }, []string{route, "", "route: <sip:r4;lr>\n", ""}},
		{"RemoveAll, then Max-Forwards above it", func(r R, m *sip.Message) { r.RemoveAll(sip.Route); r.SetMaxForwards(1) }, []string{route, "", "70", "1", "route: <sip:r4;lr>\n", ""}},
		{"a value of another header", func(r R, m *sip.Message) {
			v, _ := m.First(sip.Via)
			r.RemoveValue(sip.Route, v)
			r.RemoveValue(sip.Date, v)
		}, nil},
		{
			"Record-Route goes below Via", func(r R, m *sip.Message) { r.PushRecordRoute(b("<a>")); r.PushRecordRoute(b("<b>")) },
			[]string{"v:\tSIP/2.0/TCP c\n", "v:\tSIP/2.0/TCP c\nRecord-Route: <b>\nRecord-Route: <a>\n"},
		},
		{"Add to its kind", func(r R, m *sip.Message) { r.Add("X-A", b("4")); r.Add("X-A", b("5")) }, []string{"x-a: 3\n", "x-a: 3\nX-A: 4\nX-A: 5\n"}},
		{"Add a new one", func(r R, m *sip.Message) { r.Add("X-C", b("4")) }, []string{"Content-Length: 2\n", "Content-Length: 2\nX-C: 4\n"}},
		{"Add a known one", func(r R, m *sip.Message) { r.Add("Subject", b("y")) }, []string{"Subject: x\n", "Subject: x\nSubject: y\n"}},
		{"Set", func(r R, m *sip.Message) { r.Set(sip.Subject, b("y")); r.Set(sip.Subject, b("z")) }, []string{"Subject: x", "Subject: z"}},
		{"Set what is not there", func(r R, m *sip.Message) { r.Set(sip.Date, b("y")); r.Set(sip.Date, b("z")) }, []string{"Content-Length: 2\n", "Content-Length: 2\nDate: z\n"}},
		{"Set a list", func(r R, m *sip.Message) { remove(1, 3)(r, m); r.Set(sip.Route, b("<z>")) }, []string{route, "Route: <z>\n", "route: <sip:r4;lr>\n", ""}},
		{"Set after RemoveAll", func(r R, m *sip.Message) { r.RemoveAll(sip.Route); r.Set(sip.Route, b("<z>")) }, []string{route, "Route: <z>\n", "route: <sip:r4;lr>\n", ""}},
		{"Replace", func(r R, m *sip.Message) { v, _ := m.First(sip.Route); r.Replace(v, b("<q>")); r.Replace(v, b("<p>")) }, []string{"<sip:r1;lr>", "<p>"}},
		{"Replace, then remove", func(r R, m *sip.Message) { v, _ := m.First(sip.Route); r.Replace(v, b("<q>")); remove(0)(r, m) }, []string{"<sip:r1;lr>,", ""}},
		{"Content-Length is there", func(r R, m *sip.Message) { r.EnsureContentLength() }, nil},
		{"without body", func(r R, m *sip.Message) { r.DropBody(); r.EnsureContentLength() }, []string{"Content-Length: 2\n\nhi", "Content-Length: 0\n\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			edited(t, c.edit, c.oldnew...)
		})
	}
}

// remove takes out the Route values with these numbers, in that order.
func remove(numbers ...int) func(*sip.Rewriter, *sip.Message) {
	return func(r *sip.Rewriter, m *sip.Message) {
		var all []sip.Value
		for it := m.Values(sip.Route); it.Next(); {
			all = append(all, it.Value)
		}
		for _, n := range numbers {
			r.RemoveValue(sip.Route, all[n])
		}
	}
}

func TestRewriterWithLittle(t *testing.T) {
	t.Parallel()
	wire := text("OPTIONS sip:b SIP/2.0\nf: <sip:a>;tag=1\nMax-Breadth: 9\nt: <sip:b>\nMax-Breadth: 8\ni: c\nVia: SIP/2.0/UDP h\nCSeq: 1 OPTIONS\n\nbody")
	got := rewrite(t, wire, func(r *sip.Rewriter, m *sip.Message) {
		r.EnsureContentLength()
		r.SetMaxForwards(70)
		r.PushRoute([]byte("<r>"))
		r.AppendRoute([]byte("<s>"))
		r.SetMaxBreadth(5)
		r.PushVia([]byte("V"))
	})
	equal(t, "rewritten", got, string(text("OPTIONS sip:b SIP/2.0\nf: <sip:a>;tag=1\nMax-Breadth: 5\nt: <sip:b>\ni: c\nVia: V\nVia: SIP/2.0/UDP h\n"+
		"Route: <r>\nMax-Forwards: 70\nRoute: <s>\nCSeq: 1 OPTIONS\nContent-Length: 4\n\nbody")))
	got = rewrite(t, wire, func(r *sip.Rewriter, m *sip.Message) { r.EnsureContentLength(); r.DropBody() })
	equal(t, "without body", got, strings.TrimSuffix(string(wire), "\r\nbody")+"Content-Length: 0\r\n\r\n")
	var m sip.Message
	if err := m.Parse(text("SIP/2.0 200 OK\n\n")); err != nil {
		t.Fatal(err)
	}
	var r sip.Rewriter
	r.Reset(&m)
	r.PopVia()
	r.StampVia(source)
	r.PushVia([]byte("V"))
	r.PushRecordRoute([]byte("<x>"))
	equal(t, "bare", string(r.AppendTo([]byte("pre"))), "preSIP/2.0 200 OK\r\nRecord-Route: <x>\r\nVia: V\r\n\r\n")
}

// Proves: UR-8
func TestRequestURIWithoutHeaders(t *testing.T) {
	t.Parallel()
	m := parse(t, readTorture(t, "rfc4475/escruri"))
	got := rewrite(t, m.Wire(), func(r *sip.Rewriter, m *sip.Message) {
		u, _ := m.URI()
		r.SetRequestURI(u.AppendRequestURI(nil))
	})
	equal(t, "relayed", got, strings.Replace(string(m.Wire()), "?Route=%3Csip:example.com%3E", "", 1))
}

func TestAckAndCancel(t *testing.T) {
	t.Parallel()
	wire := text("INVITE sip:bob@192.0.2.4 SIP/2.0\nVia: SIP/2.0/UDP p;branch=z9hG4bKp , SIP/2.0/UDP a\nVia: SIP/2.0/UDP b\nMax-Forwards: 69\n" +
		"Require: 100rel\nProxy-Require: x\nRoute: <sip:r1;lr>,\n <sip:r2;lr>\nFrom: <sip:a>\n ;tag=1\nt: <sip:b>\nRoute: <sip:r3>\ni: c1\nCSeq: 0009\n INVITE\n" +
		"Contact: <sip:a@h>\nContent-Length: 2\n\nhi")
	head := " sip:bob@192.0.2.4 SIP/2.0\nVia: SIP/2.0/UDP p;branch=z9hG4bKp\nMax-Forwards: 69\nRoute: <sip:r1;lr>,\n <sip:r2;lr>\nRoute: <sip:r3>\n" +
		"From: <sip:a>\n ;tag=1\ni: c1\n"
	invite := parse(t, wire)
	var headOnly sip.Message
	if err := headOnly.ParseSent(invite.HeaderPart()); err == nil {
		t.Error("a header part without its body has no fault")
	}
	for _, m := range []*sip.Message{invite, &headOnly} {
		equal(t, "ACK", string(sip.AppendAck(nil, m, []byte("<sip:b>;tag=9"))), string(text("ACK"+head+"To: <sip:b>;tag=9\nCSeq: 0009 ACK\nContent-Length: 0\n\n")))
		equal(t, "CANCEL", string(sip.AppendCancel(nil, m, nil)), string(text("CANCEL"+head+"t: <sip:b>\nCSeq: 0009 CANCEL\nContent-Length: 0\n\n")))
		withReason := sip.AppendCancel([]byte("x"), m, []byte("SIP;cause=200"))
		equal(t, "CANCEL", string(withReason), string(text("xCANCEL"+head+"t: <sip:b>\nCSeq: 0009 CANCEL\nReason: SIP;cause=200\nContent-Length: 0\n\n")))
	}
	parse(t, sip.AppendAck(nil, invite, []byte("<sip:b>;tag=9")))
	parse(t, sip.AppendCancel(nil, invite, nil))
}
