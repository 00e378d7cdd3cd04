package config

import (
	"net/netip"

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
