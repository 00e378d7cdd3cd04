package proxy_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// TestAllIsReleased makes many requests whose branches end in every way, at every
// time and in any order, and then looks for what is left.
// Proves: FK-9
func TestAllIsReleased(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	s := newStage(t, `
server {
  domains   = ["example.org"]
  redirects = "follow"
}
group "g" {
  target "sip:203.0.113.1" { q = 1.0 }
  target "sip:203.0.113.2" { q = 1.0 }
  target "sip:203.0.113.3" { q = 0.5 }
}
rule "all" { send = group.g }
`)
	for i := range 2000 {
		s.call = "call-" + strconv.Itoa(i)
		method := []string{"INVITE", "INVITE", "INVITE", "MESSAGE"}[rng.IntN(4)]
		invite := s.compose(method + " sip:bob@example.org SIP/2.0")
		s.play(rng, method, s.receive(aliceAt, invite))
		s.pass(time.Duration(rng.IntN(300)) * time.Millisecond)
	}
	s.pass(5 * time.Minute)
	st := s.core.Stats()
	if st.Contexts != 0 || st.Branches != 0 || st.Targets != 0 || st.Bytes != 0 || st.InSetup != 0 ||
		st.Transactions.Servers != 0 || st.Transactions.Clients != 0 || st.Transactions.Bytes != 0 || st.Transactions.UnderWay != 0 {
		t.Errorf("left: %+v", st)
	}
	if !s.Idle() {
		t.Error("the core is not idle")
	}
}

// play lets the branches of one request end by chance.
func (s *stage) play(rng *rand.Rand, method string, open []sent) {
	statuses := []string{
		"100 Trying", "180 Ringing", "183 Progress", "200 OK", "200 OK", "302 Moved", "401 Unauthorized", "407 Proxy Authentication Required",
		"404 Not Found", "408 Timeout", "486 Busy", "487 Terminated", "500 Error", "503 Unavailable", "603 Decline",
	}
	for steps := 0; len(open) > 0 && steps < 12; steps++ {
		x := open[rng.IntN(len(open))]
		var out []sent
		switch rng.IntN(12) {
		case 0:
			s.fx.Reset()
			s.Broken(s.now, x.about, &s.fx)
			out = s.sends()
		case 1:
			out = s.pass(time.Duration(rng.IntN(4000)) * time.Millisecond)
		case 2:
			if method == "INVITE" {
				s.n--
				out = s.receive(aliceAt, s.compose("CANCEL sip:bob@example.org SIP/2.0", "CSeq: 1 CANCEL"))
			}
		case 3:
			if method == "INVITE" {
				out = s.receive(aliceAt, s.ackOf(0))
			}
		default:
			out = s.receive(x.hop.Remote.String(), answer(x, statuses[rng.IntN(len(statuses))],
				"Contact: <sip:c@203.0.113."+strconv.Itoa(1+rng.IntN(20))+">;q=0."+strconv.Itoa(rng.IntN(10)), `WWW-Authenticate: Digest realm="x"`))
		}
		for _, y := range out {
			if y.Method == method {
				open = append(open, y)
			}
			if y.Method == "CANCEL" && rng.IntN(2) == 0 {
				s.receive(y.hop.Remote.String(), answer(y, "200 OK"))
				s.receive(y.hop.Remote.String(), answer(x, "487 Terminated"))
			}
		}
	}
}
