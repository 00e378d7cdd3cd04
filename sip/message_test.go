package sip_test

import (
	"fmt"
	"strings"
	"testing"

	"viaduct/sip"
)

// Proves: SX-1
func TestIncomplete(t *testing.T) {
	t.Parallel()
	for _, wire := range [][]byte{options(""), response("")} {
		wantStatus(t, wire[:len(wire)-2], 400)
		wantStatus(t, wire[:len(wire)-1], 400)
		wantStatus(t, wire, 0)
	}
	wantStatus(t, nil, 400)
	wantStatus(t, []byte("OPTIONS sip:bob@example.com SIP/2.0"), 400)
	if m := wantStatus(t, options("")[:60], 400); m.Answerable() {
		t.Error("answerable without a whole Via line")
	}
}

// Proves: SX-2
func TestLeadingLineEnds(t *testing.T) {
	t.Parallel()
	m := parse(t, append([]byte("\r\n\r\n\r\n"), options("")...))
	equal(t, "Wire", string(m.Wire()), string(options("")))
}

// Proves: SX-3, SX-4, SX-6, SX-30
func TestStartLine(t *testing.T) {
	t.Parallel()
	rest := string(options(""))
	rest = rest[strings.Index(rest, "\r\n"):]
	for line, want := range map[string]int{
		"OPTIONS sip:bob@example.com SIP/2.0":         0,
		"OPTIONS sip:bob@example.com sip/2.0":         0,
		"OPTIONS sip:bob@example.com SIP/7.0":         505,
		"OPTIONS sip:bob@example.com SIP/2.00":        505,
		"OPTIONS sip:bob@example.com SIP/1.0":         505,
		"OPTIONS sip:bob@example.com HTTP/1.1":        400,
		"OPTIONS sip:bob@example.com SIP/2":           400,
		"OPTIONS sip:bob@example.com SIP/.0":          400,
		"OPTIONS sip:bob@example.com SIP/2.":          400,
		"OPTIONS sip:bob@example.com":                 400,
		"OPTIONS":                                     400,
		"":                                            400,
		"OPTIONS  sip:bob@example.com SIP/2.0":        400,
		"OPTIONS sip:bob@example.com  SIP/2.0":        400,
		"OPTIONS sip:bob@example.com SIP/2.0 ":        400,
		" OPTIONS sip:bob@example.com SIP/2.0":        400,
		"OPTIONS\tsip:bob@example.com SIP/2.0":        400,
		"OPTIONS <sip:bob@example.com> SIP/2.0":       400,
		"OPTIONS sip:bob@exam ple.com SIP/2.0":        400,
		"OPTIONS sip:bob@example.com;\x01 SIP/2.0":    400,
		"OPT@IONS sip:bob@example.com SIP/2.0":        400,
		"OPTIONS sip:bob@example.com\r\n  SIP/2.0":    400,
		"OPTIONS sip:bob@example.com SIP/2.0\r\n ;lr": 400,
		"SIP/2.0 200 OK":                              0,
		"sip/2.0 200 OK":                              0,
		"SIP/2.0 200 ":                                0,
		"SIP/2.0 200":                                 0,
		"SIP/2.0 200 \xd0\xbd\xd0\xbe = 2**3":         0,
		"SIP/3.0 200 OK":                              505,
		"SIP/2.0 99 OK":                               400,
		"SIP/2.0 099 OK":                              400,
		"SIP/2.0 700 OK":                              400,
		"SIP/2.0 2000 OK":                             400,
		"SIP/2.0 +20 OK":                              400,
		"SIP/2.0  200 OK":                             400,
		"SIP/2.0":                                     400,
	} {
		wantStatus(t, []byte(line+rest), want)
	}
	for line, reason := range map[string]string{"SIP/2.0 486 ": "", "SIP/2.0 486": "", "SIP/2.0 486  Busy \xd0": " Busy \xd0"} {
		m := parse(t, []byte(line+rest))
		equal(t, "reason", string(m.ReasonPhrase()), reason)
		out := rewrite(t, []byte(line+rest), func(r *sip.Rewriter, _ *sip.Message) { r.PopVia() })
		equal(t, "relayed start line", out[:strings.Index(out, "\r\n")], line)
	}
	for _, line := range []string{"sip/2.0 180 Ringing", "OPTIONS sip:b@example.com Sip/2.0"} {
		out := rewrite(t, []byte(line+rest), func(*sip.Rewriter, *sip.Message) {})
		upper := strings.NewReplacer("sip/", "SIP/", "Sip/", "SIP/").Replace(line)
		equal(t, "sent version", out, upper+rest)
	}
}

