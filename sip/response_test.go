package sip_test

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/sip"
)

var source = netip.MustParseAddrPort("198.51.100.7:4321")

// answer builds a response to a request whose top Via is via.
func answer(t *testing.T, via string, r sip.Response) string {
	t.Helper()
	wire := strings.Replace(string(options("")), "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1", via, 1)
	var m sip.Message
	_ = m.Parse([]byte(wire))
	return string(sip.AppendResponse(nil, &m, &r))
}

// Proves: TV-1, TV-3, TV-11, TV-12, RE-1
func TestStampedVia(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, via, source, want string }{
		{"sent-by equals the source", "SIP/2.0/UDP 192.0.2.1:5060;branch=b", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1:5060;branch=b"},
		{"another address", "SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.9:5060", "SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.9"},
		{"a name", "SIP/2.0/UDP pc.example.com", "192.0.2.9:5060", "SIP/2.0/UDP pc.example.com;received=192.0.2.9"},
		{"rport with the same address", "SIP/2.0/UDP 192.0.2.1;rport;branch=b", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.1;rport=9"},
		{"rport last", "SIP/2.0/UDP h;branch=b ; rport", "192.0.2.1:9", "SIP/2.0/UDP h;branch=b ;received=192.0.2.1;rport=9"},
		{"mapped source", "SIP/2.0/UDP 192.0.2.1", "[::ffff:192.0.2.1]:9", "SIP/2.0/UDP 192.0.2.1"},
		{"mapped source, other", "SIP/2.0/UDP 192.0.2.2", "[::ffff:192.0.2.1]:9", "SIP/2.0/UDP 192.0.2.2;received=192.0.2.1"},
		{"IPv6 without brackets", "SIP/2.0/UDP [2001:db8::2];rport", "[2001:db8::1]:5062", "SIP/2.0/UDP [2001:db8::2];received=2001:db8::1;rport=5062"},
		{"IPv6 spelled otherwise", "SIP/2.0/UDP [2001:DB8:0::1]", "[2001:db8::1]:5062", "SIP/2.0/UDP [2001:DB8:0::1]"},
		{"zone", "SIP/2.0/UDP h", "[fe80::1%eth0]:5062", "SIP/2.0/UDP h;received=fe80::1"},
		{"forged received", "SIP/2.0/UDP h;received=192.0.2.66;branch=b", "192.0.2.1:9", "SIP/2.0/UDP h;branch=b;received=192.0.2.1"},
		{"forged and not needed", "SIP/2.0/UDP 192.0.2.1;received=192.0.2.66;branch=b", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;branch=b"},
		{"forged rport", "SIP/2.0/UDP 192.0.2.1;rport=66;received=192.0.2.66", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;rport=9"},
		{"top of a list", "SIP/2.0/UDP h;rport , SIP/2.0/UDP i;rport", "192.0.2.1:9", "SIP/2.0/UDP h;received=192.0.2.1;rport=9 , SIP/2.0/UDP i;rport"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := netip.MustParseAddrPort(c.source)
			got := answer(t, c.via, sip.Response{Status: 404, Source: src})
			equal(t, "response", line(got, "Via: "), c.want)
			wire := strings.Replace(string(options("")), "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1", c.via, 1)
			got = rewrite(t, []byte(wire), func(r *sip.Rewriter, _ *sip.Message) {
				r.StampVia(src)
				r.StampVia(src)
			})
			equal(t, "forwarded", got, strings.Replace(wire, c.via, c.want, 1))
		})
	}
	got := answer(t, "SIP/2.0/UDP h;rport", sip.Response{Status: 404})
	equal(t, "without source", line(got, "Via: "), "SIP/2.0/UDP h;rport")
	// RFC 4475 §3.1.2.1: what is sound of a malformed Via is enough for an answer
	got = answer(t, "SIP/2.0/UDP 192.0.2.15;;,;,,", sip.Response{Status: 400, Source: source})
	equal(t, "malformed", line(got, "Via: "), "SIP/2.0/UDP 192.0.2.15;received=198.51.100.7;;,;,,")
}

// line returns the rest of the first line that begins with prefix.
func line(msg, prefix string) string {
	for l := range strings.SplitSeq(msg, "\r\n") {
		if rest, ok := strings.CutPrefix(l, prefix); ok {
			return rest
		}
	}
	return ""
}

// Proves: RE-1, RE-2, RE-4
func TestAppendResponse(t *testing.T) {
	t.Parallel()
	wire := text("INVITE sip:bob@example.com SIP/2.0\nv: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa1,\n SIP/2.0/UDP b\nTimestamp: 54\n" +
		"Via: SIP/2.0/TCP c\nFrom: Alice\n <sip:alice@example.com>;tag=a1\nTo: <sip:bob@example.com>  \nX: y\nCall-ID: c1\nCSeq: 7 INVITE\nRecord-Route: <sip:r>\n\n")
	m := parse(t, wire)
	common := "v: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa1,\n SIP/2.0/UDP b\nVia: SIP/2.0/TCP c\nFrom: Alice\n <sip:alice@example.com>;tag=a1\n"
	got := sip.AppendResponse([]byte("before"), m, &sip.Response{Status: 404, Tag: []byte("t9"), Source: source, Server: "S", Headers: []byte("Retry-After: 5\r\n")})
	equal(t, "404", string(got), "before"+string(text("SIP/2.0 404 Not Found\n"+common+
		"To: <sip:bob@example.com>;tag=t9  \nCall-ID: c1\nCSeq: 7 INVITE\nServer: S\nRetry-After: 5\nContent-Length: 0\n\n")))
	got = sip.AppendResponse(nil, m, &sip.Response{Status: 100, Source: source})
	equal(t, "100", string(got), string(text("SIP/2.0 100 Trying\n"+common+
		"To: <sip:bob@example.com>  \nCall-ID: c1\nCSeq: 7 INVITE\nTimestamp: 54\nContent-Length: 0\n\n")))

	for to, want := range map[string]string{
		"<sip:b@h>;tag=x":          "<sip:b@h>;tag=x",
		"<sip:b@h>;TAG=x":          "<sip:b@h>;TAG=x",
		"sip:b@h":                  "sip:b@h;tag=t9",
		"<sip:b@h;tag=u>":          "<sip:b@h;tag=u>;tag=t9",
		"\"B ;tag=x\" <sip:b@h>":   "\"B ;tag=x\" <sip:b@h>;tag=t9",
		"\"B <sip:b@h>":            "\"B <sip:b@h>;tag=t9",
		"\"B <sip:b@h> ; tag = x":  "\"B <sip:b@h> ; tag = x",
		"Bell, A <sip:b@h>;tag=x1": "Bell, A <sip:b@h>;tag=x1",
	} {
		var m sip.Message
		_ = m.Parse([]byte(strings.Replace(string(options("")), "<sip:bob@example.com>", to, 1)))
		got := sip.AppendResponse(nil, &m, &sip.Response{Status: 400, Tag: []byte("t9"), Reason: "Bad To"})
		equal(t, "To", line(string(got), "To: "), want)
		equal(t, "start line", line(string(got), "SIP/2.0 "), "400 Bad To")
	}
}

// What could damage the response is left out of it.
func TestResponseToDamage(t *testing.T) {
	t.Parallel()
	wire := strings.Replace(string(options("")), "c1@192.0.2.1", "c1\nX: y", 1)
	wire = strings.Replace(wire, "tag=a1\r\n", "tag=a1\r\nFrom: <sip:mallory@example.com>\r\n", 1)
	var m sip.Message
	if err := m.Parse([]byte(wire)); err == nil || !m.Answerable() {
		t.Fatal("want an answerable fault", err)
	}
	got := sip.AppendResponse(nil, &m, &sip.Response{Status: 400, Source: source, Tag: []byte("t")})
	equal(t, "400", string(got), string(text("SIP/2.0 400 Bad Request\n"+
		"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1;received=198.51.100.7\n"+
		"From: <sip:alice@example.com>;tag=a1\nTo: <sip:bob@example.com>;tag=t\nCSeq: 7 OPTIONS\nContent-Length: 0\n\n")))
}

// A damaged line is none for the views.
func TestViewsOfDamage(t *testing.T) {
	t.Parallel()
	whole := string(options("Max-Breadth: 9\n"))
	for name, failed := range map[string]func(m *sip.Message) error{
		"To":           func(m *sip.Message) error { _, err := m.ToAddress(); return err },
		"From":         func(m *sip.Message) error { _, err := m.FromAddress(); return err },
		"CSeq":         func(m *sip.Message) error { _, err := m.Sequence(); return err },
		"Via":          func(m *sip.Message) error { _, err := m.TopVia(); return err },
		"Max-Forwards": func(m *sip.Message) error { _, _, err := m.MaxForwardsValue(); return err },
		"Max-Breadth":  func(m *sip.Message) error { _, _, err := m.MaxBreadthValue(); return err },
	} {
		var m sip.Message
		if err := m.Parse([]byte(strings.Replace(whole, "\r\n"+name+": ", "\r\n"+name+": \n", 1))); err == nil {
			t.Errorf("%s: no fault", name)
		}
		if failed(&m) == nil {
			t.Errorf("%s: the damaged line is read", name)
		}
		out := sip.AppendResponse(nil, &m, &sip.Response{Status: 400, Tag: []byte("t")})
		if line(string(out), name+": ") != "" {
			t.Errorf("%s: copied into %q", name, out)
		}
		if m.ToTag() != nil {
			t.Errorf("%s: To tag %q", name, m.ToTag())
		}
	}
}

func TestStatusText(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		100: "Trying", 180: "Ringing", 200: "OK", 299: "OK", 404: "Not Found", 487: "Request Terminated", 481: "Call/Transaction Does Not Exist",
		482: "Loop Detected", 483: "Too Many Hops", 440: "Max-Breadth Exceeded", 430: "Flow Failed", 500: "Server Internal Error",
		503: "Service Unavailable", 505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere", 604: "Does Not Exist Anywhere",
		416: "Unsupported URI Scheme", 420: "Bad Extension", 423: "Interval Too Brief", 99: "", 700: "", -1: "", 555: "Server Internal Error",
	} {
		equal(t, "phrase", sip.StatusText(status), want)
	}
}

// A value with as many parameters as are let in gets one more here, and the
// message may come back through us: in a spiral, or as the response to one.
func TestFullValuesStayReadable(t *testing.T) {
	full := strings.Repeat(";a", sip.MaxParams)
	wire := strings.Replace(string(options("")), "192.0.2.1:5060;branch=z9hG4bKa1", "h"+full, 1)
	wire = strings.Replace(wire, "To: <sip:bob@example.com>", "To: <sip:bob@example.com>"+full, 1)
	for range 2 {
		m := parse(t, []byte(wire))
		var r sip.Rewriter
		r.Reset(m)
		r.StampVia(source)
		back := parse(t, r.AppendTo(nil))
		if v, err := back.TopVia(); err != nil || string(v.Received) != source.Addr().String() {
			t.Fatalf("%v, %+v", err, v)
		}
		answer := sip.AppendResponse(nil, back, &sip.Response{Status: 486, Tag: []byte("here"), Source: source})
		if m = parse(t, answer); string(m.ToTag()) != "here" {
			t.Errorf("To tag %q in\n%s", m.ToTag(), answer)
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
		again := sip.AppendResponse(nil, m, &sip.Response{Status: 486, Tag: []byte("second")})
		if strings.Contains(string(again), "second") {
			t.Errorf("a second tag in\n%s", again)
		}
		wire = string(r.AppendTo(nil)) // once more as it left
	}
}
