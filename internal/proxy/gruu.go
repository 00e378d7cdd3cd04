package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/internal/policy"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

// This file is RFC 5627 §6: what a proxy does with a GRUU of its own domain, beyond
// what the location service says of it.

// gruu reads a URI that may be a GRUU of ours; false when it is none.
func (c *Core) gruu(s *Snapshot, u *sip.URI) (registrar.GRUU, bool) {
	if s.Directory == nil || !u.IsSIP() || !u.Params.Has("gr") || !s.responsible(u) {
		return registrar.GRUU{}, false
	}
	c.registrar.Use(s.GRUUs)
	g, verdict := c.registrar.ParseGRUU(u)
	return g, verdict == registrar.ValidGRUU
}

// toGRUU reports whether a request goes to a GRUU of ours. Inside a dialog that
// stands for the binding of its instance, and no rule is asked again.
func (c *Core) toGRUU(rq *request) bool {
	_, ours := c.gruu(rq.snap, &rq.uri)
	return ours
}

// translate is RFC 5627 §6.1 for a request inside a dialog, whose way t is known: the
// binding takes the place of the GRUU. found are the bindings of its instance, the
// most recent first; a status other than 0 says that there is none.
//
//   - Route values that are left lead on, and the stored Path is not used: it would
//     lead through the same proxies again.
//   - Without a binding the flow of the cookie still leads to the phone that opened
//     it (RFC 5626 §5.3.1), which hears of the end of a call by that.
func (c *Core) translate(now clock.Instant, rq *request, t *Target) (found []location.Binding, status int) {
	found, status = c.bindings(now, rq.snap, &rq.uri)
	for len(found) > 0 {
		var x Target
		if x.reach(&rq.uri, &found[0]) {
			if rq.hasRoute {
				t.uri = x.uri
			} else {
				*t = x
			}
			return found, 0
		}
		found, status = found[1:], 480
	}
	if t.direct {
		return nil, 0
	}
	return nil, status
}

// addTranslated adds the one target of a request inside a dialog to a GRUU, whose
// way so far is t, with the other flows of its instance as spares.
func (c *Core) addTranslated(now clock.Instant, rc *ResponseContext, rq *request, t Target) {
	found, status := c.translate(now, rq, &t)
	if status != 0 {
		c.failed(rc, status)
		return
	}
	slot, _ := c.addTarget(rc, t)
	if rq.hasRoute || len(found) == 0 {
		return
	}
	last := slot + 1
	for i := range found[1:] {
		last = c.addBinding(rc, &Target{}, &rq.uri, &found[1:][i], last)
	}
}

// cameToGRUU reports whether the request of rc came for a GRUU of ours. §6.1: it is
// meant for that one instance, so that no service forwards it to somebody else.
func (c *Core) cameToGRUU(rc *ResponseContext) bool {
	u, err := c.keptRequest(rc).URI()
	if err != nil {
		return false
	}
	_, ours := c.gruu(rc.snap, u)
	return ours
}

// forwards reports whether an end would have somebody else take the request.
func forwards(end *policy.End) bool {
	return end.Kind == policy.Send || end.Kind == policy.Redirect
}

// contactGRUU reads the Contact of a request; false when it is no GRUU of ours.
func (c *Core) contactGRUU(s *Snapshot, m *sip.Message) (registrar.GRUU, bool) {
	v, ok := m.First(sip.Contact)
	if !ok {
		return registrar.GRUU{}, false
	}
	var a sip.Address
	var u sip.URI
	if sip.ParseAddressURI(v.Text, &a, &u) != nil {
		return registrar.GRUU{}, false
	}
	return c.gruu(s, &u)
}

// judgeContact refuses a caller who shows somebody else's GRUU. RFC 5627 §6.2 has it
// where another proxy has recorded its route: there the GRUU would have requests of
// the dialog come back here.
func (c *Core) judgeContact(rq *request) *rejection {
	if !recordRoutes(rq.m) || !rq.m.Has(sip.RecordRoute) || len(c.facts.Users) == 0 {
		return nil
	}
	g, ok := c.contactGRUU(rq.snap, rq.m)
	if !ok {
		return nil
	}
	u, err := sip.ParseURI(g.AOR)
	if err != nil {
		return nil
	}
	for i := range c.facts.Users {
		who := &c.facts.Users[i]
		if rq.snap.Realms[who.Realm.ID].Speaks(who.User, &u) {
			return nil
		}
	}
	return rq.refuse(403, "Not Your GRUU")
}
