package proxy

import (
	"bytes"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transaction"
)

// RFC 3261 §18.1.1: a request that may not fit into one packet goes by a
// congestion-controlled transport. It goes to the same address and port by TCP,
// with another Via and nothing else changed: Record-Route still names the
// transport by which that side is reached in general, and the size of a later
// request is its own affair. Where TCP fails the same transaction goes on by
// UDP, and the place is remembered.
//
//	forward ─▶ start ─▶ TCP ── refused, reset, 1 s ──▶ UDP
//	             └── small, a flow, refused lately ──────▲
//
// What is forwarded without a transaction (the ACK of a 2xx) stays on UDP: nobody
// would hear that TCP failed.

const (
	// largeRequest is the size above which UDP is not tried first, as the path MTU
	// is not known.
	largeRequest = 1300
	// connectWithin is how long a large request waits for a connection.
	connectWithin = time.Second
	// refusedFor is how long a place is remembered where TCP failed for one.
	refusedFor = 10 * time.Minute
)

// large is what a branch keeps of a large request until there is a response: the
// same request for UDP.
type large struct {
	wire []byte
	hop  flow.Hop
}

// start hands the request of b to its client transaction (§16.6 step 10).
func (c *Core) start(now clock.Instant, rc *ResponseContext, b *Branch, client *transaction.Client, wire []byte, hop flow.Hop, fx *effect.List) {
	direct := c.targets.At(b.target).direct
	if direct && hop.Protocol.Reliable() {
		c.follow(b, hop)
	}
	if len(wire) > largeRequest && !direct {
		if by, ok := c.streamFor(now, rc.snap, hop); ok {
			c.startByStream(now, rc.snap, b, client, wire, hop, by, fx)
			return
		}
	}
	c.table.Start(now, client, wire, hop, fx)
}

// streamFor is the hop by TCP to where hop leads by UDP, unless that has been
// refused lately. A listener at the address of the UDP one is preferred.
func (c *Core) streamFor(now clock.Instant, s *Snapshot, hop flow.Hop) (flow.Hop, bool) {
	if hop.Protocol != flow.UDP || s.LargeDatagrams || hop.Remote.Addr().IsMulticast() || c.config.Refusals.Has(now, hop.Remote) {
		return hop, false
	}
	found, bind := -1, s.Listeners[hop.Listener].Bind
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if l.Protocol != flow.TCP || l.Gone || l.Bind.Addr().Is4() != bind.Addr().Is4() {
			continue
		}
		if found < 0 || l.Bind == bind {
			found = i
		}
	}
	if found < 0 {
		return hop, false
	}
	by := c.hopBy(s, flow.Listener(found), hop.Remote)
	return by, !by.Local.Addr().IsUnspecified()
}

// startByStream starts with the request in the form for by, and keeps that for hop.
func (c *Core) startByStream(now clock.Instant, s *Snapshot, b *Branch, client *transaction.Client, wire []byte, hop, by flow.Hop, fx *effect.List) {
	l, slot := c.larges.Take()
	*l = large{wire: c.bytes.Copy(wire), hop: hop}
	b.large = slot + 1
	c.text = client.Branch.AppendTo(c.startVia(s, hop))
	at := bytes.Index(wire, c.text) // ours is the only one with this branch
	rest := wire[at+len(c.text):]
	c.text = client.Branch.AppendTo(c.startVia(s, by))
	out := append(fx.Begin(len(wire)+len(c.text)), wire[:at]...)
	out = append(append(out, c.text...), rest...)
	c.follow(b, by) // a reset is as good as a refusal
	c.counts.LargeByStream++
	c.table.Start(now, client, fx.Commit(out), by, fx)
	fx.Sends[len(fx.Sends)-1].ConnectWithin = connectWithin
}

// restart sends a large request that TCP did not deliver again by UDP: the same
// transaction, whose timers begin anew (§18.1.1). False for any other.
func (c *Core) restart(now clock.Instant, client *transaction.Client, b *Branch, fx *effect.List) bool {
	if b.large == 0 {
		return false
	}
	l := c.larges.At(b.large - 1)
	c.config.Refusals.Add(l.hop.Remote, now.Add(refusedFor))
	if c.contexts.At(b.context).phase != searching { // cancelled meanwhile: it has never arrived
		return false
	}
	wire, hop := fx.Copy(l.wire), l.hop
	c.landed(b)
	c.counts.LargeByDatagram++
	c.table.Start(now, client, wire, hop, fx)
	return true
}

// landed releases what b keeps for UDP: TCP has brought a response, or it is over.
func (c *Core) landed(b *Branch) {
	if b.large == 0 {
		return
	}
	l := c.larges.At(b.large - 1)
	c.bytes.Give(l.wire)
	*l = large{}
	c.larges.Give(b.large - 1)
	b.large = 0
	c.unfollow(b)
}
