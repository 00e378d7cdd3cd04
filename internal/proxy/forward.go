package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// open starts on the targets of a context that has just been made. m is the
// request as received; it is gone after this step, so the context keeps a copy.
func (c *Core) open(now clock.Instant, rc *ResponseContext, m *sip.Message, fx *effect.List) {
	c.startTimers(now, rc)
	c.startPatience(now, rc)
	c.startWatch(now, rc)
	c.advance(now, rc, m, fx)
	if rc.open != nil && rc.waiting > 0 && rc.invite { // it will take longer than the 100 may be held back
		c.sendTrying(now, rc, m, fx)
	}
}

// advance does what can be done for a context: it calls the targets that are
// next, and when nothing is pending and nothing left, it answers (§16.7 step 6).
// m is the request when the caller still has it, else nil.
func (c *Core) advance(now clock.Instant, rc *ResponseContext, m *sip.Message, fx *effect.List) {
	for rc.phase == searching {
		at, together := c.nextTarget(now, rc)
		if at == 0 {
			break
		}
		if m == nil {
			m = c.keptRequest(rc)
		}
		c.targets.At(at - 1).tried = true
		// RFC 5393 §5.3.3: what may still be given out is split among those that
		// are called now; a single one gets it all, unless another may register.
		if rc.watched {
			together++
		}
		share := rc.breadth / min(together, rc.breadth)
		switch status := c.forward(now, rc, m, at-1, share, fx); status {
		case 0:
		case awaiting:
			c.await(rc, at-1, share)
		default:
			c.missed(rc, at-1, status)
		}
	}
	if rc.pending == 0 && (rc.phase != searching || rc.waiting == 0) {
		c.finish(now, rc, fx)
	}
}

// await notes that a target waits for its name, with its share of Max-Breadth.
func (c *Core) await(rc *ResponseContext, target uint32, share int) {
	w := c.waits.At(c.targets.At(target).search - 1)
	w.context, w.target, w.breadth = rc.slot(), target, share
	rc.waiting++
	rc.breadth -= share
}

// tryNextHop sends the request to the next hop of the target of b, which has
// failed there (RFC 3263 §4.3): a new branch, and what the hop left behind said
// does not count. False when there is none.
func (c *Core) tryNextHop(now clock.Instant, rc *ResponseContext, b *Branch, m *sip.Message, fx *effect.List) bool {
	if rc.phase != searching || rc.started >= rc.most || c.tooLate(now, rc) {
		return false
	}
	t := c.targets.At(b.target)
	server := c.table.Server(rc.server)
	if t.search == 0 || server == nil || !c.hasHop(rc, server.Flow, t) {
		return false
	}
	if m == nil {
		m = c.keptRequest(rc)
	}
	c.signer.use(rc.snap.Keys)
	if c.forward(now, rc, m, b.target, min(b.breadth, rc.breadth), fx) != 0 {
		return false
	}
	c.counts.Failovers++
	return true
}

// tooLate reports that a new branch of a non-INVITE could not bring an answer
// that anybody would hear (RFC 4321).
func (c *Core) tooLate(now clock.Instant, rc *ResponseContext) bool {
	return !rc.invite && now.Sub(rc.start) > 64*rc.snap.Timers.T1-rc.snap.Timers.T2
}

// nextTarget returns a target that may be called now, +1 or 0, and how many will
// be called together with it. Targets of one group are called at once, within the
// bounds; the next group waits until nothing is pending.
func (c *Core) nextTarget(now clock.Instant, rc *ResponseContext) (found uint32, together int) {
	limits := &rc.snap.Limits
	open := int(rc.pending) + rc.waiting
	room := min(limits.Parallel-open, rc.most-rc.started-rc.waiting, rc.breadth)
	if room <= 0 {
		if open == 0 {
			c.counts.BranchLimit++
		}
		return 0, 0
	}
	if c.tooLate(now, rc) {
		return 0, 0
	}
	for at := rc.set; at != 0; {
		o, here := c.targets.At(at-1), at
		at = o.next
		if o.tried {
			continue
		}
		if found == 0 {
			if open > 0 && o.group != rc.group {
				return 0, 0
			}
			if found = here; rc.group != o.group {
				rc.group, rc.added = o.group, 0
			}
		}
		if o.group == rc.group {
			together++
		}
	}
	return found, min(together, room)
}

