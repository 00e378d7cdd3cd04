package sip_test

import (
	"errors"
	"strings"
	"testing"

	"viaduct/sip"
)

// text makes a message of lines: LF becomes CRLF.
func text(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

const (
	topVia   = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa1\n"
	identity = "From: <sip:alice@example.com>;tag=a1\nTo: <sip:bob@example.com>\nCall-ID: c1@192.0.2.1\n"
)

// options is a sound request with more header lines put in before CSeq.
func options(more string) []byte {
	return text("OPTIONS sip:bob@example.com SIP/2.0\n" + topVia + "Max-Forwards: 70\n" + identity + more +
		"CSeq: 7 OPTIONS\nContent-Length: 0\n\n")
}

// response is a sound 200 with more header lines.
func response(more string) []byte {
	return text("SIP/2.0 200 OK\n" + topVia + identity + more + "CSeq: 7 OPTIONS\nContent-Length: 0\n\n")
}

// parse wants a message that Parse and Check take.
func parse(t testing.TB, wire []byte) *sip.Message {
	t.Helper()
	m := new(sip.Message)
	if err := m.Parse(wire); err != nil {
		t.Fatalf("Parse: %v\n%q", err, wire)
	}
	if err := m.Check(); err != nil {
		t.Fatalf("Check: %v\n%q", err, wire)
	}
	return m
}

// verdict is the status that Parse or Check gives, 0 for a sound message.
func verdict(wire []byte) (int, *sip.Message) {
	m := new(sip.Message)
	err := m.Parse(wire)
	if err == nil {
		err = m.Check()
	}
	var e *sip.SyntaxError
	if errors.As(err, &e) {
		return e.Status, m
	}
	return 0, m
}

func wantStatus(t *testing.T, wire []byte, want int) *sip.Message {
	t.Helper()
	got, m := verdict(wire)
	if got != want {
		t.Errorf("got status %d (%v), want %d, for\n%q", got, m.Check(), want, cut(wire))
	}
	return m
}

func cut(b []byte) []byte { return b[:min(len(b), 700)] }

// values collects what Values hands out.
func values(m *sip.Message, id sip.HeaderID) (all []string) {
	for it := m.Values(id); it.Next(); {
		all = append(all, string(it.Value.Text))
	}
	return all
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %q\nwant %q", what, got, want)
	}
}

// rewrite edits a message and returns the result.
func rewrite(t testing.TB, wire []byte, edit func(*sip.Rewriter, *sip.Message)) string {
	t.Helper()
	m := parse(t, wire)
	var r sip.Rewriter
	r.Reset(m)
	edit(&r, m)
	out := r.AppendTo(nil)
	if len(out) > r.Size() {
		t.Errorf("AppendTo gave %d bytes, above Size %d", len(out), r.Size())
	}
	return string(out)
}
