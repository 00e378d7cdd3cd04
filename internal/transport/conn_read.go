package transport

import (
	"math/bits"
	"net/netip"

	"viaduct/internal/effect"
	"viaduct/sip"
)

const (
	readSize     = 64 << 10 // the most of one receive
	pendingSmall = 4 << 10  // what a message that came in parts begins with; more as more comes
	maxSpare     = 16       // buffers of that size that a lane keeps
	laneTurns    = 8        // turns before a lane goes to whoever waits for one
)

// lane is what a turn of a connection needs, lent to its goroutine while there
// is something to do: an idle connection holds no buffer at all.
type lane struct {
	turn   func(*Batch)
	sender *StreamSender

	buffer  []byte // readSize and the bytes of a tail; made at the first use
	batch   Batch
	packets [width]Packet // backs batch.Packets
	spare   [][]byte
	single  [1]effect.Send
}

// finish runs a turn over what the batch holds.
func (l *lane) finish() {
	if len(l.batch.Packets) > 0 || len(l.batch.Gone) > 0 || len(l.batch.Notices) > 0 || l.batch.Trouble.Any() {
		l.turn(&l.batch)
	}
	clear(l.batch.Packets)
	clear(l.batch.Notices)
	l.batch.Packets, l.batch.Gone, l.batch.Notices = l.packets[:0], l.batch.Gone[:0], l.batch.Notices[:0]
	l.batch.Trouble.Reset()
}

// room is where the next bytes of c go, and how many of what comes before them
// belong to it. A message that comes in parts is gathered in a buffer of its own,
// which grows by what has arrived, never by what a header declares (safety.md
// rule 2); everything else is read into the lane's.
func (c *Conn) room(l *lane) (buffer []byte, before int) {
	if cap(c.pending) <= len(c.tail) {
		if l.buffer == nil {
			l.buffer = make([]byte, readSize+len(c.tail))
		}
		return l.buffer, copy(l.buffer, c.pending)
	}
	if len(c.pending) == cap(c.pending) {
		larger := make([]byte, len(c.pending), 2*cap(c.pending))
		copy(larger, c.pending)
		c.pending = larger
	}
	return c.pending[:cap(c.pending)], len(c.pending)
}

// take cuts b, of which the last n bytes are new, into messages and works on
// them. It returns false when the stream cannot be read any further.
func (c *Conn) take(l *lane, b []byte, n int) bool {
	count := &c.to.counters
	count.reads.Add(1)
	if !c.heard.Load() {
		c.heard.Store(true)
	}
	count.receivedBytes.Add(uint64(n))
	l.batch.Packets = l.packets[:0]
	if c.ws != nil {
		return c.takeFrames(l, b)
	}
	rest, messages, pings, good := b, 0, 0, true
	for more := true; more; {
		kind, size, err := c.framer.Next(rest)
		switch kind {
		case sip.NeedMore:
			more = false
		case sip.FrameMsg:
			messages++
			c.packet(l, Packet{Wire: rest[:size:size], From: c.flow})
		case sip.FramePing:
			pings++
		case sip.FramePong:
		case sip.FrameBad: // safety.md rule 4
			c.packet(l, Packet{Wire: rest[:size:size], From: c.flow, Fault: fault(err)})
			good, more = false, false
		}
		rest = rest[size:]
	}
	count.received.Add(uint64(messages))
	if pings > 0 {
		c.pong(l, pings)
	}
	c.work(l)
	if messages > 0 || pings > 0 {
		c.alive.Store(c.s.now.Load())
	}
	if !good { // not before the 400 is on its way
		c.reason.CompareAndSwap(uint32(notEnded), uint32(EndFraming))
		return false
	}
	switch {
	case len(rest) == 0 || rest[0] == '\r' || rest[0] == '\n': // line ends begin no message: half a keepalive may take its time
		c.since.Store(0)
	case len(rest) < len(b) || c.since.Load() == 0: // it has begun just now
		c.since.Store(c.s.now.Load())
	}
	c.keep(l, rest)
	return true
}

func fault(err error) *sip.SyntaxError {
	f, _ := err.(*sip.SyntaxError) // what Framer.Next promises
	return f
}

// packet adds p to the batch of l; one that is full is worked on first.
func (c *Conn) packet(l *lane, p Packet) {
	if len(l.batch.Packets) == width {
		c.work(l)
	}
	l.batch.Packets = append(l.batch.Packets, p)
}

// work runs a turn. What the turn could parse shows that SIP is spoken here.
func (c *Conn) work(l *lane) {
	packets := l.batch.Packets
	if len(packets) == 0 {
		return
	}
	known := c.known.Load()
	l.turn(&l.batch)
	for i := range packets {
		if !known && packets[i].Parsed {
			c.s.recognise(c)
			known = true
		}
	}
	clear(packets)
	l.batch.Packets, l.batch.Age = l.packets[:0], 0
	l.batch.Trouble.Reset()
}

// keep holds on to rest, the end of what was received, until more of it comes.
func (c *Conn) keep(l *lane, rest []byte) {
	own := cap(c.pending) > len(c.tail)
	switch {
	case len(rest) < len(c.tail):
		if own {
			l.put(c.pending)
		}
		c.pending = c.tail[:copy(c.tail[:], rest)]
	case own:
		c.pending = c.pending[:copy(c.pending[:cap(c.pending)], rest)]
	default:
		c.pending = append(l.get(len(rest)), rest...)
	}
}

// get returns an empty buffer with room for size bytes and more.
func (l *lane) get(size int) []byte {
	if n := len(l.spare); n > 0 && size < pendingSmall {
		b := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return b
	}
	return make([]byte, 0, max(1<<bits.Len(uint(size)), pendingSmall))
}

// put gives a buffer back.
func (l *lane) put(b []byte) {
	if cap(b) == pendingSmall && len(l.spare) < maxSpare {
		l.spare = append(l.spare, b[:0])
	}
}

var pongs = func() (b [2 * width]byte) {
	for i := range b {
		b[i] = "\r\n"[i%2]
	}
	return b
}()

// pong answers pings at once, one CRLF for each (RFC 5626 §4.4.1). Of more than
// 64 that came together the rest is not worth an answer.
func (c *Conn) pong(l *lane, pings int) {
	c.to.counters.pings.Add(uint64(pings))
	l.single[0] = effect.Send{Hop: c.flow.Hop(), Wire: pongs[:2*min(pings, width)]}
	l.sender.Send(c.to, l.single[:], &l.batch.Trouble)
}

// unsent tells what becomes of the messages left in the queue of c. A response
// goes where RFC 3261 §18.2.2 sends it when the connection of its request is
// gone; everything else is a loss.
func (l *lane) unsent(c *Conn, queue []outgoing) {
	for i := range queue {
		m := queue[i].send
		if m.For == 0 && m.Hop.Conn != 0 && m.Fallback != (netip.AddrPort{}) {
			m.Wire = queue[i].message()
			l.single[0] = m
			l.sender.Send(c.to, l.single[:], &l.batch.Trouble)
			continue
		}
		c.to.counters.sendErrors.Add(1)
		l.batch.Trouble.Failed = append(l.batch.Trouble.Failed, Failure{For: m.For, Hop: m.Hop, Err: ErrGone, Wire: queue[i].message()})
	}
}
