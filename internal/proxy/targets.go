package proxy

import (
	"bytes"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// decide is RFC 3261 §16.5: it finds the targets of a request and starts on
// them, or ends it with what a rule says instead.
func (c *Core) decide(now clock.Instant, rq *request, fx *effect.List) {
	if rq.inDialog || rq.byPath || rq.hasRoute {
		if refused := c.underRule(rq); refused != nil {
			c.reject(now, rq, refused, fx)
			return
		}
		// Inside a dialog, or along a Route from somebody trusted: the request says
		// itself where it goes.
		c.proceedAlong(now, rq, fx)
		return
	}
	c.facts.Users = c.facts.Users[:0]
	c.consult(rq)
	if c.ruled(now, rq, fx) {
		c.begun(now, rq, fx)
	}
}

// begun opens the targets of a request that a rule sends on.
func (c *Core) begun(now clock.Instant, rq *request, fx *effect.List) {
	if !c.pathSuits(now, rq, fx) {
		return
	}
	if refused := c.judgeContact(rq); refused != nil {
		c.reject(now, rq, refused, fx)
		return
	}
	rc := c.newContext(now, rq)
	c.addTargets(now, rc, rq, rq.end)
	c.open(now, rc, rq.m, fx)
}

// ruled finds the rule of a request and carries it out, except for a send: then it
// returns true.
func (c *Core) ruled(now clock.Instant, rq *request, fx *effect.List) bool {
	for {
		switch step := rq.snap.Program.Decide(&rq.at, &c.facts); step.Kind {
		case policy.NoMatch:
			c.reject(now, rq, rq.noMatch(), fx)
			return false
		case policy.Refuse:
			c.reject(now, rq, rq.refuse(step.Status, step.Reason), fx)
			return false
		case policy.NeedUser:
			if !c.authenticate(now, rq, step.Rule.Authenticate, fx) {
				return false
			}
		case policy.Match:
			rq.rule = step.Rule
			c.counts.BadSets += uint64(c.facts.BadSets)
			if u := c.facts.NewURI(); u != nil {
				rq.move(u)
			}
			return c.carryOut(now, rq, &step.Rule.End, fx)
		}
	}
}

// carryOut does what an end says, except for a send: then it returns true.
func (c *Core) carryOut(now clock.Instant, rq *request, end *policy.End, fx *effect.List) bool {
	rq.end = end
	switch end.Kind {
	case policy.Send:
		return true
	case policy.ToRegister:
		c.register(now, rq, end, fx)
	case policy.Reply:
		c.reject(now, rq, &rejection{status: end.Status, reason: end.Reason}, fx)
	case policy.Redirect:
		c.reject(now, rq, c.redirection(rq, end), fx)
	case policy.Drop:
		c.counts.RuleDrops++
		c.forget(now, rq)
	}
	return false
}

// underRule applies the rule that let a dialog in to a request inside of it
// (seams.md §3): which methods may follow, and the edits of header fields. A rule
// that is gone after a reload applies no more.
func (c *Core) underRule(rq *request) *rejection {
	f := &c.facts
	f.Edits, f.ResponseEdits = f.Edits[:0], f.ResponseEdits[:0]
	if !rq.inDialog || rq.cookie.rule == 0 {
		return nil
	}
	rule := rq.snap.Program.Rule(rq.cookie.rule)
	if rule == nil {
		c.counts.RuleGone++
		return nil
	}
	switch method := rq.m.Method(); method {
	case sip.ACK, sip.CANCEL, sip.BYE: // who is in can always get out
	default:
		if !rule.InDialog.Allows(method) {
			return rq.refuse(403, "Not Allowed In This Dialog")
		}
	}
	if len(rule.Headers)+len(rule.ResponseHeaders) > 0 {
		f.Users = f.Users[:0]
		c.consult(rq)
		rule.EditInDialog(f)
	}
	return nil
}

// forget ends a request without an answer.
func (c *Core) forget(now clock.Instant, rq *request) {
	if rq.server == nil {
		return
	}
	c.table.Finish(now, rq.server)
	if rc := rq.context; rc != nil {
		c.settle(rc)
		c.closeIfOver(rc)
	}
}

// move makes u, which a rule has written, the Request-URI of the request.
func (rq *request) move(u *sip.URI) {
	rq.uri, rq.way.uri = *u, u.Text
	rq.own = rq.snap.responsible(&rq.uri)
}

// readURI is the Request-URI that a kept request goes on with.
func (rq *request) readURI() {
	if rq.way.uri != nil {
		rq.uri, _ = sip.ParseURI(rq.way.uri) // it was parsed before
	} else if u, err := rq.m.URI(); err == nil {
		rq.uri = *u
	}
}

// rule asks the program for an ACK or a CANCEL that has to go the way of its
// INVITE; nil when that was challenged or refused.
func (c *Core) rule(now clock.Instant, rq *request) *policy.Rule {
	c.facts.Users = c.facts.Users[:0]
	c.consult(rq)
	step := rq.snap.Program.Decide(&rq.at, &c.facts)
	for step.Kind == policy.NeedUser && c.acknowledged(now, rq, step.Rule.Authenticate) {
		step = rq.snap.Program.Decide(&rq.at, &c.facts)
	}
	if step.Kind != policy.Match {
		return nil
	}
	if u := c.facts.NewURI(); u != nil {
		rq.move(u)
	}
	rq.end = &step.Rule.End
	return step.Rule
}

// consult makes rq what the rules read. They read INVITE for an ACK or a CANCEL
// that has to go the way of its INVITE.
func (c *Core) consult(rq *request) {
	f := &c.facts
	f.Msg, f.Method, f.Dest, f.From = rq.m, rq.method, &rq.uri, rq.from
	f.Follows = rq.method != rq.m.Method()
	if rq.snap.Program.Reads.Time {
		f.Time = rq.snap.wall()
	}
	f.Listener = ""
	if i := int(rq.from.Listener); i < len(rq.snap.Listeners) {
		f.Listener = rq.snap.Listeners[i].Name
	}
}

// wall is the time where the server is.
func (s *Snapshot) wall() time.Time {
	if s.Today == nil {
		return time.Time{}
	}
	t := s.Today()
	if s.Zone != nil {
		t = t.In(s.Zone)
	}
	return t
}

// noMatch is the answer when no rule takes a request: there is no open relay.
func (rq *request) noMatch() *rejection {
	switch {
	case !rq.own:
		return rq.refuse(403, "Relaying Not Allowed")
	case rq.m.Method() == sip.REGISTER && !rq.uri.HasUser: // §8.2.1: it would be ours to answer
		return rq.refuse(405, "").with([]byte("Allow: OPTIONS\r\n"))
	case rq.m.Method() == sip.OtherMethod && !rq.uri.HasUser: // §21.5.2
		return rq.refuse(501, "")
	default:
		return rq.refuse(404, "")
	}
}

// redirection is the 3xx of a rule: its Contacts, evaluated. What turns out to be no
// URI is none; without any the user is not to be found (§8.3).
func (c *Core) redirection(rq *request, end *policy.End) *rejection {
	lines := c.lines[:0]
	for _, text := range end.Contact {
		contact := text(&c.facts)
		if _, err := sip.ParseURI(contact); err != nil {
			c.counts.BadTargets++
			continue
		}
		lines = append(lines, "Contact: <"...)
		lines = append(lines, contact...)
		lines = append(lines, ">\r\n"...)
	}
	c.lines = lines
	if len(lines) == 0 {
		return rq.refuse(404, "")
	}
	return rq.refuse(end.Status, end.Reason).with(lines)
}

// proceedAlong opens the context of a request with the one target that it names
// itself: the next Route value, the flow of its cookie, or the Request-URI.
func (c *Core) proceedAlong(now clock.Instant, rq *request, fx *effect.List) {
	rc := c.newContext(now, rq)
	t := Target{}
	if rq.inDialog || rq.byPath {
		if status := c.aim(rq, &t); status != 0 {
			c.failed(rc, status)
			c.open(now, rc, rq.m, fx)
			return
		}
	}
	switch {
	case rq.toInstance:
		c.addTranslated(now, rc, rq, t)
	default:
		c.addTarget(rc, t)
	}
	c.open(now, rc, rq.m, fx)
}

// aim sets where an in-dialog request goes (seams.md §3). A pair tells the
// direction: the request came in by the side of the topmost value and leaves by
// the other. A single value with a flow goes outward when it came from that
// flow, and into it otherwise (RFC 5626 §5.3).
func (c *Core) aim(rq *request, t *Target) (status int) {
	out := rq.outward()
	if out == nil {
		return 0
	}
	listener, ok := rq.snap.listenerByHash(out.listener)
	if !ok { // gone with a reload: the one that suits the target's address is found later
		c.counts.ListenerGone++
	}
	if out.flow.IsValid() {
		if !ok {
			listener, ok = c.listenerFor(rq.snap, rq.from.Protocol, out.flow.Addr(), rq.from, nil)
		}
		if ok {
			t.flow, t.direct, t.outbound = c.hopBy(rq.snap, listener, out.flow), true, true // RFC 5626 §5.3.1: 430 without it
			rq.snap.leaveFrom(&t.flow, rq.beside)
			// Nobody listens where a client called from.
			if t.flow.Protocol.Reliable() {
				t.flow.Conn = flow.Existing
			}
		} else if out.path {
			return 430 // it leads into its flow and nowhere else
		}
		return 0
	}
	t.from, t.hasFrom = listener, ok
	return 0
}

// outward is the cookie of the side that a request leaves by; nil when that is told
// by its Request-URI alone.
func (rq *request) outward() *cookie {
	switch {
	case rq.paired:
		return &rq.partner
	case rq.cookie.flow == rq.from.Remote:
		return nil
	}
	return &rq.cookie
}

// leadsIntoFlow reports whether a request leaves by a flow that its cookie names.
func (rq *request) leadsIntoFlow() bool {
	out := rq.outward()
	return out != nil && out.flow.IsValid()
}

// listenerByHash finds the listener that a cookie names.
func (s *Snapshot) listenerByHash(hash uint32) (flow.Listener, bool) {
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Hash == hash && l.Protocol != flow.None && !l.Gone {
			return flow.Listener(i), true
		}
	}
	return 0, false
}

