package observe

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
)

// message makes a message of a call. first is its start line.
func message(first, callID, cseq string) []byte {
	return fmt.Appendf(nil, "%s\r\nVia: SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK1\r\nFrom: \"Alice\" <sip:alice@example.com>;tag=a\r\n"+
		"To: <sip:b%%6Fb@example.org>\r\nCall-ID: %s\r\nCSeq: %s\r\nMax-Forwards: 70\r\nAuthorization: Digest response=\"secret\"\r\nContent-Length: 6\r\n\r\nhidden", first, callID, cseq)
}

func printed(t *testing.T, tr *Tracer) string {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx, &out, false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func newTracer(t *testing.T, who string) *Tracer {
	t.Helper()
	w, err := ParseWho(who)
	if err != nil {
		t.Fatal(err)
	}
	return NewTracer(w)
}

func TestWhoIsTraced(t *testing.T) {
	t.Parallel()
	wire := message("INVITE sip:desk%2D7@192.0.2.2:5070 SIP/2.0", "call-1@192.0.2.1", "1 INVITE")
	from := hopTo("192.0.2.1:5080")
	for _, c := range []struct {
		name, who string
		want      bool
	}{
		{"the caller's user", "alice", true},
		{"the callee's, escaped on the wire", "bob", true},
		{"the user called in the Request-URI", "desk-7", true},
		{"a whole URI", "sip:alice@example.com", true},
		{"a name-addr", "<sip:alice@EXAMPLE.com>", true},
		{"user and host with the port", "desk-7@192.0.2.2:5070", true},
		{"the same user with another port", "desk-7@192.0.2.2:5071", false},
		{"the same user elsewhere", "alice@example.org", false},
		{"users are compared with case", "Alice", false},
		{"an address", "192.0.2.1", true},
		{"an address and port", "192.0.2.1:5080", true},
		{"another port", "192.0.2.1:5081", false},
		{"an address that is only named in the message", "192.0.2.2", false},
		{"a mapped address", "::ffff:192.0.2.1", true},
		{"the Call-ID", "call-1@192.0.2.1", true},
		{"another Call-ID", "call-2@192.0.2.1", false},
	} {
		tr := newTracer(t, c.who)
		tr.Message(time.Time{}, true, from, wire)
		if got := printed(t, tr) != ""; got != c.want {
			t.Errorf("%s (%s): traced %v, want %v", c.name, c.who, got, c.want)
		}
	}
	for _, nobody := range []string{"", " ", "<>"} {
		if _, err := ParseWho(nobody); err == nil {
			t.Errorf("ParseWho(%q) named somebody", nobody)
		}
	}
}

func TestTheWholeCallOfAMatchIsPrinted(t *testing.T) {
	t.Parallel()
	tr := newTracer(t, "192.0.2.1:5080")
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	caller, callee := hopTo("192.0.2.1:5080"), hopTo("192.0.2.2:5070")
	for i, m := range []struct {
		received bool
		hop      flow.Hop
		wire     []byte
	}{
		{true, hopTo("192.0.2.9:5060"), message("INVITE sip:bob@example.org SIP/2.0", "other", "1 INVITE")},
		{true, caller, message("INVITE sip:bob@example.org SIP/2.0", "one", "1 INVITE")},
		{false, callee, message("INVITE sip:bob@192.0.2.2:5070 SIP/2.0", "one", "1 INVITE")},
		{true, callee, message("SIP/2.0 180 Ringing", "one", "1 INVITE")},
		{false, caller, message("SIP/2.0 180 Ringing", "one", "1 INVITE")},
		{true, callee, message("SIP/2.0 486 Busy \x1b[2J", "one", "1 INVITE")},
		{false, callee, message("ACK sip:bob@192.0.2.2:5070 SIP/2.0", "one", "1 ACK")},
		{false, caller, message("SIP/2.0 486 Busy \x1b[2J", "one", "1 INVITE")},
		{true, caller, message("ACK sip:bob@example.org SIP/2.0", "one", "1 ACK")},
	} {
		tr.Message(at.Add(time.Duration(i)*time.Millisecond), m.received, m.hop, m.wire)
	}
	got := printed(t, tr)
	golden(t, "call.ladder", got)
	for _, bad := range []string{"secret", "hidden", "\x1b", "other"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q in the trace:\n%s", bad, got)
		}
	}
}

func TestFollowedCallsAreBounded(t *testing.T) {
	t.Parallel()
	tr := newTracer(t, "alice")
	for i := range 2*traceCalls + 1 {
		tr.Message(time.Time{}, true, hopTo("192.0.2.1:5080"), message("OPTIONS sip:b@example.org SIP/2.0", fmt.Sprint("call-", i), "1 OPTIONS"))
	}
	if got := len(tr.calls.numbers); got != traceCalls {
		t.Errorf("%d calls followed, want %d", got, traceCalls)
	}
	if _, ok := tr.calls.numbers[fmt.Sprint("call-", 2*traceCalls)]; !ok {
		t.Error("the newest call is not among them")
	}
}

func TestASlowTerminalLosesMessagesAndSaysSo(t *testing.T) {
	t.Parallel()
	tr := newTracer(t, "alice")
	for range traceQueue + 7 {
		tr.Message(time.Time{}, true, hopTo("192.0.2.1:5080"), message("OPTIONS sip:b@example.org SIP/2.0", "one", "1 OPTIONS"))
	}
	if got := printed(t, tr); !strings.HasPrefix(got, "… 7 messages not shown") {
		t.Errorf("it begins with %q", got[:min(len(got), 60)])
	}
}

func TestMessagesOfOthersAllocateNothing(t *testing.T) {
	tr := newTracer(t, "nobody@example.com")
	wire := message("INVITE sip:bob@example.org SIP/2.0", "one", "1 INVITE")
	hop := hopTo("192.0.2.1:5080")
	if n := testing.AllocsPerRun(100, func() { tr.Message(time.Time{}, true, hop, wire) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// What cannot be parsed is traced by what is left of it, and never panics.
func TestMalformedMessagesAreMarked(t *testing.T) {
	t.Parallel()
	tr := newTracer(t, "192.0.2.1")
	hop := hopTo("192.0.2.1:5080")
	tr.Message(time.Time{}, true, hop, []byte("INVITE sip:b@example.org SIP/2.0\r\nCall-ID: one\r\nbad header\r\n\r\n"))
	tr.Message(time.Time{}, true, hop, []byte("\x00\x01\x02"))
	tr.Message(time.Time{}, true, hop, nil)
	if got := printed(t, tr); !strings.Contains(got, "INVITE (malformed)") {
		t.Errorf("no malformed INVITE in:\n%s", got)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"plain text stays", `sip:"bob"@example.org`, `sip:"bob"@example.org`},
		{"other scripts stay", "Привет 你好", "Привет 你好"},
		{"control characters are escaped", "a\x1b[2J\r\n\x00\x7f", `a\x1b[2J\x0d\x0a\x00\x7f`},
		{"bytes that are no UTF-8", "a\xffb", `a\xffb`},
		{"marks that turn the direction of writing", "a\u202eb", `a\u202eb`},
		{"long texts are cut", strings.Repeat("x", textMax+5), strings.Repeat("x", textMax) + "…"},
	} {
		if got := printable([]byte(c.in)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
