package transport

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// held is what connections hold of bytes that have come and of bytes that wait to
// leave.
func (h *hall) held() (bytes int) {
	for i := range h.slots {
		if c := h.slots[i].conn.Load(); c != nil {
			c.mu.Lock()
			bytes += c.waiting
			c.mu.Unlock()
		}
	}
	return bytes
}

// serves holds that somebody who means well is served.
func (h *hall) serves() {
	h.t.Helper()
	if h.tcp.Protocol() == flow.WS {
		c := h.socketOf()
		put(h.t, c, masked(0x81, text(77, 0)))
		want(h.t, c, plain(opText, text(77, 0)))
		_ = c.Close() // nothing is left to say
		return
	}
	c := h.caller()
	put(h.t, c, streamed(77, 0))
	want(h.t, c, streamed(77, 0))
	_ = c.Close() // nothing is left to say
}

// What a Content-Length can be made to say on a stream, besides a length: nothing is
// taken for a message, and the stream ends.
//
// Proves: TP-5, RB-4
func TestLengthsThatAreNone(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, func(p *Packet, fx *effect.List) {
		text := "taken"
		if p.Fault != nil {
			text = fmt.Sprint(p.Fault.Status)
		}
		fx.Send(p.From.Hop(), fx.Copy([]byte(text)), 0)
	})
	const start, behind = "MESSAGE sip:b SIP/2.0\r\nCall-ID: 1\r\n", "\r\n\r\nMESSAGE sip:hidden SIP/2.0\r\nContent-Length: 0\r\n\r\n"
	for _, lines := range []string{
		"Content-Length: -1", "Content-Length: -0", "Content-Length: +1", "Content-Length: 0x10", "Content-Length: 1e3", "Content-Length: 1 2",
		"Content-Length: 1,1", "Content-Length:", "Content-Length: ", "Content-Length: 10 ;x", "Content-Length: 4294967296", "Content-Length: 4294967346",
		"Content-Length: 18446744073709551616", "Content-Length: 99999999999999999999999999", "Content-Length: \u0663", "Content-Length: \"1\"",
		"Content-Length: 0\r\nContent-Length: 0", "Content-Length: 0\r\nl: 0", "l: 1\r\nL: 1", "Content-Length: 0\r\ncontent-length: 50",
		"Content-Length : 0\r\nContent-Length: 9", "X: y", "Content-Length\r\n: 0", "Content_Length: 0",
	} {
		c := h.caller()
		put(t, c, start+lines+behind)
		if got := response(t, c); got != "400" {
			t.Errorf("%q gave %q", lines, got)
		}
	}
	for _, lines := range []string{"Content-Length: 65536", "Content-Length: 4294967295", "l: 9999999"} {
		c := h.caller()
		put(t, c, start+lines+behind)
		if got := response(t, c); got != "513" {
			t.Errorf("%q gave %q", lines, got)
		}
	}
	// Zeros in front and space around are allowed.
	for _, lines := range []string{"Content-Length: 0000000000", "Content-Length:\t 0 \t", "l:0", "CONTENT-LENGTH  :\r\n 0"} {
		c := h.caller()
		put(t, c, start+lines+"\r\n\r\n")
		want(t, c, "taken")
	}
}

