package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"viaduct/internal/authority"
)

// changes are how a kind of phone holds a call and takes it back, and what it says
// of what the other end does.
type changes struct {
	hold, resume           string
	held, resumed          string // by the other end
	holdAgreed, backAgreed string // its own
}

var changesOf = map[string]changes{
	baresipWords.dial: {
		hold: "hold", resume: "resume",
		held: `CALL_REMOTE_SDP[^\n}]*offer`, resumed: `CALL_REMOTE_SDP[^\n}]*offer`,
		holdAgreed: `CALL_REMOTE_SDP[^\n}]*answer`, backAgreed: `CALL_REMOTE_SDP[^\n}]*answer`,
	},
	linphoneWords.dial: {
		hold: "pause", resume: "resume",
		held: `to \[?LinphoneCallPausedByRemote`, resumed: `to \[?LinphoneCallStreamsRunning`,
		holdAgreed: `to \[?LinphoneCallPaused`, backAgreed: `to \[?LinphoneCallStreamsRunning`,
	},
}

// hold puts a call on hold from one side and takes it back: two re-INVITEs.
func hold(t *testing.T, from, to *phone) {
	t.Helper()
	mine, its := changesOf[from.dial], changesOf[to.dial]
	from.say(mine.hold, "")
	to.await(t, its.held)
	from.await(t, mine.holdAgreed)
	from.say(mine.resume, "")
	to.await(t, its.resumed)
	from.await(t, mine.backAgreed)
}

// onlyTLS keeps a machine from sending SIP to the server in any other way.
func (o *office) onlyTLS(t *testing.T, pid int) {
	t.Helper()
	execute(t, pid, "nft", "add table ip phone")
	execute(t, pid, "nft", "add chain ip phone out { type filter hook output priority 0 ; }")
	execute(t, pid, "nft", "add rule ip phone out ip daddr "+o.at(1)+" udp dport { 5060, 5061 } drop")
	execute(t, pid, "nft", "add rule ip phone out ip daddr "+o.at(1)+" tcp dport 5060 drop")
}

// Phones on TLS register, call and are called by a phone on UDP, or on TLS; either side holds
// the call and takes it back, and either ends it. No word of that leaves them in
// clear: ACK, re-INVITE and BYE come by TLS, too, because Record-Route leads there.
//
// Proves: TP-1, RR-15, SE-10, SE-20
func TestPhonesOverTLS(t *testing.T) {
	t.Parallel()
	dir, ca := t.TempDir(), authority.New(t)
	trusted := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(trusted, ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	chain, key := ca.Write(dir, "office", nil, "example.test")
	listen := func(more string) string {
		return fmt.Sprintf("listen \"tls\" {\n  address = \"{server}:5061\"\n  certificate = %q\n  key = %q\n  %s\n}\n", chain, key, more)
	}
	baresip := func(t *testing.T, o *office, extra string) *phone {
		pid, addr := o.machine(t)
		o.onlyTLS(t, pid)
		return newBaresip(t, pid, addr, 700, "sip_cafile "+trusted+"\n"+extra, o.account("alice", "tls"))
	}
	linphone := func(t *testing.T, o *office, user string, hertz float64) *phone {
		pid, addr := o.machine(t)
		o.onlyTLS(t, pid)
		return o.newLinphone(t, pid, addr, hertz, user, "tls", "root_ca="+trusted+"\nverify_server_cn=0\n")
	}
	for name, c := range map[string]struct {
		listen string
		phone  func(t *testing.T, o *office) *phone
		other  func(t *testing.T, o *office) *phone // nil: on UDP
	}{
		"baresip by a name with NAPTR": {listen: `advertise = "example.test"`, phone: func(t *testing.T, o *office) *phone {
			in := func(name string, args ...string) *exec.Cmd {
				return inNamespace(o.hub, append([]string{name}, args...)...)
			}
			dns := nameServerBy(t, in, o.at(1), "@ NAPTR 10 10 \"s\" \"SIPS+D2T\" \"\" _sips._tcp\n_sips._tcp SRV 10 10 5061 @\n@ A "+o.at(1)+"\n")
			return baresip(t, o, "dns_server "+dns+"\n")
		}},
		"baresip by transport=tls": {listen: `transport_tls = true`, phone: func(t *testing.T, o *office) *phone {
			return baresip(t, o, "")
		}},
		"linphone by sips": {phone: func(t *testing.T, o *office) *phone {
			return linphone(t, o, "alice", 700)
		}},
		"both by sips": {
			phone: func(t *testing.T, o *office) *phone { return linphone(t, o, "alice", 700) },
			other: func(t *testing.T, o *office) *phone { return linphone(t, o, "bob", 1100) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t, listen(c.listen))
			alice := c.phone(t, o)
			audible := c.other == nil // two of linphone agree on a codec of another rate
			if audible {
				c.other = func(t *testing.T, o *office) *phone { return o.baresip(t, 1100, o.account("bob", "udp")) }
			}
			bob := c.other(t, o)
			for _, call := range []struct{ caller, callee, ender, other *phone }{
				{alice, bob, alice, bob},
				{alice, bob, bob, alice},
				{bob, alice, alice, bob},
				{bob, alice, bob, alice},
			} {
				to := "alice"
				if call.callee == bob {
					to = "bob"
				}
				connect(t, call.caller, call.callee, fmt.Sprintf("sip:%s@%s", to, o.at(1)))
				if audible {
					alice.hears(t, bob)
					bob.hears(t, alice)
				}
				hold(t, alice, bob)
				hold(t, bob, alice)
				call.ender.say(call.ender.hangUp, "")
				call.other.await(t, call.other.ended)
				call.ender.await(t, call.ender.ended)
			}
			if n := o.status(t).Panics; n != 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}
