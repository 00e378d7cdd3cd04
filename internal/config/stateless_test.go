package config

import (
	"strings"
	"testing"

	"viaduct/internal/policy"
)

func TestModeOfListeners(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`listen "udp" { address = "192.0.2.1:5060" }`: "no",
		`server { mode = "stateless" }
listen "udp" { address = "192.0.2.1:5060" }
listen "tcp" { address = "192.0.2.1:5060" }`: "yes yes",
		`server { mode = "stateful" }
listen "udp" {
  address = "192.0.2.1:5060"
  mode    = "stateless"
}
listen "udp" { address = "192.0.2.1:5070" }`: "yes no",
		`server { mode = "stateless" }
listen "udp" {
  address = "192.0.2.1:5060"
  mode    = "stateful"
}
listen "udp" { address = "192.0.2.1:5070" }`: "no yes",
	} {
		var got []string
		for _, x := range load(t, src).Snapshot.Listeners {
			got = append(got, map[bool]string{true: "yes", false: "no"}[x.Stateless])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s\ngot %q, want %q", src, got, want)
		}
	}
}

func TestBalance(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]policy.Balance{
		"": policy.BalanceNone, "balance = priority": policy.BalancePriority, "balance = hash(from.domain, 7)": policy.BalanceHash,
	} {
		s := load(t, "listen \"udp\" { address = \"192.0.2.1:5060\" }\ngroup \"g\" {\n "+said+"\n target \"sip:192.0.2.9\" {}\n}\nrule \"r\" { send = group.g }").Snapshot
		g := s.Program.Rules[0].Targets[0].Group
		if g.Balance != want || (g.Key != nil) != (want == policy.BalanceHash) {
			t.Errorf("%q: got %v", said, g.Balance)
		}
	}
	for said, want := range map[string]string{
		`"hash"`: "cannot be this", "priority.x": "cannot be this", "hash": "cannot be this", "lower(from.user)": "cannot be this",
		"round_robin": "round_robin is not supported by this version", "hash(nosuch.user)": "nosuch",
	} {
		_, diags := Parse("x", []byte("listen \"udp\" { address = \"192.0.2.1:5060\" }\ngroup \"g\" {\n balance = "+said+"\n target \"sip:192.0.2.9\" {}\n}\n"), quiet())
		if len(diags) != 1 || !strings.Contains(diags.Error(), want) || diags[0].Line != 3 {
			t.Errorf("%s: got %v", said, diags)
		}
	}
}

// A rule that answers may read anything: CANCEL and ACK are not asked about it.
func TestInviteOnly(t *testing.T) {
	t.Parallel()
	src := `
rule "barred" {
  when = has(header["X-Barred"])
  drop = true
}
rule "elsewhere" {
  when  = dest.user == "x"
  reply = 404
}
rule "rest" { send = "sip:192.0.2.9" }
`
	for mode, want := range map[string]bool{"stateless": true, "stateful": false} {
		s := load(t, "server { mode = \""+mode+"\" }\nlisten \"udp\" { address = \"192.0.2.1:5060\" }\n"+src).Snapshot
		for i, w := range []bool{want, false, false} {
			if r := &s.Program.Rules[i]; r.InviteOnly != w {
				t.Errorf("%s: rule %q: got %t, want %t", mode, r.Name, r.InviteOnly, w)
			}
		}
	}
}
