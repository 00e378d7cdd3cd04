package sip_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/sip"
)

const drop = -1 // a response with a fault

// torture gives the verdict on each message as a datagram; 0 is a sound message.
var torture = map[string]int{
	"rfc4475/wsinv":      0,
	"rfc4475/intmeth":    0,
	"rfc4475/esc01":      0,
	"rfc4475/escnull":    0,
	"rfc4475/esc02":      0,
	"rfc4475/lwsdisp":    0,
	"rfc4475/longreq":    0,
	"rfc4475/dblreq":     0,
	"rfc4475/semiuri":    0,
	"rfc4475/transports": 0,
	"rfc4475/mpart01":    0,
	"rfc4475/unreason":   0,
	"rfc4475/noreason":   0,
	"rfc4475/badinv01":   400, // TO-14: empty Via parameters
	"rfc4475/clerr":      400, // TO-15: Content-Length beyond the datagram
	"rfc4475/ncl":        400, // TO-16: negative Content-Length
	"rfc4475/scalar02":   400, // TO-17: CSeq above 2^32
	"rfc4475/scalarlg":   drop,
	"rfc4475/quotbal":    400, // TO-19: quote not closed in To
	"rfc4475/ltgtruri":   400, // TO-20: <> around the Request-URI
	"rfc4475/lwsruri":    400, // TO-21: white space in the Request-URI
	"rfc4475/lwsstart":   400, // TO-22: two SPs in the start line
	"rfc4475/trws":       400, // TO-23: SPs after the version
	"rfc4475/escruri":    0,   // the headers part goes when a Request-URI is written
	"rfc4475/baddate":    0,
	"rfc4475/regbadct":   0,   // a registrar's business: TestContactNeedsBrackets
	"rfc4475/badaspec":   400, // TO-27: spaces inside <>
	"rfc4475/baddn":      400, // TO-28: unquoted comma in a display name
	"rfc4475/badvers":    505, // TO-29
	"rfc4475/mismatch01": 400, // TO-30
	"rfc4475/mismatch02": 501, // TO-31
	"rfc4475/bigcode":    drop,
	"rfc4475/badbranch":  0,
	"rfc4475/insuf":      400, // TO-34: no To, From, Call-ID
	"rfc4475/unkscm":     0,   // 416 is for the proxy to say
	"rfc4475/novelsc":    0,
	"rfc4475/unksm2":     0,
	"rfc4475/bext01":     0,
	"rfc4475/invut":      0,
	"rfc4475/regaut01":   0,
	"rfc4475/multi01":    400, // TO-41
	"rfc4475/mcl01":      400, // TO-42
	"rfc4475/bcast":      0,
	"rfc4475/zeromf":     0, // 483 is for the proxy to say
	"rfc4475/cparam01":   0,
	"rfc4475/cparam02":   0,
	"rfc4475/regescrt":   0,
	"rfc4475/sdp01":      0,
	"rfc4475/inv2543":    0,

	"rfc5118/ipv6-good":                     0,
	"rfc5118/ipv6-bad":                      400,
	"rfc5118/port-ambiguous":                0,
	"rfc5118/port-unambiguous":              0,
	"rfc5118/via-received-param-with-delim": 0,
	"rfc5118/via-received-param-no-delim":   0,
	"rfc5118/ipv6-in-sdp":                   0,
	"rfc5118/mult-ip-in-header":             0,
	"rfc5118/mult-ip-in-sdp":                0,
	"rfc5118/ipv4-mapped-ipv6":              0,
	"rfc5118/ipv6-bug-abnf-3-colons":        0,
	"rfc5118/ipv6-correct-abnf-2-colons":    0,
}

