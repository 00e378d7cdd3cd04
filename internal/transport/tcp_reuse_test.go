package transport

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

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
