package transaction_test

import (
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/transaction"
)

func newBye(f *fixture, p flow.Protocol) (*transaction.Server, []byte) {
	f.t.Helper()
	bye := received("BYE")
	r := f.request(p, bye)
	is(f.t, r.Verdict, transaction.NewRequest)
	return r.Server, bye
}

// Proves: TX-6
func TestNonInviteCopies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, bye := newBye(f, flow.UDP)
	is(t, f.request(flow.UDP, bye).Verdict, transaction.Absorbed)
	f.silent() // Trying

	f.run(4 * time.Second)
	f.respond(s, bye, 100, "")
	trying := f.one("SIP/2.0 100").wire
	f.request(flow.UDP, bye)
	f.same(f.took(), trying) // Proceeding

	f.run(time.Second)
	f.respond(s, bye, 200, "ok")
	ok := f.one("SIP/2.0 200").wire
	f.rests()
	f.run(long - time.Second)
	f.silent() // only a copy draws the response again
	is(t, f.request(flow.UDP, bye).Verdict, transaction.Absorbed)
	f.same(f.took(), ok)
	if f.respond(s, bye, 500, "x") || f.respond(s, bye, 200, "x") || f.respond(s, bye, 100, "") {
		t.Error("a response was sent after the final one")
	}

	f.running()
	f.run(2 * time.Second)
	f.ended(transaction.ServerEnded, s.Handle(), 5*time.Second+long) // timer J
	f.empty()
	is(t, f.request(flow.UDP, bye).Verdict, transaction.NewRequest)
}

// Proves: TX-6, TX-26
func TestNonInviteOnReliableTransportEndsWithItsAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, bye := newBye(f, flow.WSS)
	f.respond(s, bye, 200, "ok")
	f.one("SIP/2.0 200")
	f.run(tick)
	f.ended(transaction.ServerEnded, s.Handle(), 0) // timer J: 0
	f.empty()
}

// Proves: NI-3, NI-5
func TestNonInviteIsNotAnsweredAgainstRFC4320(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, bye := newBye(f, flow.UDP)
	for _, status := range []int{101, 180, 183, 199, 408} {
		if f.respond(s, bye, status, "x") {
			t.Errorf("%d was sent", status)
		}
	}
	f.silent()
	if s.Status != 0 {
		t.Errorf("got status %d, want none", s.Status)
	}
}

// Proves: NI-3, NI-4
func TestFinishAbsorbsCopiesUntilTheClientHasGivenUp(t *testing.T) {
	t.Parallel()
	for _, provisional := range []bool{false, true} {
		f := newFixture(t, transaction.Config{})
		s, bye := newBye(f, flow.UDP)
		if provisional {
			f.respond(s, bye, 100, "")
		}
		f.run(20 * time.Second)
		f.took()
		f.table.Finish(f.now, s)
		f.run(long - 20*time.Second)
		f.running()
		is(t, f.request(flow.UDP, bye).Verdict, transaction.Absorbed)
		if f.respond(s, bye, 200, "late") {
			t.Error("a late response was sent")
		}
		f.silent()
		f.run(6 * time.Second)
		f.ended(transaction.ServerEnded, s.Handle(), long+5*time.Second)
		f.empty()
		if f.respond(s, bye, 200, "late") {
			t.Error("a response was sent without a transaction")
		}
		f.silent()
	}
}

func TestFinishOnReliableTransportEndsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, _ := newBye(f, flow.TCP)
	f.run(3 * time.Second)
	f.table.Finish(f.now, s)
	f.run(tick)
	f.ended(transaction.ServerEnded, s.Handle(), 3*time.Second)
	f.empty()
}

func TestNonInviteThatNobodyAnswersEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s, _ := newBye(f, flow.TCP)
	f.run(time.Minute)
	f.silent()
	f.ended(transaction.ServerTimedOut, s.Handle(), long+5*time.Second)
	f.empty()
	if got := f.table.Stats().Kinds[transaction.NonInviteServer].TimedOut; got != 1 {
		t.Errorf("got %d timeouts counted, want 1", got)
	}
}
