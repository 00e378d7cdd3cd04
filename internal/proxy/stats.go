package proxy

import (
	"viaduct/internal/auth"
	"viaduct/internal/transaction"
)

// Drop is a reason for which a message is dropped without an answer.
type Drop uint8

// The reasons.
const (
	DropMalformed       Drop = iota // a response, an ACK, or a request that cannot be addressed
	DropForeignResponse             // its top Via is not ours (§18.1.2)
	DropStray                       // a response without a client transaction (RFC 6026)
	DropNoServer                    // a response whose server transaction is over, or without a Via for us to go by
	DropAck                         // an ACK that leads nowhere
	DropUnreachable                 // what is forwarded without a transaction and has no hop
	DropParked                      // no room to wait for a name without a transaction
	DropCancel                      // in stateless mode: its INVITE went nowhere
	DropShed                        // new work while the server is behind, that cannot be answered
	drops
)

var dropNames = [drops]string{"malformed", "foreign_response", "stray_response", "no_server_transaction", "ack", "unreachable", "parked", "cancel", "shed"}

// String is the name in metrics.
func (d Drop) String() string { return dropNames[d] }

// Drops is how many reasons there are.
const Drops = int(drops)

// counts are the counters of one core since its start.
type counts struct {
	Requests  [16]uint64 // by sip.Method
	Responses [7]uint64  // by class; 0 is not used
	Rejected  [7]uint64  // our own final responses that refuse, by class
	Statuses  [700]uint32
	Dropped   [drops]uint64

	Forwarded          uint64 // copies of requests sent through a client transaction
	Relayed            uint64 // responses sent upstream
	Trying             uint64 // 100s of our own
	Shed               uint64 // refused with 503 because the server was behind
	PassedOn           uint64 // requests forwarded in stateless mode
	AcksForwarded      uint64
	Cancels            uint64 // that matched
	CancelsRelayed     uint64 // §16.10, without a transaction
	Options            uint64 // answered here
	Malformed          uint64 // answered 400 and the like
	Loops              uint64 // RFC 5393
	RouteRefused       uint64 // pre-loaded Route from somebody not trusted
	DestinationRefused uint64 // safety.md rule 11
	ListenerGone       uint64 // a cookie named a listener that a reload removed
	BadTargets         uint64 // a rule built no SIP URI
	RuleDrops          uint64 // drop = true
	Forgotten          uint64 // passed on, not got through, and forgotten before its time for want of room
	Redirected         uint64 // 3xx whose Contacts were tried
	TimerC             uint64
	RingLimit          uint64
	BranchLimit        uint64 // targets left untried at the bound of branches
	Unreachable        uint64 // transport errors of branches
	FlowsGone          uint64 // branches whose target was a connection that ended
	FlowsLeft          uint64 // of which the request went by the Contact instead
	LargeByStream      uint64 // requests above 1300 bytes sent by TCP (§18.1.1)
	LargeByDatagram    uint64 // of these sent again by UDP, because TCP failed
	Unanswered         uint64 // non-INVITE that nobody answered (RFC 4320)
	Full               uint64 // at the bound of transactions
	Registers          uint64 // REGISTERs answered 200
	RuleGone           uint64 // dialogs whose rule a reload removed
	BadSets            uint64 // `set`s that made no URI
	Otherwise          uint64 // further ends carried out
	RingOver           uint64 // ends that had rung long enough
	Spares             uint64 // further flows of a phone that were tried
	Newcomers          uint64 // looks that found a phone registered since (§16.5)
	Alive              uint64 // answers of phones to an OPTIONS that keeps their flow open
	Asked              uint64 // questions put about names
	LateAnswers        uint64 // that nobody waited for any more
	Parked             uint64 // messages that waited without a transaction
	RepliesMoved       uint64 // responses that went to their sent-by because the source of the request could not be reached (RFC 3263 §5)
	TakenOver          uint64 // requests of stateless mode handled with state, because their first copy did not get through (RFC 3263 §4.4)
	Failovers          uint64 // branches to a further hop of a target (RFC 3263 §4.3)
	Silent             uint64 // hops left because they gave no sign of life
}

func (n *counts) drop(d Drop) { n.Dropped[d]++ }

func (n *counts) reject(status int) {
	n.Rejected[min(status/100, 6)]++
	n.Statuses[min(status, 699)]++
}

// Stats are counters since start and gauges of now.
type Stats struct {
	counts
	Transactions transaction.Stats
	Verdicts     [auth.NumVerdicts]uint64 // on credentials; Ready is none
	Contexts     int                      // response contexts in memory
	Branches     int
	Targets      int
	Waits        int // names that targets or parked messages have searched or are searching
	ParkedNow    int // messages that wait without a transaction
	Followers    int // flows that a branch waits on
	Unreached    int // requests that were passed on and did not get through
	InSetup      int // without a final response
	Bytes        int // kept message bytes of contexts
}

// Stats reads them. Callers hold the shard's lock.
func (c *Core) Stats() Stats {
	return Stats{
		counts: c.counts, Transactions: c.table.Stats(), Verdicts: c.verifier.Counts(),
		Contexts: c.contexts.Used(), Branches: c.branches.Used(), Targets: c.targets.Used(),
		Waits: c.waits.Used(), ParkedNow: c.parkedNow,
		Followers: c.followers.Used(), Unreached: c.unreached.Len(),
		InSetup: c.inSetup, Bytes: c.bytes.Held(),
	}
}
