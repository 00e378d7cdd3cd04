package proxy

import (
	"viaduct/internal/policy"
	"viaduct/sip"
)

// recurse is the recursion of RFC 3261 §16.7 step 4: Contacts of a 3xx become
// targets, as a new round after the group that is running. They are taken out of
// the response, which c.rewriter holds; false when none is left in it.
//
// Only a request for a resource of this proxy may be retargeted (§16.5), whatever
// the configuration says.
func (c *Core) recurse(rc *ResponseContext, m *sip.Message) bool {
	mode := rc.redirects()
	if mode == policy.RedirectsPass || !rc.own || rc.phase != searching || !namesTargets(m.Status()) || c.cameToGRUU(rc) {
		return true
	}
	total, used := 0, 0
	if rc.added == 0 {
		rc.rounds++
		rc.added = rc.rounds
	}
	for it := m.Values(sip.Contact); it.Next(); total++ {
		a, err := sip.ParseAddress(it.Value.Text)
		if err != nil {
			continue
		}
		u, err := sip.ParseURI(a.URI)
		if err != nil || !c.mayFollow(rc, mode, &u) {
			continue
		}
		c.text = u.AppendRequestURI(c.text[:0]) // §19.1.5: no method, no headers
		t := Target{uri: c.text, group: group{round: rc.added, q: uint16(a.Q(1000))}}
		c.addTarget(rc, t) // one that is or was in the set is not tried again, nor returned
		c.rewriter.RemoveValue(sip.Contact, it.Value)
		used++
	}
	if used > 0 {
		c.counts.Redirected++
	}
	return total == 0 || used < total
}

// namesTargets reports whether the Contacts of a 3xx are other Request-URIs for
// the request. That of a 305 is a proxy to send it through (§21.3.4), and a 380
// describes another service in its body (§21.3.5).
func namesTargets(status int) bool { return status != 305 && status != 380 }

// redirects is what the rule says about 3xx, or else the server block.
func (rc *ResponseContext) redirects() policy.Redirects {
	if rc.end != nil && rc.end.Redirects != policy.RedirectsDefault {
		return rc.end.Redirects
	}
	return rc.snap.Redirects
}

// mayFollow reports whether a Contact may become a target: one of the scheme that
// was asked for (RFC 5630 §5.3), of an own domain where the mode says so.
func (c *Core) mayFollow(rc *ResponseContext, mode policy.Redirects, u *sip.URI) bool {
	return u.IsSIP() && u.Scheme == rc.way.asked(c.keptRequest(rc)) && (mode == policy.RedirectsFollow || rc.snap.responsible(u))
}

// asSIP is RFC 3261 §16.7 step 4 for a 416 to a tel URI that a rule has put in the
// place of a sip URI: the same number becomes a SIP URI in the domain that the
// request was sent to (§19.1.6), and a target of its own. Then the 416 does not count.
func (c *Core) asSIP(rc *ResponseContext, b *Branch) bool {
	if rc.phase != searching {
		return false
	}
	t := c.targets.At(b.target)
	asked, err := c.keptRequest(rc).URI()
	if err != nil || !asked.IsSIP() {
		return false
	}
	tried, err := sip.ParseURI(c.targetURI(rc, t))
	if err != nil || tried.Scheme != sip.TEL {
		return false
	}
	sent, err := sip.ParseURI(t.hop)
	if err != nil || !sent.IsSIP() {
		return false
	}
	out := append(append(c.lines[:0], asked.SchemeName...), ':')
	out = append(append(out, tried.User...), tried.Params...)
	out = append(append(out, '@'), sent.Host...)
	c.lines = append(out, ";user=phone"...)
	if _, err := sip.ParseURI(c.lines); err != nil { // what a number may hold and a user part may not
		return false
	}
	if rc.added == 0 {
		rc.rounds++
		rc.added = rc.rounds
	}
	_, added := c.addTarget(rc, Target{
		uri: c.lines, hop: t.hop, group: group{round: rc.added, q: t.group.q}, from: t.from, hasFrom: t.hasFrom, mark: t.mark,
	})
	return added
}
