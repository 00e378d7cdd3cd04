package proxy_test

import (
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
)

// RFC 3263 §4.4: the request of a stateless proxy that did not reach its first
// address is handled with state from its next copy on: the other address gets it
// once, however often the client repeats itself. What was delivered stays where it
// went, and so does all that follows it.
// Proves: NH-22
func TestAStatelessProxyKeepsStateOfWhatFailed(t *testing.T) {
	t.Parallel()
	const via = "Via: SIP/2.0/UDP " + aliceAt + ";branch=z9hG4bK"
	start := func() *stage {
		s := newStage(t, nodesConfig)
		s.snap.Known = names{"nodes.example.com": func() (resolve.Hops, resolve.State) { return hopsOf(bobAt, carolAt), resolve.Hit }}
		return s
	}
	invite := func(s *stage, branch string) string {
		return s.compose("INVITE sip:name@example.org SIP/2.0", via+branch)
	}
	s := start()
	lost, delivered := invite(s, "lost"), invite(s, "delivered")
	x, y := s.relayed(s.receive(aliceAt, lost), bobAt), s.relayed(s.receive(aliceAt, delivered), bobAt)
	if h, ok := proxy.UnreachedHandle([]byte(x.Branch()), 0); !ok || h != x.about || x.about == y.about {
		t.Fatalf("%q is named %x, its failure would be told of %x", x.Branch(), x.about, h)
	}
	s.silent(s.broken(x))

	again := s.relayed(s.receive(aliceAt, lost), bobAt) // a place that failed once may be back
	if again.Branch() == x.Branch() {
		t.Error("the copy has no transaction")
	}
	moved := s.relayed(s.broken(again), carolAt)
	for range 3 {
		for _, z := range s.receive(aliceAt, lost) {
			if z.Status != 100 {
				t.Errorf("a further copy gave %s to %s", what(z), z.hop.Remote)
			}
		}
	}
	if z := s.relayed(s.receive(aliceAt, delivered), bobAt); z.Wire != y.Wire {
		t.Error("a copy of what was delivered changed")
	}
	s.refused(s.receive(carolAt, answer(moved, "180 Ringing")), 180)
	list := s.receive(aliceAt, cancelOf(lost))
	if len(list) != 2 || list[0].Status != 200 || list[1].Method != "CANCEL" || list[1].hop.Remote.String() != carolAt {
		t.Errorf("its CANCEL gave %d messages", len(list))
	}
	if z := s.relayed(s.receive(aliceAt, cancelOf(delivered)), bobAt); z.Branch() != y.Branch() {
		t.Error("the CANCEL of what was delivered goes another way")
	}
	if st := s.core.Stats(); st.TakenOver != 1 || st.Unreached != 1 {
		t.Errorf("%d taken over, %d remembered", st.TakenOver, st.Unreached)
	}

	// Nowhere at all: the client is told, instead of waiting for 32 s.
	s = start()
	lost = invite(s, "nowhere")
	s.broken(s.relayed(s.receive(aliceAt, lost), bobAt))
	x = s.relayed(s.broken(s.relayed(s.receive(aliceAt, lost), bobAt)), carolAt)
	s.refused(s.broken(x), 500)

	// It is forgotten when its client has given up, and no more than so many are kept.
	s = start()
	lost = invite(s, "old")
	s.broken(s.relayed(s.receive(aliceAt, lost), bobAt))
	s.pass(33 * time.Second)
	if z := s.relayed(s.receive(aliceAt, lost), bobAt); z.about == 0 || s.core.Stats().TakenOver != 0 {
		t.Error("a failure is remembered for too long")
	}
	for i := range 3000 {
		s.broken(sent{about: effect.MakeHandle(0, effect.MaxSlots-1, uint32(i+1))})
	}
	if st := s.core.Stats(); st.Unreached != 1024 || st.Forgotten == 0 {
		t.Errorf("%d are remembered, %d forgotten", st.Unreached, st.Forgotten)
	}

	// Nobody repeats what came by a connection, an ACK or a CANCEL.
	s = start()
	for _, wire := range s.family(1, via+"family")[2:] {
		if z := s.one(s.receive(aliceAt, wire)); z.about != 0 {
			t.Errorf("the failure of %s would be told", what(z))
		}
	}
}
