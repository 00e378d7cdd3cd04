package proxy

import (
	"bytes"

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
func (c *Core) addLocation(now clock.Instant, rc *ResponseContext, rq *request, t Target, text []byte) {
	uri := rq.uri
	if text != nil {
		var err error
		if uri, err = sip.ParseURI(text); err != nil {
			c.counts.BadTargets++
			return
		}
	}
	bindings, status := c.bindings(now, rc.snap, &uri)
	if len(bindings) == 0 {
		if status == 480 {
			rc.class = policy.NotRegistered
		}
		c.failed(rc, status)
		return
	}
	for i := range bindings {
		if b := &bindings[i]; !earlier(bindings[:i], b) {
			c.addBindings(rc, &t, &uri, bindings[i:])
		}
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

// earlier reports that b is a spare of one before it: another flow of the same
// phone, which is tried only when that one fails (RFC 5626 §5.3: never two of one
// instance at a time).
func earlier(before []location.Binding, b *location.Binding) bool {
	for i := range before {
		if sameDevice(&before[i], b) {
			return true
		}
	}
	return false
}

func sameDevice(a, b *location.Binding) bool {
	return len(b.Instance) > 0 && bytes.Equal(a.Instance, b.Instance)
}

// addBindings adds the first of bindings as a target, with the others of the same
// device as its spares.
func (c *Core) addBindings(rc *ResponseContext, t *Target, asked *sip.URI, bindings []location.Binding) {
	var first, last *Target
	for i := range bindings {
		b := &bindings[i]
		if !sameDevice(&bindings[0], b) && i > 0 {
			continue
		}
		contact, err := sip.ParseURI(b.Contact)
		// RFC 5630 §5.3: what was asked for by sips is never sent on by sip.
		if err != nil || !contact.IsSIP() || asked.Scheme == sip.SIPS && contact.Scheme != sip.SIPS {
			continue
		}
		x := *t
		x.uri, x.path, x.group.q, x.outbound = b.Contact, b.Path, b.Q, b.Flags&location.Outbound != 0
		if addr, ok := contact.Addr(); ok && addr.Unmap() == b.Flow.Remote.Addr().Unmap() {
			x.registered = addr.Unmap()
		}
		if b.ByFlow() {
			x.flow, x.direct = b.Flow.Hop(), true
		}
		switch {
		case first == nil:
			slot, added := c.addTarget(rc, x)
			if !added {
				return
			}
			first = c.targets.At(slot)
			last = first
		default:
			s, slot := c.keepTarget(x)
			last.spare = slot + 1
			last = s
		}
	}
}

// callSpare puts the spare of a target that could not be reached in its place:
// after a 408 without any sign of life, a 430 or an error of the transport (RFC
// 5626 §5.3, §7).
func (c *Core) callSpare(rc *ResponseContext, target uint32, status int) bool {
	if rc.phase != searching || status != 430 && status != 408 && status != 503 {
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