// Proves: SX-5
func TestMethodsCompareWithCase(t *testing.T) {
	t.Parallel()
	m := parse(t, []byte(strings.ReplaceAll(string(options("")), "OPTIONS", "invite")))
	if m.Method() != sip.OtherMethod || string(m.MethodName()) != "invite" {
		t.Errorf("got %v %q", m.Method(), m.MethodName())
	}
	for method := sip.INVITE; method <= sip.PUBLISH; method++ {
		if sip.MethodOf([]byte(method.String())) != method {
			t.Errorf("%v does not come back", method)
		}
	}
}

// Proves: SX-7, SX-8
func TestHeaderNames(t *testing.T) {
	t.Parallel()
	for id := sip.Via; sip.HeaderName(id) != ""; id++ {
		name := sip.HeaderName(id)
		for _, n := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			if sip.HeaderOf(n) != id {
				t.Errorf("%s is %d, want %d", n, sip.HeaderOf(n), id)
			}
			m := new(sip.Message)
			_ = m.Parse([]byte("OPTIONS sip:a SIP/2.0\r\n" + n + ": x\r\n\r\n"))
			if !m.Has(id) {
				t.Errorf("%s is not found in a message", n)
			}
		}
		for _, n := range []string{name + "x", name[:len(name)-1] + "!", "x" + name} {
			if sip.HeaderOf(n) == id {
				t.Errorf("%s counts as %s", n, name)
			}
		}
	}
	compact := map[string]sip.HeaderID{
		"v": sip.Via, "f": sip.From, "t": sip.To, "i": sip.CallID, "m": sip.Contact, "l": sip.ContentLength,
		"c": sip.ContentType, "e": sip.ContentEncoding, "k": sip.Supported, "s": sip.Subject, "r": sip.ReferTo,
		"b": sip.ReferredBy, "x": sip.SessionExpires, "o": sip.Event, "u": sip.AllowEvents, "a": sip.AcceptContact,
		"d": sip.RequestDisposition, "j": sip.RejectContact, "y": sip.Identity, "n": sip.IdentityInfo,
	}
	for c := 'a'; c <= 'z'; c++ {
		for _, n := range []string{string(c), strings.ToUpper(string(c))} {
			if sip.HeaderOf(n) != compact[string(c)] {
				t.Errorf("%s is %s", n, sip.HeaderName(sip.HeaderOf(n)))
			}
		}
	}
	m := parse(t, options("Viability: x\nmAx-BrEaDtH: 7\n"))
	if n := len(values(m, sip.Via)); n != 1 {
		t.Errorf("%d Via values", n)
	}
	if n, ok, err := m.MaxBreadthValue(); n != 7 || !ok || err != nil {
		t.Error("Max-Breadth not found", n, ok, err)
	}
}

