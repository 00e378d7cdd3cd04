package sip

import (
	"strings"
	"testing"
)

// Headers that an operator names: every line of that name, in whatever case, and
// no other line.
func TestNamedHeaders(t *testing.T) {
	t.Parallel()
	const head = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\n"
	lines := head + "X-One: 1\r\nx-one: 2\r\nSubject: s\r\nX-Two: 3\r\n\r\n"
	for _, c := range []struct {
		name string
		do   func(r *Rewriter)
		want string
	}{
		{"remove", func(r *Rewriter) { r.RemoveNamed("X-ONE") }, head + "Subject: s\r\nX-Two: 3\r\n\r\n"},
		{"remove known", func(r *Rewriter) { r.RemoveNamed("subject") }, head + "X-One: 1\r\nx-one: 2\r\nX-Two: 3\r\n\r\n"},
		{"remove none", func(r *Rewriter) { r.RemoveNamed("X-None") }, lines},
		{"set", func(r *Rewriter) { r.SetNamed("X-One", []byte("9")) }, head + "X-One: 9\r\nSubject: s\r\nX-Two: 3\r\n\r\n"},
		{"set known", func(r *Rewriter) { r.SetNamed("Subject", []byte("9")) }, head + "X-One: 1\r\nx-one: 2\r\nSubject: 9\r\nX-Two: 3\r\n\r\n"},
		{"set new", func(r *Rewriter) { r.SetNamed("X-New", []byte("9")) }, strings.TrimSuffix(lines, "\r\n") + "X-New: 9\r\n\r\n"},
		{"remove, then set", func(r *Rewriter) {
			r.RemoveNamed("X-One")
			r.SetNamed("X-One", []byte("9"))
		}, head + "X-One: 9\r\nSubject: s\r\nX-Two: 3\r\n\r\n"},
	} {
		var m Message
		if err := m.Parse([]byte(lines)); err != nil {
			t.Fatal(err)
		}
		var r Rewriter
		r.Reset(&m)
		c.do(&r)
		if got := string(r.AppendTo(nil)); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}
