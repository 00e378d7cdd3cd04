package transport

import "sync/atomic"

// Counters are those of one socket since it was opened.
type Counters struct {
	Received        uint64 // datagrams, keepalives included
	ReceivedBytes   uint64
	Batches         uint64 // turns that received something
	FullBatches     uint64 // those that were full: the reader is behind
	Keepalives      uint64 // empty, NUL and CRLF datagrams (RFC 5626 §8 and custom)
	Bindings        uint64 // STUN Binding Requests answered
	BadBindings     uint64 // STUN that was not answered
	Age             uint64 // nanoseconds that the oldest datagram of the last batch had waited; of several sockets the highest
	KernelDrops     uint64 // datagrams the kernel dropped because the receive buffer was full
	Sieved          uint64 // datagrams the kernel dropped while the socket had a filter (Socket.Sieve)
	ReceiveErrors   uint64 // failed receives other than pending ICMP errors
	Sent            uint64
	SentBytes       uint64
	DroppedFull     uint64 // messages dropped because the send buffer or the interface's queue was full
	SendErrors      uint64 // messages that could not be sent
	Unreachable     uint64 // ICMP errors reported
	UnreachableLost uint64 // those beyond the bound of one turn
	IgnoredICMP     uint64 // TTL exceeded, fragmentation needed and the like (RFC 3261 §18.4)
}

// Add adds o to c.
func (c *Counters) Add(o Counters) {
	c.Received += o.Received
	c.ReceivedBytes += o.ReceivedBytes
	c.Batches += o.Batches
	c.FullBatches += o.FullBatches
	c.Keepalives += o.Keepalives
	c.Bindings += o.Bindings
	c.BadBindings += o.BadBindings
	c.Age = max(c.Age, o.Age)
	c.KernelDrops += o.KernelDrops
	c.Sieved += o.Sieved
	c.ReceiveErrors += o.ReceiveErrors
	c.Sent += o.Sent
	c.SentBytes += o.SentBytes
	c.DroppedFull += o.DroppedFull
	c.SendErrors += o.SendErrors
	c.Unreachable += o.Unreachable
	c.UnreachableLost += o.UnreachableLost
	c.IgnoredICMP += o.IgnoredICMP
}

// counters are written once a batch, not once a datagram. The first group has
// one writer, the reader; the second has all that send on the socket.
type counters struct {
	received, receivedBytes, batches, fullBatches atomic.Uint64
	keepalives, bindings, badBindings, errors     atomic.Uint64
	age                                           atomic.Int64

	_ [64]byte // keeps the two groups on different cache lines

	sent, sentBytes, droppedFull, sendErrors  atomic.Uint64
	unreachable, unreachableLost, ignoredICMP atomic.Uint64
}

// snapshot reads them. KernelDrops and Sieved are the kernel's and filled in by the caller.
func (c *counters) snapshot() Counters {
	return Counters{
		Received:        c.received.Load(),
		ReceivedBytes:   c.receivedBytes.Load(),
		Batches:         c.batches.Load(),
		FullBatches:     c.fullBatches.Load(),
		Keepalives:      c.keepalives.Load(),
		Bindings:        c.bindings.Load(),
		BadBindings:     c.badBindings.Load(),
		Age:             uint64(c.age.Load()),
		ReceiveErrors:   c.errors.Load(),
		Sent:            c.sent.Load(),
		SentBytes:       c.sentBytes.Load(),
		DroppedFull:     c.droppedFull.Load(),
		SendErrors:      c.sendErrors.Load(),
		Unreachable:     c.unreachable.Load(),
		UnreachableLost: c.unreachableLost.Load(),
		IgnoredICMP:     c.ignoredICMP.Load(),
	}
}
