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
// connection that has to be made first. What cannot be sent is added to t, now
// or in the turn that tells the end of the connection.
func (w *StreamSender) Send(to *TCP, list []effect.Send, t *Trouble) {
	for i := range list {
		m := &list[i]
		if m.Wire == nil || m.Hop.Listener != to.listener || m.Hop.Protocol != to.protocol {
			continue
		}
		if len(m.Wire) == 0 || !m.Hop.Remote.IsValid() || m.Hop.Conn == 0 && m.Hop.Remote.Addr().Is6() != to.bind.Addr().Is6() {
			w.fail(to, m, t, syscall.EINVAL)
			continue
		}
		w.same = w.same[:0]
		for j := i; j < len(list) && len(w.same) < width; j++ {
			n := &list[j]
			if n.Wire != nil && n.Hop.Listener == m.Hop.Listener && n.Hop.Conn == m.Hop.Conn && n.Hop.Remote == m.Hop.Remote &&
				n.Hop.Protocol == m.Hop.Protocol && n.Hop.Domain == m.Hop.Domain && n.Fallback == m.Fallback && (n.For == 0) == (m.For == 0) {
				w.same = append(w.same, j)
			}
		}
		taken, err := w.deliver(to, list)
		for k, j := range w.same {
			if k < taken {
				list[j].Wire = nil
			} else {
				w.fail(to, &list[j], t, err)
			}
		}
	}
}

// maxFinds bounds how often a connection that was found to be ending is looked
// for again.
const maxFinds = 3

// deliver gives the messages of w.same to their connection. A named connection
// that is gone is not replaced, except for responses, which then go to the
// sent-by (RFC 3261 §18.2.2).
func (w *StreamSender) deliver(to *TCP, list []effect.Send) (taken int, err error) {
	m := &list[w.same[0]]
	remote := m.Hop.Remote
	if m.Hop.Conn != 0 {
		if c := w.streams.find(to, &m.Hop); c != nil {
			if taken, err = c.put(w, list, w.same); !errors.Is(err, ErrGone) {
				return taken, err
			}
		}
		if m.For != 0 || !m.Fallback.IsValid() {
			return 0, ErrGone
		}
		remote = m.Fallback
		to.counters.fallbacks.Add(uint64(len(w.same)))
		for _, i := range w.same { // it is asked for once
			list[i].Hop.Conn, list[i].Hop.Remote, list[i].Fallback = 0, remote, netip.AddrPort{}
		}
	}
	for range maxFinds {
		c, fresh, err := w.streams.reach(to, remote, m.Hop.Domain)
		if err != nil {
			return 0, err
		}
		taken, err = c.put(w, list, w.same)
		if fresh {
			w.streams.begin(c, m.Hop.Local.Addr())
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
	m.Wire = nil
	to.counters.sendErrors.Add(1)
	t.Failed = append(t.Failed, Failure{For: m.For, Hop: m.Hop, Err: err})
}
