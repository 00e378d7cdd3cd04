package transaction_test

import (
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// Proves: TX-13, TX-27
func TestNonInviteIsRepeatedByTimerEUntilTimerF(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.start(sip.BYE, "BYE", flow.UDP)
	first := f.one("BYE")
	f.run(time.Minute)
	got := f.took()
	f.times(got, ms(500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500)...)
	f.same(append(got, first), first.wire)
	f.ended(transaction.TimedOut, c.Handle(), long)
	f.empty()
}

// Proves: TX-13, TX-27
func TestNonInviteIsRepeatedEveryT2AfterAProvisional(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.start(sip.MESSAGE, "MESSAGE", flow.UDP)
	f.run(600 * time.Millisecond)
	f.took()
	is(t, f.response(c, 100, "MESSAGE"), transaction.PassUp)
	f.run(time.Minute)
	f.times(f.took(), ms(1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500)...)
	f.ended(transaction.TimedOut, c.Handle(), long) // timer F runs on
	f.empty()
}

// Proves: TX-12, TX-26, TX-27
func TestNonInviteOnReliableTransport(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.start(sip.BYE, "BYE", flow.TCP)
	f.one("BYE")
	if got := f.table.Stats().Bytes; got != 0 {
		t.Errorf("%d bytes are kept of a request that is never sent again", got)
	}
	f.run(time.Minute)
	f.silent()
	f.ended(transaction.TimedOut, c.Handle(), long)

	f = newFixture(t, transaction.Config{})
	c = f.start(sip.BYE, "BYE", flow.TCP)
	is(t, f.response(c, 200, "BYE"), transaction.PassUp)
	f.run(tick)
	f.ended(transaction.Ended, c.Handle(), 0) // timer K: 0
	f.empty()
}

// Proves: TX-27
func TestNonInviteAbsorbsLateCopiesForT4(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.start(sip.BYE, "BYE", flow.UDP)
	b := c.Branch
	is(t, f.response(c, 200, "BYE"), transaction.PassUp)
	if !c.First {
		t.Error("the final response does not read as the first")
	}
	f.took()
	f.run(4900 * time.Millisecond)
	is(t, f.response(c, 200, "BYE"), transaction.Absorbed)
	f.running()
	f.run(tick * 20)
	f.silent()
	f.ended(transaction.Ended, c.Handle(), 5*time.Second) // timer K
	f.empty()
	if _, verdict := f.responseOn(&b, 200, "BYE"); verdict != transaction.Stray {
		t.Errorf("got %v after the end, want Stray", verdict)
	}
}

func TestAnAckHasNoTransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	f.start(sip.ACK, "ACK", flow.UDP)
	f.one("ACK")
	f.empty()
}