// addTargets fills the target set with what an end names, in its order. Those of
// a further end are a round of their own.
func (c *Core) addTargets(now clock.Instant, rc *ResponseContext, rq *request, end *policy.End) {
	for i := range end.Targets {
		p := &end.Targets[i]
		t := Target{from: end.From, hasFrom: end.HasFrom, group: group{round: rc.rounds, q: uint16(p.Q)}}
		switch p.Kind {
		case policy.ToRequestURI:
			c.addTarget(rc, t)
		case policy.ToURI:
			c.addURI(rc, rq, t, p.URI(&c.facts))
		case policy.ToLocation:
			var aor []byte
			if p.URI != nil {
				aor = p.URI(&c.facts)
			}
			c.addLocation(now, rc, rq, t, aor)
		case policy.ToGroup:
			t.mark = groupMark(p.Group.Hash)
			if p.Group.Balance != policy.BalanceNone {
				c.addURI(rc, rq, t, p.Group.Choose(&c.facts).URI)
				continue
			}
			for j := range p.Group.Targets {
				t.group.q = uint16(p.Group.Targets[j].Q)
				c.addURI(rc, rq, t, p.Group.Targets[j].URI)
			}
		}
	}
}

// addURI adds a configured target.
func (c *Core) addURI(rc *ResponseContext, rq *request, t Target, text []byte) {
	if c.aimAt(rq, &t, text) {
		c.addTarget(rc, t)
	}
}

