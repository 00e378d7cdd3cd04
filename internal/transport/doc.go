// Package transport is RFC 3261 §18 for datagrams: bytes from and to the wire.
//
//	           ┌───────────────── Socket, one goroutine ─────────────────┐
//	           │                            ┌─▶ keepalive, STUN: here     │
//	kernel ──▶ │ recvmmsg ─▶ Batch{Packets} ┤                             │
//	           │                            └─▶ turn(batch) ─▶ Sender ────┼──▶ kernel
//	ICMP ────▶ │ error queue ─▶ Batch.Trouble                             │
//	           └──────────────────────────────────────────────────────────┘
//
// A UDP is one bound address with several sockets on it (SO_REUSEPORT): the
// kernel keeps one peer on one socket, so that its messages stay in order. A
// Socket is served by one goroutine, which sleeps in Go's poller and does
// everything of a turn, receive, work and send, in one callback of the raw
// connection: entering it anew for each turn costs a second wake-up.
//
// A Sender belongs to the goroutine that uses it and may send on any Socket.
// What cannot be sent, and what ICMP says about datagrams sent before, is
// collected in a Trouble for the caller; nothing here calls upward.
//
// The package knows flows, hops and datagrams. It knows no transaction, no
// routing, and of SIP only that a message never starts with a NUL or a CR.
package transport
