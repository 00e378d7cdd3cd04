package proxy

import (
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// recordRoutes reports whether requests of this kind get a Record-Route: those
// that may make a dialog or that refresh its target, and methods that nobody
// here knows (§16.6 step 4). REGISTER never has one (§20 Table 3); for the rest
// it would have no effect.
func recordRoutes(m *sip.Message) bool {
	switch m.Method() {
	case sip.INVITE, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER, sip.OtherMethod:
		return true
	}
	return false
}

// recordsRoute is recordRoutes with what the rule says of it. No rule can say no
// where a GRUU makes a dialog depend on it (RFC 5627 §6.2): the callee is reached by
// the Path of its instance, or the caller shows its GRUU through proxies that stay
// in the dialog.
func (c *Core) recordsRoute(rc *ResponseContext, m *sip.Message, t *Target) bool {
	if rc.end != nil {
		switch rc.end.RecordRoute {
		case policy.No:
			if !recordRoutes(m) {
				return false
			}
			_, shown := c.contactGRUU(rc.snap, m)
			return t.instance && len(t.path) > 0 || shown && m.Has(sip.RecordRoute)
		case policy.Yes:
			return m.Method() != sip.REGISTER
		}
	}
	return recordRoutes(m)
}

// recordRoute is RFC 3261 §16.6 step 4: the values by which later requests of
// the dialog come back through here. Everything needed to route them is in the
// value itself, signed, so that nothing of the dialog is kept (seams.md §3).
//
// One value serves both sides when they look alike. It takes two when transport,
// listener or address family differ, or when the caller can only be reached by
// the flow that it opened (RFC 5658 §6.2, RFC 6157 §3.1.1): the one on top faces
// the callee.
func (c *Core) recordRoute(rc *ResponseContext, e *edits, m *sip.Message, t *Target, hop flow.Hop) {
	s, arrival, secure := rc.snap, e.arrival, e.showsSIPS()
	k := cookie{rule: rc.dialog.rule, targetGroup: rc.dialog.targetGroup, sourceGroup: rc.dialog.sourceGroup}
	if rc.rule != nil {
		k = cookie{rule: rc.rule.Hash, targetGroup: t.mark, sourceGroup: s.markOf(arrival.Remote)}
	}
	if k.targetGroup == 0 { // reached by its address, which a rule or a trusted Route allowed
		k.targetGroup = s.markOf(hop.Remote)
	}
	caller := callerFlow(m, arrival)
	if arrival.Listener == hop.Listener && !caller.IsValid() && !t.direct && s.Listeners[hop.Listener].looksAlike(arrival.Hop(), hop) {
		c.pushRecordRoute(s, m, &k, hop, secure)
		return
	}
	k.paired, k.flow = true, caller
	c.pushRecordRoute(s, m, &k, arrival.Hop(), secure)
	if !secure && s.Listeners[arrival.Listener].recordsSIPS(arrival.Remote.Addr(), false) && s.Listeners[hop.Listener].recordsSIPS(hop.Remote.Addr(), false) {
		c.pushPlainRoute(&s.Listeners[hop.Listener], hop)
	}
	k.downstream, k.flow = true, netip.AddrPort{}
	if t.direct { // a client that takes its route set from a re-INVITE, against §12.2, still finds back
		k.flow = hop.Remote
	}
	c.pushRecordRoute(s, m, &k, hop, secure)
}

// recordsSIPS reports whether a Record-Route value that faces a peer of l is a sips
// URI, in a copy whose own URIs are (secure) or are not.
//
// RFC 5658 §6.2: where a side is on TLS, its value has to lead to TLS. A name
// without a port may do that by RFC 3263, as whoever advertises one has arranged in
// DNS. An address or a port would mean UDP in a sip URI: then it is sips, by which a
// client sends the requests of a sip dialog over TLS (RFC 5630 §5.1.1.1).
func (l *Listener) recordsSIPS(peer netip.Addr, secure bool) bool {
	switch l.Protocol {
	case flow.TLS:
		return secure || !l.shownTo(peer).byName && !l.TransportTLS
	case flow.WSS:
		return secure
	}
	return false
}

// pushRecordRoute writes one value for one side. It names no transport as long
// as the default of its URI leads here (RR-6): TCP has to be named, and whoever is
// on that side has just used it (RFC 5658 §6.2).
func (c *Core) pushRecordRoute(s *Snapshot, m *sip.Message, k *cookie, side flow.Hop, secure bool) {
	l := &s.Listeners[side.Listener]
	k.listener = l.Hash
	out := append(c.text[:0], "<sip"...)
	sips := l.recordsSIPS(side.Remote.Addr(), secure)
	if sips {
		out = append(out, 's')
	}
	out = append(out, ':')
	out = c.signer.appendCookie(out, k, m.CallIDValue())
	out = l.appendSentBy(append(out, '@'), side)
	switch {
	case l.Protocol == flow.TCP:
		out = append(out, ";transport=tcp"...)
	case l.Protocol == flow.WS || l.Protocol == flow.WSS:
		out = append(out, ";transport=ws"...) // of both (RFC 7118 §5.2)
	case l.TransportTLS && !sips:
		out = append(out, ";transport=tls"...) // RFC 5630 §5.3 forbids it: only where it was asked for
	}
	out = append(out, ";lr>"...)
	c.text = out
	c.rewriter.PushRecordRoute(out)
}

// pushPlainRoute writes a value between two that are sips. RFC 3261 §16.6 step 4: what
// came by TLS and leaves without a sips URI gets a Record-Route that is not sips,
// and so nobody takes the dialog for one of sips. Nothing is reached by it: it is
// removed together with the pair.
func (c *Core) pushPlainRoute(l *Listener, side flow.Hop) {
	c.text = append(l.appendSentBy(append(c.text[:0], "<sip:"...), side), ";lr>"...)
	c.rewriter.PushRecordRoute(c.text)
}

// callerFlow is the flow of a caller that its Contact does not lead to: it sits
// behind a NAT or keeps its socket to itself. Only the first hop can tell,
// because behind another proxy a Contact differs from the source by nature. A
// port that differs counts only where the client asks for symmetric responses
// (RFC 3581 §3): others listen on the port of their Contact. On loopback there is
// no NAT, and a Contact that names another program of the machine is meant.
func callerFlow(m *sip.Message, arrival flow.Flow) netip.AddrPort {
	if arrival.Protocol.Reliable() {
		return arrival.Remote
	}
	if m.Has(sip.RecordRoute) || !onlyOne(m, sip.Via) {
		return netip.AddrPort{}
	}
	v, ok := m.First(sip.Contact)
	if !ok {
		return netip.AddrPort{}
	}
	var a sip.Address
	var u sip.URI
	if sip.ParseAddressURI(v.Text, &a, &u) != nil {
		return netip.AddrPort{}
	}
	if u.Params.Has("ob") { // RFC 5626 §5.3.2: to be reached by the flow that it has opened
		return arrival.Remote
	}
	addr, ok := u.Addr()
	if !ok || addr.IsLoopback() && arrival.Remote.Addr().IsLoopback() {
		return netip.AddrPort{} // a name: whoever sends by it can be reached by it
	}
	port := u.Port
	if port == 0 {
		port = flow.UDP.DefaultPort()
	}
	via, err := m.TopVia()
	if err != nil || addr == arrival.Remote.Addr() && (port == arrival.Remote.Port() || !via.HasRPort) {
		return netip.AddrPort{}
	}
	return arrival.Remote
}

// onlyOne reports whether a header has exactly one value.
func onlyOne(m *sip.Message, id sip.HeaderID) bool {
	it := m.Values(id)
	return it.Next() && !it.Next()
}