// Proves: SX-8
func TestCompactForm(t *testing.T) {
	t.Parallel()
	wire := text("INVITE sip:bob@example.com SIP/2.0\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa1\n" +
		"f: <sip:alice@example.com>;tag=a1\nt: <sip:bob@example.com>\ni: c1\nCSeq: 7 INVITE\nm: <sip:a@192.0.2.1>\n" +
		"Max-Forwards: 70\nc: text/plain\nl: 2\n\nhi")
	out := rewrite(t, wire, func(r *sip.Rewriter, m *sip.Message) {
		r.EnsureContentLength()
		r.SetMaxForwards(69)
		r.Set(sip.Contact, []byte("<sip:b@192.0.2.2>"))
	})
	equal(t, "rewritten", out, strings.NewReplacer("Max-Forwards: 70", "Max-Forwards: 69",
		"m: <sip:a@192.0.2.1>", "m: <sip:b@192.0.2.2>").Replace(string(wire)))
	out = rewrite(t, wire, func(r *sip.Rewriter, m *sip.Message) { r.DropBody() })
	equal(t, "without body", out, strings.TrimSuffix(strings.Replace(string(wire), "l: 2", "l: 0", 1), "hi"))
}

// Proves: SX-9
func TestFolding(t *testing.T) {
	t.Parallel()
	m := parse(t, text("OPTIONS sip:bob@example.com SIP/2.0\nVia:\n SIP\n /\n\t2.0 / UDP\n  192.0.2.1\n :\n 5061\n ;\n branch\n =\n z9hG4bKa1\n"+
		"From: \"a\n b\" <sip:alice@example.com>\n ;tag=a1\nTo:\n\t<sip:bob@example.com>\nCall-ID:\n c1\nCSeq:\n 7\n OPTIONS\nMax-Forwards:\n 70\nContent-Length:\n 0\n\n"))
	v, _ := m.TopVia()
	if v.Port != 5061 || string(v.Branch) != "z9hG4bKa1" || string(v.Host) != "192.0.2.1" {
		t.Errorf("Via %+v", v)
	}
	from, _ := m.FromAddress()
	equal(t, "display", string(from.Display), "\"a\r\n b\"")
	equal(t, "Call-ID", string(m.CallIDValue()), "c1")
	// not between a name and its colon
	wantStatus(t, options("Subject\n : x\n"), 400)
}

// Proves: SX-10, SX-27
func TestLists(t *testing.T) {
	t.Parallel()
	m := parse(t, options("Route: <sip:a;lr> , \"x, y\" <sip:b,c@h;lr>;p=\",\"\nroute:<sip:d>\n"+
		"Supported: a,,b\nk: c\nRequire:\nAuthorization: Digest a=\"1\", b=2\nAuthorization: Digest c=3\nContact: *\n"))
	for id, want := range map[sip.HeaderID]string{
		sip.Route:              `<sip:a;lr>|"x, y" <sip:b,c@h;lr>;p=","|<sip:d>`,
		sip.Supported:          "a|b|c",
		sip.Require:            "",
		sip.Authorization:      `Digest a="1", b=2|Digest c=3`,
		sip.Contact:            "*",
		sip.ProxyAuthorization: "",
	} {
		equal(t, sip.HeaderName(id), strings.Join(values(m, id), "|"), want)
	}
	out := rewrite(t, m.Wire(), func(r *sip.Rewriter, m *sip.Message) {
		it := m.Values(sip.Authorization)
		it.Next()
		r.RemoveValue(sip.Authorization, it.Value)
	})
	equal(t, "one credential taken", out, strings.Replace(string(m.Wire()), "Authorization: Digest a=\"1\", b=2\r\n", "", 1))
}

// Proves: SX-11
func TestWhiteSpaceAroundSeparators(t *testing.T) {
	t.Parallel()
	wire := strings.Replace(string(options("")), "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1", "Via  : SIP / 2.0 / UDP h : 5060 ; branch = x", 1)
	v, err := parse(t, []byte(wire)).TopVia()
	if err != nil || string(v.Transport) != "UDP" || string(v.Host) != "h" || v.Port != 5060 || string(v.Branch) != "x" {
		t.Errorf("got %+v, %v", v, err)
	}
	equal(t, "sent-by", string(v.SentBy), "h : 5060")
}