func readTorture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".sip"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Of TO-15, TO-16 and TO-42 this shows the datagram's half only: closing a stream is not ours.
// Proves: TO-14, TO-17, TO-18, TO-19, TO-20, TO-21, TO-22, TO-23, TO-27, TO-28, TO-29, TO-30, TO-31, TO-32, TO-34, TO-41
func TestTorture(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/rfc*/*.sip")
	if len(files) != len(torture) {
		t.Errorf("%d files, %d verdicts", len(files), len(torture))
	}
	for name, want := range torture {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire := readTorture(t, name)
			got, m := verdict(wire)
			if want == drop {
				if got == 0 || m.IsRequest() || m.Answerable() {
					t.Errorf("got status %d, answerable %v; want a response to drop", got, m.Answerable())
				}
				return
			}
			if got != want {
				t.Fatalf("got %d (%v), want %d", got, m.Check(), want)
			}
			if want != 0 && !m.Answerable() {
				t.Errorf("the %d cannot be sent", want)
			}
			if want != 0 {
				answerIsSound(t, m, want)
			}
		})
	}
}

// answerIsSound builds the refusal and wants what was there in it.
func answerIsSound(t *testing.T, m *sip.Message, status int) {
	t.Helper()
	out := sip.AppendResponse(nil, m, &sip.Response{Status: status, Tag: []byte("t1"), Source: source})
	var r sip.Message
	if err := r.Parse(out); err != nil {
		t.Fatalf("the response does not parse: %v\n%q", err, out)
	}
	if v, err := r.TopVia(); err != nil || v.Received == nil {
		t.Errorf("no received in %q", out)
	}
	if !bytes.HasPrefix(out, []byte("SIP/2.0 ")) || bytes.Contains(bytes.TrimPrefix(out, []byte("SIP/2.0 ")), []byte("\r\nSIP/")) {
		t.Errorf("start line of %q", out)
	}
	for _, id := range []sip.HeaderID{sip.From, sip.To, sip.CallID, sip.CSeq} {
		if m.Has(id) && len(values(&r, id)) != 1 {
			t.Errorf("%s is there %d times in %q", sip.HeaderName(id), len(values(&r, id)), out)
		}
	}
}

// RFC 4475 §3.1.2.15 as a whole message: the archived one lacks its empty line.
// Proves: TO-28
func TestUnquotedCommaInDisplayName(t *testing.T) {
	t.Parallel()
	m := wantStatus(t, append(readTorture(t, "rfc4475/baddn"), "\r\n"...), 400)
	if got := m.Check().Error(); got != "sip: Bad To" {
		t.Errorf("got %q", got)
	}
}

// What a stream waits for, takes, and gives up at (the framing of TO-15, TO-16 and TO-42).
func TestTortureOnStreams(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]sip.FrameKind{
		"rfc4475/clerr": sip.NeedMore, "rfc4475/ncl": sip.FrameBad, "rfc4475/mcl01": sip.FrameBad,
		"rfc4475/inv2543": sip.FrameBad, "rfc4475/wsinv": sip.FrameMsg, "rfc4475/dblreq": sip.FrameMsg,
	} {
		var f sip.Framer
		kind, n, err := f.Next(readTorture(t, name))
		if kind != want || (err != nil) != (want == sip.FrameBad) {
			t.Errorf("%s: got %v, %d, %v; want %v", name, kind, n, err, want)
		}
	}
}

// What is not edited leaves as it came: RFC 4475 and 5118 throughout.
// Proves: SX-16, SX-20, SX-21
func TestTortureUnchanged(t *testing.T) {
	t.Parallel()
	for name, want := range torture {
		if want != 0 {
			continue
		}
		wire := readTorture(t, name)
		m := parse(t, wire)
		var r sip.Rewriter
		r.Reset(m)
		equal(t, name, string(r.AppendTo(nil)), string(m.Wire()))
		if !bytes.HasPrefix(wire, m.Wire()) {
			t.Errorf("%s: Wire is no prefix of what came", name)
		}
	}
}

// Proves: SX-9, SX-11, SX-19
func TestTortureWhiteSpace(t *testing.T) {
	t.Parallel()
	m := parse(t, readTorture(t, "rfc4475/wsinv"))
	v, err := m.TopVia()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "transport", string(v.Transport), "UDP")
	equal(t, "sent-by", string(v.SentBy), "192.0.2.2")
	equal(t, "branch", string(v.Branch), "390skdjuw")
	equal(t, "From tag", string(m.FromTag()), "98asjd8")
	equal(t, "To tag", string(m.ToTag()), "1918181833n")
	from, _ := m.FromAddress()
	equal(t, "display", string(from.Display), `"J Rosenberg \\\""`)
	if s, err := m.Sequence(); err != nil || s.Number != 9 || s.Method != sip.INVITE {
		t.Errorf("CSeq %+v %v", s, err)
	}
	if n, _, _ := m.MaxForwardsValue(); n != 68 {
		t.Errorf("Max-Forwards %d", n)
	}
	if got := values(m, sip.Via); len(got) != 3 {
		t.Errorf("Via values %q", got)
	}
	it := m.Values(sip.Via)
	it.Next()
	for want := range strings.SplitSeq("TCP spindle.example.com z9hG4bK9ikj8,UDP 192.168.255.111 z9hG4bK30239", ",") {
		it.Next()
		v, err := sip.ParseVia(it.Value.Text)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "Via", string(v.Transport)+" "+string(v.SentBy)+" "+string(v.Branch), want)
	}
}

// Proves: SX-25, SX-16
func TestTortureNUL(t *testing.T) {
	t.Parallel()
	m := parse(t, readTorture(t, "rfc4475/intmeth"))
	to, _ := m.ToAddress()
	equal(t, "display", string(to.Display), "\"BEL:\\\a NUL:\\\x00 DEL:\\\x7f\"")
	equal(t, "From tag", string(m.FromTag()), "_token~1'+`*%!-.")
	u, _ := m.URI()
	equal(t, "user", string(u.User), "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
	equal(t, "password", string(u.Password), "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
	m = parse(t, readTorture(t, "rfc4475/escnull"))
	to, _ = m.ToAddress()
	equal(t, "URI", string(to.URI), "sip:null-%00-null@example.com")
}

// Proves: SX-17, SX-32
func TestTortureIPv6(t *testing.T) {
	t.Parallel()
	m := parse(t, readTorture(t, "rfc5118/mult-ip-in-header"))
	v, _ := m.TopVia()
	if string(v.Host) != "[2001:db8::9:1]" || v.Port != 6050 {
		t.Errorf("Via %s port %d", v.Host, v.Port)
	}
	for name, received := range map[string]string{
		"rfc5118/via-received-param-with-delim": "[2001:db8::9:255]",
		"rfc5118/via-received-param-no-delim":   "2001:db8::9:255",
	} {
		v, err := parse(t, readTorture(t, name)).TopVia()
		if err != nil || string(v.Received) != received {
			t.Fatalf("%s: received %q, %v", name, v.Received, err)
		}
		if a, ok := sip.HostAddr(v.Received); !ok || a.String() != "2001:db8::9:255" {
			t.Errorf("%s: %v %v", name, a, ok)
		}
	}
	for _, name := range []string{"rfc5118/ipv6-bug-abnf-3-colons", "rfc5118/ipv6-correct-abnf-2-colons"} {
		u, _ := parse(t, readTorture(t, name)).URI()
		if a, ok := u.Addr(); !ok || a.String() != "2001:db8::c000:201" {
			t.Errorf("%s: %v %v", name, a, ok)
		}
	}
}

// RFC 4475 §3.1.2.13: without <> a Contact cannot have a headers part.
func TestContactNeedsBrackets(t *testing.T) {
	t.Parallel()
	v, _ := parse(t, readTorture(t, "rfc4475/regbadct")).First(sip.Contact)
	if _, err := sip.ParseAddress(v.Text); err == nil {
		t.Errorf("%q was taken", v.Text)
	}
	for name, want := range map[string]string{"rfc4475/cparam01": ";unknownparam", "rfc4475/cparam02": ""} {
		v, _ := parse(t, readTorture(t, name)).First(sip.Contact)
		a, err := sip.ParseAddress(v.Text)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, name, string(a.Params), want)
	}
}
