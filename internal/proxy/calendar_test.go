package proxy_test

import (
	"testing"
	"time"
)

// Rules read the clock on the wall, where the server says that it hangs.
func TestRulesReadTheTime(t *testing.T) {
	t.Parallel()
	s := newStage(t, `
server {
  domains  = ["example.org"]
  timezone = "Europe/Amsterdam"
}
rule "closed" {
  when  = time.hour < 8 || time.hour >= 18 || one_of(time.weekday, "sat", "sun") || time.date == "2026-12-25"
  reply = "480 Closed"
}
rule "all" { send = "sip:203.0.113.7" }
`)
	for _, c := range []struct {
		at   string // UTC
		open bool
	}{
		{"2026-11-24T06:59:59Z", false},
		{"2026-11-24T07:00:00Z", true}, // winter
		{"2026-07-14T05:59:59Z", false},
		{"2026-07-14T06:00:00Z", true}, // summer
		{"2026-11-24T16:59:59Z", true},
		{"2026-11-24T17:00:00Z", false},
		{"2026-11-28T12:00:00Z", false},
		{"2026-12-25T12:00:00Z", false},
		{"2026-12-24T23:30:00Z", false},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		s.snap.Today = func() time.Time { return at }
		s.call = c.at
		list := s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0"))
		if c.open {
			s.relayed(list, bobAt)
		} else {
			s.refused(list, 480)
		}
	}
	// A CANCEL without its INVITE would be decided at another time.
	s.refused(s.receive(aliceAt, s.compose("CANCEL sip:bob@example.org SIP/2.0")), 481)
}
