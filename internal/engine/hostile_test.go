package engine_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"viaduct/internal/engine"
	"viaduct/internal/transport"
)

// hostile are requests that mean harm, as changes of an ordinary one.
var hostile = []struct{ name, old, new string }{
	{"a long method", "OPTIONS", strings.Repeat("O", 5000)},
	{"a long tag", "tag=caller", "tag=" + strings.Repeat("t", 20_000)},
	{"a long parameter", ";rport", ";" + strings.Repeat("p", 9000) + "=1;rport"},
	{"many parameters", ";rport", strings.Repeat(";p", 400) + ";rport"},
	{"a long header field", "Max-Forwards", "Subject: " + strings.Repeat("s", 30_000) + "\r\nMax-Forwards"},
	{"a NUL in From", "alice@", "al\x00ice@"},
	{"control bytes", "alice@", "al\x01\x02\x7f\x1bice@"},
	{"format strings", "alice@", "%s%n%x%%00@"},
	{"an open quote", "From: <sip:alice", "From: \"al <sip:alice"},
	{"an open bracket", "To: <sip:bob@example.org>", "To: <sip:bob@example.org"},
	{"a bare LF", "Max-Forwards: 70\r\n", "Max-Forwards: 70\n"},
	{"numbers that wrap", "CSeq: 1", "CSeq: 18446744073709551617"},
	{"300 Via values", "Max-Forwards", strings.Repeat("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n", 300) + "Max-Forwards"},
	{"300 Via values in one line", "Max-Forwards", "Via: " + strings.Repeat("SIP/2.0/UDP h;branch=z9hG4bKx, ", 300) + "SIP/2.0/UDP h\r\nMax-Forwards"},
	{"300 Route values", "Max-Forwards", strings.Repeat("Route: <sip:192.0.2.1;lr>\r\n", 300) + "Max-Forwards"},
	{"Routes to ourselves", "Max-Forwards", strings.Repeat("Route: <sip:@SELF@;lr>\r\n", 69) + "Max-Forwards"},
	{"Routes to ourselves by TCP", "Max-Forwards", strings.Repeat("Route: <sip:@TCP@;transport=tcp;lr>\r\n", 69) + "Max-Forwards"},
	{"700 header fields", "Max-Forwards", strings.Repeat("X: y\r\n", 700) + "Max-Forwards"},
}

// Whatever a request is made of to do harm, it is answered once or not at all, at
// once, and the next one is served. On a stream the connection may end with it.
//
// Proves: RB-2, RB-3
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{Streams: transport.StreamLimits{Message: 300 * time.Millisecond}})
	self := strings.NewReplacer("@SELF@", o.udp.String(), "@TCP@", o.tcp.String())
	for i, h := range hostile {
		udp, tcp := o.party(t, "udp"), o.party(t, "tcp")
		for _, p := range []*party{udp, tcp} {
			lines := p.request("OPTIONS", "sip:"+o.tcp.String(), fmt.Sprintf("h%d.h", i), 1)
			text := strings.Join(lines, "\r\n") + "\r\n\r\n"
			if !strings.Contains(text, h.old) {
				t.Fatalf("%s: nothing to change", h.name)
			}
			text = strings.Replace(text, h.old, self.Replace(h.new), 1)
			if p == udp {
				if _, err := p.conn.WriteToUDPAddrPort([]byte(text), o.udp); err != nil {
					t.Fatal(err)
				}
				// In order with the next one, which is of the same source.
				udp.send(o.udp, udp.request("OPTIONS", "sip:"+o.udp.String(), "next", 1)...)
				answers := 0
				for m, _ := udp.next(); !strings.HasPrefix(m.CallID(), "next@"); m, _ = udp.next() {
					answers++
				}
				if answers > 1 {
					t.Errorf("%s: %d answers", h.name, answers)
				}
				continue
			}
			c, err := net.Dial("tcp4", o.tcp.String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			_, _ = c.Write([]byte(text)) // it may end before all is written
			got := until(c, "\r\n\r\n")
			_ = c.Close() // the server may have done so
			if strings.Count(got, "SIP/2.0 ") > 1 {
				t.Errorf("%s: got %q", h.name, got)
			}
			k := o.talk(t, tcp, udp, fmt.Sprintf("after%d", i))
			k.exchangeOptions()
		}
	}
}

// A header part without end is cut off at its bound, not gathered.
//
// Proves: RB-4
func TestStreamWithoutEnd(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{})
	for name, part := range map[string]string{
		"header fields": "X-Filler: " + strings.Repeat("x", 1000) + "\r\n",
		"one line":      strings.Repeat("x", 1000),
		"a start line":  "",
	} {
		c, err := net.Dial("tcp4", o.tcp.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		head := "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKe\r\nX: "
		if part == "" {
			head, part = "OPTIONS sip:", strings.Repeat("a", 1000)
		}
		_, err = c.Write([]byte(head))
		sent := 0
		for ; err == nil && sent < 10_000; sent++ {
			_, err = c.Write([]byte(part))
		}
		if err == nil {
			t.Errorf("%s: %d KB were taken", name, sent)
		}
		_ = c.Close() // the server has
	}
	if n := o.Stats().Listeners[1].Streams[0].Ended[transport.EndFraming]; n != 3 {
		t.Errorf("%d ended for their framing, want 3", n)
	}
}
