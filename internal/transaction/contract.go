// Package transaction: CONTRACT (temporary file), see the owner's real files.
package transaction

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// Config is the table's settings; zero values mean the RFC's.
type Config struct {
	T1, T2, T4 time.Duration
	Max        int // server plus client transactions at once in this table, 0: 200,000
	Shard      uint8
	Boot       [4]byte        // drawn at start: makes branches unique over restarts
	Random     func(p []byte) // fills p; crypto/rand in the shell, seeded in tests. Called once per 1 KiB, not per branch.
}

// Verdict is what a step concluded, for the layer above.
type Verdict uint8

const (
	Absorbed       Verdict = iota // dealt with here
	NewRequest                    // Server is new: set its Reply, then answer it through Respond
	Unanswered                    // a retransmission of an INVITE (Proceeding) that has had no response yet: the TU may send its 100 now
	CancelOf                      // Server is the CANCEL's own transaction; Of is the one it cancels, nil when none matches
	AckPassUp                     // an ACK of a 2xx (or of nothing known): to be forwarded without a transaction
	Full                          // at the bound: refuse statelessly
	PassUp                        // a response for the TU: First tells whether it is the first final
	Stray                         // a response that matches no client transaction
	TimedOut                      // the client transaction ended by timer B or F, or by 64*T1 after its CANCEL: Cancelled tells; the client has ended
	Ended                         // the client transaction is over (timer D, K, M); its slot is about to be free
	ServerTimedOut                // timer H: no ACK came. Server has ended
	ServerEnded                   // timers I, J, L
)

// Timer kinds of this package in the shared wheel; a user of the same wheel starts at KindEnd.
const (
	kindServerResend uint8 = iota
	kindServerLife
	kindClientResend
	kindClientLife
	kindClientCancel
	KindEnd
)

// Server is a server transaction (§17.2).
type Server struct {
	// for the layer above
	Flow   flow.Flow // where the request came from
	Reply  flow.Hop  // where responses go (§18.2.2): set by the layer above right after NewRequest or CancelOf
	User   uint32    // the layer above's own, 0 when new
	Method sip.Method
	Status uint16 // last status sent, 0: none
}

func (s *Server) Handle() effect.Handle { panic("contract") }
func (s *Server) Final() bool           { panic("contract") } // a final response has been sent

// Client is a client transaction (§17.1). One slot holds an INVITE client and its CANCEL client.
type Client struct {
	// for the layer above
	Hop    flow.Hop
	User   uint32 // the layer above's own
	Method sip.Method
	Branch Branch
}

func (c *Client) Handle() effect.Handle { panic("contract") }
func (c *Client) Provisional() bool     { panic("contract") } // a 1xx has come
func (c *Client) Done() bool            { panic("contract") } // a final response has come (Completed, Accepted, Terminated)
func (c *Client) CancelPending() bool   { panic("contract") } // CANCEL was sent or is owed

// Branch is our Via branch (seams.md §1): z9hG4bK + base64url(handle 8, boot 4, loop 4, nonce 6).
type Branch struct {
	Handle effect.Handle
	Boot   [4]byte
	Loop   [4]byte
	Nonce  [6]byte
}

func (b *Branch) AppendTo(dst []byte) []byte        { panic("contract") } // with the cookie, 7+30 bytes
func ParseBranch(branch []byte) (b Branch, ok bool) { panic("contract") }

// Key identifies a server transaction (§17.2.3): a keyed 128-bit fingerprint of branch + sent-by (without case), or of the RFC 2543
// fields. The key of a CANCEL or ACK is that of its INVITE; the method is compared apart.
type Key struct{ Hi, Lo uint64 }

// KeyOf computes it; all tables of a process share the seed, so that Lo can choose the shard.
func KeyOf(m *sip.Message) Key { panic("contract") }

// Request feeds a received request (already checked by sip.Message.Check).
type Result struct {
	Verdict Verdict
	Server  *Server
	Of      *Server
}

type Table struct{ cfg Config }

func New(cfg Config, w *wheel.Wheel) *Table { panic("contract") }

func (t *Table) Request(now clock.Instant, m *sip.Message, key Key, from flow.Flow, fx *effect.List) Result {
	panic("contract")
}

// Respond sends a response of the TU. wire is in fx's arena; what must be kept is copied. A response that the machine does not allow in
// its state is not sent and reported false (e.g. a second final to a non-INVITE); a 2xx to an INVITE passes in every state but Terminated.
func (t *Table) Respond(now clock.Instant, s *Server, status int, wire []byte, fx *effect.List) bool {
	panic("contract")
}

// Server finds a server transaction by handle; nil when it is over.
func (t *Table) Server(h effect.Handle) *Server { panic("contract") }

// Client finds a client transaction by handle; nil when it is over.
func (t *Table) Client(h effect.Handle) *Client { panic("contract") }

// Reserve takes a client slot and fills Branch (Handle, Boot, Nonce; Loop is the caller's to set), Method and User=0; nil at the bound.
func (t *Table) Reserve(method sip.Method) *Client { panic("contract") }

// Start sends the request over hop and starts the machine: timers A/B or E/F. One copy of wire is kept (none of an ACK).
func (t *Table) Start(now clock.Instant, c *Client, wire []byte, hop flow.Hop, fx *effect.List) {
	panic("contract")
}

// Release gives back a reserved client that was not started.
func (t *Table) Release(c *Client) { panic("contract") }

// Response feeds a response whose top Via carries branch b (ParseBranch). Verdict PassUp, Absorbed or Stray. ACKs to 300-699 and owed
// CANCELs go out here.
func (t *Table) Response(now clock.Instant, m *sip.Message, b *Branch, fx *effect.List) (*Client, Verdict) {
	panic("contract")
}

// Cancel cancels an INVITE client (§9.1): at once when it has had a 1xx, with its first 1xx otherwise, not at all after a final.
// reason is the value of a Reason header to put in, or nil. 64*T1 after the CANCEL has gone out the client is TimedOut.
func (t *Table) Cancel(now clock.Instant, c *Client, reason []byte, fx *effect.List) {
	panic("contract")
}

// Abandon ends a client without a word: after a transport error.
func (t *Table) Abandon(c *Client) { panic("contract") }

// Finish ends a server without a word (the TU gives up on it: RFC 4320 §4.2 for a non-INVITE that must not be answered any more; it goes on absorbing copies until timer J's time).
func (t *Table) Finish(now clock.Instant, s *Server) { panic("contract") }

// Fire handles a timer of this package that is due. Exactly one of the returned pointers is set when the verdict names it;
// the slot is freed when the next call into the table is made, so it can be read until then.
func (t *Table) Fire(now clock.Instant, tm *wheel.Timer, fx *effect.List) (*Client, *Server, Verdict) {
	panic("contract")
}

// Stats are counters since start and gauges of now.
type Stats struct {
	Servers, Clients                                     int
	Bytes                                                int // kept message bytes
	ServerRetransmissions, ClientRetransmissions         uint64
	TimedOut, ServerTimedOut, Strays, AbsorbedDuplicates uint64
	Full                                                 uint64
}

func (t *Table) Stats() Stats { panic("contract") }
