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

// Proves: RB-5
func TestSlowStreamsAreCut(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{FirstByte: 200 * time.Millisecond, Message: 300 * time.Millisecond, Idle: time.Hour}, nil)
	good := h.caller()
	put(t, good, streamed(1, 0)+"\r\n") // half a keepalive is no message that has begun
	want(t, good, streamed(1, 0))
	silent, slow, half := h.caller(), h.caller(), h.caller()
	put(t, slow, "MESSAGE sip:b SIP/2.0\r\n")
	put(t, half, streamed(2, 0)+streamed(3, 10)[:40])
	want(t, half, streamed(2, 0))
	for _, c := range []net.Conn{silent, slow, half} {
		over(t, c)
	}
	put(t, good, streamed(4, 0))
	want(t, good, streamed(4, 0))
	h.until("the reasons", func() bool { return h.ended(EndSilent, 1)() && h.ended(EndSlow, 2)() })
}

// Bytes that are no SIP make nobody known, however many messages they are.
func TestStrangersAreCut(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{FirstByte: 100 * time.Millisecond, Message: 200 * time.Millisecond}, nil)
	c := h.caller()
	text := "NOT SIP\r\nContent-Length: 0\r\n\r\n"
	put(t, c, text)
	want(t, c, text)
	over(t, c)
	h.until("the reason", h.ended(EndSlow, 1))
}

// Proves: RB-5
func TestIdleStreamsAreClosed(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{Idle: 200 * time.Millisecond}, nil)
	c := h.caller()
	put(t, c, streamed(1, 0))
	want(t, c, streamed(1, 0))
	over(t, c)
	h.until("the flow's end", func() bool { return len(h.gone) == 1 && h.ended(EndIdle, 1)() })
	if h.flows()[0].Remote != c.LocalAddr().(*net.TCPAddr).AddrPort() || h.flows()[0].Conn == 0 || h.flows()[0].Listener != 3 || h.flows()[0].Protocol != flow.TCP {
		t.Errorf("gone is %+v", h.flows()[0])
	}
}

// The oldest of those that have said nothing makes room, so that whoever speaks
// is served though thousands keep silent.
//
// Proves: RB-5
func TestStrangersMakeRoom(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{Unknown: 20, Connections: 60}, nil)
	known := h.caller()
	put(t, known, streamed(0, 0))
	want(t, known, streamed(0, 0))
	h.until("one that is known", func() bool { return h.Unknown() == 0 }) // its answer may be faster
	for range 300 {
		c := h.caller()
		put(t, c, "MESSAGE ")
	}
	for n := range 30 {
		c := h.caller()
		put(t, c, streamed(n, 0))
		want(t, c, streamed(n, 0))
	}
	h.until("room", func() bool { return h.Unknown() <= 20 && h.Open() <= 60 })
	h.until("those that made room", func() bool { return h.tcp.Counters().Ended[EndEvicted] >= 280 })
	put(t, known, streamed(1, 0))
	want(t, known, streamed(1, 0))
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{Connections: 3}, nil)
	for n := range 3 {
		c := h.caller()
		put(t, c, streamed(n, 0))
		want(t, c, streamed(n, 0))
	}
	h.until("three that are known", func() bool { return h.Unknown() == 0 }) // others would make room
	over(t, h.caller())
	if n := h.tcp.Counters().RefusedFull; n != 1 {
		t.Errorf("%d refused", n)
	}
	var lost Trouble
	h.NewSender().Send(h.tcp, []effect.Send{h.request("127.0.0.1:9", 1)}, &lost)
	if len(lost.Failed) != 1 || !errors.Is(lost.Failed[0].Err, ErrFull) || lost.Failed[0].For != 1 {
		t.Errorf("got %+v", lost.Failed)
	}
}

// Connections are counted by what one host has to itself; loopback is not counted.
func TestSourcesOfConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::2", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		a, b := sourceOf(netip.MustParseAddr(c.a)), sourceOf(netip.MustParseAddr(c.b))
		if !a.IsValid() || !b.IsValid() || (a == b) != c.same {
			t.Errorf("%s and %s are %v and %v", c.a, c.b, a, b)
		}
	}
	for _, a := range []string{"127.0.0.1", "127.9.9.9", "::1"} {
		if s := sourceOf(netip.MustParseAddr(a)); s.IsValid() {
			t.Errorf("%s is counted as %v", a, s)
		}
	}
}

