package proxy

import (
	"hash/maphash"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/policy"
	"viaduct/internal/registrar"
	"viaduct/internal/resolve"
	"viaduct/internal/slab"
	"viaduct/internal/transaction"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// Config is what a Core is built with.
type Config struct {
	Shard  uint8          // this core's number
	Shards int            // how many there are
	Boot   [4]byte        // the same for all cores of a process
	Max    int            // server plus client transactions of this core, 0: the table's default
	Random func(p []byte) // crypto/rand in the shell, seeded in tests

	// shared by all cores of a process; nil: one of its own
	Guard    *auth.Guard
	Avoided  *resolve.Places // next hops that have failed lately
	Refusals *resolve.Places // where TCP failed for a large request
}

// Core is the proxy of one shard. Callers hold that shard's lock.
type Core struct {
	// set at construction, then constant
	config Config
	wheel  *wheel.Wheel
	table  *transaction.Table

	// guarded by the shard
	contexts slab.Slots[ResponseContext]
	branches slab.Slots[Branch]
	opens    slab.Slots[open]
	targets  slab.Slots[Target]
	waits    slab.Slots[wait]
	bytes    slab.Bytes
	draining bool
	inSetup  int // contexts without a final response
	counts   counts

	followers slab.Slots[followers]
	byFlow    map[flowKey]uint32 // those of each flow
	ended     []uint32           // those of flows that are gone, in the order of their ends
	more      wheel.Timer        // when the next of those are told
	larges    slab.Slots[large]
	unreached resolve.Recent[uint32] // what was passed on and did not get through

	asked     uint32 // questions put: the generation of each
	parkedNow int

	// scratch of one step
	rq          request
	once        ResponseContext // of what is forwarded without a transaction
	heard       flow.Flow       // where the response in hand came from
	onceOpen    open
	onceTarget  Target
	kept        sip.Message // a kept request, parsed again
	stored      sip.Message // a stored response, parsed again
	rewriter    sip.Rewriter
	facts       policy.Facts
	signer      signer
	domains     domains
	registrar   registrar.Registrar
	verifier    *auth.Verifier
	credentials auth.Credentials
	found       location.Found
	told        reply  // while what waited for it is taken up again
	query       []byte // a resolve.Query under construction
	edits       []byte // what rules change, under construction
	text        []byte // a URI, a Via or a Route value under construction
	lines       []byte // header lines under construction
}

// NewCore makes the core of one shard. s must have been prepared; its timers
// T1, T2 and T4 hold for the life of the core.
func NewCore(cfg Config, now clock.Instant, s *Snapshot) *Core {
	w := wheel.New(now)
	if cfg.Guard == nil {
		cfg.Guard = auth.NewGuard(auth.GuardConfig{}, now)
	}
	if cfg.Avoided == nil {
		cfg.Avoided = new(resolve.Places)
	}
	if cfg.Refusals == nil {
		cfg.Refusals = new(resolve.Places)
	}
	return &Core{
		config:   cfg,
		wheel:    w,
		verifier: auth.NewVerifier(cfg.Guard, cfg.Random),
		table: transaction.New(transaction.Config{
			T1: s.Timers.T1, T2: s.Timers.T2, T4: s.Timers.T4,
			Max: cfg.Max, Shard: cfg.Shard, Boot: cfg.Boot, Random: cfg.Random,
		}, w),
	}
}

// Place is where a message belongs, and what that was found by: whoever chose the
// shard hands it to Packet, so that it is not found out again under the lock.
type Place struct {
	Shard  int
	key    transaction.Key    // of a request
	branch transaction.Branch // of a response
	ours   bool               // branch has the form of ours
}

// PlaceOf tells which of n shards must have m, which sip.Message.Parse accepted. A
// request goes by its top Via branch, which its CANCEL and the ACK of a non-2xx
// carry too; a response by the shard printed in our branch (seams.md §1). What
// belongs to nobody may go anywhere.
func PlaceOf(m *sip.Message, n int) (at Place) {
	if m.IsRequest() {
		at.key = transaction.KeyOf(m)
		at.Shard = int(at.key.Lo % uint64(n))
		return at
	}
	if v, err := m.TopVia(); err == nil {
		at.branch, at.ours = transaction.ParseBranch(v.Branch)
		if at.Shard = int(at.branch.Handle.Shard()); !at.ours || at.Shard >= n { // of what went without a transaction
			at.Shard = int(maphash.Bytes(loopSeed, v.Branch) % uint64(n))
		}
	}
	return at
}

// BranchShard tells which shard a branch parameter names; ok is false when it
// does not have the form of ours.
func BranchShard(branch []byte) (shard int, ok bool) {
	b, ok := transaction.ParseBranch(branch)
	return int(b.Handle.Shard()), ok
}

// Packet takes one message that sip.Message.Parse accepted, at the place that
// PlaceOf told.
func (c *Core) Packet(now clock.Instant, m *sip.Message, at *Place, from flow.Flow, s *Snapshot, fx *effect.List) {
	before := len(fx.Sends)
	c.packet(now, m, at, from, s, fx)
	if sends := fx.Sends[before:]; len(sends) > 0 {
		call := uint32(maphash.Bytes(loopSeed, m.CallIDValue())) | 1
		for i := range sends { // a message gives rise to those of its own call only
			sends[i].Call = call
		}
	}
}

func (c *Core) packet(now clock.Instant, m *sip.Message, at *Place, from flow.Flow, s *Snapshot, fx *effect.List) {
	c.signer.use(s.Keys)
	if err := m.Check(); err != nil {
		c.malformed(m, err, from, s, fx)
		return
	}
	if !m.IsRequest() {
		c.heard = from
		c.response(now, m, at, s, fx)
		return
	}
	c.counts.Requests[m.Method()]++
	if s.Listeners[from.Listener].Stateless && !c.table.Knows(m, at.key) && !c.hasFailed(now, m) {
		c.passOn(now, m, from, s, fx)
		return
	}
	r := c.table.Request(now, m, at.key, from, fx)
	switch r.Verdict {
	case transaction.NewRequest:
		c.begin(now, r.Server, m, from, s, fx)
	case transaction.Unanswered: // the 100 that was held back is missed
		c.sendTrying(now, c.contextOf(r.Server), m, fx)
	case transaction.CancelOf: // RFC 3261 §16.10: answered here, then passed to every pending branch
		c.cancel(now, r.Server, r.Of, m, from, s, fx)
	case transaction.AckPassUp: // RFC 3261 §16.11: the ACK of a 2xx has no transaction
		c.forwardAck(now, m, from, s, fx)
	case transaction.Full:
		c.overloaded(now, m, r.Of, from, s, fx)
	}
}

// Malformed takes one message that sip.Message.Parse refused: it is answered
// statelessly, or dropped. Any shard will do.
func (c *Core) Malformed(now clock.Instant, m *sip.Message, fault *sip.SyntaxError, from flow.Flow, s *Snapshot, fx *effect.List) {
	c.signer.use(s.Keys)
	c.malformed(m, fault, from, s, fx)
}

// Expire runs the timers that are due.
func (c *Core) Expire(now clock.Instant, fx *effect.List) {
	for tm := c.wheel.Due(now); tm != nil; tm = c.wheel.Due(now) {
		switch tm.Kind {
		case kindTrying:
			c.tryingDue(now, c.contexts.At(tm.Slot), fx)
		case kindRing:
			c.ringDue(now, c.contexts.At(tm.Slot), fx)
		case kindPatience:
			c.ringOver(now, c.contexts.At(tm.Slot), fx)
		case kindC:
			c.timerC(now, c.branches.At(tm.Slot), fx)
		case kindWatch:
			c.look(now, c.contexts.At(tm.Slot), fx)
		case kindFlows:
			c.breakFollowers(now, fx)
		case kindSilence:
			c.silent(now, c.branches.At(tm.Slot), fx)
		default:
			c.transactionDue(now, tm, fx)
		}
	}
}

// Next is when Expire has something to do.
func (c *Core) Next() (clock.Instant, bool) { return c.wheel.Next() }

// Drain refuses new dialogs with 503 and Retry-After while on (safety.md rule 17).
func (c *Core) Drain(on bool) { c.draining = on }

// InSetup is the number of forwarded requests without a final response.
func (c *Core) InSetup() int { return c.inSetup }

// Uses is transaction.Table.Uses: whether something runs on a listener that a
// reload removed.
func (c *Core) Uses(l flow.Listener, at, n uint32) (next uint32, used bool) {
	return c.table.Uses(l, at, n)
}

// Idle reports that no transaction, context or timer is left.
func (c *Core) Idle() bool {
	s := c.table.Stats()
	return c.wheel.Len() == 0 && c.contexts.Used() == 0 && c.branches.Used() == 0 && c.targets.Used() == 0 && c.waits.Used() == 0 &&
		c.followers.Used() == 0 && c.larges.Used() == 0 &&
		s.Servers == 0 && s.Clients == 0
}

// contextOf is the response context of a server transaction, or nil.
func (c *Core) contextOf(s *transaction.Server) *ResponseContext {
	if s == nil || s.User == 0 {
		return nil
	}
	return c.contexts.At(s.User - 1)
}
