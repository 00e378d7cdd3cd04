package proxy

import (
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/internal/identity"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// This file is RFC 3325 with the parts of RFC 3323 that a proxy has: who is
// calling is found out when the rules decide, and told with each copy to whom it
// may be told.
//
//	rules ─▶ authenticated ─▶ appendCaller ─▶ edits of the context
//	                                               │
//	copy, response ─▶ trusts from? trusts to? ─▶ tellIdentity

// trusts reports whether a node belongs to the trust domain (RFC 3325 §1: Spec(T)),
// by its address, or because it is met on a listener that only such nodes can use.
func (s *Snapshot) trusts(on flow.Listener, at netip.AddrPort) bool {
	return int(on) < len(s.Listeners) && s.Listeners[on].Trusted || s.Trust.Contains(at.Addr())
}

// tellIdentity edits what the message in the rewriter says of who is calling, and
// tells whether that is withheld.
func (c *Core) tellIdentity(s *Snapshot, m *sip.Message, edits []byte, of byte, from, to bool) (withheld bool) {
	f := identity.Facts{FromTrusted: from, ToTrusted: to, Privacy: identity.PrivacyOf(m)}
	told := false // by the configuration, which knows better
	for len(edits) > 0 {
		var e keptEdit
		e, edits = nextEdit(edits)
		switch {
		case e.of == ofCaller && of == ofRequest:
			f.Identity = e.value
		case e.of != of:
		case e.is(sip.PAssertedIdentity):
			told = told || e.op != policy.AddHeader
		case !e.is(sip.Privacy):
		case e.op == policy.AddHeader:
			f.Privacy |= identity.ParsePrivacy(e.value)
		default: // set, or removed: then there is no value
			f.Privacy = identity.ParsePrivacy(e.value)
		}
	}
	if told {
		f.Identity = nil
	}
	return s.Identity.Edit(&c.rewriter, m, f)
}

// appendCaller appends the identity to assert of who was authenticated for the
// rule that has decided (RFC 3325 §5); nothing when nobody was, or when nothing is
// asserted. It is one that the user may speak as, the first of those that the
// caller would prefer (§6), that it writes in From, and that its realm gives it. A
// display name is left out: nobody has proven it.
func (c *Core) appendCaller(dst []byte, rq *request) []byte {
	who := c.facts.Authenticated()
	if rq.rule == nil || who == nil || rq.snap.Identity.Assert == identity.ToNobody {
		return dst
	}
	for it := rq.m.Values(sip.PPreferredIdentity); it.Next(); {
		if a, err := sip.ParseAddress(it.Value.Text); err == nil {
			if u, ok := rq.snap.speaksAs(who, a.URI); ok {
				return appendIdentity(dst, who, u.Host)
			}
		}
	}
	if a, err := rq.m.FromAddress(); err == nil {
		if u, ok := rq.snap.speaksAs(who, a.URI); ok {
			return appendIdentity(dst, who, u.Host)
		}
	}
	out := appendIdentity(dst, who, who.Realm.Home)
	if len(out) > len(dst) {
		if _, ok := rq.snap.speaksAs(who, out[len(dst)+1:len(out)-1]); ok { // a name may hold a domain that is not ours
			return out
		}
	}
	return dst
}

// speaksAs reads a URI and tells whether it is one of who.
func (s *Snapshot) speaksAs(who *policy.Identity, uri []byte) (sip.URI, bool) {
	u, err := sip.ParseURI(uri)
	return u, err == nil && s.Realms[who.Realm.ID].Speaks(who.User, &u)
}

func appendIdentity(dst []byte, who *policy.Identity, domain []byte) []byte {
	dst, _ = identity.AppendURI(dst, who.User, domain) // what makes no URI is left out
	return dst
}
