package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"viaduct/internal/flow"
)

// UDPConfig describes one listener.
type UDPConfig struct {
	Listener flow.Listener  // goes into every Flow
	Bind     netip.AddrPort // one address or one wildcard; port 0 lets the kernel choose
	Sockets  int            // how many to open, one for each reader; 0 means 1. Where SO_REUSEPORT does not spread the load only one is opened.

	// ReceiveBuffer is the kernel's queue in bytes, 8 MiB when 0: a pause of
	// 100 ms at 50,000 messages/s. The kernel may grant less without
	// CAP_NET_ADMIN (net.core.rmem_max). Linux only.
	ReceiveBuffer int
	SendBuffer    int // the kernel's default when 0
}

const defaultReceiveBuffer = 8 << 20

// UDP is one bound address.
type UDP struct {
	bind    netip.AddrPort
	sockets []*Socket
}

// Socket is one of the sockets of a UDP. Any goroutine may send on it with a
// Sender of its own; one serves it.
type Socket struct {
	// set at construction, then constant
	conn     *net.UDPConn
	raw      syscall.RawConn
	bind     netip.AddrPort
	listener flow.Listener
	wildcard bool // bound to no address: each packet tells which one it came to
	six      bool

	closed   atomic.Bool
	segments atomic.Bool // the kernel takes several datagrams at once
	counters counters

	mu    sync.Mutex // guards drops and that the filter does not change meanwhile
	drops drops
	sieve atomic.Int64 // until when the filter holds, a clock.Instant; 0: there is none
	taken atomic.Int64 // how often a filter was taken away
}

// drops extends the kernel's 32-bit count of dropped datagrams to 64 bits.
type drops struct {
	last   uint32
	total  uint64
	sieved uint64 // while there was a filter
}

// ListenUDP opens the sockets of one listener. The error names the address.
func ListenUDP(ctx context.Context, cfg UDPConfig) (*UDP, error) {
	if !cfg.Bind.Addr().IsValid() {
		return nil, errors.New("transport: listener has no address")
	}
	cfg.Bind = netip.AddrPortFrom(cfg.Bind.Addr().Unmap(), cfg.Bind.Port())
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = defaultReceiveBuffer
	}
	u := &UDP{bind: cfg.Bind}
	for range min(max(cfg.Sockets, 1), maxSockets) {
		s, err := u.open(ctx, &cfg)
		if err != nil {
			_ = u.Close() // the error below is the one that matters
			return nil, fmt.Errorf("listen udp %s: %w", u.bind, err)
		}
		u.sockets = append(u.sockets, s)
		u.bind = s.bind // the port is known now
	}
	return u, nil
}

// open opens one more socket on u.bind.
func (u *UDP) open(ctx context.Context, cfg *UDPConfig) (*Socket, error) {
	network := "udp4"
	if u.bind.Addr().Is6() {
		network = "udp6" // the net package sets IPV6_V6ONLY for it
	}
	first := len(u.sockets) == 0
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return beforeBind(raw, cfg, first) }}
	pc, err := lc.ListenPacket(ctx, network, u.bind.String())
	if err != nil {
		return nil, unwrapBind(err)
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		return nil, fmt.Errorf("unexpected connection type %T", pc)
	}
	s, err := newSocket(conn, cfg)
	if err == nil && first {
		err = afterBind(s.raw)
	}
	if err != nil {
		_ = conn.Close() // nothing was sent on it
		return nil, err
	}
	return s, nil
}

func newSocket(conn *net.UDPConn, cfg *UDPConfig) (*Socket, error) {
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, fmt.Errorf("unexpected address type %T", conn.LocalAddr())
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Socket{
		conn:     conn,
		raw:      raw,
		bind:     netip.AddrPortFrom(cfg.Bind.Addr(), uint16(local.Port)),
		listener: cfg.Listener,
		wildcard: cfg.Bind.Addr().IsUnspecified(),
		six:      cfg.Bind.Addr().Is6(),
	}
	s.segments.Store(probeSegments(raw))
	return s, nil
}

// unwrapBind strips what net adds: operation and address are in our own error.
func unwrapBind(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Addr is the bound address with the port in use.
func (u *UDP) Addr() netip.AddrPort { return u.bind }

// Sockets are the sockets of u, in the order of their readers.
func (u *UDP) Sockets() []*Socket { return u.sockets }

// Counters sums those of all sockets.
func (u *UDP) Counters() Counters {
	var sum Counters
	for _, s := range u.sockets {
		sum.Add(s.Counters())
	}
	return sum
}

// Close closes all sockets and waits for the turns in progress, so that no turn
// may call it. Their Serve returns.
func (u *UDP) Close() error {
	var first error
	for _, s := range u.sockets {
		if err := s.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Listener is the number of the listener that s belongs to.
func (s *Socket) Listener() flow.Listener { return s.listener }

// Addr is the bound address with the port in use.
func (s *Socket) Addr() netip.AddrPort { return s.bind }

// Close ends Serve and all sending. It waits for the turn in progress.
func (s *Socket) Close() error {
	s.closed.Store(true)
	return s.conn.Close()
}

// Counters reads the counters of s. After Close the kernel's drops are those
// last seen.
func (s *Socket) Counters() Counters {
	c := s.counters.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countDrops()
	c.KernelDrops, c.Sieved = s.drops.total, s.drops.sieved
	return c
}

// countDrops adds what the kernel dropped since it was last called. The lock is held.
func (s *Socket) countDrops() {
	now, ok := kernelDrops(s.raw)
	if !ok {
		return
	}
	n := uint64(now - s.drops.last) // wraps as the kernel's does
	s.drops.last = now
	if s.sieve.Load() != 0 {
		s.drops.sieved += n
	} else {
		s.drops.total += n
	}
}
