package proxy

import (
	"bytes"
	"hash/maphash"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// RFC 3263 §4.4: a stateless proxy whose first address fails should act as a stateful
// one for that transaction. Its first copy has reached nobody, so the next one, with
// which the client repeats itself, is handled with state: that goes on to the other
// addresses, absorbs further copies, and answers when there is no way at all.
//
//	copy 1 ─▶ passOn ─▶ ICMP, or no connection ─▶ Broken ─▶ remembered for 64·T1
//	copy 2 ─▶ remembered? ─▶ a transaction, like any request of a stateful listener
//
// What was delivered is never sent twice: only this transaction is remembered, not
// its address. A client that uses a connection does not repeat itself (§17.1.2.1), and
// hears nothing.

// unreachedSlot is the slot of handles that name no transaction but what was passed on
// without one. No table is that large: its bound is far below effect.MaxSlots.
const unreachedSlot = effect.MaxSlots - 1

// unreachedFor is how long a client may repeat itself, with the default T1.
const unreachedFor = 32 * time.Second

// maxUnreached bounds what a shard remembers, some 30 KiB. At the bound the oldest
// makes room: its next copy is passed on like the first.
const maxUnreached = 1024

// UnreachedHandle names what a shard passed on with a stateless branch. ok is false
// when branch has not that form.
func UnreachedHandle(branch []byte, shard int) (h effect.Handle, ok bool) {
	if len(branch) != statelessLen || string(branch[:len(statelessMark)]) != statelessMark {
		return 0, false
	}
	id := uint32(maphash.Bytes(loopSeed, branch)) | 1 // 0 is no generation
	return effect.MakeHandle(uint8(shard), unreachedSlot, id), true
}

// UnreachedOf names what ICMP quotes of a request that was passed on, in the shard to
// which its next copy comes: the client's Via is the one below ours. ok is false when
// that is not there, or is none of RFC 3261; then the copy is passed on like the first.
func UnreachedOf(m *sip.Message, shards int) (h effect.Handle, ok bool) {
	v, err := m.TopVia()
	if err != nil {
		return 0, false
	}
	branch := v.Branch
	below, ok := belowTop(m)
	if !ok || !below.HasCookie() {
		return 0, false
	}
	return UnreachedHandle(branch, int(transaction.KeyOfVia(&below).Lo%uint64(shards)))
}

// askFailure has the core told when the request of rq, which was the last to be sent,
// does not get through. Its Via is still in the scratch.
func (c *Core) askFailure(rq *request, fx *effect.List) {
	m := &fx.Sends[len(fx.Sends)-1]
	if rq.follows || rq.from.Protocol.Reliable() || m.Fallback.IsValid() {
		return
	}
	if at := bytes.Index(c.text, []byte(statelessMark)); at >= 0 && len(c.text) >= at+statelessLen {
		m.For, _ = UnreachedHandle(c.text[at:at+statelessLen], int(c.config.Shard))
	}
}

// notReached remembers that what h names did not get through.
func (c *Core) notReached(now clock.Instant, h effect.Handle) {
	c.counts.Unreachable++
	if c.unreached.Add(h.Generation(), now.Add(unreachedFor), maxUnreached) {
		c.counts.Forgotten++
	}
}

// hasFailed reports whether m repeats a request that was passed on and did not get
// through.
func (c *Core) hasFailed(now clock.Instant, m *sip.Message) bool {
	if c.unreached.Len() == 0 || routedAs(m) != m.Method() {
		return false
	}
	c.text = c.appendStatelessBranch(c.text[:0], m)
	h, ok := UnreachedHandle(c.text, int(c.config.Shard))
	if !ok || !c.unreached.Has(now, h.Generation()) {
		return false
	}
	c.counts.TakenOver++
	return true
}
