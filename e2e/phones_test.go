package e2e

import (
	"fmt"
	"testing"
)

// Two phones of different make register with digest and call each other, and
// hear each other and how a call ends, by UDP and by TCP.
//
// Proves: RG-1
func TestPhonesCallEachOther(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run("over "+transport, func(t *testing.T) {
			t.Parallel()
			o := open(t, "")
			uri := func(user string) string { return fmt.Sprintf("sip:%s@%s", user, o.at(1)) }
			alice := o.baresip(t, 700, o.account("alice", transport), o.account("carol", transport))
			bob := o.linphone(t, 1100, "bob", transport)

			// Either calls, and either hangs up.
			for _, call := range []struct{ caller, callee, ender, other *phone }{
				{alice, bob, alice, bob},
				{alice, bob, bob, alice},
				{bob, alice, alice, bob},
				{bob, alice, bob, alice},
			} {
				to := uri("bob")
				if call.callee == alice {
					to = uri("alice")
				}
				connect(t, call.caller, call.callee, to)
				call.caller.hears(t, call.callee)
				call.callee.hears(t, call.caller)
				call.ender.say(call.ender.hangUp, "")
				call.other.await(t, call.other.ended)
				call.ender.await(t, call.ender.ended)
			}

			// Declined, busy, not answered, not registered.
			alice.say(alice.dial, uri("bob"))
			bob.await(t, bob.rung)
			bob.say(bob.hangUp, "")
			refused(t, alice, 603)
			bob.say(bob.dial, uri("alice"))
			alice.await(t, alice.rung)
			alice.say(alice.hangUp, "")
			refused(t, bob, 486)
			bob.say(bob.dial, uri("carol"))
			refused(t, bob, 480)
			alice.say(alice.dial, uri("dave"))
			refused(t, alice, 404)
			bob.say(bob.dial, uri("dave"))
			refused(t, bob, 404)
			if n := o.status(t).Panics; n != 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}

// A user on two phones: both ring, the one that loses is cancelled.
//
// Proves: FK-1, FK-2
func TestOneUserRingsOnTwoPhones(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run("over "+transport, func(t *testing.T) {
			t.Parallel()
			o := open(t, "")
			alice := o.baresip(t, 700, o.account("alice", transport))
			desk := o.linphone(t, 1100, "bob", transport)
			mobile := o.baresip(t, 1300, o.account("bob", transport))
			for _, side := range []struct{ winner, loser *phone }{{desk, mobile}, {mobile, desk}} {
				side.winner.record()
				alice.say(alice.dial, fmt.Sprintf("sip:bob@%s", o.at(1)))
				side.winner.await(t, side.winner.rung)
				side.loser.await(t, side.loser.rung)
				side.winner.say(side.winner.answer, "")
				alice.await(t, alice.established)
				side.loser.await(t, side.loser.ended)
				alice.hears(t, side.winner)
				alice.say(alice.hangUp, "")
				alice.await(t, alice.ended)
				side.winner.await(t, side.winner.ended)
			}
		})
	}
}

// connect makes a call that is answered.
func connect(t *testing.T, caller, callee *phone, uri string) {
	t.Helper()
	caller.record()
	callee.record()
	caller.say(caller.dial, uri)
	callee.await(t, callee.rung)
	callee.say(callee.answer, "")
	callee.await(t, callee.established)
	caller.await(t, caller.established)
}

// refused checks with which status a caller hears that its call has failed.
func refused(t *testing.T, caller *phone, status int) {
	t.Helper()
	caller.await(t, fmt.Sprintf(caller.why, status))
}
