package transport

import (
	"net/netip"

	"viaduct/internal/flow"
)

// Peer returns the SIP domains that the far end of a connection has proven to
// speak for, in lower case: those of its certificate (RFC 5922 §7.1, §7.4), or
// none. It is a leaf read: it takes no lock and never waits. What it returns must
// not be changed.
func (s *Streams) Peer(f flow.Flow) []string {
	c := s.slots[int(f.Conn)&(len(s.slots)-1)].conn.Load()
	if c == nil || c.number != f.Conn {
		return nil
	}
	if p := c.peer.Load(); p != nil {
		return *p
	}
	return nil
}

// maxAliases bounds the names under which one connection can be found.
const maxAliases = 16

// Alias makes the connection of f fit for requests to the port of its far end's
// sent-by, as the alias parameter of its Via asks (RFC 5923 §8.2): for the
// domains that its certificate has proven and for no others. Without any, on
// another transport than TLS, or when a connection to there is known already,
// nothing happens.
func (s *Streams) Alias(f flow.Flow, port uint16) {
	c := s.slots[int(f.Conn)&(len(s.slots)-1)].conn.Load()
	if c == nil || c.number != f.Conn || c.opened || c.to.protocol != flow.TLS {
		return
	}
	proven := c.peer.Load()
	if proven == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.unrouted {
		return
	}
	for _, name := range *proven {
		key := route{c.to, netip.AddrPortFrom(c.flow.Remote.Addr(), port), flow.MakeDomain([]byte(name))}
		if s.routes[key] == nil && len(c.aliases) < maxAliases {
			s.routes[key] = c
			c.aliases = append(c.aliases, key)
		}
	}
}
