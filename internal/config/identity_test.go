package config

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/internal/identity"
)

// The trust domain is what the file lists, nobody by default; what is told of
// callers has defaults that tell strangers nothing of its own users.
// Proves: PV-6
func TestTrustAndIdentity(t *testing.T) {
	t.Parallel()
	const listeners = `
listen "udp" {
  address = "192.0.2.1:5060"
  name    = "outside"
}
listen "tcp" {
  address = ":5070"
  name    = "inside"
}
network "core" { cidrs = ["10.0.0.0/8"] }
`
	s := load(t, listeners).Snapshot
	if !s.Trust.Empty() || s.Listeners[0].Trusted || s.Listeners[1].Trusted || s.Identity != (identity.Policy{}) {
		t.Errorf("by default: trust %v, listeners %+v, identity %+v", s.Trust.All(), s.Listeners, s.Identity)
	}
	for text, want := range map[string]identity.Policy{
		`assert = "all"`:                              {Assert: identity.ToAll},
		`assert = "none"`:                             {Assert: identity.ToNobody},
		`assert = "trusted"`:                          {},
		`withhold = "always"`:                         {Withhold: true},
		"withhold = \"on-request\"\nprivacy = \"id\"": {Service: true},
		`privacy = "relay"`:                           {},
	} {
		s := load(t, listeners+"server {\n  trust = [network.core, \"192.0.2.9\", listen.inside]\n  identity {\n"+text+"\n}\n}\n").Snapshot
		if s.Identity != want {
			t.Errorf("%s: got %+v, want %+v", text, s.Identity, want)
		}
		if s.Listeners[0].Trusted || !s.Listeners[1].Trusted || !s.Listeners[2].Trusted {
			t.Errorf("trusted listeners: %+v", s.Listeners)
		}
		for a, in := range map[string]bool{"10.9.9.9": true, "192.0.2.9": true, "192.0.2.8": false} {
			if s.Trust.Contains(netip.MustParseAddr(a)) != in {
				t.Errorf("%s: want %v", a, in)
			}
		}
	}
	for text, want := range map[string]string{
		`trust = listen.insde`:                   `no listener is named "insde"`,
		`trust = [listen.inside.x]`:              `trust needs a listener`,
		`trust = ["10.0.0.0/8", 5]`:              "as trust",
		"identity {\n    assert = \"some\"\n  }": `"some"`,
	} {
		_, diags := Parse("x", []byte(listeners+"server {\n  "+text+"\n}\n"), quiet())
		if len(diags) != 1 || !strings.Contains(diags[0].Message, want) {
			t.Errorf("%s: got %v, want %q", text, diags, want)
		}
	}
}
