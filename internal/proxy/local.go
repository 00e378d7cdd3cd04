package proxy

import (
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// This file answers one question: is it me? RFC 3261 leaves it to "responsible
// for" (§16.4, §16.5) and to sent-by (§18.1.2).

// ownSentBy reports whether v was written by this proxy, as far as its sent-by
// tells (§18.1.2, RFC 5393 §4.2.2).
func (s *Snapshot) ownSentBy(v *sip.ViaValue) bool {
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if l.Protocol == flow.None {
			continue
		}
		if l.shows(func(x *shown) bool {
			if x.sentBy == "" {
				return sentByPort(v) == l.Bind.Port() && s.Names.Contains(v.Host)
			}
			return sentByPort(v) == x.port && sip.EqualHost(v.Host, x.host)
		}) {
			return true
		}
	}
	return false
}

// sentByPort is the port of a sent-by. Who handles a Via may leave the default out.
func sentByPort(v *sip.ViaValue) uint16 {
	if v.Port != 0 {
		return v.Port
	}
	return flow.ParseProtocol(v.Transport).DefaultPort()
}

// isUs reports whether a SIP URI leads to this server: by its maddr where it has
// one, because that is where it would be sent, whatever its host.
func (s *Snapshot) isUs(u *sip.URI) bool {
	if !u.IsSIP() {
		return false
	}
	if maddr := u.MAddr(); maddr != nil {
		return s.namesUs(maddr, u.Port)
	}
	return s.namesUs(u.Host, u.Port)
}

// namesUs reports whether host and port of a SIP URI name this server: its
// domains, names and addresses, with the port of a listener (RT-5).
func (s *Snapshot) namesUs(host []byte, port uint16) bool {
	if addr, ok := sip.HostAddr(host); ok {
		return s.listensAt(addr.Unmap(), orDefault(port), host)
	}
	if !s.Names.Contains(host) && !s.Domains.Contains(host) {
		return false
	}
	return port == 0 || s.hasPort(port) // no port: whatever the name's records say (RFC 3263 §4.2)
}

// listensAt reports whether one of our listeners has that literal address.
func (s *Snapshot) listensAt(addr netip.Addr, port uint16, host []byte) bool {
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if !l.hasPort(port) {
			continue
		}
		if bind := l.Bind.Addr(); bind == addr {
			return true
		}
		wildcard := l.Bind.Addr().IsUnspecified() && l.Bind.Addr().Is4() == addr.Is4()
		if (wildcard || l.advertises()) && s.Names.Contains(host) {
			return true
		}
	}
	return false
}

func (s *Snapshot) hasPort(port uint16) bool {
	for i := range s.Listeners {
		if s.Listeners[i].hasPort(port) {
			return true
		}
	}
	return false
}

// hasPort reports whether l is reached at a port: that of its socket, or the one
// that it advertises because something in front of it forwards that.
func (l *Listener) hasPort(port uint16) bool {
	return l.Protocol != flow.None && (l.Bind.Port() == port || l.advertises() && l.shows(func(x *shown) bool { return x.sentBy != "" && x.port == port }))
}

// advertises reports whether l shows to somebody anything but its address.
func (l *Listener) advertises() bool { return l.Advertise != "" || len(l.toSome) > 0 }

// responsible reports whether u is a resource of this proxy (§16.5): in one of
// its domains, whatever the port, or at the server itself. A domain that is an
// address is one only at our ports, since anybody else may live at another port.
// With an maddr the Request-URI is its own only target.
func (s *Snapshot) responsible(u *sip.URI) bool {
	if !u.IsSIP() || u.Params.Has("maddr") {
		return false
	}
	if _, literal := u.Addr(); literal {
		return s.namesUs(u.Host, u.Port) || s.Domains.Contains(u.Host) && s.hasPort(orDefault(u.Port))
	}
	return s.Domains.Contains(u.Host) || s.namesUs(u.Host, u.Port)
}

func orDefault(port uint16) uint16 {
	if port == 0 {
		return flow.UDP.DefaultPort()
	}
	return port
}