// Proves: RB-5
func TestConnectionsOfOneSourceAreBounded(t *testing.T) {
	t.Parallel()
	s := NewStreams(StreamConfig{Limits: StreamLimits{PerSource: 2}, NewTurn: func() func(*Batch) { return func(*Batch) {} }})
	s.sources[netip.MustParseAddr("192.0.2.1")] = 2 // two are open
	c := newConn(s, &TCP{streams: s})
	c.flow.Remote = netip.MustParseAddrPort("192.0.2.1:5060")
	if refused, _ := s.admit(c, c.flow.Remote.Addr(), nil); refused != &c.to.counters.refusedSource {
		t.Error("a third was taken")
	}
	if s.Open() != 0 || s.Unknown() != 0 {
		t.Error("it has left traces")
	}
}

// request is a Send to a place that needs a connection.
func (h *hall) request(to string, about effect.Handle) effect.Send {
	return effect.Send{
		Hop:  flow.Hop{Local: h.tcp.Addr(), Remote: netip.MustParseAddrPort(to), Listener: 3, Protocol: flow.TCP},
		Wire: []byte(streamed(int(about), 0)), For: about,
	}
}

// One connection serves all requests to a place, in their order, until it ends;
// then another one is made.
//
// Proves: TP-6, TP-7
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, func(*Packet, *effect.List) {})
	l := callee(t)
	at := l.Addr().String()
	w, lost := h.NewSender(), Trouble{}
	w.Send(h.tcp, []effect.Send{h.request(at, 1), h.request(at, 2)}, &lost)
	w.Send(h.tcp, []effect.Send{h.request(at, 3)}, &lost)
	c := acceptOn(t, l)
	want(t, c, streamed(1, 0)+streamed(2, 0)+streamed(3, 0))
	w.Send(h.tcp, []effect.Send{h.request(at, 4)}, &lost)
	want(t, c, streamed(4, 0))
	if ip := c.RemoteAddr().(*net.TCPAddr).AddrPort(); ip.Addr() != h.tcp.Addr().Addr() || ip.Port() == h.tcp.Addr().Port() {
		t.Errorf("came from %v", ip)
	}
	put(t, c, streamed(5, 0))
	h.until("what the callee sends", func() bool { return len(h.got) == 1 })
	if f := h.packets()[0].From; f.Conn == 0 || f.Listener != 3 || f.Remote.String() != at || f.Local != h.tcp.Addr() {
		t.Errorf("it came by %+v", f)
	}
	_ = c.Close() // the test goes on without it
	h.until("its end", func() bool { return len(h.gone) == 1 })
	w.Send(h.tcp, []effect.Send{h.request(at, 6)}, &lost)
	want(t, acceptOn(t, l), streamed(6, 0))
	if n := h.tcp.Counters().Opened; n != 2 || len(lost.Failed) > 0 {
		t.Errorf("%d opened, lost %v", n, lost.Failed)
	}
}

// Messages of a turn for one connection leave in their order, whoever is to hear
// of their loss and however the connection is named: a BYE must not pass the ACK
// before it, nor a NOTIFY the response that it belongs to.
//
// Proves: TP-3
func TestTurnKeepsTheOrderOfAConnection(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, func(*Packet, *effect.List) {})
	c := h.caller()
	put(t, c, streamed(0, 0))
	h.until("the connection", func() bool { return len(h.got) == 1 })
	by := h.packets()[0].From.Hop()
	var list []effect.Send
	var text strings.Builder
	for n := range 30 {
		m := effect.Send{Hop: by, Wire: []byte(streamed(n, 0))}
		switch n % 5 {
		case 0:
			m.For = effect.Handle(n + 1)
		case 1:
			m.Fallback = netip.MustParseAddrPort("127.0.0.1:1")
		case 2:
			m.Hop.Conn, m.For = flow.Existing, effect.Handle(n+1)
		case 3:
			m.Hop.Conn = 0
		}
		list = append(list, m)
		text.WriteString(streamed(n, 0))
	}
	var lost Trouble
	h.NewSender().Send(h.tcp, list, &lost)
	want(t, c, text.String())
	if len(lost.Failed) > 0 {
		t.Errorf("lost %v", lost.Failed)
	}
}

// A connection that the peer made is used for requests to exactly its far end,
// and `alias` in a Via changes nothing about that.
//
// Proves: TP-21
func TestAcceptedConnectionIsReusedByItsEnd(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	c := h.caller()
	put(t, c, streamed(1, 0))
	want(t, c, streamed(1, 0))
	var lost Trouble
	h.NewSender().Send(h.tcp, []effect.Send{h.request(c.LocalAddr().String(), 2)}, &lost)
	want(t, c, streamed(2, 0))
	if n := h.tcp.Counters().Opened; n != 0 {
		t.Errorf("%d opened", n)
	}
}

