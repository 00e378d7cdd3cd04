package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// hall is Streams with one listener on loopback whose turns do what a test says.
type hall struct {
	*Streams
	t   testing.TB
	tcp *TCP

	mu      sync.Mutex
	got     []Packet // copies
	gone    []flow.Flow
	failed  []Failure
	notices []Notice
	turns   int

	quiet atomic.Bool // nothing is recorded

	// answer is done with each packet of a turn; nil: echo. constant
	answer func(p *Packet, fx *effect.List)
}

func newHall(t testing.TB, limits StreamLimits, answer func(*Packet, *effect.List)) *hall {
	t.Helper()
	return newHallOf(t, flow.TCP, Settings{}, limits, answer)
}

func newHallOf(t testing.TB, p flow.Protocol, use Settings, limits StreamLimits, answer func(*Packet, *effect.List)) *hall {
	t.Helper()
	h := &hall{t: t, answer: answer}
	h.Streams = NewStreams(StreamConfig{Limits: limits, Lanes: 2, NewTurn: h.newTurn})
	tcp, err := h.ListenTCP(context.Background(), TCPConfig{Listener: 3, Bind: netip.MustParseAddrPort("127.0.0.1:0"), Protocol: p, Settings: use})
	if err != nil {
		t.Fatal(err)
	}
	h.tcp = tcp
	var group sync.WaitGroup
	group.Go(tcp.Serve)
	group.Go(h.Serve)
	t.Cleanup(func() {
		_ = tcp.Close() // a test may have done so
		h.Close()
		group.Wait()
		if n := h.Open(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return h
}

// newTurn is what the engine's worker is, without a core.
func (h *hall) newTurn() func(*Batch) {
	var fx effect.List
	var sender *StreamSender
	var trouble Trouble
	return func(b *Batch) {
		if sender == nil {
			sender = h.NewSender()
		}
		for i := range b.Packets {
			p := &b.Packets[i]
			p.Parsed = p.Fault == nil && !bytes.HasPrefix(p.Wire, []byte("NOT SIP"))
			if h.answer != nil {
				h.answer(p, &fx)
			} else {
				fx.Send(p.From.Hop(), fx.Copy(p.Wire), 0)
			}
		}
		sender.Send(h.tcp, fx.Sends, &trouble)
		fx.Reset()
		if h.quiet.Load() {
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.turns++
		for _, p := range b.Packets {
			p.Wire = bytes.Clone(p.Wire)
			if p.Fault != nil {
				fault := *p.Fault
				p.Fault = &fault
			}
			h.got = append(h.got, p)
		}
		h.gone = append(h.gone, b.Gone...)
		h.notices = append(h.notices, b.Notices...)
		h.failed = append(append(h.failed, b.Trouble.Failed...), trouble.Failed...)
		trouble.Reset()
	}
}

func (h *hall) packets() []Packet {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

func (h *hall) flows() []flow.Flow {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.gone)
}

func (h *hall) losses() []Failure {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.failed)
}

// until waits for what must come.
func (h *hall) until(what string, done func() bool) {
	h.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for over := time.After(10 * time.Second); ; {
		h.mu.Lock()
		ok := done()
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			h.t.Fatalf("never: %s; %+v", what, h.tcp.Counters())
		}
	}
}

func (h *hall) ended(why Ending, n uint64) func() bool {
	return func() bool { return h.tcp.Counters().Ended[why] == n }
}

// caller is a connection to h with a deadline.
func (h *hall) caller() *net.TCPConn { return dialTo(h.t, h.tcp.Addr()) }

func dialTo(t testing.TB, to netip.AddrPort) *net.TCPConn {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have done so
	if err := c.SetDeadline(clock.Wall(clock.Now()).Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// callee listens where h can connect to.
func callee(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // a test may have done so
	if err := l.SetDeadline(clock.Wall(clock.Now()).Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return l
}

func acceptOn(t testing.TB, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(clock.Wall(clock.Now()).Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("got %.200q, %v, want %.200q", b[:n], err, text)
	}
}

// over holds that the peer closes c, having sent nothing more.
func over(t testing.TB, c net.Conn) {
	t.Helper()
	b, err := io.ReadAll(c)
	var slow net.Error
	if len(b) > 0 || errors.As(err, &slow) && slow.Timeout() {
		t.Fatalf("got %.200q, %v, want the end", b, err)
	}
}

// stream is a message of a stream with a body of size bytes.
func streamed(n, size int) string {
	return fmt.Sprintf("MESSAGE sip:bob@127.0.0.1 SIP/2.0\r\nCall-ID: %d\r\nContent-Length: %d\r\n\r\n%s", n, size, strings.Repeat("x", size))
}

// A message comes whole however it was cut, and several of one write come one
// after the other, in one turn.
//
// Proves: TP-3
func TestStreamIsCutIntoMessages(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	c := h.caller()
	for i, b := range []byte(streamed(1, 40)) {
		put(t, c, string(b))
		if i == 100 {
			h.until("the first bytes", func() bool { return h.tcp.Counters().ReceivedBytes > 0 })
		}
	}
	want(t, c, streamed(1, 40))

	all := ""
	for n := range 200 { // more than a turn takes
		all += streamed(n, n)
	}
	put(t, c, "\r\n"+all[:len(all)-7])
	put(t, c, all[len(all)-7:])
	want(t, c, all)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.turns > 100 {
		t.Errorf("%d turns for 201 messages", h.turns)
	}
}

// Messages of all sizes up to the bound pass, cut anywhere, and nothing of them
// is held when they have passed.
//
// Proves: TP-2
func TestStreamTakesLargeMessages(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	c := h.caller()
	for _, size := range []int{3 << 10, 5 << 10, 60_000, sip.MaxMessage - len(streamed(1, 10000)) + 10000} {
		text := streamed(1, size)
		for _, cut := range []int{1, 50, 4095, 4096, 4097, len(text) - 1} {
			if cut >= len(text) {
				continue
			}
			bytes := h.tcp.Counters().ReceivedBytes
			put(t, c, text[:cut])
			h.until("the first part", func() bool { return h.tcp.Counters().ReceivedBytes == bytes+uint64(cut) })
			put(t, c, text[cut:])
			want(t, c, text)
		}
	}
}

// Proves: OB-11, TP-8
func TestStreamAnswersPings(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	c := h.caller()
	put(t, c, "\r\n\r\n")
	want(t, c, "\r\n")
	put(t, c, "\r\n\r")
	h.until("a part of a ping", func() bool { return h.tcp.Counters().Reads == 2 })
	put(t, c, "\n")
	want(t, c, "\r\n")
	put(t, c, "\r\n"+streamed(1, 0))
	want(t, c, streamed(1, 0))
	put(t, c, "\r\n\r\n\r\n\r\n"+streamed(2, 0))
	want(t, c, "\r\n\r\n"+streamed(2, 0))
	if n := h.tcp.Counters().Pings; n != 4 {
		t.Errorf("%d pings", n)
	}
}

// What cannot be framed is told, with a chance to answer; then nothing more is
// read, and others do not notice.
//
// Proves: TP-5
func TestFramingErrorEndsTheStream(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, func(p *Packet, fx *effect.List) {
		text := "200"
		if p.Fault != nil {
			text = fmt.Sprint(p.Fault.Status)
		}
		fx.Send(p.From.Hop(), fx.Copy([]byte(text)), 0)
	})
	other := h.caller()
	for text, status := range map[string]string{
		"MESSAGE sip:b SIP/2.0\r\nContent-Length: -1\r\n\r\n":                     "400",
		"MESSAGE sip:b SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n": "400",
		"MESSAGE sip:b SIP/2.0\r\nCall-ID: 1\r\n\r\n":                             "400",
		"MESSAGE sip:b SIP/2.0\r\nContent-Length: 4294967296\r\n\r\n":             "400",
		"MESSAGE sip:b SIP/2.0\r\nContent-Length: 99999\r\n\r\n":                  "513",
		"MESSAGE sip:b SIP/2.0\r\nX: " + strings.Repeat("x", sip.MaxHeaderPart):   "513",
	} {
		c := h.caller()
		put(t, c, streamed(1, 0)+text+streamed(2, 0)+streamed(3, 0))
		want(t, c, "200"+status)
		over(t, c)
	}
	put(t, other, streamed(9, 0))
	want(t, other, "200")
	h.until("six ends", h.ended(EndFraming, 6))
	for _, p := range h.packets() {
		if bytes.Contains(p.Wire, []byte("Call-ID: 2")) && p.Fault == nil {
			t.Errorf("read on: %q", p.Wire)
		}
	}
}
