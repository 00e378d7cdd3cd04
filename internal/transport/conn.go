package transport

import (
	"container/list"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// Conn is one connection. Its goroutine reads, and is the only one that closes
// the descriptor; others tell it to with end. Whoever has something to send
// does so itself while nothing waits, and else leaves it to the queue.
type Conn struct {
	// set at construction, then constant
	s      *Streams
	to     *TCP
	opened bool        // made by us
	number uint32      // never 0
	domain flow.Domain // that the far end had to prove for it to be made

	// set once, before it is open
	net  *net.TCPConn
	raw  syscall.RawConn
	tls  *secure // of TLS and WSS
	ws   *socket // of WS and WSS
	flow flow.Flow
	kick chan struct{} // of one being made: look again what waits
	born clock.Instant

	// atomics
	heard   atomic.Bool  // something came
	known   atomic.Bool  // has sent a SIP message, or was made by us
	since   atomic.Int64 // when the first byte of the message came that is not whole yet; 0: none
	alive   atomic.Int64 // when something of use last went either way
	reason  atomic.Uint32
	resting atomic.Bool              // its goroutine does nothing but wait
	peer    atomic.Pointer[[]string] // the SIP domains that its certificate has proven

	// guarded by Streams.mu
	stranger *list.Element // its place among the unknown
	leaving  bool          // has made room for another
	unrouted bool          // new messages do not find it any more
	counted  netip.Addr    // the source that it is counted under
	aliases  []route       // RFC 5923

	mu      sync.Mutex // guards what follows
	state   connState
	queue   []outgoing
	gone    int            // bytes of queue[0] that have left
	waiting int            // bytes in queue
	writing bool           // a goroutine is at it
	writers sync.WaitGroup // that goroutine

	// of the goroutine that makes or reads it
	failure error // why it was not made
	bidden  bool  // it has said that it ends; guarded by mu
	framer  sip.Framer
	pending []byte  // what came of a message that is not whole
	tail    [4]byte // backs pending when it is no more than line ends
}

type connState uint8

const (
	connMaking  connState = iota
	connShaking           // accepted, and not ready for messages yet
	connOpen
	connGone
)

// outgoing is a message in a queue.
type outgoing struct {
	wire  []byte // its own copy
	until clock.Instant
	plain []byte      // the message, when wire is more than that and it may have to go another way
	send  effect.Send // without its wire
}

// message is what was to be sent, without what TLS or a WebSocket puts around it.
func (o *outgoing) message() []byte {
	if o.plain != nil {
		return o.plain
	}
	return o.wire
}

func newConn(s *Streams, to *TCP) *Conn {
	c := &Conn{s: s, to: to, born: clock.Instant(s.now.Load())}
	c.flow.Listener, c.flow.Protocol = to.listener, to.protocol
	c.alive.Store(int64(c.born))
	return c
}

// attach gives c its socket.
func (c *Conn) attach(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	local, remote := endOf(conn.LocalAddr()), endOf(conn.RemoteAddr())
	if err := streamOptions(raw, (local.Port()^remote.Port())/2); err != nil { // ports of the kernel's choice are all even, or all odd
		return err
	}
	if !local.IsValid() || !remote.IsValid() {
		return net.ErrClosed
	}
	c.net, c.raw, c.flow.Local = conn, raw, local
	if c.opened { // what was asked for is its far end, and others read that
		// The port of the kernel's choice is nobody's to see: in Via and
		// Record-Route stands where we listen (RFC 3261 §18.1.1).
		c.flow.Local = netip.AddrPortFrom(local.Addr(), c.to.bind.Port())
	} else {
		c.flow.Remote = remote
	}
	return nil
}

// overdue tells which limit c has used up.
func (c *Conn) overdue(now clock.Instant) Ending {
	l, since := &c.s.limits, clock.Instant(c.since.Load())
	age := now.Sub(c.born)
	switch {
	case since != 0 && now.Sub(since) > l.Message:
		return EndSlow
	case c.known.Load():
		if now.Sub(clock.Instant(c.alive.Load())) > l.Idle {
			return EndIdle
		}
	case !c.heard.Load() && age > l.FirstByte:
		return EndSilent
	case age > l.FirstByte+l.Message: // bytes of all kinds, but no message among them
		return EndSlow
	}
	return notEnded
}

var past = time.Unix(1, 0)

// end makes c end for a reason, if it has none yet. Its goroutine does it.
func (c *Conn) end(why Ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(why)
}

func (c *Conn) endLocked(why Ending) {
	if !c.reason.CompareAndSwap(uint32(notEnded), uint32(why)) {
		return
	}
	switch c.state {
	case connOpen, connShaking:
		_ = c.net.SetDeadline(past) // closed: then its goroutine knows
	case connMaking:
		c.stir()
	}
}

// stir wakes the goroutine that makes the connection.
func (c *Conn) stir() {
	select {
	case c.kick <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// serve reads until the end, or until c is to rest.
func (c *Conn) serve() { c.over(c.read()) }

// over ends c, unless its goroutine was woken to rest.
func (c *Conn) over(err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.lieDown():
		return
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed): // somebody gave the reason
	case errors.Is(err, io.EOF):
		c.reason.CompareAndSwap(uint32(notEnded), uint32(EndPeer))
	default:
		c.reason.CompareAndSwap(uint32(notEnded), uint32(EndError))
	}
	if Ending(c.reason.Load()) == EndFraming {
		c.linger()
	}
	c.finish()
}

// What a peer may still send after a framing error, and for how long.
const (
	lingerBytes = 256 << 10
	lingerTime  = time.Second
)

// linger lets the 400 reach the peer: closing a socket with unread bytes would
// reset the connection, and take the answer with it.
func (c *Conn) linger() {
	c.writers.Wait()
	c.mu.Lock()
	c.farewell()
	c.mu.Unlock()
	_ = c.net.CloseWrite() // reset by the peer: then the reads say so
	_ = c.net.SetReadDeadline(clock.Wall(clock.Now()).Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c.net, lingerBytes) // EOF, reset or deadline: it is over either way
}

// finish closes c and tells what that means: messages that did not leave are
// lost, or go another way, and the flow is gone.
func (c *Conn) finish() {
	c.mu.Lock()
	was := c.state
	c.state = connGone
	if was == connOpen {
		c.farewell()
	}
	c.mu.Unlock()
	if c.net != nil {
		_ = c.net.Close() // it is the end, whatever it says
	}
	c.writers.Wait()
	c.s.remove(c)
	why := Ending(c.reason.Load())
	c.to.counters.ended[why].Add(1)
	if why == EndShutdown {
		return
	}
	l := <-c.s.lanes
	l.unsent(c, c.queue)
	if was == connOpen {
		l.batch.Gone = append(l.batch.Gone, c.flow)
	}
	if c.failure != nil {
		l.batch.Notices = append(l.batch.Notices, Notice{What: "connection not made", Listener: c.to.listener, Remote: c.flow.Remote, Err: c.failure})
	}
	l.finish()
	c.s.lanes <- l
	c.queue = nil
}