// keptRequest parses the request of rc again. It was parsed without error before.
func (c *Core) keptRequest(rc *ResponseContext) *sip.Message {
	if err := c.kept.Parse(rc.request); err != nil {
		panic("proxy: a kept request does not parse: " + err.Error())
	}
	return &c.kept
}

// forward sends the request to a target: RFC 3261 §16.6, the steps numbered as there.
// A status other than 0 is the response that the target counts as having given, or awaiting.
func (c *Core) forward(now clock.Instant, rc *ResponseContext, m *sip.Message, target uint32, breadth int, fx *effect.List) int {
	server, t := c.table.Server(rc.server), c.targets.At(target)
	if server == nil {
		return 503
	}
	var e edits
	e.m, e.way, e.arrival, e.breadth = m, &rc.way, server.Flow, breadth
	if status := e.prepare(c.targetURI(rc, t), &c.text); status != 0 {
		return status
	}
	if status := e.routeByPath(t.path); status != 0 {
		return status
	}
	hop, status := c.hopOf(now, rc, &e, t, fx) // 7.
	if status != 0 {
		return status
	}
	client := c.table.Reserve(m.Method())
	if client == nil {
		c.counts.Full++
		rc.full = true
		return 503
	}
	client.Branch.Loop = rc.loop
	e.hop = hop
	c.edit(&e) // 1. 2. 3. 5. 6.
	c.editHeaders(rc, m, server.Flow, hop)
	c.pushPath(rc, &e, hop)
	if c.recordsRoute(rc, m, t) {
		c.recordRoute(rc, &e, m, t, hop) // 4.
	}
	c.pushVia(rc.snap, hop, &client.Branch)                          // 8.
	if hop.Protocol.Reliable() || c.rewriter.Size() > largeRequest { // it may go by TCP
		c.rewriter.EnsureContentLength() // 9.
	}
	wire := fx.Commit(c.rewriter.AppendTo(fx.Begin(len(m.Wire()) + c.rewriter.Size())))
	b := c.newBranch(rc, client, target, breadth)
	c.start(now, rc, b, client, wire, hop, fx) // 10.
	c.startTimerC(now, rc, b, t)               // 11.
	c.counts.Forwarded++
	return 0
}

// edits is what a copy of a request gets changed, whoever forwards it.
type edits struct {
	m       *sip.Message
	way     *way
	arrival flow.Flow
	hop     flow.Hop
	breadth int

	// set by prepare
	uri        sip.URI // Request-URI of the copy
	routeValue sip.Value
	route      sip.URI // the first Route value that is left
	hasRoute   bool
	path       []byte // Route values to put in front (RFC 3327 §5.1)
	setURI     []byte // Request-URI to write, nil: leave it
	secure     bool   // by TLS only
}

// prepare finds the Request-URI of the copy (target, or nil for the received
// one) and the first Route value that is left.
func (e *edits) prepare(target []byte, text *[]byte) int {
	if target != nil {
		u, err := sip.ParseURI(target)
		if err != nil {
			return 500
		}
		e.uri, e.setURI = u, target
	} else {
		u, err := e.m.URI()
		if err != nil {
			return 400
		}
		e.uri = *u
	}
	// §16.6 step 2, §19.1.1 Table 1: method and headers are not allowed there.
	if e.uri.IsSIP() && (e.uri.Headers != nil || e.uri.Params.Has("method")) {
		*text = e.uri.AppendRequestURI((*text)[:0])
		e.setURI = *text
	}
	if status := e.keepScheme(text); status != 0 {
		return status
	}
	if e.m.Has(sip.Route) {
		return e.firstRoute()
	}
	return 0
}

