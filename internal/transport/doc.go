// Package transport is RFC 3261 §18: bytes from and to the wire, datagrams and
// streams.
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
// Streams hold all connections of the process. Each has one goroutine, which
// sleeps in the poller too and borrows a lane, buffer and turn, when bytes come:
//
//	            ┌────────────────────── Conn, one goroutine ──────────────────────┐
//	peer ─────▶ │ receive ─▶ sip.Framer ─▶ Batch{Packets} ─▶ turn(batch) ─┐       │
//	            └─────────────────────────────────────────────────────────┼───────┘
//	peer ◀── the kernel takes it at once ◀── StreamSender ◀───────────────┘
//	peer ◀── writer ◀── bounded queue ◀── else ──┘  (also while connecting)
//
// TLS and WebSockets lie between the kernel and the framing, and change nothing
// else: a receive brings plain bytes or frames, a message leaves as a record or a
// frame, through the same queue. Only what comes before the first message waits
// for the peer, in a goroutine of its own that ends with it:
//
//	accept ─▶ PROXY header ─▶ TLS handshake ─▶ HTTP request ─▶ open, and read as above
//	              │                │                └──▶ a file, and the end
//	              └────────────────┴──▶ refused: counted by reason, told in Batch.Notices
//
// A connection to others is made for a domain and is found again by address and
// domain, never by address alone (RFC 5923 §8.1). A WebSocket is found only as the
// flow that it is.
//
// Whoever sends writes what the kernel takes without waiting; the rest waits in
// the connection's queue, and a full queue ends the connection. Reasons and
// numbers of all ends are counted. The end of a connection is one more turn:
// Batch.Gone names its flow, Batch.Trouble what it did not deliver.
//
// The package knows flows, hops, datagrams and framing. It knows no transaction
// and no routing.
package transport
