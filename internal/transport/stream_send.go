package transport

import (
	"errors"
	"net/netip"
	"syscall"

	"viaduct/internal/effect"
)

// StreamSender puts messages on connections. It belongs to one goroutine.
type StreamSender struct {
	streams *Streams
	same    []int // messages of one turn for one connection

	wires  [][]byte // what leaves for each of them …
	sealed []byte   // … which lies here when it is not the message itself
	ends   [width]int
	frame  []byte // one message on its way into sealed

	vectors // what is being written
}

// NewSender returns a StreamSender over the connections of s.
func (s *Streams) NewSender() *StreamSender {
	w := &StreamSender{streams: s, same: make([]int, 0, width)}
	w.init()
	return w
}

// Send puts those messages of list whose hop names the listener to on their
// connections, in order, those for one connection in one write, and takes their
// Wire away, which marks them as done. It never waits: what the kernel does not
// take at once goes to the connection's queue, and so does what needs a
// connection that has to be made first. A response whose connection is gone goes
// to the sent-by (RFC 3261 §18.2.2). What cannot be sent is added to t, now or in
// the turn that tells the end of the connection.
func (w *StreamSender) Send(to *TCP, list []effect.Send, t *Trouble) {
	for i := 0; i < len(list); i++ {
		m := &list[i]
		if m.Wire == nil || m.Hop.Listener != to.listener || m.Hop.Protocol != to.protocol {
			continue
		}
		if len(m.Wire) == 0 || !m.Hop.Remote.IsValid() || m.Hop.Conn == 0 && m.Hop.Remote.Addr().Is6() != to.bind.Addr().Is6() {
			w.fail(to, m, t, syscall.EINVAL)
			continue
		}
		w.gather(list, i)
		taken, err := w.deliver(to, list)
		for k, j := range w.same {
			switch n := &list[j]; {
			case k < taken:
				n.Wire = nil
			case n.Hop.Conn != 0 && n.For == 0 && n.Fallback.IsValid() && errors.Is(err, ErrGone):
				to.counters.fallbacks.Add(1)
				n.Hop.Conn, n.Hop.Remote, n.Fallback = 0, n.Fallback, netip.AddrPort{} // asked for once
			default:
				w.fail(to, n, t, err)
			}
		}
		if m.Wire != nil {
			i-- // it has another hop now
		}
	}
}

// gather finds the messages from list[i] on that go by the same connection. It
// stops at one that may go by the same without saying so, because none must pass
// another: a request to a far end is not named by number, the response is.
func (w *StreamSender) gather(list []effect.Send, i int) {
	m := &list[i].Hop
	w.same = w.same[:0]
	for j := i; j < len(list) && len(w.same) < width; j++ {
		n := &list[j].Hop
		if list[j].Wire == nil || n.Listener != m.Listener || n.Remote != m.Remote || n.Protocol != m.Protocol {
			continue
		}
		if n.Conn != m.Conn || n.Domain != m.Domain {
			return
		}
		w.same = append(w.same, j)
	}
}

// maxFinds bounds how often a connection that was found to be ending is looked
// for again.
const maxFinds = 3

// deliver gives the messages of w.same to their connection. One that is named
// and gone is not replaced.
func (w *StreamSender) deliver(to *TCP, list []effect.Send) (taken int, err error) {
	hop := &list[w.same[0]].Hop
	if hop.Conn != 0 {
		if c := w.streams.find(to, hop); c != nil {
			return c.put(w, list, w.same)
		}
		return 0, ErrGone
	}
	for range maxFinds {
		c, fresh, err := w.streams.reach(to, hop.Remote, hop.Domain)
		if err != nil {
			return 0, err
		}
		taken, err = c.put(w, list, w.same)
		if fresh {
			w.streams.begin(c, hop.Local.Addr())
		}
		if !errors.Is(err, ErrGone) {
			return taken, err
		}
		w.streams.unroute(c)
	}
	return 0, ErrGone
}

// fail gives m up.
func (w *StreamSender) fail(to *TCP, m *effect.Send, t *Trouble, err error) {
	to.counters.sendErrors.Add(1)
	t.Failed = append(t.Failed, Failure{For: m.For, Hop: m.Hop, Err: err, Wire: m.Wire})
	m.Wire = nil
}