// A hop may ask for the connection that is there and for no other: the far end
// is where a client called from, and listens on nothing.
//
// Proves: TP-7
func TestExistingConnectionOnly(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	c := h.caller()
	put(t, c, streamed(1, 0))
	want(t, c, streamed(1, 0))
	m := h.request(c.LocalAddr().String(), 2)
	m.Hop.Conn = flow.Existing
	w, lost := h.NewSender(), Trouble{}
	w.Send(h.tcp, []effect.Send{m}, &lost)
	want(t, c, streamed(2, 0))
	_ = c.Close() // the test goes on without it
	h.until("its end", func() bool { return len(h.gone) == 1 })
	w.Send(h.tcp, []effect.Send{m}, &lost)
	if len(lost.Failed) != 1 || lost.Failed[0].For != 2 || !errors.Is(lost.Failed[0].Err, ErrGone) {
		t.Errorf("got %+v", lost.Failed)
	}
	if n := h.tcp.Counters(); n.Opened != 0 || n.Ended[EndConnect] != 0 {
		t.Errorf("one was made: %+v", n)
	}
}

// Proves: TP-17
func TestRefusedConnectionIsALoss(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	l := callee(t)
	at := l.Addr().String()
	_ = l.Close() // nobody listens there now
	var lost Trouble
	h.NewSender().Send(h.tcp, []effect.Send{h.request(at, 1), h.request(at, 2)}, &lost)
	h.until("both losses", func() bool { return len(h.failed) == 2 })
	if h.losses()[0].For != 1 || h.losses()[1].For != 2 || len(h.flows()) != 0 {
		t.Errorf("failed %+v, gone %+v", h.losses(), h.flows())
	}
	h.until("the reason", func() bool { return h.tcp.Counters().Ended[EndConnect] > 0 })
}

// Each message waits for a connection as long as it may, and not longer because
// another one may.
func TestPatienceIsThatOfTheMessage(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{Connect: 10 * time.Second}, nil)
	var lost Trouble
	long, short := h.request(deaf(t), 1), h.request("127.0.0.1:1", 2)
	short.Hop.Remote, short.ConnectWithin = long.Hop.Remote, 20*time.Millisecond
	w := h.NewSender()
	w.Send(h.tcp, []effect.Send{long}, &lost)
	w.Send(h.tcp, []effect.Send{short}, &lost)
	h.until("the loss of one", func() bool { return len(h.failed) == 1 })
	if h.losses()[0].For != 2 || !errors.Is(h.losses()[0].Err, ErrConnect) {
		t.Errorf("got %+v", h.losses())
	}
	if h.Open() != 1 {
		t.Errorf("the other one waits no more")
	}
	short.Wire, short.For = []byte(streamed(3, 0)), 3
	long = h.request(deaf(t), 4)
	long.ConnectWithin = 20 * time.Millisecond
	w.Send(h.tcp, []effect.Send{long}, &lost)
	h.until("the end of a connection that nobody waits for", func() bool { return len(h.failed) == 2 && h.Open() == 1 })
}

