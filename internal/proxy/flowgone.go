package proxy

import (
	"net/netip"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/resolve"
	"viaduct/internal/wheel"
)

// A connection that ends leaves requests without an answer. One whose target was
// that flow itself has lost all hope, because there is no other way to the phone
// behind it (RFC 5626 §5.3). The others go on waiting: the answer may come by a
// new connection (§18.2.2). So only the former are kept on a list of their flow.
//
//	byFlow: flow ──▶ followers ──▶ Branch ⇄ Branch ⇄ Branch
//	ended:  followers, followers …   told a few at a time

// flowKey is how a branch and the end of a connection name the same flow.
type flowKey struct {
	listener flow.Listener
	remote   netip.AddrPort
}

// followers are the branches that wait on one flow.
type followers struct {
	key   flowKey
	first uint32 // Branch, +1
	ended bool   // the flow is gone: it is on the list of ended ones, and not in byFlow
}

// follow is a branch's place among the followers of its flow.
type follow struct {
	list, prev, next uint32 // slots, +1; list 0: it follows none
}

// follow puts b on the list of the flow that its request goes by.
func (c *Core) follow(b *Branch, hop flow.Hop) {
	key := flowKey{hop.Listener, hop.Remote}
	slot, ok := c.byFlow[key]
	if !ok {
		var f *followers
		f, slot = c.followers.Take()
		*f = followers{key: key}
		if c.byFlow == nil {
			c.byFlow = map[flowKey]uint32{}
		}
		c.byFlow[key] = slot
	}
	f := c.followers.At(slot)
	b.flow = follow{list: slot + 1, next: f.first}
	if f.first != 0 {
		c.branches.At(f.first - 1).flow.prev = b.c.Slot + 1
	}
	f.first = b.c.Slot + 1
}

// unfollow takes b off its list.
func (c *Core) unfollow(b *Branch) {
	if b.flow.list == 0 {
		return
	}
	slot := b.flow.list - 1
	f := c.followers.At(slot)
	if b.flow.next != 0 {
		c.branches.At(b.flow.next - 1).flow.prev = b.flow.prev
	}
	if b.flow.prev != 0 {
		c.branches.At(b.flow.prev - 1).flow.next = b.flow.next
	} else {
		f.first = b.flow.next
	}
	b.flow = follow{}
	if f.first == 0 && !f.ended {
		delete(c.byFlow, f.key)
		c.followers.Give(slot)
	}
}

// FlowGone says that the connection of f has ended. What was unsent on it has
// been told with Broken. A caller's connection that is gone ends nothing: its
// INVITE goes on, and is answered by a new connection (§18.2.2).
func (c *Core) FlowGone(now clock.Instant, f flow.Flow, fx *effect.List) {
	key := flowKey{f.Listener, f.Remote}
	slot, ok := c.byFlow[key]
	if !ok {
		return
	}
	delete(c.byFlow, key)
	c.followers.At(slot).ended = true
	c.ended = append(c.ended, slot)
	if len(c.ended) == 1 {
		c.breakFollowers(now, fx)
	}
}

// brokenAtOnce is how many branches one step ends of those whose flow is gone,
// some 2 ms of work under the lock; the next step follows a moment later.
const (
	brokenAtOnce = 256
	aMoment      = 10 * time.Millisecond
)

// breakFollowers ends branches that follow flows that are gone.
func (c *Core) breakFollowers(now clock.Instant, fx *effect.List) {
	for n := 0; len(c.ended) > 0; {
		slot := c.ended[0]
		f := c.followers.At(slot)
		if f.first == 0 {
			c.followers.Give(slot)
			c.ended = append(c.ended[:0], c.ended[1:]...)
			continue
		}
		if n == brokenAtOnce {
			c.more = wheel.Timer{Kind: kindFlows}
			c.wheel.Arm(&c.more, now.Add(aMoment))
			return
		}
		n++
		b := c.branches.At(f.first - 1)
		c.unfollow(b)
		c.counts.FlowsGone++
		c.Broken(now, b.client, fx)
	}
}

// leaveFlow gives a request inside a dialog a second way when the connection by
// which the caller of the dialog was reached is gone: that of its Contact, where
// such a destination is allowed (seams.md §3). After a 1xx it has arrived, and
// is not sent again.
func (c *Core) leaveFlow(rc *ResponseContext, b *Branch) {
	if rc.phase != searching || rc.rule != nil {
		return
	}
	t := c.targets.At(b.target)
	if client := c.table.Client(b.client); !t.direct || !t.flow.Protocol.Reliable() || client == nil || client.Provisional() {
		return
	}
	other := Target{uri: t.uri, hop: t.hop, group: t.group, from: t.flow.Listener, hasFrom: true, mark: t.mark}
	if _, added := c.addTarget(rc, other); added {
		c.counts.FlowsLeft++
	}
}

// instead is the same for what has no transaction, the ACK of a 2xx: where it goes
// when the connection that is its hop is gone, as far as that needs nobody to ask.
func (c *Core) instead(rc *ResponseContext, e *edits, hop flow.Hop) netip.AddrPort {
	if hop.Conn != flow.Existing || e.hasRoute || !e.uri.IsSIP() {
		return netip.AddrPort{}
	}
	q := resolve.Query{Host: e.uri.Host, Port: e.uri.Port, Speaks: rc.snap.speaks}
	if word := e.uri.Transport(); word != nil {
		q.Transport = flow.ParseProtocol(word)
	}
	protocol, to, numeric := q.Numeric()
	if !numeric || protocol != hop.Protocol || !rc.snap.mayReach(to) || !rc.mayReach(to) {
		return netip.AddrPort{}
	}
	return to
}
