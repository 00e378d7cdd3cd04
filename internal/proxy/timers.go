package proxy

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/transaction"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// Timer kinds of this package in the shared wheel.
const (
	kindTrying   = transaction.KindEnd + iota // 100 Trying is due
	kindRing                                  // the whole context has lasted long enough
	kindC                                     // timer C of a branch
	kindPatience                              // what an end calls has rung long enough (`ring`)
	kindSilence                               // a hop gave no sign of life, and there is another
	kindFlows                                 // flows that are gone have followers left
	kindWatch                                 // the location service is looked at while the request is pending
)

// backstop is how late a timer may run when nothing comes in: the shell's ticker
// (seams.md §6). The 100 is armed that much earlier.
const backstop = 50 * time.Millisecond

// startTimers arms what a new context waits for. §17.2.1 wants the 100 to an
// INVITE unless another response goes out within 200 ms; it is held back that
// long, because most calls ring sooner. A non-INVITE gets one only after timer E
// has reached T2 (RFC 4320 §4.1): at 7·T1 with doubling from T1.
func (c *Core) startTimers(now clock.Instant, rc *ResponseContext) {
	t := &rc.snap.Timers
	if !rc.invite {
		c.wheel.Arm(&rc.trying, now.Add(untilT2(t.T1, t.T2)))
		return
	}
	c.wheel.Arm(&rc.ring, now.Add(t.Ring))
	switch {
	case t.Trying == TryingAtOnce:
		c.wheel.Arm(&rc.trying, now)
	default:
		c.wheel.Arm(&rc.trying, now.Add(max(t.Trying-backstop, 0)))
	}
}

// untilT2 is when timer E is reset to T2 for the first time (§17.1.2.2).
func untilT2(t1, t2 time.Duration) time.Duration {
	var at time.Duration
	for d := t1; d < t2; d *= 2 {
		at += d
	}
	return at
}

// tryingDue sends the 100 that was held back.
func (c *Core) tryingDue(now clock.Instant, rc *ResponseContext, fx *effect.List) {
	if rc.phase != answered {
		c.sendTrying(now, rc, c.keptRequest(rc), fx)
	}
}

// sendTrying sends 100 Trying unless the request has had a response.
func (c *Core) sendTrying(now clock.Instant, rc *ResponseContext, m *sip.Message, fx *effect.List) {
	if rc == nil || rc.phase == answered {
		return
	}
	c.wheel.Stop(&rc.trying)
	server := c.table.Server(rc.server)
	if server == nil || server.Status != 0 {
		return
	}
	c.signer.use(rc.snap.Keys)
	wire := c.build(m, &rejection{status: 100}, server.Flow, rc.snap, fx)
	if c.table.Respond(now, server, 100, wire, fx) {
		c.counts.Trying++
	}
}

// ringDue ends a search that has lasted for limits.ring: what is pending is
// cancelled, and the caller gets what there is, or a 408. Later answers of the
// branches are acknowledged and swallowed; a late 2xx still passes.
func (c *Core) ringDue(now clock.Instant, rc *ResponseContext, fx *effect.List) {
	if rc.phase == answered {
		return
	}
	c.counts.RingLimit++
	rc.phase = cancelled
	c.cancelPending(now, rc, nil, fx)
	c.finish(now, rc, fx)
}

// startTimerC arms timer C of a new branch (§16.6 step 11). While its target has a
// hop to go on to, the timer waits for a sign of life first.
func (c *Core) startTimerC(now clock.Instant, rc *ResponseContext, b *Branch, t *Target) {
	switch {
	case t.search != 0 && c.hasHop(rc, c.table.Server(rc.server).Flow, t):
		b.c.Kind = kindSilence
		c.wheel.Arm(&b.c, now.Add(rc.snap.Timers.Silence))
	case rc.invite:
		c.wheel.Arm(&b.c, now.Add(rc.snap.Timers.C))
	}
}

// silent leaves a hop that gave no sign of life for the next one (RFC 3263 §4.3).
// Its transaction runs on: the CANCEL that it is owed leaves with a late 1xx, and
// a late 2xx is forwarded (seams.md §5).
func (c *Core) silent(now clock.Instant, b *Branch, fx *effect.List) {
	client := c.table.Client(b.client)
	if client == nil || b.final {
		return
	}
	rc := c.contexts.At(b.context)
	c.signer.use(rc.snap.Keys)
	c.concluded(rc, b)
	c.counts.Silent++
	c.avoid(now, b, &client.Hop)
	if rc.invite {
		c.table.Cancel(now, client, nil, fx)
	}
	if rc.phase != answered && !c.tryNextHop(now, rc, b, nil, fx) {
		c.missed(rc, b.target, 408)
		c.advance(now, rc, nil, fx)
	}
}

// timerC is RFC 3261 §16.8: a branch that has rung too long is cancelled; one
// without a provisional response counts as 408.
func (c *Core) timerC(now clock.Instant, b *Branch, fx *effect.List) {
	client := c.table.Client(b.client)
	if client == nil || b.final {
		return
	}
	c.counts.TimerC++
	if client.Provisional() {
		c.table.Cancel(now, client, nil, fx)
		return
	}
	c.table.Abandon(client)
	c.lost(now, b, 408, true, fx)
}

// transactionDue runs a timer of the transaction layer.
func (c *Core) transactionDue(now clock.Instant, tm *wheel.Timer, fx *effect.List) {
	client, _, verdict := c.table.Fire(now, tm, fx)
	switch verdict {
	case transaction.TimedOut: // §16.7: like a 408
		b, arrived := c.branches.At(client.User-1), client.Provisional()
		if !arrived {
			c.avoid(now, b, &client.Hop)
		}
		fx.Note(effect.Note{Kind: effect.NoteTimeout, Peer: client.Hop, Detail: "no final response"})
		c.lost(now, b, 408, !arrived, fx)
	case transaction.Ended:
		c.closeBranch(c.branches.At(client.User - 1))
	}
}
