package proxy

import (
	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/internal/policy"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

// addLocation fills the target set from the location service: RFC 3261 §16.5 with
// RFC 5626 §5.3 and RFC 5627 §6.1. text is the address of record, nil for the
// Request-URI. Without a binding the target counts as answered 480, or 404.
//
// A Request-URI with somebody's maddr is its own only target, whatever its domain
// (§16.5), and a rule that leads to registered users lets nobody relay by it.
func (c *Core) addLocation(now clock.Instant, rc *ResponseContext, rq *request, t Target, text []byte) {
	uri := rq.uri
	if text != nil {
		var err error
		if uri, err = sip.ParseURI(text); err != nil {
			c.counts.BadTargets++
			return
		}
	} else if uri.MAddr() != nil {
		c.failed(rc, 403)
		return
	}
	bindings, status := c.bindings(now, rc.snap, &uri)
	if len(bindings) == 0 {
		switch {
		case status != 480:
		case text == nil && !uri.HasUser && rq.m.Method() == sip.OtherMethod:
			status = 501 // §21.5.2: meant for the domain itself, that is for its registrar
		default:
			rc.class = policy.NotRegistered
		}
		c.failed(rc, status)
		return
	}
	rc.saw(bindings)
	called := false
	targets, standby := registrar.Choose(bindings)
	for i := range targets {
		called = c.addInstance(rc, &t, &uri, &targets[i], standby) || called
	}
	if !called {
		c.failed(rc, 480) // RFC 5630 §5.3: there are bindings, and none for sips
	}
}

// bindings are those of an address of record or of a GRUU, best first, in the
// room of c.found; when there is none, status says why.
func (c *Core) bindings(now clock.Instant, s *Snapshot, u *sip.URI) (found []location.Binding, status int) {
	if s.Directory == nil || !u.IsSIP() {
		return nil, 404
	}
	c.registrar.Use(s.GRUUs)
	gruu, verdict := c.registrar.ParseGRUU(u)
	switch verdict {
	case registrar.UnknownGRUU:
		return nil, 404
	case registrar.ValidGRUU:
		s.Directory.Lookup(now, gruu.AOR, &c.found)
		return c.registrar.Narrow(&gruu, c.found.Bindings)
	}
	key, ok := location.AppendAOR(c.query[:0], u)
	c.query = key
	if !ok {
		return nil, 404
	}
	if s.Directory.Lookup(now, key, &c.found) {
		return c.found.Bindings, 0
	}
	if c.unknownUser(now, s, u) {
		return nil, 404
	}
	return nil, 480
}

// unknownUser reports that a user of ours certainly does not exist: all realms of
// its domain say so. One that only a question could tell may exist.
func (c *Core) unknownUser(now clock.Instant, s *Snapshot, u *sip.URI) bool {
	asked := false
	for i, r := range s.Program.Realms {
		if r.Domains != nil && !r.Domains.Contains(u.Host) {
			continue
		}
		c.text = sip.AppendUnescaped(c.text[:0], u.User)
		if _, answer := s.Users[i].Find(now, c.text); answer != auth.Unknown {
			return false
		}
		asked = true
	}
	return asked
}

// addInstance adds a binding as a target, and those of standby that are of the same
// instance as its spares (RFC 5626 §7: never two of one instance at a time). False
// when a request for asked can take none of them.
func (c *Core) addInstance(rc *ResponseContext, t *Target, asked *sip.URI, b *location.Binding, standby []location.Binding) bool {
	last := c.addBinding(rc, t, asked, b, 0)
	for i := range standby {
		if registrar.SameInstance(b, &standby[i]) {
			last = c.addBinding(rc, t, asked, &standby[i], last)
		}
	}
	return last != 0
}

// addBinding adds a binding as a spare of the target after (+1), or as a target of
// its own when that is 0, and returns what the next spare comes after.
func (c *Core) addBinding(rc *ResponseContext, t *Target, asked *sip.URI, b *location.Binding, after uint32) uint32 {
	x := *t
	if !x.reach(asked, b) {
		return after
	}
	x.group.q = b.Q
	switch {
	case after == 0:
		slot, _ := c.addTarget(rc, x) // an equal one that was there stands for it, and has its spares
		for after = slot + 1; c.targets.At(after-1).spare != 0; {
			after = c.targets.At(after - 1).spare
		}
	case !c.isSpare(rc, &x):
		_, slot := c.keepTarget(x)
		c.targets.At(after - 1).spare = slot + 1
		after = slot + 1
	}
	return after
}

// isSpare reports whether a URI of the target set, or of what waits behind it, is
// equal to x (§16.5: a URI enters it once).
func (c *Core) isSpare(rc *ResponseContext, x *Target) bool {
	for at := rc.set; at != 0; at = c.targets.At(at - 1).next {
		for spare := at; spare != 0; spare = c.targets.At(spare - 1).spare {
			if c.sameTarget(rc, x, c.targets.At(spare-1)) {
				return true
			}
		}
	}
	return false
}

// reach makes t the way to a binding. RFC 5630 §5.3: what was asked for by sips is
// never sent on by sip; false then.
func (t *Target) reach(asked *sip.URI, b *location.Binding) bool {
	contact, err := sip.ParseURI(b.Contact)
	if err != nil || !contact.IsSIP() || asked.Scheme == sip.SIPS && contact.Scheme != sip.SIPS {
		return false
	}
	t.uri, t.path, t.outbound = b.Contact, b.Path, b.Flags&location.Outbound != 0
	t.instance = len(b.Instance) > 0
	if addr, ok := contact.Addr(); ok && addr.Unmap() == b.Flow.Remote.Addr().Unmap() {
		t.registered = addr.Unmap()
	}
	if b.ByFlow() {
		t.flow, t.direct = b.Flow.Hop(), true
	}
	return true
}

// missed counts a target that nobody has answered for as status, unless a spare of
// it can be called.
func (c *Core) missed(rc *ResponseContext, target uint32, status int) {
	if !c.callSpare(rc, target) {
		c.failed(rc, status)
	}
}

// callSpare puts the spare of a target that could not be reached in its place:
// after a 408, a 430 or an error of the transport. RFC 5626 §7, RFC 5627 §6.1: after
// any other final response of its instance, no other flow of that is tried.
func (c *Core) callSpare(rc *ResponseContext, target uint32) bool {
	if rc.phase != searching {
		return false
	}
	t := c.targets.At(target)
	if t.spare == 0 {
		return false
	}
	spare := t.spare
	t.spare = 0
	s := c.targets.At(spare - 1)
	s.group, s.next = t.group, t.next
	t.next = spare
	c.counts.Spares++
	return true
}