// Proves: SX-12
func TestQuotesProtect(t *testing.T) {
	t.Parallel()
	a, err := sip.ParseAddress([]byte(`"a <sip:x@y>, ;tag=z \" \\" <sip:b@h;p=1>;tag=q;x="y;tag=no"`))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "display", string(a.Display), `"a <sip:x@y>, ;tag=z \" \\"`)
	equal(t, "URI", string(a.URI), "sip:b@h;p=1")
	equal(t, "tag", string(a.Tag()), "q")
	a, err = sip.ParseAddress([]byte("sip:b@h;tag=q;p"))
	if err != nil || string(a.URI) != "sip:b@h" || string(a.Tag()) != "q" || a.Angle {
		t.Errorf("got %+v, %v", a, err)
	}
}

// Proves: SX-13, SX-14, SX-15
func TestContentLength(t *testing.T) {
	t.Parallel()
	head := strings.Replace(string(options("")), "Content-Length: 0\r\n", "", 1)
	m := parse(t, []byte(head+"the rest"))
	equal(t, "body without Content-Length", string(m.Body()), "the rest")
	with := func(n string) []byte {
		return []byte(strings.Replace(head, "CSeq", "Content-Length: "+n+"\r\nCSeq", 1) + "12345junk")
	}
	m = parse(t, with("5"))
	equal(t, "body", string(m.Body()), "12345")
	equal(t, "Wire", string(m.Wire()), strings.TrimSuffix(string(with("5")), "junk"))
	equal(t, "relayed", rewrite(t, with("5"), func(*sip.Rewriter, *sip.Message) {}), string(m.Wire()))
	for _, bad := range []string{"10", "-1", "+5", "x", "", "5 5", "4294967301", "18446744073709551621", "00000000005", "0x5"} {
		wantStatus(t, with(bad), 400)
		resp := "SIP/2.0 200 OK" + string(with(bad)[strings.Index(head, "\r\n"):])
		if m := wantStatus(t, []byte(resp), 400); m.Answerable() {
			t.Error("a response cannot be answered")
		}
	}
}

// Proves: SX-16
func TestOctets(t *testing.T) {
	t.Parallel()
	var all []byte
	for c := range 256 {
		all = append(all, byte(c))
	}
	wire := []byte(strings.Replace(string(options("X-Odd: \xfe\xff\n")), "Content-Length: 0", "Content-Length: 256", 1) + string(all))
	equal(t, "relayed", rewrite(t, wire, func(*sip.Rewriter, *sip.Message) {}), string(wire))
	m := parse(t, wire)
	equal(t, "body", string(m.Body()), string(all))
	v, ok := m.Get("x-odd")
	if !ok || string(v) != "\xfe\xff" {
		t.Errorf("got %q %v", v, ok)
	}
}

