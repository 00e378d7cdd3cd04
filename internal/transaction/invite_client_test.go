package transaction_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// Proves: TX-10, TX-16
func TestInviteIsRepeatedByTimerAUntilTimerB(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	first := f.one("INVITE")
	f.run(time.Minute)
	got := f.took()
	f.times(got, ms(500, 1500, 3500, 7500, 15500, 31500)...)
	f.same(append(got, first), first.wire)
	if first.about != c.Handle() {
		t.Errorf("the send is about %x, want the client %x", first.about, c.Handle())
	}
	f.ended(transaction.TimedOut, c.Handle(), long)
	if c.Cancelled() || c.Provisional() {
		t.Error("the timeout reads as if there had been a CANCEL or a 1xx")
	}
	f.empty()
}

// Proves: TX-12, TX-16
func TestInviteOnReliableTransportIsSentOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.TCP)
	f.one("INVITE")
	f.run(time.Minute)
	f.silent()
	f.ended(transaction.TimedOut, c.Handle(), long)
	f.empty()
}

// Proves: TX-25
func TestT1IsConfigurable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{T1: 2 * time.Second, T2: 8 * time.Second, T4: 10 * time.Second})
	f.invite(flow.UDP)
	f.took()
	f.run(15 * time.Second)
	f.times(f.took(), ms(2000, 6000, 14000)...)
	f = newFixture(t, transaction.Config{T1: 2 * time.Second, T2: 8 * time.Second, T4: 10 * time.Second})
	f.start(sip.BYE, "BYE", flow.UDP)
	f.took()
	f.run(31 * time.Second)
	f.times(f.took(), ms(2000, 6000, 14000, 22000, 30000)...)
}

// Proves: TX-11, TX-17
func TestProvisionalStopsTimersAAndB(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	whole := len(f.one("INVITE").wire)
	f.run(time.Second)
	f.took()
	is(t, f.response(c, 100, "INVITE"), transaction.PassUp)
	if !c.Provisional() || c.First || c.Done() {
		t.Error("a 1xx is not a final response")
	}
	if got := f.table.Stats().Bytes; got >= whole {
		t.Errorf("%d bytes are kept of an INVITE of %d: its body is not needed any more", got, whole)
	}
	f.run(10 * time.Minute)
	is(t, f.response(c, 183, "INVITE"), transaction.PassUp)
	f.silent()
	f.running()
}

// Proves: TX-20, TX-30
func TestEverySuccessIsPassedUpAndNoneIsAcknowledged(t *testing.T) {
	t.Parallel()
	for _, p := range []flow.Protocol{flow.UDP, flow.TCP} {
		f := newFixture(t, transaction.Config{})
		c := f.invite(p)
		f.response(c, 180, "INVITE")
		is(t, f.response(c, 200, "INVITE"), transaction.PassUp)
		if !c.First || !c.Done() {
			t.Error("the first 2xx does not read as the first final response")
		}
		f.took()
		if got := f.table.Stats().Bytes; got != 0 {
			t.Errorf("%d bytes are kept after a 2xx", got)
		}
		f.run(20 * time.Second)
		is(t, f.response(c, 200, "INVITE"), transaction.PassUp)
		if c.First {
			t.Error("a further 2xx reads as the first")
		}
		is(t, f.response(c, 180, "INVITE"), transaction.Absorbed)
		is(t, f.response(c, 486, "INVITE"), transaction.Absorbed)
		f.run(long)
		f.silent()
		f.ended(transaction.Ended, c.Handle(), long) // timer M, counted from the first 2xx
		f.empty()
	}
}

