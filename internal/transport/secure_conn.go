package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// secure is TLS on one connection. Both directions stay what they are without
// it: reads bring what has arrived and never wait, and sealing a message yields
// bytes that somebody sends, at once or from the queue.
//
//	receive ──▶ wire.Read ──▶ tls.Conn ──▶ plain bytes, in the lane's buffer
//	wire bytes ◀── wire.Write ◀── tls.Conn ◀── a message, in the sender's scratch
//
// Only the handshake waits for the peer. It has a goroutine of its own for that,
// whose deep stack goes with it.
type secure struct {
	conn *tls.Conn
	wire wire
	dry  bool // the last read found nothing: all that has arrived is given out
}

// wire is what the tls.Conn of a secure takes for its network connection.
type wire struct {
	net  net.Conn
	live bool // the handshake is over

	// of the handshake, else nil
	gate *gate
	ctx  context.Context

	fd int // of the read under way, when live

	mu  sync.Mutex // guards what follows; a leaf
	out []byte     // what tls.Conn has written, when live, and nobody has taken
}

// errNothing is what a read says that has to wait. tls.Conn goes on after it,
// because it calls itself temporary.
var errNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "transport: nothing has arrived" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

func (w *wire) Read(b []byte) (int, error) {
	if w.live {
		return receiveStream(w.fd, w.net, b)
	}
	if w.gate == nil { // between the handshake and the first message: a request of HTTP
		return w.net.Read(b)
	}
	w.gate.leave()
	n, err := w.net.Read(b)
	if err == nil {
		err = w.gate.enter(w.ctx)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.live {
		return w.net.Write(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = append(w.out, b...)
	return len(b), nil
}

func (w *wire) Close() error         { return w.net.Close() }
func (w *wire) LocalAddr() net.Addr  { return w.net.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr { return w.net.RemoteAddr() }

// The deadlines are those of the connection, and not for tls.Conn to set.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// newSecure puts TLS on conn; make is tls.Server or tls.Client.
func newSecure(conn net.Conn, cfg *tls.Config, make func(net.Conn, *tls.Config) *tls.Conn) *secure {
	x := &secure{wire: wire{net: conn}}
	x.conn = make(&x.wire, cfg)
	return x
}

// shake makes the handshake. It may wait for the peer until ctx ends; while it
// computes it holds a place in g.
func (x *secure) shake(ctx context.Context, g chan struct{}) error {
	x.wire.ctx, x.wire.gate = ctx, &gate{places: g}
	err := x.conn.HandshakeContext(ctx)
	x.wire.gate.leave()
	x.wire.ctx, x.wire.gate = nil, nil
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // what the end of the wait looks like from inside says less
	}
	return err
}

// begin ends the time in which reads and writes wait.
func (x *secure) begin() { x.wire.live = true }

// read decrypts what has arrived on fd, as far as b has room. It returns
// errNothing when it would have to wait.
func (x *secure) read(fd int, b []byte) (int, error) {
	x.wire.fd = fd
	n, err := x.conn.Read(b)
	x.dry = n == 0 && err == errNothing
	if n > 0 { // an error stays, and comes again
		return n, nil
	}
	return n, err
}

// seal appends plain to dst as records, behind what tls.Conn has to say on its
// own. The connection's lock is held: the order in which records are made is
// that in which they must leave.
func (x *secure) seal(dst, plain []byte) ([]byte, error) {
	w := &x.wire
	w.mu.Lock()
	w.out = append(dst, w.out...)
	w.mu.Unlock()
	_, err := x.conn.Write(plain)
	return x.taken(), err
}

// taken is what tls.Conn has written since the last time.
func (x *secure) taken() []byte {
	w := &x.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.out
	w.out = nil
	return out
}

// silent reports whether tls.Conn has nothing to say of its own.
func (x *secure) silent() bool {
	x.wire.mu.Lock()
	defer x.wire.mu.Unlock()
	return len(x.wire.out) == 0
}

// goodbye is the records of a closure alert (RFC 5246 §7.2.1).
func (x *secure) goodbye() []byte {
	_ = x.conn.CloseWrite() // the wire takes everything
	return x.taken()
}

// gate lets no more than its places handshakes compute at once: they would
// else take the processors from the messages of those who are connected. One
// that waits for its peer holds no place.
type gate struct {
	places chan struct{}
	inside bool
}

var errBusy = errors.New("transport: too many handshakes at once")

func (g *gate) enter(ctx context.Context) error {
	if g.inside {
		return nil
	}
	select {
	case g.places <- struct{}{}:
		g.inside = true
		return nil
	case <-ctx.Done():
		return errBusy
	}
}

func (g *gate) leave() {
	if g.inside {
		<-g.places
		g.inside = false
	}
}
