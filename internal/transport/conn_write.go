package transport

import (
	"bytes"
	"errors"
	"net"
	"os"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
)

// put sends the messages of list that same names, in their order, or leaves
// them to the queue. It returns how many of them it took: the rest found no room
// or, when it took none and the error is ErrGone, no connection.
func (c *Conn) put(w *StreamSender, list []effect.Send, same []int) (taken int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connGone || c.reason.Load() != uint32(notEnded) {
		return 0, ErrGone
	}
	if err := c.wrap(w, list, same); err != nil {
		c.endLocked(EndError)
		return 0, ErrGone
	}
	part := 0
	if c.state == connOpen && len(c.queue) == 0 && !c.writing {
		taken, part = c.writeNow(w)
		c.to.counters.sent.Add(uint64(taken))
	}
	for ; taken < len(same); taken++ {
		if c.full(len(w.wires[taken])) {
			c.to.counters.overflows.Add(uint64(len(same) - taken))
			return taken, ErrQueue
		}
		c.enqueue(&list[same[taken]], w.wires[taken])
	}
	c.gone += part
	if c.state == connMaking {
		c.stir()
	}
	c.flush()
	return taken, nil
}

// full reports whether the queue has no room for n bytes more. A peer that does
// not read is no use to anybody: that ends the connection (safety.md rule 7).
func (c *Conn) full(n int) bool {
	if len(c.queue) < c.s.limits.QueueMessages && c.waiting+n <= c.s.limits.QueueBytes {
		return false
	}
	if c.state == connOpen {
		c.endLocked(EndOverflow)
	}
	return true
}

// writeNow tries what the kernel takes of w.wires without waiting. part is how
// much of the next one has left; an error shows when the queue is written, or
// when the goroutine of c reads.
func (c *Conn) writeNow(w *StreamSender) (done, part int) {
	n := w.write(c, w.wires)
	if n <= 0 {
		return 0, 0
	}
	c.alive.Store(c.s.now.Load())
	c.to.counters.sentBytes.Add(uint64(n))
	for done < len(w.wires) && n >= len(w.wires[done]) {
		n -= len(w.wires[done])
		done++
	}
	return done, n
}

// enqueue keeps a copy of m, which leaves as wire.
func (c *Conn) enqueue(m *effect.Send, wire []byte) {
	within := c.s.limits.Connect
	if m.ConnectWithin > 0 {
		within = m.ConnectWithin
	}
	o := outgoing{wire: bytes.Clone(wire), send: *m}
	o.send.Wire = nil
	if c.state == connMaking {
		o.until = clock.Now().Add(within)
	} else if m.Fallback.IsValid() && (c.tls != nil || c.ws != nil) {
		o.plain = bytes.Clone(m.Wire)
	}
	c.queue = append(c.queue, o)
	c.waiting += len(o.wire)
	c.to.counters.queued.Add(1)
}

// flush has the queue written by a goroutine, which ends when it is empty.
func (c *Conn) flush() {
	if c.state == connOpen && !c.writing && len(c.queue) > 0 {
		c.writing = true
		c.writers.Go(c.write)
	}
}

// write writes the queue until it is empty or the connection ends.
func (c *Conn) write() {
	for {
		buffers := c.next()
		if buffers == nil {
			return
		}
		_ = c.net.SetWriteDeadline(clock.Wall(clock.Now()).Add(c.s.limits.Write)) // closed: then the write says so
		n, err := buffers.WriteTo(c.net)
		c.left(int(n), err)
	}
}

// next is what waits, or nil when there is nothing to write any more.
func (c *Conn) next() net.Buffers {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 || c.state != connOpen || c.reason.Load() != uint32(notEnded) && c.reason.Load() != uint32(EndFraming) {
		c.writing = false
		return nil
	}
	buffers := make(net.Buffers, 0, len(c.queue))
	for i := range c.queue {
		buffers = append(buffers, c.queue[i].wire)
	}
	buffers[0] = buffers[0][c.gone:]
	return buffers
}

// left takes n bytes off the queue.
func (c *Conn) left(n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.alive.Store(c.s.now.Load())
		c.to.counters.sentBytes.Add(uint64(n))
	}
	n += c.gone
	done := 0
	for done < len(c.queue) && n >= len(c.queue[done].wire) {
		n -= len(c.queue[done].wire)
		c.waiting -= len(c.queue[done].wire)
		done++
	}
	c.to.counters.sent.Add(uint64(done))
	c.gone = n
	kept := copy(c.queue, c.queue[done:])
	clear(c.queue[kept:])
	if c.queue = c.queue[:kept]; kept == 0 {
		c.queue = nil // it was an exception; nothing is kept for the next one
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.endLocked(EndStuck)
	default:
		c.endLocked(EndError)
	}
}