// Proves: TX-14
func TestAckIsBuiltFromTheInviteSent(t *testing.T) {
	t.Parallel()
	for _, provisional := range []bool{false, true} {
		f := newFixture(t, transaction.Config{})
		c := f.invite(flow.UDP)
		invite := f.one("INVITE").wire
		if provisional {
			f.response(c, 180, "INVITE")
		}
		is(t, f.response(c, 486, "INVITE"), transaction.PassUp)
		ack := f.one("ACK sip:bob@192.0.2.9 SIP/2.0\r\n")
		for _, name := range []string{"Call-ID", "From", "Route"} {
			if got, want := header(ack.wire, name), header(invite, name); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
		if got, want := header(ack.wire, "Via"), header(invite, "Via")[:1]; !slices.Equal(got, want) {
			t.Errorf("Via: got %v, want %v", got, want)
		}
		if got := header(ack.wire, "CSeq"); !slices.Equal(got, []string{"314159 ACK"}) {
			t.Errorf("CSeq: got %v", got)
		}
		if got := header(ack.wire, "To"); len(got) != 1 || !strings.HasSuffix(got[0], ";tag=a6c85cf") {
			t.Errorf("To: got %v, want that of the response", got)
		}
		if got := header(ack.wire, "Max-Forwards"); len(got) != 1 {
			t.Errorf("Max-Forwards: got %v, want one", got)
		}
		parse(t, []byte(ack.wire))
	}
}

// Proves: TX-15
func TestRepeatedNonSuccessIsAcknowledgedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	f.took()
	is(t, f.response(c, 503, "INVITE"), transaction.PassUp)
	if !c.First {
		t.Error("the first final response does not read as such")
	}
	ack := f.one("ACK").wire
	for range 3 {
		f.run(5 * time.Second)
		is(t, f.response(c, 503, "INVITE"), transaction.Absorbed)
		f.same(f.took(), ack)
	}
	f.run(long)
	f.silent()
	f.ended(transaction.Ended, c.Handle(), 32*time.Second) // timer D
	f.empty()
}

// Proves: TX-15
func TestTimerDIsAtLeast32Seconds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{T1: 100 * time.Millisecond})
	c := f.invite(flow.UDP)
	f.response(c, 500, "INVITE")
	f.run(time.Minute)
	f.ended(transaction.Ended, c.Handle(), 32*time.Second)
}

// Proves: TX-26, TX-29
func TestNonSuccessOnReliableTransport(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.TCP)
	f.took()
	is(t, f.response(c, 486, "INVITE"), transaction.PassUp)
	if got := f.one("ACK"); got.hop != hopOf(flow.TCP) {
		t.Errorf("the ACK went to %v, want the connection of the INVITE", got.hop)
	}
	f.run(tick)
	f.ended(transaction.Ended, c.Handle(), 0) // timer D: 0
	f.empty()
}

// RFC 3261 §16.7 step 5: a forking proxy below may send a 2xx after its own final.
func TestSuccessAfterANonSuccessIsPassedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	f.response(c, 408, "INVITE")
	f.took()
	is(t, f.response(c, 200, "INVITE"), transaction.PassUp)
	if c.First {
		t.Error("it is not the first final response")
	}
	f.silent()
	is(t, f.response(c, 408, "INVITE"), transaction.Absorbed)
	f.one("ACK")
}

func TestTransportErrorEndsAClient(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	h := c.Handle()
	f.table.Abandon(c)
	if f.table.Client(h) != nil {
		t.Error("the client is still found")
	}
	f.table.Abandon(c)
	f.took()
	f.run(time.Minute)
	f.silent()
	f.running()
	f.empty()
}

// RFC 3261 §18.1.1: what was too large for UDP goes by UDP after all when TCP is
// refused, as the same transaction.
func TestAClientMayStartAgainOverAnotherHop(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.TCP)
	f.run(time.Second)
	f.took()
	f.table.Start(f.now, c, f.fx.Copy(forwarded("INVITE", c)), hopOf(flow.UDP), &f.fx)
	f.collect()
	f.run(4 * time.Second)
	got := f.took()
	f.times(got, ms(1000, 1500, 2500, 4500)...)
	f.same(got, got[0].wire)

	f.response(c, 180, "INVITE")
	f.table.Start(f.now, c, f.fx.Copy(forwarded("INVITE", c)), hopOf(flow.TCP), &f.fx)
	f.collect()
	f.silent() // not after a response
	if c.Hop != hopOf(flow.UDP) {
		t.Error("the hop was changed")
	}
}