// Proves: SX-18
func TestLimits(t *testing.T) {
	t.Parallel()
	lines := func(n int, s string) string { return strings.Repeat(s, n) }
	base := 7 // header lines of options
	for name, c := range map[string]struct {
		wire []byte
		want int
	}{
		"256 headers":               {options(lines(sip.MaxHeaders-base, "X: y\n")), 0},
		"257 headers":               {options(lines(sip.MaxHeaders-base+1, "X: y\n")), 400},
		"a line of 20 kB":           {options("X: " + strings.Repeat("y", 20<<10) + "\n"), 0},
		"header part of 33 kB":      {options("X: " + strings.Repeat("y", 33<<10) + "\n"), 513},
		"message of 65 kB":          {append(options(""), make([]byte, 65<<10)...), 513},
		"a datagram of 65535 bytes": {append(options(""), make([]byte, 65535-len(options("")))...), 0},
		"70 Vias":                   {options(lines(sip.MaxVias-1, "Via: SIP/2.0/UDP h\n")), 0},
		"71 Vias":                   {options(lines(sip.MaxVias, "Via: SIP/2.0/UDP h\n")), 400},
		"71 Vias in one line":       {options("Via: SIP/2.0/UDP h" + lines(sip.MaxVias-1, ",SIP/2.0/UDP h") + "\n"), 400},
		"70 Routes":                 {options("Route: <sip:a>" + lines(sip.MaxRoutes-1, ",<sip:a>") + "\n"), 0},
		"71 Routes":                 {options("Route: <sip:a>" + lines(sip.MaxRoutes, ",<sip:a>") + "\n"), 400},
		"32 parameters":             {options("Via: SIP/2.0/UDP h" + lines(sip.MaxParams, ";a") + "\n"), 0},
		"33 parameters":             {options("Via: SIP/2.0/UDP h" + lines(sip.MaxParams+1, ";a") + "\n"), 400},
		"33 with received":          {options("Via: SIP/2.0/UDP h" + lines(sip.MaxParams, ";a") + ";received=192.0.2.1\n"), 0},
		"33 URI parameters":         {options("Route: <sip:h" + lines(sip.MaxParams+1, ";a") + ">\n"), 400},
		"user of 257":               {options("Route: <sip:" + lines(sip.MaxUser+1, "u") + "@h>\n"), 400},
		"URI of 2 kB in a header":   {options("Route: <sip:h;x=" + lines(sip.MaxURI, "u") + ">\n"), 400},
		"Request-URI of 2 kB": {[]byte(strings.Replace(string(options("")), "sip:bob@example.com SIP",
			"sip:h;x="+lines(sip.MaxURI, "u")+" SIP", 1)), 414},
		"tag of 256": {[]byte(strings.Replace(string(options("")), "tag=a1", "tag="+lines(sip.MaxTag, "t"), 1)), 0},
		"tag of 257": {[]byte(strings.Replace(string(options("")), "tag=a1", "tag="+lines(sip.MaxTag+1, "t"), 1)), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := wantStatus(t, c.wire, c.want)
			if c.want != 0 && !m.Answerable() {
				t.Error("not answerable")
			}
		})
	}
}

// Proves: SX-19, VL-2
func TestCSeq(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int{
		"7 OPTIONS": 0, "0009 OPTIONS": 0, "2147483647 OPTIONS": 0, "4294967295 OPTIONS": 0, "7\t OPTIONS": 0,
		"4294967296 OPTIONS": 400, "36893488147419103232 OPTIONS": 400, "-1 OPTIONS": 400, "+1 OPTIONS": 400,
		"7": 400, "OPTIONS": 400, "7OPTIONS": 400, "7 OPTIONS x": 400, "": 400, "7 INVITE": 400, "7 options": 400,
	} {
		wantStatus(t, []byte(strings.Replace(string(options("")), "7 OPTIONS", value, 1)), want)
	}
	wantStatus(t, []byte(strings.Replace(string(options("")), "OPTIONS sip", "NEWMETHOD sip", 1)), 501)
	wire := strings.Replace(string(options("")), "7 OPT", "0009 OPT", 1)
	if s, _ := parse(t, []byte(wire)).Sequence(); s.Number != 9 {
		t.Errorf("number %d", s.Number)
	}
	equal(t, "relayed", rewrite(t, []byte(wire), func(r *sip.Rewriter, _ *sip.Message) { r.SetMaxForwards(70) }), wire)
}

// Proves: SX-20, SX-21, SX-23, SX-26
func TestWhatAProxyDoesNotNeed(t *testing.T) {
	t.Parallel()
	for _, more := range []string{
		"Date: Fri, 01 Jan 2010 16:00:00 EST\n", "Expires: soon\n", "Contact: *\n", "Contact: \"x <a\n",
		"Contact: <sip:a>;q=9;;;\n", "Subject: (lone\n", "User-Agent: a (b (c \xff) \\) d)\n", "Allow: @@@\n",
		"Record-Route: junk\n", "Supported: a b\n", "X-a.b!%*_+`'~: y\n", "Authorization: \"\n",
		"Content-Type: ;;\n", "Timestamp: x\n", "Session-Expires: -1\n", "Warning: x\n", "Require: \xff\n",
	} {
		wire := options(more)
		m := parse(t, wire)
		equal(t, more, rewrite(t, wire, func(*sip.Rewriter, *sip.Message) {}), string(m.Wire()))
	}
	wire := strings.ReplaceAll(string(options("")), "OPTIONS", "!interesting-Method0123456789_*+.%indeed'~")
	wire = strings.Replace(wire, "<sip:alice@example.com>", "<urn:service:sos;x>;p=q;y", 1)
	parse(t, []byte(wire))
}