// deaf is an address whose queue of connections is full: connecting to it takes
// forever.
func deaf(t testing.TB) string {
	t.Helper()
	l := fullListener(t)
	for range 8 { // more than its backlog
		d := net.Dialer{Timeout: 50 * time.Millisecond}
		c, err := d.Dial("tcp4", l)
		if err != nil {
			return l
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("a full backlog does not hold connections up here")
	return ""
}

// A response whose connection is gone goes to the address and port of the
// sent-by, once; a request does not.
//
// Proves: TV-8
func TestResponseOfAnEndedConnection(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, func(*Packet, *effect.List) {})
	c, l := h.caller(), callee(t)
	put(t, c, streamed(1, 0))
	h.until("the request", func() bool { return len(h.got) == 1 })
	hop := h.packets()[0].From.Hop()
	_ = c.Close() // the caller gives up, or moves
	h.until("its end", func() bool { return len(h.gone) == 1 })
	var lost Trouble
	back := l.Addr().(*net.TCPAddr).AddrPort()
	hop.Local = h.tcp.Addr()
	w := h.NewSender()
	w.Send(h.tcp, []effect.Send{{Hop: hop, Wire: []byte("one"), Fallback: back}, {Hop: hop, Wire: []byte("two"), Fallback: back}}, &lost)
	want(t, acceptOn(t, l), "onetwo")
	w.Send(h.tcp, []effect.Send{{Hop: hop, Wire: []byte("request"), For: 7}, {Hop: hop, Wire: []byte("response")}}, &lost)
	if len(lost.Failed) != 2 || lost.Failed[0].For != 7 || !errors.Is(lost.Failed[0].Err, ErrGone) {
		t.Errorf("got %+v", lost.Failed)
	}
	dead := callee(t)
	_ = dead.Close() // nobody listens there now
	w.Send(h.tcp, []effect.Send{{Hop: hop, Wire: []byte("three"), Fallback: dead.Addr().(*net.TCPAddr).AddrPort()}}, &lost)
	h.until("the loss", func() bool { return len(h.failed) == 1 })
	if n := h.tcp.Counters(); n.Fallbacks != 3 || n.SendErrors != 3 {
		t.Errorf("counted %+v", n)
	}
}

// A peer that does not read costs its own messages and nobody else's: what does
// not fit is lost, what waits is told, and the connection ends.
//
// Proves: TP-14
func TestPeerThatNeverReads(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, nil)
	l := callee(t)
	w, lost := h.NewSender(), Trouble{}
	large := func(n int) effect.Send {
		m := h.request(l.Addr().String(), effect.Handle(n))
		m.Wire = []byte(streamed(n, 50_000))
		return m
	}
	n := 0
	for ; len(lost.Failed) == 0 && n < 10_000; n++ {
		w.Send(h.tcp, []effect.Send{large(n + 1)}, &lost)
		if n == 0 {
			_ = acceptOn(t, l) // and that is all it does
			h.until("the connection", func() bool { return h.tcp.Counters().Sent == 1 })
		}
	}
	if len(lost.Failed) != 1 || !errors.Is(lost.Failed[0].Err, ErrQueue) {
		t.Fatalf("after %d messages: %+v", n, lost.Failed)
	}
	h.until("its end", h.ended(EndOverflow, 1))
	h.until("what waited", func() bool { return len(h.failed) > 0 && len(h.gone) == 1 })
	if len(h.losses()) > 64 {
		t.Errorf("%d waited", len(h.losses()))
	}
	for i := range h.losses() { // they are the last ones, in order, and the one that found no room comes after them
		if got, want := h.losses()[i].For, effect.Handle(n-len(h.losses())+i); got != want {
			t.Fatalf("lost %v at %d, want %v", got, i, want)
		}
	}
	c := h.caller()
	put(t, c, streamed(1, 0))
	want(t, c, streamed(1, 0))
}

// A peer that reads after a while gets all that waited, in order.
func TestQueueKeepsOrder(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{QueueMessages: 1 << 20, QueueBytes: 1 << 30}, nil)
	l := callee(t)
	w, lost := h.NewSender(), Trouble{}
	var all strings.Builder
	queued := func() bool { return h.tcp.Counters().Queued > 20 }
	for n := 0; !queued(); n++ {
		m := h.request(l.Addr().String(), 1)
		m.Wire = []byte(streamed(n, 30_000))
		all.Write(m.Wire)
		w.Send(h.tcp, []effect.Send{m}, &lost)
		if n == 0 {
			h.until("the connection", func() bool { return h.tcp.Counters().Sent == 1 })
		}
	}
	c := acceptOn(t, l)
	want(t, c, all.String())
	if len(lost.Failed) > 0 || h.tcp.Counters().Queued < 20 {
		t.Errorf("lost %v", lost.Failed)
	}
	h.until("an empty queue", func() bool { return h.tcp.Counters().SentBytes == uint64(all.Len()) })
	m := h.request(l.Addr().String(), 1)
	text := string(m.Wire)
	w.Send(h.tcp, []effect.Send{m}, &lost)
	want(t, c, text)
}

// A number is not given again while somebody may remember it.
func TestNumbersAreNotReusedSoon(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{Connections: 4}, nil)
	seen := map[uint32]bool{}
	for n := range 50 {
		c := h.caller()
		put(t, c, streamed(n, 0))
		want(t, c, streamed(n, 0))
		_ = c.Close() // makes room for the next
		h.until("its end", func() bool { return len(h.gone) == n+1 })
		number := h.flows()[n].Conn
		if seen[number] || number == 0 {
			t.Fatalf("number %d again", number)
		}
		seen[number] = true
		if h.find(h.tcp, &flow.Hop{Conn: number}) != nil {
			t.Fatal("it is still there")
		}
	}
}

// In steady state a message costs no allocation, received and answered.
func TestStreamAllocatesNothing(t *testing.T) {
	h := newHall(t, StreamLimits{Idle: time.Hour}, nil)
	h.quiet.Store(true)
	c := h.caller()
	text := []byte(streamed(1, 300))
	b := make([]byte, len(text))
	exchange := func() {
		if _, err := c.Write(text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	if n := testing.AllocsPerRun(500, exchange); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
