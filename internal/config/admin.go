package config

import (
	"fmt"
	"net/netip"

	"viaduct/internal/proxy"
)

// Admin is the admin block: where, beside the control socket, the server can be
// asked and told things by HTTP.
type Admin struct {
	Address netip.AddrPort // loopback; the zero AddrPort: nowhere
	Token   string         // that whoever asks has to show; "": only probes are answered
}

var adminSpec = &blockSpec{
	name: "admin", once: true,
	attrs: []attrSpec{{name: "address", required: true}, {name: "token"}},
}

// admin reads the admin block, which may be absent.
func (l *loader) admin(b *block) {
	if b == nil {
		return
	}
	to := &l.config.Admin
	if s, rng, ok := l.constant(b.attr("address")); ok {
		at, err := netip.ParseAddrPort(s)
		switch {
		case err != nil || at.Port() == 0:
			l.report(rng, `as in "127.0.0.1:8080"`, "%q is no address with a port", s)
		case !at.Addr().IsLoopback():
			l.report(rng, "put a proxy with TLS before it", "%s is no loopback address: whoever comes by can turn the server", at.Addr())
		}
		to.Address = at
	}
	if s, rng, ok := l.constant(b.attr("token")); ok {
		if len(s) < proxy.MinSecret || !oneLine(s) {
			l.report(rng, "openssl rand -hex 32 makes a good one", "a token is one line of at least %d characters", proxy.MinSecret)
		}
		to.Token = s
	}
}

// stayAdmin keeps the admin block of the running configuration.
func (l *loader) stayAdmin(running *Config) {
	c := l.config
	if c.Admin == running.Admin {
		return
	}
	if was, is := running.Admin.Address, c.Admin.Address; was != is {
		c.restart = append(c.restart, fmt.Sprintf("admin.address = %s, which stays %s until then", place(is), place(was)))
	}
	if running.Admin.Token != c.Admin.Token {
		c.restart = append(c.restart, "admin.token, which stays what it was until then")
	}
	c.Admin = running.Admin
}

func place(at netip.AddrPort) string {
	if !at.IsValid() {
		return "none"
	}
	return fmt.Sprintf("%q", at)
}
