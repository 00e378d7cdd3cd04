package transport

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

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
