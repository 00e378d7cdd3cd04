// Package effect holds what a step of the protocol core asks of the world.
//
//	packet, now ──▶ core ──▶ List{ Sends, Asks, Notes }
//
// The core appends; it never sends, waits or logs. The caller brings the List,
// carries out what is in it after the shard's lock is released, and resets it.
// All wire bytes in a List live in its arena, and so until Reset.
package effect

import (
	"net/netip"
	"time"

	"viaduct/internal/flow"
)

// Handle names a branch of a running transaction: shard (8 bits), slot (24) and
// generation (32). It finds the slot without a lookup and proves nothing: the
// generation tells whether the slot still holds what it held.
type Handle uint64

// MaxSlots is how many slots a Handle can tell apart in one shard.
const MaxSlots = 1 << 24

// MakeHandle packs the three parts.
func MakeHandle(shard uint8, slot, generation uint32) Handle {
	return Handle(shard)<<56 | Handle(slot&(MaxSlots-1))<<32 | Handle(generation)
}

// Shard is the shard that holds the slot.
func (h Handle) Shard() uint8 { return uint8(h >> 56) }

// Slot is the index within the shard.
func (h Handle) Slot() uint32 { return uint32(h>>32) & (MaxSlots - 1) }

// Generation counts the lives of the slot; it is never 0 in a valid Handle.
func (h Handle) Generation() uint32 { return uint32(h) }

// Send is one message to put on a wire.
type Send struct {
	Hop  flow.Hop
	Wire []byte // in the List's arena, valid until Reset
	// For is the client transaction that must hear when sending fails, or 0.
	// The failure re-enters the core through Broken.
	For Handle
	// Call tells messages of one call, other than 0, from those of others, by a
	// hash of the Call-ID: their order must be kept, that between calls need not.
	Call uint32

	// of streams only

	// Fallback is where a message that nobody hears about goes when the connection
	// in Hop is gone. For a response that is the source address of the request with
	// the port of the sent-by (RFC 3261 §18.2.2). The zero value means nowhere.
	Fallback netip.AddrPort
	// ConnectWithin is how long the message may wait for a connection to be
	// made; 0 leaves it to the transport (3 s).
	ConnectWithin time.Duration
}

// AskKind tells who does the work of an Ask.
type AskKind uint8

// The kinds.
const (
	AskResolve AskKind = iota + 1 // where a name leads: Bytes is a resolve.Query; without a Handle nobody waits for the answer
	AskUser                       // who a user is: Bytes are the realm, a zero byte and the name
)

// Ask is a question to the outside world. Its answer re-enters the core with
// the same Handle; a late one meets a newer generation and vanishes.
type Ask struct {
	Kind   AskKind
	Handle Handle
	Bytes  []byte // in the List's arena
}

// NoteKind is the kind of an event that the core reports.
type NoteKind uint8

// The events. Counters are kept by the core itself; a Note is for what a person
// may want to read, so each is rare or rate-limited by the reader.
const (
	NoteNone        NoteKind = iota
	NoteRejected             // a request was refused by the proxy itself; Status says how
	NoteDropped              // a message was dropped; Detail says why
	NoteTimeout              // a client transaction ended by timer B, C or F
	NoteUnreachable          // a hop could not be sent to
	NoteLoop                 // RFC 5393: a loop was found
	NoteFull                 // a bound was reached; Detail names it
)

// Note is one event. Detail is a constant string of the code, never input.
type Note struct {
	Kind   NoteKind
	Status uint16
	Peer   flow.Hop
	Detail string
}

// List collects the effects of one or more steps. The zero List is ready.
type List struct {
	Sends []Send
	Asks  []Ask
	Notes []Note

	chunk []byte   // the arena's current chunk; len is what is used
	spare [][]byte // full chunks of this round, reused after Reset
	free  [][]byte
}

// chunkSize holds a batch of ordinary messages; larger ones get a chunk each.
const chunkSize = 128 << 10

// Begin returns an empty slice at the end of the arena with room for at least
// size bytes. Append the message to it and hand the result to Commit.
func (l *List) Begin(size int) []byte {
	if cap(l.chunk)-len(l.chunk) < size {
		l.grow(size)
	}
	return l.chunk[len(l.chunk):len(l.chunk):cap(l.chunk)]
}

func (l *List) grow(size int) {
	if l.chunk != nil {
		l.spare = append(l.spare, l.chunk)
	}
	if n := len(l.free); n > 0 && size <= chunkSize {
		l.chunk, l.free = l.free[n-1][:0], l.free[:n-1]
		return
	}
	l.chunk = make([]byte, 0, max(size, chunkSize))
}

// Commit keeps what was appended to the slice of the last Begin and returns it
// with its capacity clipped. A slice that outgrew the arena is kept as it is.
func (l *List) Commit(b []byte) []byte {
	used := len(l.chunk)
	if cap(b) > 0 && cap(l.chunk)-used == cap(b) && &l.chunk[:used+1][used] == &b[:1][0] {
		l.chunk = l.chunk[:used+len(b)]
	}
	return b[:len(b):len(b)]
}

// Copy puts a copy of b in the arena.
func (l *List) Copy(b []byte) []byte { return l.Commit(append(l.Begin(len(b)), b...)) }

// Send appends a message. wire must be in the arena (Begin and Commit, or Copy).
func (l *List) Send(hop flow.Hop, wire []byte, about Handle) {
	l.Sends = append(l.Sends, Send{Hop: hop, Wire: wire, For: about})
}

// Ask appends a question. body is copied.
func (l *List) Ask(kind AskKind, h Handle, body []byte) {
	l.Asks = append(l.Asks, Ask{Kind: kind, Handle: h, Bytes: l.Copy(body)})
}

// Note appends an event.
func (l *List) Note(n Note) { l.Notes = append(l.Notes, n) }

// Reset empties the list and reuses its arena. Slices handed out before are void.
func (l *List) Reset() {
	clear(l.Sends)
	clear(l.Asks)
	l.Sends, l.Asks, l.Notes = l.Sends[:0], l.Asks[:0], l.Notes[:0]
	for i, c := range l.spare {
		if cap(c) == chunkSize && len(l.free) < 4 {
			l.free = append(l.free, c[:0])
		}
		l.spare[i] = nil
	}
	l.spare = l.spare[:0]
	if cap(l.chunk) > chunkSize {
		l.chunk = nil
	}
	l.chunk = l.chunk[:0]
}
