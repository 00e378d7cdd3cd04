package transport

import (
	"net/netip"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// width is the most datagrams of one turn. A batch of 64 amortises the system
// call to nothing; more would only make the last one wait.
const width = 64

// datagram is the room for one: the largest UDP payload is 65,507 bytes with
// IPv4 and 65,527 with IPv6.
const datagram = 64 << 10

// aging is the age from which that of each datagram of a batch is told.
const aging = 100 * time.Millisecond

// Packet is one received datagram that is not a keepalive, or one message of a
// stream.
type Packet struct {
	Wire []byte // in the reader's buffer: valid until the turn returns
	From flow.Flow

	// Fault says why the stream cannot be cut any further; Wire then holds the
	// header part, as far as it came, for a 400 (RFC 3261 §18.3). Until the turn
	// returns. Streams only.
	Fault *sip.SyntaxError
	// Age is how long ago the datagram arrived, where that is aging or more; else 0.
	Age time.Duration
	// Parsed is set by the turn: Wire is a SIP message.
	Parsed bool
}

// Batch is what one turn brings. It belongs to the reader: nothing in it is
// valid after the turn.
type Batch struct {
	Packets []Packet
	// Age is how long the oldest of Packets has waited, 0 when the queue was empty
	// behind it. Of connections: how long they waited for their turn.
	Age     time.Duration
	Lost    bool    // the kernel had no room for datagrams since the last batch that was full
	Trouble Trouble // ICMP errors read since the last turn; messages that a stream has lost

	Gone    []flow.Flow // connections that have ended
	Notices []Notice    // what happened to connections and certificates
}

// Failure is a message that could not be sent, for a reason of its own: no
// route, too long, forbidden (RFC 3261 §18.4).
type Failure struct {
	For effect.Handle // of the effect.Send; 0 when nobody asked to hear
	Hop flow.Hop
	Err error
	// Wire is the message, when nobody asked to hear: it may go another way. It is
	// valid for as long as the messages of the turn.
	Wire []byte
}

// Report is an ICMP error about a datagram that had left.
type Report struct {
	To     netip.AddrPort // where the datagram went
	Quoted []byte         // the beginning of its payload, as far as ICMP gave it back
}

// Trouble collects what went wrong. The zero Trouble is ready. It belongs to
// one goroutine.
type Trouble struct {
	Failed  []Failure
	Reports []Report

	quoted []byte // backs Report.Quoted
}

// Any reports whether there is something in t.
func (t *Trouble) Any() bool { return len(t.Failed) > 0 || len(t.Reports) > 0 }

// Reset empties t. Quoted bytes handed out before are void.
func (t *Trouble) Reset() {
	clear(t.Failed)
	clear(t.Reports)
	t.Failed, t.Reports, t.quoted = t.Failed[:0], t.Reports[:0], t.quoted[:0]
}

// maxReports bounds the reports of one turn. An ICMP storm beyond it is counted
// and dropped; timers find the same thing out later.
const maxReports = 256

// report copies quoted, which is in a buffer about to be reused.
func (t *Trouble) report(to netip.AddrPort, quoted []byte) bool {
	if len(t.Reports) == maxReports {
		return false
	}
	start := len(t.quoted)
	t.quoted = append(t.quoted, quoted...)
	t.Reports = append(t.Reports, Report{To: to, Quoted: t.quoted[start:len(t.quoted):len(t.quoted)]})
	return true
}
