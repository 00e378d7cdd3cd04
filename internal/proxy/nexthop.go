package proxy

import (
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// hopOf is RFC 3261 §16.6 step 7: where the copy for t goes. A status other than
// 0 is the response that the target counts as having given.
func (c *Core) hopOf(rc *ResponseContext, arrival flow.Flow, route *sip.URI, uri *sip.URI, t *Target) (flow.Hop, int) {
	hop, status := t.flow, 0
	if !t.direct {
		next := uri
		switch {
		case route != nil: // step 6: the first Route value that is left
			next = route
		case t.hop != nil: // policy: this hop, and only this one, by §16.6 step 7
			hopURI, err := sip.ParseURI(t.hop)
			if err != nil {
				return hop, 500
			}
			next = &hopURI
		}
		hop, status = c.locate(rc.snap, next, arrival, t)
	}
	switch {
	case status != 0:
	case hop.Local.Addr().IsUnspecified(): // no route, so there is no address to show (§18.1.1)
		status = 503
	case rc.rule == nil && !rc.mayReach(hop.Remote.Addr()) && !rc.snap.Trust.Contains(arrival.Remote.Addr()):
		status = 403
	}
	return hop, status
}

// mayReach holds that a target of a group is reached inside a dialog only with
// a cookie that was made for a call to or from that group (seams.md §3): one
// legal call is no ticket to the trunk. Those who may pre-load a Route have that
// ticket already.
func (rc *ResponseContext) mayReach(a netip.Addr) bool {
	marks := rc.snap.groupsOf[a]
	for _, m := range marks {
		if m == rc.dialog.targetGroup || m == rc.dialog.sourceGroup {
			return true
		}
	}
	return len(marks) == 0
}

// locate turns a URI into a hop: maddr or host, transport and port by RFC 3263
// §4.1 and §4.2, for literal addresses and for names of this server. A name that
// only DNS could tell has no address here, and so counts as 408 (§16.6 step 7).
func (c *Core) locate(s *Snapshot, u *sip.URI, arrival flow.Flow, t *Target) (flow.Hop, int) {
	if !u.IsSIP() {
		return flow.Hop{}, 416
	}
	protocol := flow.UDP
	if word := u.Transport(); word != nil {
		protocol = flow.ParseProtocol(word)
	}
	if u.Scheme == sip.SIPS || !s.speaks(protocol) {
		return flow.Hop{}, 503
	}
	host, port := u.Host, u.Port
	if maddr := u.MAddr(); maddr != nil {
		host = maddr
	}
	if port == 0 {
		port = protocol.DefaultPort()
	}
	addr, ok := sip.HostAddr(host)
	addr = addr.Unmap() // a mapped address is reached over IPv4
	if !ok {
		if !s.namesUs(host, u.Port) {
			return flow.Hop{}, 408
		}
		addr = arrival.Local.Addr() // a spiral through ourselves
		if u.Port == 0 {
			port = arrival.Local.Port()
		}
	}
	if !s.mayReach(netip.AddrPortFrom(addr, port)) {
		c.counts.DestinationRefused++
		return flow.Hop{}, 403
	}
	listener, ok := c.listenerFor(s, protocol, addr, arrival, t)
	if !ok {
		return flow.Hop{}, 503
	}
	return c.hopBy(s, listener, netip.AddrPortFrom(addr, port)), 0
}

// speaks reports whether a listener can send by p.
func (s *Snapshot) speaks(p flow.Protocol) bool {
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Protocol == p && !l.Gone {
			return p != flow.None
		}
	}
	return false
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
	return !a.IsLoopback() && !a.IsPrivate() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsInterfaceLocalMulticast()
}

func (s *Snapshot) isListener(to netip.AddrPort) bool {
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Protocol != flow.None && l.Bind == to {
			return true
		}
	}
	return false
}
