package engine

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/sip"
)

// both is a snapshot with a UDP and a TCP listener on loopback.
func both() *proxy.Snapshot {
	s := loopback("127.0.0.1:0", "127.0.0.1:0")
	s.Listeners[1].Protocol = flow.TCP
	return s
}

// caller is a connection to the TCP listener of e, with a deadline.
func caller(t testing.TB, e *Engine) *net.TCPConn {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(e.Addresses()[1].Bind))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have done so
	if err := c.SetDeadline(clock.Wall(clock.Now()).Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func talk(t testing.TB, c net.Conn, text, answer string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(answer))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != answer {
		t.Fatalf("got %q, %v, want %q", b[:n], err, answer)
	}
}

// Messages of a connection take the way of all others, and answers come back on
// it; the end of it reaches every shard.
//
// Proves: TP-1, TV-7
func TestStreamRunsThroughTheCore(t *testing.T) {
	var mu sync.Mutex
	gone := map[int]flow.Flow{}
	e := newFake(t, Config{Snapshot: both(), Shards: 4}, func(f *fake) {
		f.gone = func(from flow.Flow, _ *effect.List) {
			mu.Lock()
			defer mu.Unlock()
			gone[f.shard] = from
		}
	})
	run(t, e)
	if a := e.Addresses(); len(a) != 2 || a[1].Protocol != flow.TCP || a[1].Bind.Port() == 0 {
		t.Fatalf("got %+v", a)
	}
	exchange(t, e, "OPTIONS", 1)
	c := caller(t, e)
	all := request("OPTIONS", 2) + request("INVITE", 3) + request("BYE", 4)
	talk(t, c, all, all)
	_ = c.Close() // its end is what the test waits for
	waitFor(t, "the end in all shards", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(gone) == 4
	})
	if f := gone[0]; f.Conn == 0 || f.Listener != 1 || f.Remote != c.LocalAddr().(*net.TCPAddr).AddrPort() {
		t.Errorf("gone is %+v", f)
	}
	for _, l := range e.Stats().Listeners {
		if total := l.Total(); l.Listener == 1 && (total.Received != 3 || total.Sent != 3) {
			t.Errorf("counted %+v", total)
		}
	}
}

// A stream that cannot be cut is refused by the core and then closed.
//
// Proves: TP-4, RB-4
func TestStreamThatCannotBeCut(t *testing.T) {
	s := both()
	keys, err := proxy.NewKeys([]byte("a secret of the test bench"))
	if err != nil {
		t.Fatal(err)
	}
	s.Keys = keys
	e, err := New(Config{Snapshot: s, Grace: soon})
	if err != nil {
		t.Fatal(err)
	}
	run(t, e)
	for _, length := range []string{"-1", "x", "4294967296000", "99999999", "0\r\nContent-Length: 5"} {
		c := caller(t, e)
		text := strings.Replace(request("OPTIONS", 1), "Content-Length: 0", "Content-Length: "+length, 1)
		if _, err := io.WriteString(c, text+request("OPTIONS", 2)); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		got := string(b)
		if !strings.HasPrefix(got, "SIP/2.0 400 ") && !strings.HasPrefix(got, "SIP/2.0 513 ") || strings.Contains(got, "CSeq: 2 ") {
			t.Errorf("Content-Length: %s: got %q", length, got)
		}
	}
	if n := e.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}

// A connection that cannot be made is told to the transaction that wanted it.
//
// Proves: TP-17
func TestRefusedConnectionIsTold(t *testing.T) {
	told := make(chan effect.Handle, 1)
	closed := closedPort(t)
	e := newFake(t, Config{Snapshot: both(), Shards: 1}, func(f *fake) {
		f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
			fx.Send(flow.Hop{Remote: closed, Listener: 1, Protocol: flow.TCP}, fx.Copy(m.Wire()), effect.MakeHandle(0, 7, 9))
		}
		f.broken = func(h effect.Handle, _ *effect.List) { told <- h }
	})
	run(t, e)
	write(t, phone(t, e.Addresses()[0].Bind), request("INVITE", 1))
	select {
	case h := <-told:
		if h != effect.MakeHandle(0, 7, 9) {
			t.Errorf("told %x", h)
		}
	case <-time.After(patience):
		t.Fatal("not told")
	}
}

// A listener of streams that a reload removes serves what runs and is then
// closed with its connections; one that it adds accepts at once.
func TestReloadOfStreamListeners(t *testing.T) {
	e := newFake(t, Config{Snapshot: both(), Shards: 1, Grace: soon}, nil)
	run(t, e)
	c := caller(t, e)
	talk(t, c, request("OPTIONS", 1), request("OPTIONS", 1))
	was := e.Addresses()[1].Bind
	next := &proxy.Snapshot{Program: e.inForce.Load().snapshot.Program, Listeners: e.Listeners()[:1]}
	if err := e.Reload(next); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the listener's end", func() bool { return len(e.Addresses()) == 1 })
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Errorf("got %q, %v, want the end", b, err)
	}
	next.Listeners = append(e.Listeners()[:1], proxy.Listener{Name: "again", Protocol: flow.TCP, Bind: netip.AddrPortFrom(was.Addr(), 0)})
	if err := e.Reload(next); err != nil {
		t.Fatal(err)
	}
	talk(t, caller(t, e), request("OPTIONS", 2), request("OPTIONS", 2))
}
