package observe

import (
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// Whatever comes in, nothing but printable text goes to the terminal.
func FuzzTrace(f *testing.F) {
	f.Add(message("INVITE sip:bob@example.org SIP/2.0", "one", "1 INVITE"), "192.0.2.1")
	f.Add(message("SIP/2.0 486 Busy \x1b[2J", "o\xffe", "1 INVITE"), "alice@example.com")
	f.Add([]byte("INVITE sip:\u202e@x SIP/2.0\r\nCall-ID: \x07\r\n\r\n"), "\u202e")
	f.Fuzz(func(t *testing.T, wire []byte, name string) {
		who, err := ParseWho(name)
		if err != nil {
			return
		}
		tr := newTracer(t, "192.0.2.1")
		tr.Message(time.Time{}, true, hopTo("192.0.2.1:5080"), wire)
		tr.who = who
		tr.Message(time.Time{}, false, hopTo("192.0.2.2:5080"), wire)
		got := printed(t, tr)
		if !utf8.ValidString(got) {
			t.Fatalf("no UTF-8: %q", got)
		}
		for _, r := range got {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Fatalf("%q in %q", r, got)
			}
		}
	})
}
