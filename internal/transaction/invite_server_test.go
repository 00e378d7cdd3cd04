package transaction_test

import (
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/transaction"
)

// long is 64*T1 with the RFC's T1.
const long = 32 * time.Second

// newInvite receives an INVITE and returns its server.
func newInvite(f *fixture, p flow.Protocol) (*transaction.Server, []byte) {
	f.t.Helper()
	invite := received("INVITE")
	r := f.request(p, invite)
	is(f.t, r.Verdict, transaction.NewRequest)
	return r.Server, invite
}

// Proves: TX-5
func TestInviteCopyInProceedingGetsTheLastProvisional(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, invite := newInvite(f, flow.UDP)

	is(t, f.request(flow.UDP, invite).Verdict, transaction.Unanswered)
	f.silent()
	f.respond(s, invite, 100, "")
	f.respond(s, invite, 180, "ring")
	ringing := f.took()[1].wire

	is(t, f.request(flow.UDP, invite).Verdict, transaction.Absorbed)
	f.same(f.took(), ringing)
	if got := f.table.Stats().ServerRetransmissions; got != 1 {
		t.Errorf("got %d retransmissions counted, want 1", got)
	}
	f.run(10 * time.Minute)
	f.running() // ringing has no end of its own
}

// Proves: TX-5, TX-7
func TestInviteNonSuccessIsRepeatedUntilTimerH(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, invite := newInvite(f, flow.UDP)
	if !f.respond(s, invite, 486, "busy") {
		t.Fatal("486 was not sent")
	}
	busy := f.one("SIP/2.0 486").wire
	is(t, f.request(flow.UDP, invite).Verdict, transaction.Absorbed)
	f.same(f.took(), busy)

	h := s.Handle()
	f.run(long + time.Second)
	got := f.took()
	f.times(got, ms(500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500)...)
	f.same(got, busy)
	f.ended(transaction.ServerTimedOut, h, long)
	f.empty()
}

// Proves: TX-7, TX-26
func TestInviteNonSuccessOnReliableTransportIsSentOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, invite := newInvite(f, flow.TCP)
	f.respond(s, invite, 486, "busy")
	f.one("SIP/2.0 486")
	f.run(long + time.Second)
	f.silent()
	f.ended(transaction.ServerTimedOut, s.Handle(), long) // H stays 64*T1
	f.empty()
}

// Proves: TX-8
func TestAckEndsANonSuccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, invite := newInvite(f, flow.UDP)
	f.respond(s, invite, 486, "busy")
	f.took()
	f.run(2 * time.Second)
	f.took()

	ack := received("ACK", "<sip:bob@example.org>", "<sip:bob@example.org>;tag=busy")
	is(t, f.request(flow.UDP, ack).Verdict, transaction.Absorbed)
	if got := f.table.Stats().Bytes; got != 0 {
		t.Errorf("%d bytes are kept after the ACK", got)
	}
	f.rests()
	is(t, f.request(flow.UDP, ack).Verdict, transaction.Absorbed)
	is(t, f.request(flow.UDP, invite).Verdict, transaction.Absorbed)
	f.run(4 * time.Second)
	f.running()
	f.run(2 * time.Second)
	f.silent()
	f.ended(transaction.ServerEnded, s.Handle(), 7*time.Second) // timer I: T4
	f.empty()
}

// Proves: TX-26
func TestAckOnReliableTransportFreesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, invite := newInvite(f, flow.TLS)
	f.respond(s, invite, 603, "no")
	f.request(flow.TLS, received("ACK"))
	f.run(tick)
	f.ended(transaction.ServerEnded, s.Handle(), 0) // timer I: 0
	f.empty()
}

// Proves: TX-5, TX-21, TX-22, TX-23
func TestInviteAfterSuccessAbsorbsCopiesAndPassesAcks(t *testing.T) {
	t.Parallel()
	for _, p := range []flow.Protocol{flow.UDP, flow.TCP} {
		f := newFixture(t, transaction.Config{})
		s, invite := newInvite(f, p)
		f.respond(s, invite, 180, "bob")
		f.respond(s, invite, 200, "bob")
		f.took()
		if got := f.table.Stats().Bytes; got != 0 {
			t.Errorf("%v: %d bytes are kept after a 2xx", p, got)
		}
		f.rests()
		is(t, f.request(p, invite).Verdict, transaction.Absorbed)
		for range 2 {
			is(t, f.request(p, received("ACK")).Verdict, transaction.AckPassUp)
		}
		f.run(10 * time.Second)
		f.silent()

		// The layer above repeats the 2xx, and may bring another fork's.
		if !f.respond(s, invite, 200, "bob") || !f.respond(s, invite, 200, "carol") {
			t.Errorf("%v: a further 2xx was refused", p)
		}
		if got := len(f.took()); got != 2 {
			t.Errorf("%v: got %d messages for two further 2xx", p, got)
		}
		for _, status := range []int{180, 302, 486, 603} {
			if f.respond(s, invite, status, "x") {
				t.Errorf("%v: %d was sent after a 2xx", p, status)
			}
		}
		f.silent()
		f.run(long)
		f.ended(transaction.ServerEnded, s.Handle(), long) // timer L on every transport
		f.empty()
		is(t, f.request(p, received("ACK")).Verdict, transaction.AckPassUp)
	}
}

// RFC 3261 §16.7 step 5: any 2xx is forwarded at once, even after another final.
func TestLateSuccessPassesAfterANonSuccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, invite := newInvite(f, flow.UDP)
	f.respond(s, invite, 408, "none")
	f.took()
	if !f.respond(s, invite, 200, "late") {
		t.Error("a late 2xx was refused in Completed")
	}
	f.one("SIP/2.0 200")
	f.run(time.Second)
	f.one("SIP/2.0 408") // the state stays, timer G goes on

	is(t, f.request(flow.UDP, received("ACK")).Verdict, transaction.Absorbed)
	if !f.respond(s, invite, 200, "late") {
		t.Error("a late 2xx was refused in Confirmed")
	}
	f.one("SIP/2.0 200")
	if f.respond(s, invite, 486, "again") || f.respond(s, invite, 180, "again") {
		t.Error("another response than a 2xx was sent after the final one")
	}
	f.silent()
}

func TestAFinishedInviteAbsorbsAndEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, invite := newInvite(f, flow.UDP)
	f.respond(s, invite, 180, "ring")
	f.took()
	f.table.Finish(f.now, s)
	is(t, f.request(flow.UDP, invite).Verdict, transaction.Absorbed)
	if f.respond(s, invite, 200, "x") {
		t.Error("a response was sent after Finish")
	}
	f.run(long + time.Second)
	f.silent()
	f.ended(transaction.ServerEnded, s.Handle(), long)
	f.empty()
}
