package proxy

import (
	"bytes"
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
		if l.sentBy != "" {
			if len(v.SentBy) == len(l.sentBy) && bytes.EqualFold(v.SentBy, []byte(l.sentBy)) {
				return true
			}
			continue
		}
		if v.Port == l.Bind.Port() && s.Names.Contains(v.Host) {
			return true
		}
	}
	return false
}

// namesUs reports whether host and port of a SIP URI name this server: its
// domains, names and addresses, with the port of a listener (RT-5).
func (s *Snapshot) namesUs(host []byte, port uint16) bool {
	if addr, ok := sip.HostAddr(host); ok {
		if port == 0 {
			port = flow.UDP.DefaultPort()
		}
		return s.listensAt(addr, port, host)
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
		if l.Protocol == flow.None || l.Bind.Port() != port {
			continue
		}
		if bind := l.Bind.Addr(); bind == addr {
			return true
		}
		if (l.Bind.Addr().IsUnspecified() || l.Advertise != "") && s.Names.Contains(host) {
			return true
		}
	}
	return false
}

func (s *Snapshot) hasPort(port uint16) bool {
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Protocol != flow.None && l.Bind.Port() == port {
			return true
		}
	}
	return false
}

// responsible reports whether u is a resource of this proxy (§16.5): in one of
// its domains, whatever the port, or at the server itself.
func (s *Snapshot) responsible(u *sip.URI) bool {
	if !u.IsSIP() {
		return false
	}
	return s.Domains.Contains(u.Host) || s.namesUs(u.Host, u.Port)
}
