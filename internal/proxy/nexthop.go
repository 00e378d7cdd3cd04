package proxy

import (
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// awaiting says that a hop is asked for: the answer goes on from there.
const awaiting = -1

// hopOf is RFC 3261 §16.6 step 7: where the next copy for t goes. A status other
// than 0 is the response that the target counts as having given, or awaiting.
func (c *Core) hopOf(now clock.Instant, rc *ResponseContext, e *edits, t *Target, fx *effect.List) (flow.Hop, int) {
	switch {
	case t.direct:
		return e.secured(c.permit(rc, e.arrival, t.flow))
	case t.search != 0:
		return c.nextOf(now, rc, e.arrival, t)
	}
	next := &e.uri
	switch {
	case e.hasRoute: // step 6: the first Route value that is left
		next = &e.route
	case t.hop != nil: // policy: this hop, and only this one, by §16.6 step 7
		hopURI, err := sip.ParseURI(t.hop)
		if err != nil {
			return flow.Hop{}, 500
		}
		next = &hopURI
	}
	return e.secured(c.locate(now, rc, e, next, t, fx))
}

// permit holds a hop against what may be spoken to.
func (c *Core) permit(rc *ResponseContext, arrival flow.Flow, hop flow.Hop) (flow.Hop, int) {
	switch {
	case hop.Local.Addr().IsUnspecified(): // no route, so there is no address to show (§18.1.1)
		return hop, 503
	case rc.rule == nil && !rc.mayReach(hop.Remote) && !rc.snap.trusts(arrival.Listener, arrival.Remote):
		return hop, 403
	}
	return hop, 0
}

// mayReach holds that a target of a group is reached inside a dialog only with
// a cookie that was made for a call to or from that group (seams.md §3): one
// legal call is no ticket to the trunk. Those who may pre-load a Route have that
// ticket already.
func (rc *ResponseContext) mayReach(a netip.AddrPort) bool {
	marks := rc.snap.groupsOf[targetPlace(a)]
	for _, m := range marks {
		if m == rc.dialog.targetGroup || m == rc.dialog.sourceGroup {
			return true
		}
	}
	return len(marks) == 0
}

// locate turns a URI into a hop: maddr or host, transport and port by RFC 3263
// §4. A literal address needs nobody, a name of this server neither; other names
// are looked up.
func (c *Core) locate(now clock.Instant, rc *ResponseContext, e *edits, u *sip.URI, t *Target, fx *effect.List) (flow.Hop, int) {
	if !u.IsSIP() {
		return flow.Hop{}, 416
	}
	s := rc.snap
	q := resolve.Query{Host: u.Host, Port: u.Port, SIPS: e.secure || u.Scheme == sip.SIPS, Speaks: s.speaks}
	if word := u.Transport(); word != nil {
		if q.Transport = flow.ParseProtocol(word); q.Transport == flow.None {
			return flow.Hop{}, 503
		}
	}
	if s.speaks.Speaks(flow.TLS) {
		t.domain = c.domains.of(u.Host) // RFC 5922 §7.3: before maddr and DNS
	}
	if maddr := u.MAddr(); maddr != nil {
		q.Host = maddr
	}
	protocol, to, numeric := q.Numeric()
	if !numeric {
		if !s.namesUs(q.Host, u.Port) {
			return c.lookUp(now, rc, e, q, t, fx)
		}
		protocol, to = c.spiral(s, &q, e.arrival) // through ourselves
	}
	return c.hopTo(rc, e.arrival, protocol, to, t)
}

// spiral is the hop to ourselves, by the listener of arrival where that suits.
func (c *Core) spiral(s *Snapshot, q *resolve.Query, arrival flow.Flow) (flow.Protocol, netip.AddrPort) {
	protocol := q.Transport
	if protocol == flow.None {
		protocol = flow.UDP
	}
	if q.SIPS || !s.speaks.Speaks(protocol) {
		return flow.None, netip.AddrPort{}
	}
	port := q.Port
	if port == 0 {
		port = arrival.Local.Port()
	}
	return protocol, netip.AddrPortFrom(arrival.Local.Addr(), port)
}

// hopTo is the hop to an address, by the listener that suits it, if it may be
// spoken to.
func (c *Core) hopTo(rc *ResponseContext, arrival flow.Flow, p flow.Protocol, to netip.AddrPort, t *Target) (flow.Hop, int) {
	if to.IsValid() && !rc.snap.mayReach(to) && (t == nil || t.registered != to.Addr() || rc.snap.Destinations.Deny.Contains(to.Addr())) {
		c.counts.DestinationRefused++
		return flow.Hop{}, 403
	}
	if p == flow.None { // nothing here sends there
		return flow.Hop{}, 503
	}
	listener, ok := c.listenerFor(rc.snap, p, to.Addr(), arrival, t)
	if !ok {
		return flow.Hop{}, 503
	}
	hop := c.hopBy(rc.snap, listener, to)
	if p == flow.TLS && t != nil {
		hop.Domain = t.domain
	}
	return c.permit(rc, arrival, hop)
}

// listenerFor chooses the listener to send from (seams.md §6): the one that the
// rule or the cookie names; the only one of the transport and family; else the
// one whose address the kernel would route from; else the one of arrival.
func (c *Core) listenerFor(s *Snapshot, p flow.Protocol, dst netip.Addr, arrival flow.Flow, t *Target) (flow.Listener, bool) {
	fits := func(i int) bool {
		l := &s.Listeners[i]
		return l.Protocol == p && !l.Gone && l.Bind.Addr().Is4() == dst.Is4()
	}
	if t != nil && t.hasFrom && int(t.from) < len(s.Listeners) && fits(int(t.from)) {
		return t.from, true
	}
	first, count := -1, 0
	for i := range s.Listeners {
		if fits(i) {
			if count++; first < 0 {
				first = i
			}
		}
	}
	if count <= 1 {
		return flow.Listener(max(first, 0)), count == 1
	}
	here := int(arrival.Listener)
	arrived := here < len(s.Listeners) && fits(here)
	best, rank := first, 0
	src, routed := s.source(dst)
	for i := range s.Listeners {
		if !fits(i) {
			continue
		}
		r := 0
		switch bind := s.Listeners[i].Bind.Addr(); {
		case routed && bind == src:
			r = 4
		case routed && bind.IsUnspecified():
			r = 2
		}
		if arrived && i == here { // of equals the one of arrival: then both sides look alike
			r++
		}
		if r > rank {
			best, rank = i, r
		}
	}
	return flow.Listener(best), true
}

// source is the kernel's choice of a local address toward dst.
func (s *Snapshot) source(dst netip.Addr) (netip.Addr, bool) {
	if s.Sources == nil {
		return netip.Addr{}, false
	}
	return s.Sources.Source(dst)
}

// hopBy is the hop to remote by a listener, with the local address that it shows.
func (c *Core) hopBy(s *Snapshot, listener flow.Listener, remote netip.AddrPort) flow.Hop {
	l := &s.Listeners[listener]
	local := l.Bind
	if local.Addr().IsUnspecified() {
		if src, ok := s.source(remote.Addr()); ok {
			local = netip.AddrPortFrom(src, local.Port())
		}
	}
	return flow.Hop{Protocol: l.Protocol, Listener: listener, Local: local, Remote: remote}
}

// leaveFrom has what goes into a flow leave from the address that the flow leads to,
// where a listener has all those of the machine: shown is that, as Record-Route has
// shown it. A NAT lets nothing in from another one (RFC 3581 §4), whichever the system
// would route from. Nobody else's address is taken for ours.
func (s *Snapshot) leaveFrom(hop *flow.Hop, shown netip.Addr) {
	l, shown := &s.Listeners[hop.Listener], shown.Unmap()
	if !shown.IsValid() || !l.Bind.Addr().IsUnspecified() || shown.Is4() != l.Bind.Addr().Is4() || l.shownTo(hop.Remote.Addr()).sentBy != "" {
		return
	}
	var text [64]byte // an IPv6 address has 39 at most
	if s.Names.Contains(shown.AppendTo(text[:0])) {
		hop.Local = netip.AddrPortFrom(shown, l.Bind.Port())
	}
}

// mayReach is the destination policy, applied to addresses after resolution
// (safety.md rule 11). Listeners of our own are legal: a spiral.
func (s *Snapshot) mayReach(to netip.AddrPort) bool {
	a, d := to.Addr(), &s.Destinations
	switch {
	case d.Deny.Contains(a), a.IsUnspecified(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case d.LoopbackOnly:
		return a.IsLoopback()
	case d.Allow.Contains(a) || s.isListener(to):
		return true
	}
	if nat64.Contains(a) { // it is the address within that is spoken to
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, p := range &closed {
		if p.Contains(a) {
			return false
		}
	}
	return !a.IsLoopback() && !a.IsPrivate() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsInterfaceLocalMulticast()
}

// closed are the ranges that are no more public than private ones: this network (RFC
// 1122 §3.2.1.3), behind the NAT of an access network (RFC 6598), reserved (RFC 1112 §4).
var closed = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("240.0.0.0/4"),
}

// nat64 stands for IPv4 where a network translates (RFC 6052 §2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func (s *Snapshot) isListener(to netip.AddrPort) bool {
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Protocol != flow.None && l.Bind == to {
			return true
		}
	}
	return false
}