// firstRoute finds the first Route value that stays.
func (e *edits) firstRoute() int {
	total, n := 0, 0
	if e.way.popLast {
		for it := e.m.Values(sip.Route); it.Next(); {
			total++
		}
	}
	for it := e.m.Values(sip.Route); it.Next(); n++ {
		if n < int(e.way.pops) || e.way.popLast && n == total-1 {
			continue
		}
		a, err := sip.ParseAddress(it.Value.Text)
		if err != nil {
			return 400
		}
		if e.route, err = sip.ParseURI(a.URI); err != nil {
			return 400
		}
		e.routeValue, e.hasRoute = it.Value, true
		return 0
	}
	return 0
}

// edit makes the changes of §16.6 steps 1 to 3, 5 and 6 in the rewriter.
func (c *Core) edit(e *edits) {
	rw := &c.rewriter
	rw.Reset(e.m)                   // 1. copy: untouched bytes stay as received
	rw.StampVia(e.arrival.Remote)   // §18.2.1
	rw.SetMaxForwards(e.hopsLeft()) // 3.
	rw.SetMaxBreadth(e.breadth)     // 5. RFC 5393 §5.3.3
	c.removeRoutes(e)               // §16.4
	if e.hasRoute && !e.route.LooseRouter() {
		c.strictForm(e) // 6.
		return
	}
	if e.path != nil {
		rw.PushRoute(e.path)
	}
	if e.setURI != nil {
		rw.SetRequestURI(e.setURI) // 2.
	}
}

// hopsLeft is Max-Forwards of the copy; 70 where there was none (step 3).
func (e *edits) hopsLeft() int {
	if n, present, err := e.m.MaxForwardsValue(); err == nil && present {
		return max(n-1, 0)
	}
	return 70
}

// removeRoutes takes out the Route values that §16.4 removed.
func (c *Core) removeRoutes(e *edits) {
	if e.way.pops == 0 && !e.way.popLast {
		return
	}
	var last sip.Value
	n := 0
	for it := e.m.Values(sip.Route); it.Next(); n++ {
		if n < int(e.way.pops) {
			c.rewriter.RemoveValue(sip.Route, it.Value)
		}
		last = it.Value
	}
	if e.way.popLast && n > int(e.way.pops) {
		c.rewriter.RemoveValue(sip.Route, last)
	}
}

// strictForm gives the copy the form that a strict router needs (§16.6 step 6):
// the Request-URI goes to the end of the Route, the first Route value becomes
// the Request-URI.
func (c *Core) strictForm(e *edits) {
	uri := e.setURI
	if uri == nil {
		uri = e.m.RequestURI()
	}
	c.lines = append(append(append(c.lines[:0], '<'), uri...), '>')
	c.rewriter.AppendRoute(c.lines)
	if e.path == nil {
		c.rewriter.RemoveValue(sip.Route, e.routeValue)
	} else if rest := afterFirst(e.path); len(rest) > 0 {
		c.rewriter.PushRoute(rest)
	}
	c.lines = e.route.AppendRequestURI(c.lines[:0])
	c.rewriter.SetRequestURI(c.lines)
}

// pushVia puts our Via on top (step 8): the transport and the address at which
// the response is expected.
func (c *Core) pushVia(s *Snapshot, hop flow.Hop, branch *transaction.Branch) {
	out := c.startVia(s, hop)
	c.text = branch.AppendTo(out)
	c.rewriter.PushVia(c.text)
}

// startVia is a Via value up to the branch.
func (c *Core) startVia(s *Snapshot, hop flow.Hop) []byte {
	out := append(c.text[:0], "SIP/2.0/"...)
	out = append(append(out, hop.Protocol.String()...), ' ')
	out = s.Listeners[hop.Listener].appendSentBy(out, hop)
	return append(out, ";branch="...)
}
