package transport

import (
	"viaduct/internal/effect"
)

// wrap makes w.wires what leaves for those messages of list that same names: the
// messages themselves, or frames, or records, in the scratch of w. The lock of c
// is held. Before c is open they stay what they are.
func (c *Conn) wrap(w *StreamSender, list []effect.Send, same []int) (err error) {
	w.wires = w.wires[:0]
	if c.state != connOpen || c.tls == nil && c.ws == nil {
		for _, i := range same {
			w.wires = append(w.wires, list[i].Wire)
		}
		return nil
	}
	w.sealed = w.sealed[:0]
	for k, i := range same {
		if w.sealed, err = c.appendWrapped(w, w.sealed, opOf(list[i].Wire), list[i].Wire); err != nil {
			return err
		}
		w.ends[k] = len(w.sealed)
	}
	from := 0
	for k := range same {
		w.wires = append(w.wires, w.sealed[from:w.ends[k]:w.ends[k]])
		from = w.ends[k]
	}
	return nil
}

// appendWrapped appends what leaves for payload: op is that of its frame, where
// there are frames.
func (c *Conn) appendWrapped(w *StreamSender, dst []byte, op opcode, payload []byte) ([]byte, error) {
	switch {
	case c.tls == nil:
		return appendFrame(dst, op, payload), nil
	case c.ws == nil:
		return c.tls.seal(dst, payload)
	}
	w.frame = appendFrame(w.frame[:0], op, payload)
	return c.tls.seal(dst, w.frame)
}

// control sends a frame of a WebSocket that holds no message.
func (c *Conn) control(w *StreamSender, op opcode, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connOpen && c.reason.Load() == uint32(notEnded) {
		var err error
		if w.sealed, err = c.appendWrapped(w, w.sealed[:0], op, payload); err == nil {
			c.push(w, w.sealed)
		}
	}
}

// answerTLS sends what TLS has to say on its own after a read.
func (c *Conn) answerTLS(w *StreamSender) {
	if c.tls.silent() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.tls.taken(); len(b) > 0 && c.state == connOpen {
		c.push(w, b)
	}
}

// push sends b, which is no message, as wrapped. The lock of c is held.
func (c *Conn) push(w *StreamSender, b []byte) {
	w.wires = append(w.wires[:0], b)
	if len(c.queue) == 0 && !c.writing {
		done, part := c.writeNow(w)
		if done > 0 {
			return
		}
		b = b[part:]
	}
	if !c.full(len(b)) {
		c.enqueue(&effect.Send{}, b)
		c.flush()
	}
}

// farewell says that c ends, where its protocols have a word for that, and does
// not wait for it to be heard. The lock of c is held.
func (c *Conn) farewell() {
	if len(c.queue) > 0 || c.writing || c.bidden || c.tls == nil && c.ws == nil {
		return // it would come in the middle of a message
	}
	c.bidden = true
	var b []byte
	var err error
	w := StreamSender{}
	if c.ws != nil {
		if b, err = c.appendWrapped(&w, nil, opClose, c.ws.goodbye(c)); err != nil {
			return
		}
	}
	if c.tls != nil {
		b = append(b, c.tls.goodbye()...)
	}
	if len(b) > 0 {
		w.init()
		w.write(c, [][]byte{b})
	}
}

// receive brings what has arrived on fd, as far as b has room, without waiting.
func (c *Conn) receive(fd int, b []byte) (int, error) {
	if c.tls != nil {
		return c.tls.read(fd, b)
	}
	return receiveStream(fd, c.net, b)
}
