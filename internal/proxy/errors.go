package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/transaction"
)

// lost ends a branch whose client transaction ended without a final response
// from the other side, which counts as status. Only when its context was still
// waiting for it does anything follow. elsewhere tells that the request has not
// arrived, so that another hop, or another flow of the phone, may have it: whoever
// sent a provisional response has it already (§16.6 step 7).
func (c *Core) lost(now clock.Instant, b *Branch, status int, elsewhere bool, fx *effect.List) {
	rc := c.contexts.At(b.context)
	waiting := !b.final
	c.concluded(rc, b)
	c.signer.use(rc.snap.Keys)
	if waiting && rc.phase != answered && (!elsewhere || !c.tryNextHop(now, rc, b, nil, fx)) {
		if elsewhere {
			c.missed(rc, b.target, status)
		} else {
			c.failed(rc, status)
		}
		c.advance(now, rc, nil, fx)
	}
	c.closeBranch(b)
}

// Broken tells that a request of client transaction h could not be sent: RFC
// 3261 §16.9. The branch counts as one that was answered 503. A handle whose
// generation has passed means nothing any more.
func (c *Core) Broken(now clock.Instant, h effect.Handle, fx *effect.List) {
	if h.Slot() == unreachedSlot {
		c.notReached(now, h)
		return
	}
	client := c.table.Client(h)
	if client == nil || client.Done() || client.User == 0 {
		return
	}
	b := c.branches.At(client.User - 1)
	if c.restart(now, client, b, fx) {
		return
	}
	c.counts.Unreachable++
	c.avoid(now, b, &client.Hop)
	fx.Note(effect.Note{Kind: effect.NoteUnreachable, Peer: client.Hop, Detail: "the transport could not deliver"})
	rc, status := c.contexts.At(b.context), 503
	c.leaveFlow(rc, b)
	if rc.phase != answered && c.targets.At(b.target).outbound {
		status = 430 // RFC 5626 §5.3
	}
	c.table.Abandon(client)
	c.lost(now, b, status, true, fx)
}

// BrokenBranch is Broken for ICMP errors (§18.4), which quote the datagram:
// branch is the branch parameter of the top Via in it. Whoever forges one would
// have to guess the nonce (seams.md §1).
func (c *Core) BrokenBranch(now clock.Instant, branch []byte, fx *effect.List) {
	b, ok := transaction.ParseBranch(branch)
	if !ok {
		return
	}
	if client := c.table.Client(b.Handle); client != nil && client.Branch.Nonce == b.Nonce && client.Branch.Boot == b.Boot {
		c.Broken(now, b.Handle, fx)
	}
}

// Stop ends what is still in setup, at the end of a drain: INVITEs are cancelled
// downstream and answered 503, others are answered 503. It returns how many.
func (c *Core) Stop(now clock.Instant, fx *effect.List) int {
	n := 0
	for slot := uint32(0); c.contexts.Has(slot); slot++ {
		rc := c.contexts.At(slot)
		if rc.snap == nil || rc.phase == answered {
			continue
		}
		n++
		c.signer.use(rc.snap.Keys)
		rc.phase = cancelled
		c.cancelPending(now, rc, nil, fx)
		if server := c.table.Server(rc.server); server != nil {
			c.counts.reject(503)
			c.answer(now, server, c.keptRequest(rc), c.unavailable(c.keptRequest(rc), "Shutting Down"), rc.snap, fx)
		}
		c.settle(rc)
		c.closeIfOver(rc)
	}
	return n
}
