package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/sip"
)

// CONTRACT (temporary file): the surface that engine, siptest and cmd are being written against.

// Config is what a Core is built with.
type Config struct {
	Shard  uint8          // this core's number
	Shards int            // how many there are
	Boot   [4]byte        // the same for all cores of a process
	Max    int            // server plus client transactions of this core
	Random func(p []byte) // crypto/rand in the shell, seeded in tests
}

// Core is the proxy of one shard. Callers hold that shard's lock.
type Core struct{}

func NewCore(cfg Config, now clock.Instant, s *Snapshot) *Core { panic("contract") }

// ShardOf tells which of n shards must have m, already parsed without error.
func ShardOf(m *sip.Message, n int) int { panic("contract") }

// Packet takes one message that sip.Parse accepted.
func (c *Core) Packet(now clock.Instant, m *sip.Message, from flow.Flow, s *Snapshot, fx *effect.List) {
	panic("contract")
}

// Malformed takes one message that sip.Parse refused: answers it statelessly or drops it. Any shard will do.
func (c *Core) Malformed(now clock.Instant, m *sip.Message, err *sip.SyntaxError, from flow.Flow, s *Snapshot, fx *effect.List) {
	panic("contract")
}

// Expire runs the timers that are due.
func (c *Core) Expire(now clock.Instant, fx *effect.List) { panic("contract") }

// Next is when Expire has something to do.
func (c *Core) Next() (clock.Instant, bool) { panic("contract") }

// Broken tells that a message of branch h could not be sent, or that ICMP said so (§18.4, §16.9).
func (c *Core) Broken(now clock.Instant, h effect.Handle, fx *effect.List) { panic("contract") }

// BrokenBranch is Broken for ICMP errors, which quote the datagram: branch is the top Via branch in it. It must match fully (seams.md §1).
func (c *Core) BrokenBranch(now clock.Instant, branch []byte, fx *effect.List) { panic("contract") }

// BranchShard tells which shard a branch parameter of ours names; ok is false when it is not ours in form.
func BranchShard(branch []byte) (shard int, ok bool) { panic("contract") }

// Drain refuses new dialogs with 503 and Retry-After from now on (safety.md rule 17).
func (c *Core) Drain(on bool) { panic("contract") }

// Stop ends what is still in setup: INVITEs are cancelled downstream and answered 503. It returns how many.
func (c *Core) Stop(now clock.Instant, fx *effect.List) int { panic("contract") }

// InSetup is the number of requests that have not had a final response: what a drain waits for.
func (c *Core) InSetup() int { panic("contract") }

// Stats are counters since start and gauges of now. All fields are exported uint64, int or arrays of them; see stats.go.
type Stats struct{}

func (c *Core) Stats() Stats { panic("contract") }
