package proxy_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/proxy"
)

// behind hands in a packet that comes while the server is behind.
func (s *stage) behind(wire string) []sent {
	s.t.Helper()
	s.fx.Reset()
	lent := []byte(wire)
	if err := s.msg.Parse(lent); err != nil {
		s.t.Fatal(err)
	}
	at := proxy.PlaceOf(&s.msg, 1)
	s.core.Shed(s.now, &s.msg, &at, flow.Flow{Local: s.on[0].Addr, Remote: netip.MustParseAddrPort(aliceAt), Protocol: flow.UDP}, s.snap, &s.fx)
	for i := range lent {
		lent[i] = '#'
	}
	return s.sends()
}

// New work is refused with a time to come back, alike for every copy, and nothing
// is kept of it; its ACK is ignored. What is under way goes on.
// Proves: RB-7, SL-8
func TestShed(t *testing.T) {
	t.Parallel()
	s := newStage(t, openConfig)
	var seconds []string
	for range 40 {
		wire := s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "no:Max-Forwards")
		x := s.refused(s.behind(wire), 503)
		if y := s.refused(s.behind(wire), 503); y.Wire != x.Wire || x.hop.Remote.String() != aliceAt {
			t.Fatalf("a copy gets\n%s\ninstead of\n%s", y.Wire, x.Wire)
		}
		if !strings.HasPrefix(x.Tag("To"), string(s.snap.Keys.ShedTag())) || len(x.Tag("To")) != 14 || s.fx.Sends[0].Call == 0 {
			t.Fatalf("got To %q", x.Get("To"))
		}
		if at := x.Get("Retry-After"); !slices.Contains(seconds, at) {
			seconds = append(seconds, at)
		}
		s.silent(s.receive(aliceAt, strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK", "To: <sip:bob@example.org>", "To: "+x.Get("To")).Replace(wire)))
	}
	if len(seconds) < 5 {
		t.Errorf("all come back after %v", seconds)
	}
	if !s.Idle() {
		t.Error("something is kept")
	}
	invite := s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0")
	x := s.relayed(s.receive(aliceAt, invite), bobAt)
	s.refused(s.behind(invite), 100) // a copy of what is under way: its 100 is missed
	s.refused(s.behind(answer(x, "180 Ringing")), 180)
	if got := s.core.Stats(); got.Shed != 80 {
		t.Errorf("%d shed, want 80", got.Shed)
	}
	for _, wire := range []string{
		s.compose("INVITE sip:bob@203.0.113.7 SIP/2.0", "no:To"), s.compose("REGISTER nosuch SIP/2.0"), s.compose("OPTIONS sip:bob@203.0.113.7 SIP/2.0", "CSeq: 1 INVITE"),
	} {
		for _, y := range s.behind(wire) {
			if y.Status != 503 {
				t.Errorf("got %d", y.Status)
			}
		}
	}
}

// In stateless mode a copy cannot be told from new work, and a 503 would end what
// a node has begun: silence.
func TestShedInStatelessMode(t *testing.T) {
	t.Parallel()
	s := newStage(t, nodesConfig)
	invite := s.compose("INVITE sip:bob@example.org SIP/2.0")
	x := s.one(s.receive(aliceAt, invite))
	s.silent(s.behind(invite))
	s.one(s.behind(answer(x, "180 Ringing")))
	if got := s.core.Stats(); got.Dropped[proxy.DropShed] != 1 || got.Shed != 0 {
		t.Errorf("%d dropped, %d refused", got.Dropped[proxy.DropShed], got.Shed)
	}
	s.silent(s.pass(time.Second))
}

func TestShedAllocatesNothing(t *testing.T) {
	p := newPlayer(t)
	invite := bytes.Clone(p.request("INVITE", 1, "", sdp))
	if n := testing.AllocsPerRun(200, func() { p.shed(invite, p.caller) }); n != 0 || len(p.fx.Sends) != 1 {
		t.Errorf("%v allocations", n)
	}
}
