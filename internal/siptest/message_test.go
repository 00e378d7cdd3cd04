package siptest

import (
	"slices"
	"strings"
	"testing"
)

func read(lines ...string) *Message { return ReadMessage([]byte(strings.Join(lines, "\r\n"))) }

func TestReadMessage(t *testing.T) {
	m := read(
		"INVITE sip:bob@example.org SIP/2.0",
		"v: SIP / 2.0 / UDP  [2001:db8::1]:5062 ;branch=z9hG4bK1;rport;x=\"a,b;c\", SIP/2.0/TCP Host.example.org",
		"Via:SIP/2.0/TLS 192.0.2.1;Branch=z9hG4bK2",
		`f: "Alice, the \"first\" <x>" <sip:alice@example.org;tag=no>;tag=yes`,
		"To: sip:bob@example.org;tag=b",
		"Subject: one", " two", "\tthree",
		"Contact: *",
		"CSeq: 7  INVITE", "Max-Forwards: 70", "i: x", "l: 2", "", "hi",
	)
	if len(m.Faults) > 0 {
		t.Fatalf("got faults %q", m.Faults)
	}
	var sentBy []string
	for _, v := range m.Vias() {
		sentBy = append(sentBy, v.SentBy()+" "+v.Branch())
	}
	for _, c := range []struct{ what, got, want string }{
		{"method", m.Method, "INVITE"},
		{"URI", m.URI, "sip:bob@example.org"},
		{"Vias", strings.Join(sentBy, ", "), "[2001:db8::1]:5062 z9hG4bK1, host.example.org:5060 , 192.0.2.1:5060 z9hG4bK2"},
		{"a quoted parameter", m.TopVia().params.get("x"), `"a,b;c"`},
		{"From tag", m.Tag("From"), "yes"},
		{"To tag", m.Tag("To"), "b"},
		{"a folded line", m.Get("Subject"), "one two three"},
		{"its raw form", m.Lines[4].Raw, "Subject: one\r\n two\r\n\tthree"},
		{"Call-ID", m.CallID(), "x"},
		{"body", m.Body, "hi"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
	if n, method := m.CSeq(); n != 7 || method != "INVITE" || m.MaxForwards() != 70 {
		t.Errorf("got CSeq %d %q and Max-Forwards %d", n, method, m.MaxForwards())
	}
}

func TestReadMessageFaults(t *testing.T) {
	for _, c := range []struct {
		name, wire, fault string
	}{
		{"no end", "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n", "no empty line after the header fields"},
		{"no start line", "garbage\r\n\r\n", "bad start line"},
		{"a bad status", "SIP/2.0 99 OK\r\n\r\n", "bad status line"},
		{"no colon", "SIP/2.0 200 OK\r\nVia\r\n\r\n", "header line without colon: Via"},
		{"a bare LF", "SIP/2.0 200 OK\r\nA: b\nC: d\r\n\r\n", "bare CR or LF in the header part"},
		{"a long Content-Length", "SIP/2.0 200 OK\r\nl: 5\r\n\r\nabc", "Content-Length beyond the end"},
		{"a short Content-Length", "SIP/2.0 200 OK\r\nl: 1\r\n\r\nabc", "bytes beyond Content-Length"},
		{"two Content-Lengths", "SIP/2.0 200 OK\r\nl: 3\r\nl: 3\r\n\r\nabc", "bad Content-Length"},
		{"nothing", "", "bad start line"},
	} {
		if m := ReadMessage([]byte(c.wire)); !slices.Contains(m.Faults, c.fault) {
			t.Errorf("%s: got faults %q, want %q", c.name, m.Faults, c.fault)
		}
	}
}

func TestUnstamped(t *testing.T) {
	sent := readVia("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport")
	stamped := readVia("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport=40000;received=192.0.2.7")
	other := readVia("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport;x")
	if !sameVias([]ViaValue{stamped}, []ViaValue{sent}) || sameVias([]ViaValue{other}, []ViaValue{sent}) {
		t.Error("received and rport may be written into the top Via, and nothing else")
	}
	if sameVias([]ViaValue{sent, stamped}, []ViaValue{sent, sent}) {
		t.Error("a lower Via stays as it was")
	}
}

func TestHostPort(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:bob@192.0.2.1:5071;transport=tcp": "192.0.2.1:5071", "sip:192.0.2.1": "192.0.2.1:5060",
		"sip:a@[2001:db8::1]:5062?x=y": "[2001:db8::1]:5062", "sips:[2001:db8::1]": "[2001:db8::1]:5060",
		"sip:bob@example.org": "", "tel:+4930": "", "bob": "",
	} {
		got, ok := hostPort(uri)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("hostPort(%q) = %v, %v, want %q", uri, got, ok, want)
		}
	}
}

// FuzzReadMessage: whatever arrives, the reader neither panics nor invents lines.
func FuzzReadMessage(f *testing.F) {
	f.Add([]byte("INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z\r\nTo: <sip:b>;tag=x\r\nl: 0\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nf: \"\\\r\n <\r\n\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := ReadMessage(wire)
		for i := range m.Lines {
			if !strings.Contains(m.Wire, m.Lines[i].Raw) {
				t.Errorf("line %q is not in the message", m.Lines[i].Raw)
			}
		}
		for _, v := range m.Vias() {
			_ = v.unstamped() + v.SentBy() + v.Branch()
		}
		_ = m.Tag("From") + m.Tag("To") + m.contact()
	})
}

// FuzzLadder: no text makes the reader of ladders panic.
func FuzzLadder(f *testing.F) {
	f.Add("alice -> proxy INVITE sip:bob@example.org h:X=`a b`\n+2s\nproxy -> bob INVITE via+1 at +0.5s\n")
	f.Add("actor bob tcp 127.0.0.1:5071 nat 192.0.2.1:1\nlisten proxy 127.0.0.1:5060 as x\nconfig: <<<\n${bob}\n>>>\ndown bob\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLadder("x", text)
		if err != nil {
			return
		}
		var rows []string
		for _, ln := range l.lines {
			rows = append(rows, ln.text)
		}
		if got := strings.Join(rows, "\n"); got != strings.TrimSuffix(text, "\n") {
			t.Errorf("the lines are %q, the text is %q", got, text)
		}
	})
}