// aimAt makes a configured URI the aim of t. The Request-URI of somebody else's
// domain is not changed (§16.5), so the URI is then only the next hop; a
// Request-URI of ours becomes the URI, with the user part kept when it has none.
func (c *Core) aimAt(rq *request, t *Target, text []byte) bool {
	uri, err := sip.ParseURI(text)
	if err != nil || !uri.IsSIP() {
		c.counts.BadTargets++
		return false
	}
	switch {
	case !rq.own:
		t.hop = text
	case uri.HasUser || !rq.uri.HasUser:
		t.uri = text
	default:
		t.uri = c.withUser(&rq.uri, &uri)
	}
	return true
}

// withUser returns target with the user part of from, in the core's scratch for lines: from may lie in the other.
func (c *Core) withUser(from, target *sip.URI) []byte {
	out := append(c.lines[:0], target.SchemeName...)
	out = append(append(out, ':'), from.User...)
	if from.HasPassword {
		out = append(append(out, ':'), from.Password...)
	}
	out = append(out, '@')
	c.lines = append(out, target.Text[len(target.SchemeName)+1:]...)
	return c.lines
}

// addTarget adds t, with copies of its texts, unless a target with an equal URI
// is or was in the set (§16.5: a URI enters it once): then slot is that of the other.
func (c *Core) addTarget(rc *ResponseContext, t Target) (slot uint32, added bool) {
	for at := rc.set; at != 0; at = c.targets.At(at - 1).next {
		if c.sameTarget(rc, &t, c.targets.At(at-1)) {
			return at - 1, false
		}
	}
	at := c.placeOf(rc, t.group)
	s, slot := c.keepTarget(t)
	s.next = *at
	*at = slot + 1
	return slot, true
}

