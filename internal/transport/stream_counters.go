package transport

import (
	"sync/atomic"

	"viaduct/internal/certificate"
)

// Ending is why a connection ended.
type Ending uint32

// The reasons. The first one found stands.
const (
	notEnded     Ending = iota
	EndPeer             // the peer closed it
	EndError            // a read or a write failed: reset, timed out in the kernel
	EndIdle             // StreamLimits.Idle
	EndSilent           // StreamLimits.FirstByte
	EndSlow             // StreamLimits.Message
	EndFraming          // the stream could not be cut into messages (safety.md rule 4)
	EndOverflow         // the queue was full
	EndStuck            // StreamLimits.Write
	EndEvicted          // it made room, without having sent a message, for a newer one
	EndConnect          // it was never made: refused, unreachable, or not in time
	EndHandshake        // it was never made: TLS, the WebSocket's request or the PROXY header failed
	EndServed           // it had asked for a file
	EndListener         // TCP.End
	EndShutdown         // Streams.Close
	Endings             // how many there are
)

var endings = [Endings]string{"", "peer", "error", "idle", "silent", "slow", "framing", "overflow", "stuck", "evicted", "connect", "handshake", "served", "listener", "shutdown"}

// String is the label of the metric.
func (e Ending) String() string { return endings[e] }

// StreamCounters are those of the connections of one listener since it was
// opened.
type StreamCounters struct {
	Open          int // now, those being made included
	Accepted      uint64
	Opened        uint64 // made by us
	Ended         [Endings]uint64
	RefusedFull   uint64                // accepted, and closed at StreamLimits.Connections; also those not made for it
	RefusedSource uint64                // accepted, and closed at StreamLimits.PerSource
	AcceptErrors  uint64                // accepts that failed, for want of descriptors as a rule
	Refused       [Refusals]uint64      // handshakes that failed, of either side
	Handshakes    uint64                // those that did not
	Files         uint64                // served beside a WebSocket
	Closes        [2][CloseCodes]uint64 // WebSockets closed by the peer, and by us
	Expiries      []certificate.Expiry  // when the certificates in use end

	Received      uint64 // messages
	ReceivedBytes uint64
	Reads         uint64 // receives that brought something
	Pings         uint64 // CRLFCRLF answered (RFC 5626 §4.4.1)

	Sent       uint64 // messages that the kernel took whole
	SentBytes  uint64
	Queued     uint64 // messages that had to wait, for a connection or for the peer
	Overflows  uint64 // messages lost to a full queue
	Fallbacks  uint64 // responses that went to the sent-by, and ACKs to the Contact, because the connection that they were for had ended
	SendErrors uint64 // messages that could not be sent, those of ended connections included
}

// streamCounters: many connections write them, once a turn.
type streamCounters struct {
	open                                     atomic.Int64
	accepted, opened                         atomic.Uint64
	ended                                    [Endings]atomic.Uint64
	refusedFull, refusedSource, acceptErrors atomic.Uint64
	refused                                  [Refusals]atomic.Uint64
	handshakes, files                        atomic.Uint64
	closes                                   [2][CloseCodes]atomic.Uint64

	_ [64]byte // the two directions are on different cache lines

	received, receivedBytes, reads, pings atomic.Uint64

	_ [64]byte

	sent, sentBytes, queued, overflows, fallbacks, sendErrors atomic.Uint64
}

func (c *streamCounters) snapshot() StreamCounters {
	s := StreamCounters{
		Open:          int(c.open.Load()),
		Accepted:      c.accepted.Load(),
		Opened:        c.opened.Load(),
		RefusedFull:   c.refusedFull.Load(),
		RefusedSource: c.refusedSource.Load(),
		AcceptErrors:  c.acceptErrors.Load(),
		Received:      c.received.Load(),
		ReceivedBytes: c.receivedBytes.Load(),
		Reads:         c.reads.Load(),
		Pings:         c.pings.Load(),
		Sent:          c.sent.Load(),
		SentBytes:     c.sentBytes.Load(),
		Queued:        c.queued.Load(),
		Overflows:     c.overflows.Load(),
		Fallbacks:     c.fallbacks.Load(),
		SendErrors:    c.sendErrors.Load(),
	}
	for i := range s.Ended {
		s.Ended[i] = c.ended[i].Load()
	}
	s.Handshakes, s.Files = c.handshakes.Load(), c.files.Load()
	for i := range s.Refused {
		s.Refused[i] = c.refused[i].Load()
	}
	for i := range s.Closes {
		for code := range s.Closes[i] {
			s.Closes[i][code] = c.closes[i][code].Load()
		}
	}
	return s
}