// Proves: SX-22
func TestDoubledHeaders(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"From: <sip:x@example.com>;tag=1\n", "f: <sip:x@example.com>;tag=1\n", "To: <sip:x@example.com>\n", "Call-ID: c1@192.0.2.1\n",
		"i: c2\n", "CSeq: 7 OPTIONS\n", "Max-Forwards: 70\n", "Content-Length: 0\n", "l: 0\n",
	} {
		wantStatus(t, options(line), 400)
		m := wantStatus(t, options(line), 400)
		if !m.Answerable() {
			t.Errorf("%q: not answerable", line)
		}
		if !strings.HasPrefix(line, "Max") {
			wantStatus(t, response(line), 400)
		}
	}
}

// Proves: SX-28
func TestHeaderInTheWrongKind(t *testing.T) {
	t.Parallel()
	wire := response("Route: junk\nMax-Forwards: x\nMax-Forwards: y\n")
	equal(t, "relayed", rewrite(t, wire, func(*sip.Rewriter, *sip.Message) {}), string(wire))
	parse(t, options("Unsupported: x\nWWW-Authenticate: y\n"))
}

// Proves: SX-31
func TestViaParameters(t *testing.T) {
	t.Parallel()
	m := parse(t, options("Via: SIP/2.0/TLS-SCTP h;x;y=\"a;b,c\";oc;z=%zz;ttl=1;keep=1\n"))
	if n := len(values(m, sip.Via)); n != 2 {
		t.Errorf("%d Via values", n)
	}
	for value, ok := range map[string]bool{
		"SIP/2.0/UDP h":                       true,
		"SIP/2.0/UDP h;rport":                 true,
		"SIP/2.0/UDP h;rport=":                true,
		"SIP/2.0/UDP h;rport=5060":            true,
		"SIP/2.0/UDP h;rport=99999":           false,
		"SIP/2.0/UDP h;rport=x":               false,
		"SIP/2.0/UDP h;ttl=256":               false,
		"SIP/2.0/UDP h;maddr=224.2.0.1;ttl=1": true,
		"SIP/2.0/UDP h;maddr=444.1.1.1":       false,
		"SIP/2.0/UDP h;branch=a;branch=b":     false,
		"SIP/2.0/UDP h;received=a;received=b": false,
		"SIP/2.0/UDP h;received;received=a":   false,
		"SIP/2.0/UDP h;branch=a;branch":       false,
		"SIP/2.0/UDP h;branch":                true,
		"SIP/2.0/UDP h;":                      false,
		"SIP/2.0/UDP h;;x":                    false,
		"SIP/2.0/UDP h x":                     false,
		"SIP/2.0/UDP h:":                      false,
		"SIP/2.0/UDP h:65536":                 false,
		"SIP/2.0/UDP h:+1":                    false,
		"SIP/2.0/UDP [::1]:5060;branch=x":     true,
		"SIP/2.0/UDP ::1":                     false,
		"SIP/2.0/UDP [::1":                    false,
		"SIP/2.0/UDP my_pbx.local.:5060":      true,
		"SIP/2.0/UDP -a":                      false,
		"SIP/2.0/UDP a..b":                    false,
		"SIP/2.0/UDP 1.2.3.256":               false,
		"SIP/2.0/UDP":                         false,
		"SIP/2.0 h":                           false,
		"SIP/2.0/UDPh":                        false,
		"SIP/2.0/UDP h;x=\"a":                 false,
		"SIP/2.0/UDP h;x=<a>":                 false,
		"":                                    false,
	} {
		if _, err := sip.ParseVia([]byte(value)); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", value, err, ok)
		}
	}
	v, _ := sip.ParseVia([]byte("SIP/2.0/UDP h;BRANCH=Z9HG4bk1"))
	if !v.HasCookie() {
		t.Error("the cookie compares without case")
	}
	v, _ = sip.ParseVia([]byte("SIP/2.0/UDP h;branch=z9hG4bK"))
	if v.HasCookie() {
		t.Error("a bare cookie is none")
	}
}

