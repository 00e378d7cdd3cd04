package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// decide is RFC 3261 §16.5: it finds the targets of a request and starts on
// them, or ends it with what a rule says instead.
func (c *Core) decide(now clock.Instant, rq *request, fx *effect.List) {
	if rq.inDialog || rq.hasRoute {
		// Inside a dialog, or along a Route from somebody trusted: the request says
		// itself where it goes.
		c.proceedAlong(now, rq, fx)
		return
	}
	if c.ruled(now, rq, fx) {
		rc := c.newContext(now, rq)
		c.addTargets(rc, rq, rq.rule)
		c.open(now, rc, rq.m, fx)
	}
}

// ruled finds the rule of a request and carries it out, except for a send: then it
// returns true.
func (c *Core) ruled(now clock.Instant, rq *request, fx *effect.List) bool {
	rule := c.rule(rq)
	if rule == nil {
		c.reject(now, rq, rq.noMatch(), fx)
		return false
	}
	rq.rule = rule
	switch rule.Kind {
	case policy.Send:
		return true
	case policy.Reply:
		c.reject(now, rq, &rejection{status: rule.Status, reason: rule.Reason}, fx)
	case policy.Redirect:
		c.reject(now, rq, c.redirection(rq, rule), fx)
	case policy.Drop:
		c.counts.RuleDrops++
		if rq.server != nil {
			c.table.Finish(now, rq.server)
		}
	}
	return false
}

// rule asks the program. It reads INVITE for an ACK or a CANCEL that has to go
// the way of its INVITE.
func (c *Core) rule(rq *request) *policy.Rule {
	f := &c.facts
	f.Msg, f.Method, f.Dest, f.From = rq.m, rq.method, &rq.uri, rq.from
	f.Follows = rq.method != rq.m.Method()
	f.Listener = ""
	if i := int(rq.from.Listener); i < len(rq.snap.Listeners) {
		f.Listener = rq.snap.Listeners[i].Name
	}
	var at policy.Cursor
	if step := rq.snap.Program.Decide(&at, f); step.Kind == policy.Match {
		return step.Rule
	}
	return nil
}

// noMatch is the answer when no rule takes a request: there is no open relay.
func (rq *request) noMatch() *rejection {
	switch {
	case !rq.own:
		return rq.refuse(403, "Relaying Not Allowed")
	case rq.m.Method() == sip.REGISTER && !rq.uri.HasUser: // §8.2.1: it would be ours to answer
		return rq.refuse(405, "").with([]byte("Allow: OPTIONS\r\n"))
	default:
		return rq.refuse(404, "")
	}
}

// redirection is the 3xx of a rule: its Contacts, evaluated.
func (c *Core) redirection(rq *request, rule *policy.Rule) *rejection {
	lines := c.lines[:0]
	for _, text := range rule.Contact {
		lines = append(lines, "Contact: <"...)
		lines = append(lines, text(&c.facts)...)
		lines = append(lines, ">\r\n"...)
	}
	c.lines = lines
	return rq.refuse(rule.Status, rule.Reason).with(lines)
}

// proceedAlong opens the context of a request with the one target that it names
// itself: the next Route value, the flow of its cookie, or the Request-URI.
func (c *Core) proceedAlong(now clock.Instant, rq *request, fx *effect.List) {
	rc := c.newContext(now, rq)
	t := Target{}
	if rq.inDialog {
		c.aim(rq, &t)
	}
	c.addTarget(rc, t)
	c.open(now, rc, rq.m, fx)
}

// aim sets where an in-dialog request goes (seams.md §3). A pair tells the
// direction: the request came in by the side of the topmost value and leaves by
// the other. A single value with a flow goes outward when it came from that
// flow, and into it otherwise (RFC 5626 §5.3).
func (c *Core) aim(rq *request, t *Target) {
	out := &rq.cookie
	switch {
	case rq.paired:
		out = &rq.partner
	case rq.cookie.flow == rq.from.Remote:
		return
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
			t.flow, t.direct = c.hopBy(rq.snap, listener, out.flow), true
			if t.flow.Protocol.Reliable() { // nobody listens where a client called from
				t.flow.Conn = flow.Existing
			}
		}
		return
	}
	t.from, t.hasFrom = listener, ok
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

// addTargets fills the target set with what a rule names, in its order.
func (c *Core) addTargets(rc *ResponseContext, rq *request, rule *policy.Rule) {
	for i := range rule.Targets {
		p := &rule.Targets[i]
		t := Target{from: rule.From, hasFrom: rule.HasFrom, group: group{q: uint16(p.Q)}}
		switch p.Kind {
		case policy.ToRequestURI:
			c.addTarget(rc, t)
		case policy.ToURI:
			c.addURI(rc, rq, t, p.URI(&c.facts))
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
// is or was in the set (§16.5: a URI enters it once).
func (c *Core) addTarget(rc *ResponseContext, t Target) bool {
	for at := rc.set; at != 0; at = c.targets.At(at - 1).next {
		if c.sameTarget(rc, &t, c.targets.At(at-1)) {
			return false
		}
	}
	at := c.placeOf(rc, t.group)
	s, slot := c.targets.Take()
	*s = t
	s.uri, s.hop = c.bytes.Copy(t.uri), c.bytes.Copy(t.hop)
	s.next = *at
	*at = slot + 1
	return true
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
// equality (§19.1.4) of Request-URI and of next hop.
func (c *Core) sameTarget(rc *ResponseContext, a, b *Target) bool {
	if a.direct != b.direct || a.flow != b.flow || !equalURI(a.hop, b.hop) {
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
