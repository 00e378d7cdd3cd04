package transaction

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/slab"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// Config is the table's settings; zero values mean the RFC's.
type Config struct {
	T1, T2, T4 time.Duration
	Max        int // server plus client transactions under way in this table, 0: 200,000
	Shard      uint8
	Boot       [4]byte        // drawn at start: makes branches unique over restarts
	Random     func(p []byte) // fills p; crypto/rand in the shell, seeded in tests. Called once per 1 KiB, not per branch.
}

const defaultMax = 200_000

// finishedFor is how many finished transactions, which only absorb copies for 32 s
// and more, may be kept for each one that may be under way. With calls that take
// 100 ms to set up there are hundreds; at 20 a proxy with the default bound takes
// 30,000 calls/s.
const finishedFor = 20

// Verdict is what a step concluded, for the layer above.
type Verdict uint8

// The verdicts.
const (
	Absorbed       Verdict = iota // dealt with here
	NewRequest                    // Server is new: set its Reply, then answer it through Respond
	Unanswered                    // a retransmission of an INVITE that has had no response yet: the 100 may go now
	CancelOf                      // Server is the CANCEL's own transaction; Of is the one it cancels, nil when none matches
	AckPassUp                     // an ACK of a 2xx (or of nothing known): to be forwarded without a transaction
	Full                          // at the bound: refuse statelessly
	PassUp                        // a response for the layer above; Client.First tells whether it is the first final
	Stray                         // a response that matches no client transaction
	TimedOut                      // the client transaction ended by timer B or F, or by 64*T1 after its CANCEL: Cancelled tells
	Ended                         // the client transaction is over (timer D, K, M)
	ServerTimedOut                // the server transaction ended by timer H, no ACK came; or a non-INVITE was never answered
	ServerEnded                   // the server transaction is over (timer I, J, L, or Finish)
)

var verdictNames = [...]string{
	"Absorbed", "NewRequest", "Unanswered", "CancelOf", "AckPassUp", "Full",
	"PassUp", "Stray", "TimedOut", "Ended", "ServerTimedOut", "ServerEnded",
}

// String is the verdict's name in this package.
func (v Verdict) String() string { return verdictNames[v] }

// Table holds the transactions of one shard.
type Table struct {
	// set at construction, then constant
	timers timers
	max    int // under way
	most   int // in all
	shard  uint8
	boot   [4]byte
	random func(p []byte)
	wheel  *wheel.Wheel

	// guarded by the shard
	servers slab.Slots[Server]
	clients slab.Slots[Client]
	running slab.Slots[running]
	resting running // of all servers that only wait for their end
	cancels slab.Slots[cancelling]
	bytes   slab.Bytes
	index   index
	open    int         // transactions under way: without a final response
	scratch sip.Message // index over kept bytes, good for one step
	nonces  [1024]byte  // random bytes drawn ahead
	drawn   int         // nonces used
	kinds   [NumKinds]KindStats
	strays  uint64
	refused uint64
}

// New returns an empty table whose timers run in w. They come back through Fire.
func New(cfg Config, w *wheel.Wheel) *Table {
	t := &Table{
		timers: newTimers(&cfg),
		max:    cfg.Max,
		shard:  cfg.Shard,
		boot:   cfg.Boot,
		random: cfg.Random,
		wheel:  w,
		drawn:  len(Table{}.nonces),
	}
	if t.max <= 0 {
		t.max = defaultMax
	}
	t.max = min(t.max, effect.MaxSlots)
	t.most = min(t.max*(1+finishedFor), effect.MaxSlots)
	return t
}

// full reports whether there is no room for n more, and counts it: by the bound of
// the transactions under way, or by that of all that are held.
func (t *Table) full(n int) bool {
	if t.open+n <= t.max && t.servers.Used()+t.clients.Used()+n <= t.most {
		return false
	}
	t.refused++
	return true
}

// drawNonce returns random bytes for one branch.
func (t *Table) drawNonce() (nonce [6]byte) {
	if t.drawn+len(nonce) > len(t.nonces) {
		t.random(t.nonces[:])
		t.drawn = 0
	}
	t.drawn += copy(nonce[:], t.nonces[t.drawn:])
	return nonce
}

// Fire handles a timer of this package that is due. Exactly one of the returned
// pointers is set when the verdict names a client or a server; what ended stays
// readable until the next call into the table.
func (t *Table) Fire(now clock.Instant, tm *wheel.Timer, fx *effect.List) (*Client, *Server, Verdict) {
	switch tm.Kind {
	case kindServerResend:
		return t.fireServer(now, tm.Slot, evResend, fx)
	case kindServerLife:
		return t.fireServer(now, tm.Slot, evLife, fx)
	case kindClient:
		return t.fireClient(now, tm.Slot, fx)
	case kindClientCancel:
		t.fireCancel(now, t.clients.At(tm.Slot), fx)
		return nil, nil, Absorbed
	}
	panic("transaction: a timer of somebody else")
}
