package config

import (
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/internal/resolve"
)

// DNS reads whom to ask about names: the configured servers or else those of the
// system, and the hosts file of the system. What cannot be read is left out and
// reported; servers is empty then only when none is known.
func (c *Config) DNS() (servers []netip.AddrPort, hosts *resolve.Hosts, err error) {
	if servers = c.Resolvers; servers == nil {
		servers, err = resolve.ReadServers(resolve.ResolvConf)
	}
	hosts, bad := resolve.ReadHosts(resolve.HostsFile)
	if err == nil {
		err = bad
	}
	return servers, hosts, err
}

// Speaks is what the listeners can send by, on which it depends where a name
// leads (RFC 3263 §4.1).
func (c *Config) Speaks() (s resolve.Set) {
	for _, l := range c.Snapshot.Listeners {
		if l.Protocol != flow.None && !l.Gone {
			s = s.With(l.Protocol, l.Bind.Addr())
		}
	}
	return s
}
