package proxy_test

import (
	"strings"
	"testing"

	"viaduct/internal/transaction"
)

// An ICMP error names a branch by the datagram that it quotes (§18.4, seams.md
// §6). Only who has seen the datagram knows the nonce, so a forged one is nothing.
// Proves: TX-18, RS-13
func TestBrokenBranch(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = "sip:203.0.113.7" }`)
	x := s.relayed(s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0")), bobAt)
	branch := x.Branch()
	b, ok := transaction.ParseBranch([]byte(branch))
	if !ok {
		t.Fatalf("%q is not our branch", branch)
	}
	tell := func(branch string) []sent {
		s.fx.Reset()
		s.core.BrokenBranch(s.now, []byte(branch), &s.fx)
		return s.sends()
	}
	nonce, boot, handle := b, b, b
	nonce.Nonce[0] ^= 1
	boot.Boot[0] ^= 1
	handle.Handle += 1 << 20
	for _, forged := range []string{
		"", "z9hG4bK", strings.ToLower(branch), branch + "A", branch[:len(branch)-1],
		string(nonce.AppendTo(nil)), string(boot.AppendTo(nil)), string(handle.AppendTo(nil)),
	} {
		s.silent(tell(forged))
	}
	s.refused(tell(branch), 500)
	s.silent(tell(branch)) // a second one is about nothing any more
	if n := s.core.Stats().Unreachable; n != 1 {
		t.Errorf("counted %d transport errors, want 1", n)
	}
}

// A transport error after the final response, or of one branch when the context
// was answered, changes nothing upstream.
// Proves: TX-18
func TestBrokenLate(t *testing.T) {
	t.Parallel()
	s := newStage(t, `rule "all" { send = ["sip:203.0.113.7", "sip:203.0.113.8"] }`)
	out := s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0"))
	if len(out) != 2 {
		t.Fatalf("got %d copies, want 2", len(out))
	}
	bob, carol := out[0], out[1]
	s.refused(s.receive(carol.hop.Remote.String(), answer(carol, "180 Ringing")), 180)
	if list := s.receive(bobAt, answer(bob, "200 OK")); len(list) != 2 { // and the CANCEL
		t.Fatalf("got %d messages, want 200 and CANCEL", len(list))
	}
	tell := func(x sent) {
		s.fx.Reset()
		s.Broken(s.now, x.about, &s.fx)
		s.silent(s.sends())
	}
	tell(carol)
	tell(bob)
	s.refused(s.receive(bobAt, answer(bob, "200 OK")), 200) // a copy of it still passes
	s.silent(s.pass(40e9))
	if !s.Idle() {
		t.Error("something is left")
	}
}