// Thousands who stop in the middle of something, in every phase, each byte apart, hold
// up nobody and nothing of them is kept.
//
// Proves: RB-5, TP-14
func TestThoseWhoStopInTheMiddle(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	limits := StreamLimits{FirstByte: 300 * time.Millisecond, Message: 300 * time.Millisecond, Handshake: 300 * time.Millisecond, Unknown: 40, Connections: 100}
	whole := upgradeRequest([]string{"sip"}, nil)
	for _, c := range []struct {
		name  string
		p     flow.Protocol
		use   Settings
		parts []string
	}{
		{"a message", flow.TCP, Settings{}, []string{"", "M", "MESSAGE sip:b SIP/2.0\r", streamed(1, 10)[:60], "\r\n\r"}},
		{"a PROXY header", flow.TCP, Settings{Proxies: loopback}, []string{"", "P", "PROXY TCP4 192.0.2.9 ", signatureV2, signatureV2 + "\x21\x11\x07\xff" + strings.Repeat("x", 100)}},
		{"a handshake of TLS", flow.TLS, Settings{TLS: v.tls(nil, "example.com")}, []string{"", "\x16", "\x16\x03\x01\x02\x00\x01\x00"}},
		{"an upgrade", flow.WS, Settings{}, []string{"", "G", whole[:20], whole[:len(whole)-1]}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHallOf(t, c.p, c.use, limits, nil)
			for i := range 200 {
				x, err := net.Dial("tcp", h.tcp.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = x.Close() })
				for _, b := range []byte(c.parts[i%len(c.parts)]) {
					if _, err := x.Write([]byte{b}); err != nil {
						break // it has made room already
					}
				}
				if c.use.Proxies == nil && c.p != flow.TLS && i%50 == 49 {
					h.serves()
				}
			}
			h.until("all are gone", func() bool { return h.Open() == 0 })
			n := h.tcp.Counters()
			ends := n.Ended[EndSilent] + n.Ended[EndSlow] + n.Ended[EndEvicted] + n.Ended[EndHandshake]
			if ends < 190 || h.held() != 0 || h.Unknown() != 0 {
				t.Errorf("%d ended for a reason of theirs, %d bytes held: %+v", ends, h.held(), n)
			}
		})
	}
}

// A load balancer that carries thousands of connections of one source: 256 of them
// stay, and others are served.
//
// Proves: RB-5
func TestOneSourceOpensThousands(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	h := newHallOf(t, flow.TCP, Settings{Proxies: loopback}, StreamLimits{}, nil)
	h.quiet.Store(true)
	header := func(host string, n int) string {
		return fmt.Sprintf("PROXY TCP4 %s 192.0.2.1 %d 5060\r\n", host, 1024+n)
	}
	for n := range 3000 {
		c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(h.tcp.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		put(t, c, header("192.0.2.9", n))
		if n < 256 {
			t.Cleanup(func() { _ = c.Close() })
			put(t, c, streamed(n, 0))
			want(t, c, streamed(n, 0))
			continue
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		over(t, c)
		_ = c.Close() // the server has
	}
	good := h.caller()
	put(t, good, header("192.0.2.10", 1)+streamed(1, 0))
	want(t, good, streamed(1, 0))
	h.until("256 are left", func() bool { return h.sourcesOf("192.0.2.9") == 256 && h.tcp.Counters().RefusedSource == 3000-256 })
}

// Pings without end, read or not, fragments that never end, and frames of one byte:
// what is answered is bounded, and whoever does not read is cut.
//
// Proves: WS-6, RB-5, TP-14
func TestFloodsOfFrames(t *testing.T) {
	t.Parallel()
	limits := StreamLimits{FirstByte: 5 * time.Second, Message: 500 * time.Millisecond}
	h := newHallOf(t, flow.WS, Settings{}, limits, nil)
	known := func() net.Conn {
		c := h.socketOf()
		put(t, c, masked(0x81, text(1, 0)))
		want(t, c, plain(opText, text(1, 0)))
		return c
	}
	// Pings whose answers nobody reads.
	c := known()
	ping := masked(0x89, strings.Repeat("p", controlSize))
	flood := []byte(strings.Repeat(ping, 500))
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		_, err = c.Write(flood)
	}
	if err == nil {
		t.Error("65 MB of pings were taken from somebody who reads no answer")
	}
	h.until("the end of the flood", func() bool {
		n := h.tcp.Counters()
		return n.Ended[EndOverflow]+n.Ended[EndStuck]+n.Ended[EndSlow] == 1 && h.held() == 0 // slow: half a ping was always left
	})

	// Pings whose answers are read: one for each.
	c = known()
	for range 100 {
		put(t, c, ping)
		want(t, c, plain(opPong, strings.Repeat("p", controlSize)))
	}

	// A message in parts of nothing that never ends, kept alive by pings.
	c = known()
	put(t, c, masked(0x01, "MESSAGE "))
	h.until("it to be cut", func() bool {
		_, err := io.WriteString(c, masked(0x00, "")+masked(0x89, "x"))
		return err != nil
	})

	// A message of which each byte is a frame.
	c = known()
	whole := text(2, 3000)
	var frames strings.Builder
	for i := range whole {
		first := byte(0)
		switch i {
		case 0:
			first = 0x01
		case len(whole) - 1:
			first = 0x80
		}
		frames.WriteString(masked(first, whole[i:i+1]))
	}
	put(t, c, frames.String())
	want(t, c, plain(opText, whole))
	h.serves()
}

// What is declared is not allocated: the largest frame, of which nothing comes, holds
// no more than its header.
//
// Proves: RB-4
func TestDeclaredFramesAreNotAllocated(t *testing.T) {
	t.Parallel()
	s := NewStreams(StreamConfig{Limits: StreamLimits{Connections: 1}, NewTurn: func() func(*Batch) { return func(*Batch) {} }})
	c := newConn(s, &TCP{streams: s, protocol: flow.WS})
	c.ws = new(socket)
	l := <-s.lanes
	head := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, uint64(sip.MaxMessage))
	buffer, before := c.room(l)
	n := copy(buffer[before:], head)
	if !c.take(l, buffer[:before+n], n) || cap(c.pending) > pendingSmall || len(c.ws.partial) != 0 {
		t.Errorf("holds %d bytes", cap(c.pending))
	}
}

