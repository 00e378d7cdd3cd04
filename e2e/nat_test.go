package e2e

import (
	"fmt"
	"testing"
)

// behindNAT makes a machine whose only way out is a NAT, and returns the process
// that it lives by and its address, which nobody else has a route to.
//
//	phone 192.168.N.2 ── 192.168.N.1 NAT 10.200.N.5 ── 10.200.N.4 server, phones
func (o *office) behindNAT(t *testing.T) (pid int, addr string) {
	t.Helper()
	nat, _ := o.machine(t)
	pid, addr = namespace(t), fmt.Sprintf("192.168.%d.2", o.n)
	router := fmt.Sprintf("192.168.%d.1", o.n)
	ip(t, nat, "link add inner type veth peer name eth0 netns %d", pid)
	ip(t, nat, "addr add %s/24 dev inner", router)
	ip(t, nat, "link set inner up")
	ip(t, pid, "addr add %s/24 dev eth0", addr)
	ip(t, pid, "link set lo up")
	ip(t, pid, "link set eth0 up")
	ip(t, pid, "route add default via %s", router)
	execute(t, nat, "sh", "-c", routing)
	execute(t, nat, "nft", "add table ip nat")
	execute(t, nat, "nft", "add chain ip nat out { type nat hook postrouting priority 100 ; }")
	// Ports of its choice, so that the one inside is never the one outside.
	execute(t, nat, "nft", "add rule ip nat out oifname eth0 meta l4proto { tcp, udp } masquerade to :40000-50000 random")
	return pid, addr
}

// A phone behind NAT calls and is called; either side changes the call by a
// re-INVITE and either ends it. By UDP the server is another process from the
// middle of the call on.
//
// Proves: TV-4, TV-7, RR-4
func TestPhoneBehindNAT(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run("over "+transport, func(t *testing.T) {
			t.Parallel()
			o := open(t, "")
			pid, addr := o.behindNAT(t)
			alice := newBaresip(t, pid, addr, 700, "", o.account("alice", transport))
			bob := o.baresip(t, 1100, o.account("bob", transport))
			for _, call := range []struct{ caller, callee, ender, other *phone }{
				{alice, bob, alice, bob},
				{alice, bob, bob, alice},
				{bob, alice, alice, bob},
				{bob, alice, bob, alice},
			} {
				to := fmt.Sprintf("sip:bob@%s", o.at(1))
				if call.callee == alice {
					to = fmt.Sprintf("sip:alice@%s", o.at(1))
				}
				connect(t, call.caller, call.callee, to)
				bob.hears(t, alice) // the way in is for media relays
				change(t, alice, bob)
				if transport == "udp" {
					o.again(t)
				}
				change(t, bob, alice)
				call.ender.say(call.ender.hangUp, "")
				call.other.await(t, call.other.ended)
				call.ender.await(t, call.ender.ended)
			}
		})
	}
}

// change sends a re-INVITE from one phone to the other.
func change(t *testing.T, from, to *phone) {
	t.Helper()
	from.say("reinvite", "")
	to.await(t, `CALL_REMOTE_SDP[^\n}]*offer`)
	from.await(t, `CALL_REMOTE_SDP[^\n}]*answer`)
}

// again stops the server and starts it anew, with the same store.
func (o *office) again(t *testing.T) {
	t.Helper()
	o.stop(t)
	o.run(t)
}
