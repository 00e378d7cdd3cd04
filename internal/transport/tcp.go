package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"viaduct/internal/certificate"
	"viaduct/internal/flow"
)

// TCPConfig describes one listener.
type TCPConfig struct {
	Listener flow.Listener  // goes into every Flow
	Bind     netip.AddrPort // one address or one wildcard; port 0 lets the kernel choose
	Protocol flow.Protocol  // TCP, or what is spoken over it: TLS, WS, WSS; None means TCP
	Settings Settings
}

// TCP is one bound address, and in whose name connections to others are made:
// of TCP itself or of one of those that are spoken over it.
type TCP struct {
	// set at construction, then constant
	streams  *Streams
	socket   *net.TCPListener
	bind     netip.AddrPort
	listener flow.Listener
	protocol flow.Protocol

	settings atomic.Pointer[Settings]
	watching sync.Mutex // of who swaps certificates; guards watch
	watch    certificate.Watch

	counters streamCounters
}

// ListenTCP binds one address. The error names it. Nothing is accepted before
// Serve.
func (s *Streams) ListenTCP(ctx context.Context, cfg TCPConfig) (*TCP, error) {
	if !cfg.Bind.Addr().IsValid() {
		return nil, errors.New("transport: listener has no address")
	}
	if cfg.Protocol == flow.None {
		cfg.Protocol = flow.TCP
	}
	word := strings.ToLower(cfg.Protocol.String())
	switch {
	case !cfg.Protocol.Reliable():
		return nil, fmt.Errorf("listen %s %s: not a transport over TCP", word, cfg.Bind)
	case cfg.Protocol.Secure() && cfg.Settings.TLS == nil:
		return nil, fmt.Errorf("listen %s %s: no certificate", word, cfg.Bind)
	}
	bind := netip.AddrPortFrom(cfg.Bind.Addr().Unmap(), cfg.Bind.Port())
	network := "tcp4"
	if bind.Addr().Is6() {
		network = "tcp6" // the net package sets IPV6_V6ONLY for it, and SO_REUSEADDR for both
	}
	// The keepalive of accepted connections is inherited from here.
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	l, err := lc.Listen(ctx, network, bind.String())
	if err != nil {
		return nil, fmt.Errorf("listen %s %s: %w", word, bind, unwrapBind(err))
	}
	socket, ok := l.(*net.TCPListener)
	if !ok {
		_ = l.Close() // nothing was accepted
		return nil, fmt.Errorf("listen %s %s: unexpected listener type %T", word, bind, l)
	}
	port := endOf(socket.Addr()).Port()
	t := &TCP{streams: s, socket: socket, bind: netip.AddrPortFrom(bind.Addr(), port), listener: cfg.Listener, protocol: cfg.Protocol}
	t.Use(cfg.Settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, t)
	return t, nil
}

// keepAlive finds peers that vanished while idle within 2 minutes; those that
// vanish with data under way are found by the kernel's user timeout.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 4}

// endOf reads the address of a TCP connection or listener; mapped addresses
// are IPv4.
func endOf(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Addr is the bound address with the port in use.
func (t *TCP) Addr() netip.AddrPort { return t.bind }

// Listener is the number of the listener.
func (t *TCP) Listener() flow.Listener { return t.listener }

// Protocol is what is spoken on the connections of t.
func (t *TCP) Protocol() flow.Protocol { return t.protocol }

// Streams are all connections of the process.
func (t *TCP) Streams() *Streams { return t.streams }

// Use has all that begins from now on go by s. Connections that are there stay as
// they are.
func (t *TCP) Use(s Settings) {
	t.watching.Lock()
	defer t.watching.Unlock()
	t.settings.Store(&s)
}

// Counters reads the counters of the connections of t.
func (t *TCP) Counters() StreamCounters {
	c := t.counters.snapshot()
	if x := t.settings.Load().TLS; x != nil {
		c.Expiries = x.Expiries()
	}
	return c
}

// NewSender returns a StreamSender that can send by t, and by all others of the
// same Streams.
func (t *TCP) NewSender() *StreamSender { return t.streams.NewSender() }

// Close ends Serve. Connections stay: End and Streams.Close end them.
func (t *TCP) Close() error {
	t.streams.forget(t)
	return t.socket.Close()
}

// End has all connections of t end. It waits for none of them, and they tell of
// it as of any other end.
func (t *TCP) End() {
	for i := range t.streams.slots {
		if c := t.streams.slots[i].conn.Load(); c != nil && c.to == t {
			c.end(EndListener)
		}
	}
}

// How long accepting rests after an error: want of descriptors does not pass
// by asking again at once.
const (
	shortestRest = 5 * time.Millisecond
	longestRest  = time.Second
)

// Serve accepts connections until Close; each gets a goroutine of its own.
func (t *TCP) Serve() {
	rest := time.Duration(0)
	for {
		conn, err := t.socket.AcceptTCP()
		switch {
		case err == nil:
			rest = 0
			t.accept(conn)
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, syscall.ECONNABORTED): // the peer was gone before it was accepted
		default:
			t.counters.acceptErrors.Add(1)
			rest = min(max(2*rest, shortestRest), longestRest)
			if !t.streams.wait(rest) {
				return
			}
		}
	}
}

// wait returns false when s was closed meanwhile.
func (s *Streams) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}

// accept begins to serve conn, or closes it at a bound. A connection that a proxy
// carries is counted when it has told whose it is.
func (t *TCP) accept(conn *net.TCPConn) {
	c := newConn(t.streams, t)
	if err := c.attach(conn); err != nil {
		_ = conn.Close() // the peer was faster
		t.counters.acceptErrors.Add(1)
		return
	}
	use := t.settings.Load()
	serve, source := c.serve, sourceOf(c.flow.Remote.Addr())
	proxied := use.isProxy(c.flow.Remote.Addr())
	if proxied {
		source = netip.Addr{}
	}
	if c.state = connOpen; proxied || t.protocol != flow.TCP {
		c.state, serve = connShaking, func() { c.prepare(use, proxied) }
	}
	refused, victim := t.streams.admit(c, source, serve)
	if refused != nil {
		refused.Add(1)
		_ = conn.Close() // nothing was sent on it
		return
	}
	t.counters.accepted.Add(1)
	if victim != nil {
		victim.end(EndEvicted)
	}
}