// HTTP that is none, or that announces a body: nothing of it opens a WebSocket, and what
// stands behind it is never read as a frame.
//
// Proves: WS-1, RB-5
func TestHTTPGarbage(t *testing.T) {
	t.Parallel()
	h := newHallOf(t, flow.WS, Settings{}, StreamLimits{Handshake: 400 * time.Millisecond}, nil)
	with := func(header http.Header) string { return upgradeRequest([]string{"sip"}, header) }
	good := with(nil)
	for name, rq := range map[string]string{
		"chunked":                   with(http.Header{"Transfer-Encoding": {"chunked"}}),
		"a body":                    with(http.Header{"Content-Length": {"5"}}),
		"two lengths":               strings.Replace(good, "\r\n\r\n", "\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 1),
		"a POST":                    strings.Replace(good, "GET", "POST", 1),
		"HTTP/1.0":                  strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1),
		"HTTP/2":                    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"no Connection":             strings.Replace(good, "Connection: Upgrade\r\n", "", 1),
		"no key":                    with(http.Header{"Sec-WebSocket-Key": nil}),
		"a short key":               with(http.Header{"Sec-WebSocket-Key": {"AAAA"}}),
		"NULs":                      strings.Repeat("\x00", 500) + "\r\n\r\n",
		"a line of colons":          "GET / HTTP/1.1\r\n:::::\r\n\r\n",
		"a folded field":            "GET / HTTP/1.1\r\nHost: a\r\n b\r\nUpgrade: websocket\r\n\r\n",
		"a hello of TLS":            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"line ends":                 "\r\n\r\n\r\n\r\n",
		"a request with an address": "GET http://%zz/ HTTP/1.1\r\n\r\n",
	} {
		x := h.caller()
		put(t, x, rq)
		b, _ := io.ReadAll(x) // its end, or a reset
		if strings.Contains(string(b), " 101 ") {
			t.Errorf("%s: got %q", name, b)
		}
		if len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 4") && !strings.HasPrefix(string(b), "HTTP/1.1 5") {
			t.Errorf("%s: got %q", name, b)
		}
	}
	n := h.tcp.Counters()
	if refused := n.Refused[RefusedRequest] + n.Refused[RefusedSubprotocol]; refused != 15 || n.Refused[RefusedRequest] < 14 {
		t.Errorf("%d refused: %+v", refused, n.Refused)
	}
	h.serves()
}
