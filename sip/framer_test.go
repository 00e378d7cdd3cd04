package sip_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"viaduct/sip"
)

// frames feeds a stream in chunks and returns what comes out, as text.
func frames(stream []byte, chunk int) (got []string) {
	var f sip.Framer
	var buf []byte
	for {
		kind, n, err := f.Next(buf)
		switch kind {
		case sip.NeedMore:
			if len(stream) == 0 {
				return append(got, fmt.Sprintf("rest %d", len(buf)))
			}
			k := min(chunk, len(stream))
			buf, stream = append(buf, stream[:k]...), stream[k:]
			continue
		case sip.FrameBad:
			return append(got, fmt.Sprintf("bad %q %v", cut(buf[:n]), err))
		case sip.FramePing:
			got = append(got, "ping")
		case sip.FramePong:
			got = append(got, "pong")
		case sip.FrameMsg:
			got = append(got, string(buf[:n]))
		}
		buf = buf[n:]
	}
}

// Proves: SX-2
func TestFramer(t *testing.T) {
	t.Parallel()
	msg := string(options(""))
	body := strings.Replace(msg, "Content-Length: 0", "l : 4", 1) + "a\r\n\r"
	for name, c := range map[string]struct {
		stream string
		want   []string
	}{
		"two messages":           {msg + body, []string{msg, body, "rest 0"}},
		"ping, message, pong":    {"\r\n\r\n" + msg + "\r\n" + msg, []string{"ping", msg, "pong", msg, "rest 0"}},
		"line ends":              {"\r\n\r\n\r\n\r\n\r\n" + msg, []string{"ping", "ping", "pong", msg, "rest 0"}},
		"a CRLF waits":           {"\r\n", []string{"rest 2"}},
		"three bytes wait":       {"\r\n\r", []string{"rest 3"}},
		"half a message":         {msg[:90], []string{"rest 90"}},
		"half a body":            {body[:len(body)-1], []string{fmt.Sprintf("rest %d", len(body)-1)}},
		"bare CR":                {"\rX", []string{"Bad Start Line"}},
		"Content-Length missing": {strings.Replace(msg, "Content-Length: 0\r\n", "", 1), []string{"Missing Content-Length"}},
		"doubled":                {strings.Replace(msg, "Content-Length", "l: 0\r\nContent-Length", 1), []string{"Doubled Content-Length"}},
		"bad":                    {strings.Replace(msg, "h: 0", "h: 0x", 1), []string{"Bad Content-Length"}},
		"negative":               {strings.Replace(msg, "h: 0", "h: -1", 1), []string{"Bad Content-Length"}},
		"beyond 2^32":            {strings.Replace(msg, "h: 0", "h: 4294967297", 1), []string{"Bad Content-Length"}},
		"folded":                 {strings.Replace(msg, "h: 0", "h:\r\n 0", 1), []string{strings.Replace(msg, "h: 0", "h:\r\n 0", 1), "rest 0"}},
		"too large a message":    {strings.Replace(msg, "h: 0", "h: 65536", 1), []string{"Message Too Large"}},
		"too large a header":     {"INVITE " + strings.Repeat("x", 40000), []string{"Header Part Too Large"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, chunk := range []int{1, 2, 3, 7, 1 << 20} {
				got := frames([]byte(c.stream), chunk)
				if len(got) == 1 && strings.HasPrefix(got[0], "bad") {
					if !strings.HasSuffix(got[0], c.want[0]) {
						t.Errorf("chunks of %d: got %q, want %q", chunk, got, c.want)
					}
					continue
				}
				if fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("chunks of %d\n got %q\nwant %q", chunk, got, c.want)
				}
			}
		})
	}
}

// A FrameBad leaves a header part from which a 400 can be built.
func TestFrameBadIsAnswerable(t *testing.T) {
	t.Parallel()
	wire := bytes.Replace(options(""), []byte("h: 0"), []byte("h: x"), 1)
	var f sip.Framer
	kind, n, err := f.Next(append(wire, "junk"...))
	var e *sip.SyntaxError
	if kind != sip.FrameBad || n != len(wire) || !errors.As(err, &e) || e.Status != 400 {
		t.Fatalf("got %v %d %v", kind, n, err)
	}
	var m sip.Message
	if err := m.Parse(wire[:n]); err == nil || !m.Answerable() {
		t.Error("not answerable", err)
	}
}
