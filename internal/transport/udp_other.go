//go:build !linux

package transport

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// This is the plain form of the Linux files: one datagram a call, no ICMP
// reports, and on a wildcard the local address that the routing table gives. It
// is for development machines.

// maxSockets: SO_REUSEPORT does not spread peers elsewhere.
const maxSockets = 1

func beforeBind(syscall.RawConn, *UDPConfig, bool) error { return nil }
func afterBind(syscall.RawConn) error                    { return nil }
func kernelDrops(syscall.RawConn) (uint32, bool)         { return 0, false }

// Sieve has no means here and reports so.
func (s *Socket) Sieve([]bpf.RawInstruction, clock.Instant) bool { return false }

func detach(syscall.RawConn) {}

// Serve receives until Close and calls turn with each datagram. All runs on the
// calling goroutine; turn may send on any socket. Serve returns nil after Close.
func (s *Socket) Serve(turn func(*Batch)) error {
	var (
		batch   Batch
		buffer  = make([]byte, datagram)
		sources = NewSources()
		sender  = NewSender()
		answer  effect.List
	)
	for {
		n, remote, err := s.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // an ICMP error about an earlier datagram, on some systems
			s.counters.errors.Add(1)
			continue
		}
		s.counters.batches.Add(1)
		s.counters.received.Add(1)
		s.counters.receivedBytes.Add(uint64(n))
		p := Packet{Wire: buffer[:n:n], From: flow.Flow{
			Local: s.bind, Remote: netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()), Listener: s.listener, Protocol: flow.UDP,
		}}
		if s.wildcard {
			if a, ok := sources.Source(remote.Addr()); ok {
				p.From.Local = netip.AddrPortFrom(a, s.bind.Port())
			}
		}
		switch kindOf(p.Wire) {
		case keepalive:
			s.counters.keepalives.Add(1)
		case stun:
			if b := appendBinding(answer.Begin(stunAnswer), p.Wire, p.From.Remote); len(b) > 0 {
				s.counters.bindings.Add(1)
				answer.Send(p.From.Hop(), answer.Commit(b), 0)
				sender.Send(s, answer.Sends, &batch.Trouble)
				answer.Reset()
			} else {
				s.counters.badBindings.Add(1)
			}
		case message:
			batch.Packets = append(batch.Packets[:0], p)
			turn(&batch)
		}
		batch.Trouble.Reset()
	}
}

func probeSegments(syscall.RawConn) bool { return false }

// Sender puts messages on sockets. It belongs to one goroutine.
type Sender struct{}

// NewSender returns a Sender.
func NewSender() *Sender { return &Sender{} }

// Send puts on to those messages of list whose hop names its listener, in
// order, and takes their Wire away, which marks them as done. What cannot be
// sent is added to t.
func (*Sender) Send(to *Socket, list []effect.Send, t *Trouble) {
	for i := range list {
		m := &list[i]
		if m.Wire == nil || m.Hop.Listener != to.listener {
			continue
		}
		wire := m.Wire
		n, err := to.conn.WriteToUDPAddrPort(wire, m.Hop.Remote)
		m.Wire = nil
		switch {
		case err == nil:
			to.counters.sent.Add(1)
			to.counters.sentBytes.Add(uint64(n))
		case errors.Is(err, net.ErrClosed):
			to.counters.sendErrors.Add(1)
		default:
			to.counters.sendErrors.Add(1)
			t.Failed = append(t.Failed, Failure{For: m.For, Hop: m.Hop, Err: err, Wire: wire})
		}
	}
}
