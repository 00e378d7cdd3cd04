package auth

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
)

// GuardConfig are the bounds of a Guard. A zero field means its default.
type GuardConfig struct {
	Nonces  int           // nonces in use that are remembered; default 262144 (8 MiB, as far as they are touched): an avalanche of 100,000 phones fits
	Marks   int           // accounts and sources with wrong guesses that are remembered, each; default 16384
	Guesses int           // wrong guesses a second for an account, and from a source; default 20
	Known   time.Duration // how long an account that came right from a source is known there; default 1h
}

// Guard is what all shards know together: which nonces were used how often, and
// who guessed wrong. Its size is fixed; it outlives reloads.
//
// At the bound of nonces the oldest of a bucket goes, and all nonces as old that
// are not remembered there are taken as used: their owners get stale=true and
// repeat. At the bound of marks the one that was quiet longest goes.
type Guard struct {
	// set at construction, then constant
	seed  maphash.Seed
	every time.Duration // one guess is paid back
	burst time.Duration // what may be owed
	known time.Duration

	// each bucket has a lock of its own
	nonces   nonceTable
	accounts markTable // wrong guesses, by realm and user
	sources  markTable // wrong guesses, by source
	pairs    markTable // wrong guesses, by realm, user and source
	friends  markTable // until when realm, user and source are known to each other

	blocks atomic.Uint64
}

// NewGuard makes a Guard. Nonces made before now are taken as used: nobody knows
// what a process before this one accepted.
func NewGuard(c GuardConfig, now clock.Instant) *Guard {
	for _, f := range []struct {
		at    *int
		value int
	}{{&c.Nonces, 1 << 18}, {&c.Marks, 1 << 14}, {&c.Guesses, 20}} {
		if *f.at == 0 {
			*f.at = f.value
		}
	}
	if c.Known == 0 {
		c.Known = time.Hour
	}
	return &Guard{
		seed: maphash.MakeSeed(), every: time.Second / time.Duration(c.Guesses), burst: time.Second, known: c.Known,
		nonces:   nonceTable{buckets: newNonceBuckets(c.Nonces, wallSeconds(now))},
		accounts: newMarkTable(c.Marks), sources: newMarkTable(c.Marks),
		pairs: newMarkTable(c.Marks), friends: newMarkTable(c.Marks),
	}
}

// use notes that the nonce of c was used with its nc, and reports whether that
// was the first time. Without qop there is no nc, and a nonce is good for once.
func (g *Guard) use(now clock.Instant, c *Credentials) bool {
	return g.nonces.use(c.state, c.counted(), wallSeconds(now))
}

// used reports whether use has been said of the nonce of c with its nc.
func (g *Guard) used(c *Credentials) bool { return g.nonces.used(c.state, c.counted()) }

// counted is the nc that a nonce is used with.
func (c *Credentials) counted() uint32 {
	if c.qop.raw == nil {
		return 1
	}
	return c.count
}

// blocked reports whether guesses are no longer looked at. Who has come right
// from this source is judged by the guesses for that account from that source
// alone: else anybody could lock a user out by guessing wrong for it, or everybody
// behind one NAT.
func (g *Guard) blocked(now clock.Instant, c *Credentials) bool {
	k := g.keys(c)
	blocked := false
	if g.friends.at(k.pair) > now {
		blocked = g.owes(&g.pairs, k.pair, now)
	} else {
		blocked = g.owes(&g.accounts, k.account, now) || g.owes(&g.sources, k.source, now)
	}
	if blocked {
		g.blocks.Add(1)
	}
	return blocked
}

// A mark in one of the tables of guesses is when all of them will be paid back.

func (g *Guard) owes(t *markTable, key uint64, now clock.Instant) bool {
	return t.at(key).Sub(now) > g.burst-g.every
}

// failed counts a wrong guess.
func (g *Guard) failed(now clock.Instant, c *Credentials) {
	k := g.keys(c)
	g.pairs.push(k.pair, now, g.every)
	if g.friends.at(k.pair) > now {
		return
	}
	g.accounts.push(k.account, now, g.every)
	g.sources.push(k.source, now, g.every)
}

// succeeded notes that an account came right from a source.
func (g *Guard) succeeded(now clock.Instant, c *Credentials) {
	g.friends.set(g.keys(c).pair, now.Add(g.known))
}

// keys are the hashes by which marks are found.
type keys struct{ account, source, pair uint64 }

func (g *Guard) keys(c *Credentials) keys {
	var h maphash.Hash
	h.SetSeed(g.seed)
	_, _ = h.Write(c.owner.name) // a hash never fails
	_ = h.WriteByte(0)
	_, _ = h.Write(c.User)
	k := keys{account: h.Sum64()}
	from := sourceOf(c.source)
	k.source = maphash.Bytes(g.seed, from[:])
	var both [16]byte
	binary.LittleEndian.PutUint64(both[:], k.account)
	binary.LittleEndian.PutUint64(both[8:], k.source)
	k.pair = maphash.Bytes(g.seed, both[:])
	return k
}

// sourceOf is what counts as one source: an IPv4 address, or the /64 that one
// IPv6 host has at its disposal.
func sourceOf(a netip.Addr) [16]byte {
	b := a.Unmap().As16()
	if !a.Unmap().Is4() {
		clear(b[8:])
	}
	return b
}

// GuardStats is a reading of a Guard.
type GuardStats struct {
	Nonces    int    // remembered and not too old
	MaxNonces int    // that can be remembered
	Evicted   uint64 // forgotten before their time
	Accounts  int    // with wrong guesses not yet paid back
	Sources   int    // likewise
	Friends   int    // accounts that came right from a source within GuardConfig.Known
	MaxMarks  int    // of each of these three
	Blocked   uint64 // looks that found an account or source throttled
}

// Stats reads the counters and looks through the tables.
func (g *Guard) Stats(now clock.Instant) GuardStats {
	return GuardStats{
		Nonces: g.nonces.inUse(wallSeconds(now)), MaxNonces: len(g.nonces.buckets) * bucketSize,
		Evicted:  g.nonces.evicted.Load(),
		Accounts: g.accounts.ahead(now), Sources: g.sources.ahead(now), Friends: g.friends.ahead(now),
		MaxMarks: len(g.accounts.buckets) * bucketSize, Blocked: g.blocks.Load(),
	}
}
