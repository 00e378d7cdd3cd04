package transport

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"viaduct/internal/flow"
)

// sendToRest has all connections rest that are there.
func (h *hall) sendToRest() {
	for i := range h.slots {
		if c := h.slots[i].conn.Load(); c != nil {
			c.rest()
		}
	}
}

// lay is sendToRest that waits until the goroutines of n have left them to others.
func (h *hall) lay(n int) {
	h.t.Helper()
	h.sendToRest()
	h.until("rest", func() bool { return h.resting() == n })
}

// inClearAndByTLS runs a test over connections by TCP, and by TLS.
func inClearAndByTLS(t *testing.T, test func(t *testing.T, h *hall, open func() net.Conn)) {
	v := newVault(t)
	for _, p := range []flow.Protocol{flow.TCP, flow.TLS} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			if p == flow.TCP {
				h := newHallOf(t, p, Settings{}, StreamLimits{Rest: time.Hour}, nil)
				test(t, h, func() net.Conn { return h.caller() })
				return
			}
			h := newHallOf(t, p, Settings{TLS: v.tls(nil, "example.com")}, StreamLimits{Rest: time.Hour}, nil)
			test(t, h, func() net.Conn { return h.shake(v.client("example.com")) })
		})
	}
}

// A connection that rests goes on as if nothing had been: with whole messages, with
// those in parts, with pings, and with its end.
func TestRestingConnectionsGoOn(t *testing.T) {
	t.Parallel()
	inClearAndByTLS(t, func(t *testing.T, h *hall, open func() net.Conn) {
		c := open()
		for n := range 20 {
			put(t, c, streamed(n, 100*n))
			want(t, c, streamed(n, 100*n))
			h.lay(1)
			if n%2 == 0 {
				put(t, c, "\r\n\r\n")
				want(t, c, "\r\n")
			}
			h.lay(1)
		}
		whole := streamed(50, 3000)
		put(t, c, whole[:700])
		h.until("a part", func() bool { return !h.slotOf(c).resting.Load() && h.slotOf(c).since.Load() != 0 })
		if h.slotOf(c).quiet(h.slotOf(c).born.Add(2 * time.Hour)) {
			t.Error("a connection rests in the middle of a message")
		}
		h.lay(1) // all the same
		put(t, c, whole[700:])
		want(t, c, whole)

		// Its ends: by the peer, by a limit, with the listener.
		h.lay(1)
		_ = c.Close() // what follows waits for its end
		h.until("its end", func() bool { return h.tcp.Counters().Ended[EndPeer] == 1 })
		c = open()
		put(t, c, streamed(1, 0))
		want(t, c, streamed(1, 0))
		h.lay(1)
		h.slotOf(c).end(EndIdle)
		if _, err := io.ReadAll(c); err != nil && h.tcp.Protocol() == flow.TCP {
			t.Error(err)
		}
		h.until("its end", func() bool { return h.tcp.Counters().Ended[EndIdle] == 1 })
		put(t, open(), streamed(2, 0))
		h.until("a third", func() bool { return h.tcp.Counters().Received >= 23 })
		h.lay(1)
	})
}

// slotOf is the only connection that there is.
func (h *hall) slotOf(net.Conn) *Conn {
	for i := range h.slots {
		if c := h.slots[i].conn.Load(); c != nil {
			return c
		}
	}
	h.t.Fatal("no connection")
	return nil
}

// However often connections are sent to rest while messages come, none is lost and no
// connection ends.
func TestRestAmidTraffic(t *testing.T) {
	t.Parallel()
	inClearAndByTLS(t, func(t *testing.T, h *hall, open func() net.Conn) {
		const talkers, messages = 8, 100
		var group sync.WaitGroup
		for i := range talkers {
			c := open()
			group.Go(func() {
				for n := range messages {
					m := streamed(n, (i*n*7)%3000)
					if n%10 == 0 {
						h.sendToRest()
					}
					put(t, c, m)
					if n%10 == i {
						h.sendToRest()
					}
					want(t, c, m)
				}
			})
		}
		group.Wait()
		if n := h.tcp.Counters(); n.Received != talkers*messages || n.Ended != [Endings]uint64{} {
			t.Errorf("received %d messages, want %d; ended %v", n.Received, talkers*messages, n.Ended)
		}
	})
}