// The rules of framing: no bare line ends, no loose NUL, names are tokens.
// Proves: SX-25
func TestCharacters(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]int{
		"Subject: a\x00b\n": 400, "Subject: \"a\x00b\"\n": 400, "Subject: \"a\\\x00b\"\n": 0, "Subject: a\\\x00b\n": 400,
		"Subject : x\n": 0, "Subject\t: x\n": 0, "Sub ject: x\n": 400, "Subject\n": 400, ": x\n": 400, "S(: x\n": 400,
		"S\xffx: x\n": 400, "Subject: x\v\f\x01\n": 0, "Subject:\n": 0, "Subject: x\n \n y\n": 0,
	} {
		wantStatus(t, options(more), want)
	}
	for _, s := range []string{"a\rb", "a\nb", "a\r\r\nVia: x", "\n", "a\n x"} {
		m := wantStatus(t, []byte(strings.Replace(string(options("Subject: #\n")), "#", s, 1)), 400)
		if !m.Answerable() {
			t.Errorf("%q: not answerable", s)
		}
	}
	m := wantStatus(t, []byte(strings.Replace(string(options("Via: SIP/2.0/UDP x#\n")), "#", "\n", 1)), 400)
	if m.Answerable() {
		t.Error("a damaged Via list cannot be answered")
	}
}

// Proves: VL-1, VL-4
func TestNeededHeaders(t *testing.T) {
	t.Parallel()
	whole := string(options(""))
	for line := range strings.SplitAfterSeq(whole, "\r\n") {
		name, _, found := strings.Cut(line, ":")
		if !found || strings.HasPrefix(line, "OPTIONS") {
			continue
		}
		want := 400
		if name == "Max-Forwards" || name == "Content-Length" {
			want = 0
		}
		wantStatus(t, []byte(strings.Replace(whole, line, "", 1)), want)
		if want == 0 {
			continue
		}
		wantStatus(t, []byte(strings.Replace(whole, line, name+":\r\n", 1)), 400)
	}
	for value, want := range map[string]int{"0": 0, "255": 0, "0068": 0, "256": 400, "abc": 400, "": 400, "-1": 400, "7 7": 400, "12345678901": 400} {
		wantStatus(t, []byte(strings.Replace(whole, "70", value, 1)), want)
		if value != "256" {
			wantStatus(t, options("Max-Breadth: "+value+"\n"), want)
		}
	}
	for value, want := range map[string]int{
		"<sip:a;lr>": 0, "<sip:a;lr>, <tel:+1>": 0, "sip:a;lr": 400, "<sip:a>,": 400, "<sip:a": 400, "": 400, "<sip:a@b@c>": 400,
		"\"x\" <sip:a>;y=z": 0, "<sip:444.555.666.777>": 400,
	} {
		wantStatus(t, options("Route: "+value+"\n"), want)
	}
	for value, want := range map[string]int{
		"<sip:b@example.com>": 0, "Bob <sip:b@h>": 0, "\"Bob <sip:b@h>": 400, "Bob, B <sip:b@h>": 400, "<sip:b@h": 400, "< sip:b@h>": 400,
		"sip:b@h;tag=1;tag=2": 400, "sip:b@h?x=y": 400, "isbn:2983792873": 0, "b@h": 400, "<>": 400, "<sip:b@h:port>": 400,
		"J\xc3\xbcrgen <sip:b@h>": 0, "Support (EU) <sip:b@h>": 0, "sip:b@h junk": 400, "<sip:b@h>junk": 400, "\"a\" b <sip:b@h>": 400,
	} {
		wantStatus(t, []byte(strings.Replace(whole, "To: <sip:bob@example.com>", "To: "+value, 1)), want)
	}
	for value, want := range map[string]int{"c1": 0, "a b": 400, "x\"[]?@y": 0} {
		wantStatus(t, []byte(strings.Replace(whole, "Call-ID: c1@192.0.2.1", "Call-ID: "+value, 1)), want)
	}
}

