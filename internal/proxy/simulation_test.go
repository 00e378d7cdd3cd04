package proxy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/siptest"
)

const simulationConfig = `
server {
  domains   = ["example.org"]
  redirects = "follow"
}
group "serial" {
  target "sip:${fax}"  { q = 0.9 }
  target "sip:${desk}" { q = 0.1 }
}
rule "fork" {
  when = dest.user == "fork"
  send = ["sip:bob@${desk}", "sip:bob@${mobile}", "sip:bob@${busy}"]
}
rule "dead" {
  when = dest.user == "dead"
  send = ["sip:bob@${fax}", "sip:bob@${mobile}"]
}
rule "gone" {
  when = dest.user == "gone"
  send = ["sip:bob@${gone}", "sip:bob@${busy}"]
}
rule "serial" {
  when = dest.user == "serial"
  send = group.serial
}
rule "moved" {
  when = dest.user == "moved"
  send = "sip:bob@${moved}"
}
rule "lost" {
  when = dest.user == "lost"
  send = "sip:bob@${fax}"
}
rule "refused" {
  when = dest.user == "refused"
  send = ["sip:bob@${no}", "sip:bob@${mobile}"]
}
rule "all" { send = "sip:bob@${desk}" }
`

// simulate places calls of every kind on a network that loses one packet in ten,
// doubles and reorders some, and has a dead target and one that cannot be sent to.
func simulate(t *testing.T, seed uint64, calls int) *siptest.Network {
	n := siptest.NewNetwork(t, seed, siptest.Link{
		Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.05,
	})
	alice := n.Caller("alice", "127.0.0.2:5060")
	n.Callee("desk", "127.0.0.3:5060", siptest.Manner{Ring: 100 * time.Millisecond, Answer: 2 * time.Second})
	n.Callee("mobile", "127.0.0.4:5060", siptest.Manner{Ring: time.Second, Answer: 3 * time.Second, HangUp: 5 * time.Second})
	n.Callee("busy", "127.0.0.5:5060", siptest.Manner{Answer: 200 * time.Millisecond, Status: 486})
	n.Callee("no", "127.0.0.6:5060", siptest.Manner{Ring: 300 * time.Millisecond, Answer: 700 * time.Millisecond, Status: 603})
	n.Callee("moved", "127.0.0.7:5060", siptest.Manner{Answer: 50 * time.Millisecond, Status: 302, Contact: "sip:bob@127.0.0.3:5060"})
	n.Dead("fax", "127.0.0.8:5060")
	n.Unreachable("gone", "127.0.0.9:5060")
	n.Setup.Config = simulationConfig
	users := []string{"bob", "fork", "dead", "gone", "serial", "moved", "lost", "refused"}
	for i := range calls {
		plan := siptest.Plan{URI: "sip:" + users[i%len(users)] + "@example.org", Talk: 3 * time.Second}
		if i%5 == 0 {
			plan.Cancel = time.Duration(i%40) * 50 * time.Millisecond
		}
		alice.Call(time.Duration(i)*20*time.Millisecond, plan)
	}
	return n
}

// TestSimulation: whatever the network does, every call ends, the audit of the
// whole trace finds nothing, and 64*T1 after the last message nothing is left. It
// runs on goroutines, as an engine drives a core: timers are late by up to a tick
// of its backstop, and packets come when they come.
// Proves: FK-9, BR-1
func TestSimulation(t *testing.T) {
	calls := 10_000
	if testing.Short() {
		calls = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		n := simulate(t, 1, calls)
		n.Attach(newElement)
		(&siptest.Sim{Network: n}).Run(time.Duration(calls) * 25 * time.Millisecond)
		n.Finish()
		outcomes := n.Outcomes()
		t.Logf("%d calls ended with %v", calls, outcomes)
		for _, status := range []int{200, 408, 486, 487, 603} {
			if outcomes[status] == 0 {
				t.Errorf("no call ended with %d: the simulation does not reach what it is for", status)
			}
		}
	})
}

// TestSimulationSeeds is the same in given time, each timer at its own instant:
// one seed is one trace.
func TestSimulationSeeds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		n := simulate(t, 100+seed, 500)
		n.Attach(newElement)
		n.Finish()
	}
}
