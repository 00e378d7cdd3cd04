package proxy

import (
	"bytes"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// preprocess is RFC 3261 §16.4: what Route and Request-URI mean is settled
// before anybody looks at them. Nothing is edited here; rq.way says what every
// branch will have edited, and rq.uri and rq.route are what later steps see.
func (c *Core) preprocess(rq *request) *rejection {
	uri, err := rq.m.URI()
	if err != nil {
		return rq.refuse(400, "Bad Request-URI")
	}
	rq.uri = *uri
	routes := rq.m.Values(sip.Route)
	c.strictRouter(rq)
	rq.stripOwnMaddr(&c.text)
	if refused := c.popOwnRoutes(rq, &routes); refused != nil {
		return refused
	}
	rq.own = rq.snap.responsible(&rq.uri)
	// seams.md §3: a valid cookie of this dialog replaces the rules, unless the
	// target is ours to look up (§16.5) and nothing else tells where it is. A GRUU is
	// looked up without them (RFC 5627 §6.1).
	rq.toInstance = rq.ofDialog() && c.toGRUU(rq)
	rq.inDialog = rq.ofDialog() && (rq.hasRoute || !rq.own || rq.toInstance || rq.leadsIntoFlow())
	// A Path value leads into its flow and nowhere else: every phone is told its own
	// in the 200 (RFC 3327 §5.3), so that for what comes out of the flow it proves
	// nothing (safety.md rule 10).
	rq.byPath = rq.signed && rq.cookie.path && rq.leadsIntoFlow()
	if !rq.hasRoute && !rq.snap.takes(rq.uri.Scheme) {
		return rq.refuse(416, "")
	}
	if rq.hasRoute && !rq.inDialog && !rq.byPath && !rq.snap.trusts(rq.from.Listener, rq.from.Remote) {
		c.counts.RouteRefused++
		return rq.refuse(403, "Route Not Allowed")
	}
	return nil
}

// strictRouter undoes what a strict router did: it put our Record-Route URI into
// the Request-URI and the Request-URI at the end of the Route (§16.4 first rule).
func (c *Core) strictRouter(rq *request) {
	if !rq.uri.HasUser || !rq.m.Has(sip.Route) || !rq.snap.isUs(&rq.uri) {
		return
	}
	k, ok := c.signer.openCookie(rq.uri.User, rq.m.CallIDValue())
	if !ok {
		return
	}
	var last sip.Address
	for it := rq.m.Values(sip.Route); it.Next(); {
		if a, err := sip.ParseAddress(it.Value.Text); err == nil {
			last = a
		}
	}
	uri, err := sip.ParseURI(last.URI)
	if err != nil {
		return
	}
	rq.cookie, rq.signed = k, true
	rq.way.popLast, rq.way.uri, rq.uri = true, last.URI, uri
}

// stripOwnMaddr drops an maddr that names this proxy, with the port and the
// transport that led here, when the request came in that way (§16.4 second rule).
func (rq *request) stripOwnMaddr(text *[]byte) {
	maddr := rq.uri.MAddr()
	if maddr == nil || !rq.uri.IsSIP() {
		return
	}
	port, protocol := rq.uri.Port, flow.UDP
	if word := rq.uri.Transport(); word != nil {
		protocol = flow.ParseProtocol(word)
	}
	if port == 0 {
		port = protocol.DefaultPort()
	}
	l := &rq.snap.Listeners[rq.from.Listener]
	if !l.hasPort(port) || protocol != l.Protocol || !rq.snap.namesUs(maddr, port) && !rq.snap.Domains.Contains(maddr) {
		return
	}
	out := (*text)[:0]
	out = append(append(out, rq.uri.SchemeName...), ':')
	if rq.uri.HasUser {
		out = append(out, rq.uri.User...)
		if rq.uri.HasPassword {
			out = append(append(out, ':'), rq.uri.Password...)
		}
		out = append(out, '@')
	}
	out = append(out, rq.uri.Host...)
	for it := rq.uri.Params.Each(); it.Next(); {
		if bytes.EqualFold(it.Name, []byte("maddr")) || bytes.EqualFold(it.Name, []byte("transport")) {
			continue
		}
		out = append(append(out, ';'), it.Name...)
		if it.HasValue {
			out = append(append(out, '='), it.Value...)
		}
	}
	*text = out
	if uri, err := sip.ParseURI(out); err == nil {
		rq.way.uri, rq.uri = out, uri
	}
}

// popOwnRoutes removes the Route values that name this proxy (§16.4 third rule).
// Unsigned ones prove nothing and go: ordinary phones pre-load their outbound
// proxy. A signed one ends the search, with the second of its pair (RFC 5658 §5).
// It leaves the first value of others in rq.route.
func (c *Core) popOwnRoutes(rq *request, routes *sip.Values) *rejection {
	left := -1
	if rq.way.popLast {
		left = rq.routeCount() - 1
	}
	paired := rq.signed && rq.cookie.paired
	done := rq.signed && !paired
	var a sip.Address
	var u sip.URI
	for n := 0; n != left && routes.Next(); n++ {
		if sip.ParseAddressURI(routes.Value.Text, &a, &u) != nil {
			return rq.refuse(400, "Bad Route")
		}
		// The second of a pair is ours by its signature, even when its listener has
		// been removed since.
		if done || !paired && !rq.snap.isUs(&u) {
			rq.route, rq.routeURI, rq.hasRoute = a, u, true
			return nil
		}
		k, ok := c.signer.openCookie(u.User, rq.m.CallIDValue())
		switch {
		case paired && ok && k.paired && k.downstream != rq.cookie.downstream:
			rq.partner, rq.paired, done = k, true, true
			rq.beside, _ = u.Addr()
		case paired && !ok && !u.HasUser && rq.snap.isUs(&u): // between two that are sips (pushPlainRoute)
		case paired: // its pair is not there: what comes is others', or another pass (a spiral)
			rq.route, rq.routeURI, rq.hasRoute = a, u, true
			return nil
		case ok:
			rq.cookie, rq.signed = k, true
			paired, done = k.paired, !k.paired
			rq.beside, _ = u.Addr()
		case rq.snap.isFlowToken(u.User): // RFC 5626 §5.3.1
			c.counts.RouteRefused++
			return rq.refuse(403, "Bad Flow Token")
		}
		rq.way.pops++
	}
	return nil
}

// routeCount is the number of Route values.
func (rq *request) routeCount() int {
	n := 0
	for it := rq.m.Values(sip.Route); it.Next(); {
		n++
	}
	return n
}