// keepTarget keeps t, with copies of its texts.
func (c *Core) keepTarget(t Target) (*Target, uint32) {
	s, slot := c.targets.Take()
	*s = t
	s.uri, s.hop, s.path = c.bytes.Copy(t.uri), c.bytes.Copy(t.hop), c.bytes.Copy(t.path)
	return s, slot
}

// placeOf is where a target of group g is linked in, in the order of trial: by q
// from high to low, then as added. What the running group was redirected to
// stands in for it, and so comes before the groups that follow (seams.md §5).
func (c *Core) placeOf(rc *ResponseContext, g group) *uint32 {
	at := &rc.set
	if g.round != 0 {
		for link := at; *link != 0; {
			o := c.targets.At(*link - 1)
			link = &o.next
			if o.group == rc.group {
				at = link
			}
		}
	}
	for *at != 0 {
		o := c.targets.At(*at - 1)
		if o.group.round != g.round || o.group.q < g.q {
			break
		}
		at = &o.next
	}
	return at
}

// sameTarget compares two targets by what they make of the request: URI
// equality (§19.1.4) of Request-URI and of next hop, and the Path (RFC 3327 §5.4: a
// vector belongs to its binding).
func (c *Core) sameTarget(rc *ResponseContext, a, b *Target) bool {
	if a.direct != b.direct || a.flow != b.flow || !bytes.Equal(a.path, b.path) || !equalURI(a.hop, b.hop) {
		return false
	}
	u, v := c.targetURI(rc, a), c.targetURI(rc, b)
	switch {
	case u == nil && v == nil:
		return true
	case u == nil:
		u = c.keptRequest(rc).RequestURI()
	case v == nil:
		v = c.keptRequest(rc).RequestURI()
	}
	return equalURI(u, v)
}

// targetURI is the Request-URI that t stands for; nil for the received one.
func (c *Core) targetURI(rc *ResponseContext, t *Target) []byte {
	if t.uri != nil {
		return t.uri
	}
	return rc.way.uri
}

func equalURI(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	u, err := sip.ParseURI(a)
	if err != nil {
		return false
	}
	v, err := sip.ParseURI(b)
	return err == nil && u.Equal(&v)
}
