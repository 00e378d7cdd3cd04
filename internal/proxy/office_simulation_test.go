package proxy_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
	"viaduct/internal/siptest"
)

const officeSimulation = `
server { domains = ["example.org"] }
rule "register" {
  when = method == REGISTER
  register { }
}
rule "mailbox" {
  when = dest.user == "late"
  send = location
  ring = "2s"
  otherwise {
    on   = ["no-answer", "unreachable", "not-registered"]
    send = location("sip:mail@example.org")
  }
}
rule "calls" { send = location }
`

// newOfficeElement is newElement with a registrar and a directory in memory.
func newOfficeElement(s *siptest.Setup) *element {
	s.TB.Helper()
	e := newElementWith(s, 1)
	var err error
	if e.snap.GRUUs, err = registrar.NewKeys([]byte("a secret of the test bench")); err != nil {
		s.TB.Fatal(err)
	}
	begin := s.Start
	e.snap.Directory = location.New(location.Config{
		Now: func() clock.Instant { return begin }, Wall: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}, nil)
	return e
}

// simulateOffice has phones register and refresh, and call each other, on a network
// that loses one packet in ten:
//
//	desk    one phone with a GRUU, called by its address of record and by its GRUU
//	two     two phones at once
//	flows   one phone with two flows, of which the one that came later dies
//	silent  one phone with two flows, of which the one that came later says nothing
//	late    rings too long, and then mail takes the call
//	brief   leaves in the middle
//	nobody  never comes
func simulateOffice(t *testing.T, seed uint64, calls int) (*siptest.Network, []*siptest.Registered) {
	n := siptest.NewNetwork(t, seed, siptest.Link{
		Delay: 5 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.05,
	})
	n.Setup.Config = officeSimulation
	end := time.Duration(calls)*20*time.Millisecond + time.Minute
	var all []*siptest.Registered
	phone := func(i int, user string, m siptest.Manner, r siptest.Registration) {
		p := n.Callee(fmt.Sprintf("%s%d", user, i), fmt.Sprintf("127.0.1.%d:5060", i), m)
		r.AOR, r.Expires = "sip:"+user+"@example.org", time.Minute
		if r.Until == 0 {
			r.Until = end
		}
		if r.RegID != 0 || r.GRUU {
			r.Instance = fmt.Sprintf("urn:uuid:00000000-0000-1000-8000-%012x", len(user))
		}
		all = append(all, p.Register(time.Duration(i)*10*time.Millisecond, r))
	}
	quick := siptest.Manner{Ring: 100 * time.Millisecond, Answer: time.Second}
	phone(1, "desk", quick, siptest.Registration{GRUU: true})
	phone(2, "two", quick, siptest.Registration{Q: "0.5"})
	phone(3, "two", siptest.Manner{Ring: 50 * time.Millisecond, Answer: 700 * time.Millisecond, HangUp: 4 * time.Second}, siptest.Registration{GRUU: true, Q: "0.5"})
	phone(4, "flows", quick, siptest.Registration{RegID: 1})
	phone(5, "flows", quick, siptest.Registration{RegID: 2, Leave: end / 8})
	phone(6, "silent", quick, siptest.Registration{RegID: 1})
	phone(7, "silent", siptest.Manner{Silent: true}, siptest.Registration{RegID: 2})
	phone(8, "late", siptest.Manner{Ring: 100 * time.Millisecond, Answer: time.Minute, Status: 480}, siptest.Registration{})
	phone(9, "mail", quick, siptest.Registration{})
	phone(10, "brief", quick, siptest.Registration{Until: end / 3})

	alice := n.Caller("alice", "127.0.0.2:5060")
	all = append(all, alice.Register(0, siptest.Registration{
		AOR: "sip:alice@example.org", Instance: "urn:uuid:00000000-0000-1000-8000-00000000a11c", GRUU: true, Expires: time.Minute, Until: end,
	}))
	uris := []string{"sip:desk@example.org", "", "sip:two@example.org", "sip:flows@example.org", "sip:silent@example.org", "sip:late@example.org", "sip:brief@example.org", "sip:nobody@example.org"}
	uris[1] = "sip:desk@example.org;gr=urn:uuid:00000000-0000-1000-8000-000000000004"
	for i := range calls {
		plan := siptest.Plan{URI: uris[i%len(uris)], Talk: 3 * time.Second}
		if i%7 == 0 {
			plan.Cancel = time.Duration(i%40) * 50 * time.Millisecond
		}
		alice.Call(time.Second+time.Duration(i)*20*time.Millisecond, plan)
	}
	return n, all
}

// TestOfficeSimulation: whatever the network does, phones stay registered, every
// call finds one that is there or ends with the reason, the audit of the whole trace
// finds nothing, and nothing is left.
func TestOfficeSimulation(t *testing.T) {
	calls := 10_000
	if testing.Short() {
		calls = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		n, phones := simulateOffice(t, 1, calls)
		n.Attach(func(s *siptest.Setup) siptest.Element { return newOfficeElement(s) })
		(&siptest.Sim{Network: n}).Run(time.Duration(calls) * 25 * time.Millisecond)
		n.Finish()
		outcomes := n.Outcomes()
		t.Logf("%d calls ended with %v", calls, outcomes)
		for _, status := range []int{200, 480, 487} {
			if outcomes[status] == 0 {
				t.Errorf("no call ended with %d: the simulation does not reach what it is for", status)
			}
		}
		for i, r := range phones {
			if r.OK == 0 || r.Others > 0 {
				t.Errorf("phone %d: %d registrations, %d failed", i, r.OK, r.Others)
			}
		}
	})
}

// TestOfficeSeeds is the same in given time: one seed is one trace.
func TestOfficeSeeds(t *testing.T) {
	t.Parallel()
	var spares, mailed uint64
	for seed := range uint64(5) {
		n, _ := simulateOffice(t, 200+seed, 500)
		var e *element
		n.Attach(func(s *siptest.Setup) siptest.Element {
			e = newOfficeElement(s)
			return e
		})
		n.Finish()
		s := e.core.Stats()
		spares, mailed = spares+s.Spares, mailed+s.Otherwise
	}
	if spares == 0 || mailed == 0 {
		t.Errorf("%d flows stood in, %d calls went to the mailbox", spares, mailed)
	}
}