// Proves: VL-12
func TestAckIsNeverAnswerable(t *testing.T) {
	t.Parallel()
	ack := strings.ReplaceAll(string(options("")), "OPTIONS", "ACK")
	for _, wire := range []string{
		ack, strings.Replace(ack, "70", "x", 1), strings.Replace(ack, "ACK sip", "ACK  sip", 1),
		strings.Replace(ack, "ACK sip", "A@K sip", 1), ack[:len(ack)-2],
	} {
		if _, m := verdict([]byte(wire)); m.Answerable() {
			t.Errorf("answerable: %q", wire)
		}
	}
}

func TestLinesAndGet(t *testing.T) {
	t.Parallel()
	m := parse(t, options("X-One: 1\nsubject: hello\nx-one: 2\n"))
	var got []string
	for it := m.Lines(); it.Next(); {
		got = append(got, fmt.Sprintf("%d %s=%s", it.ID, it.Name, it.Value.Text))
	}
	equal(t, "lines", strings.Join(got[5:8], "|"), fmt.Sprintf("0 X-One=1|%d subject=hello|0 x-one=2", sip.Subject))
	for name, want := range map[string]string{"x-ONE": "1", "Subject": "hello", "s": "hello", "call-id": "c1@192.0.2.1"} {
		if v, ok := m.Get(name); !ok || string(v) != want {
			t.Errorf("%s: got %q %v, want %q", name, v, ok, want)
		}
	}
	if _, ok := m.Get("X-Two"); ok {
		t.Error("X-Two found")
	}
	if _, ok := m.Get("Date"); ok {
		t.Error("Date found")
	}
	for it := m.Lines(); it.Next(); {
		equal(t, "Pos", string(m.Wire()[it.Value.Pos:it.Value.Pos+len(it.Value.Text)]), string(it.Value.Text))
	}
}

// A Message that is used again shows nothing of its last message.
func TestReuse(t *testing.T) {
	t.Parallel()
	var m sip.Message
	if err := m.Parse(options("Route: <sip:x;lr>\nMax-Breadth: 9\n")); err != nil || m.Check() != nil {
		t.Fatal(err)
	}
	if err := m.Parse(text("SIP/2.0 180 Ringing\n\n")); err != nil {
		t.Fatal(err)
	}
	_, verr := m.TopVia()
	_, serr := m.Sequence()
	if m.Has(sip.Route) || m.CallIDValue() != nil || m.FromTag() != nil || verr == nil || serr == nil || m.Method() != sip.OtherMethod ||
		len(m.RequestURI()) != 0 || len(m.MethodName()) != 0 || m.Status() != 180 || string(m.ReasonPhrase()) != "Ringing" {
		t.Errorf("something is left: %v %v", verr, serr)
	}
}

// A message at the bounds can be read again after a proxy has added to it.
func TestParseSentLeavesRoom(t *testing.T) {
	t.Parallel()
	full := "OPTIONS sip:h SIP/2.0\r\n" + strings.Repeat("X: y\r\n", sip.MaxHeaders) + "\r\n"
	more := "OPTIONS sip:h SIP/2.0\r\n" + strings.Repeat("Via: SIP/2.0/UDP h\r\n", 8) + strings.Repeat("X: y\r\n", sip.MaxHeaders-1) + "Call-ID: last\r\n\r\n"
	var m sip.Message
	if err := m.Parse([]byte(full)); err != nil {
		t.Fatalf("%d header lines: %v", sip.MaxHeaders, err)
	}
	if err := m.Parse([]byte(more)); err == nil {
		t.Error("more header lines than the bound were taken from the wire")
	}
	if err := m.ParseSent([]byte(more)); err != nil || string(m.CallIDValue()) != "last" {
		t.Errorf("what was sent: %v, Call-ID %q", err, m.CallIDValue())
	}
}
