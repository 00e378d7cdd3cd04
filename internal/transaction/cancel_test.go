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

// Proves: CA-3, CA-10, CA-15
func TestCancelIsBuiltFromTheInviteSent(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"", `SIP;cause=200;text="Call completed elsewhere"`} {
		f := newFixture(t, transaction.Config{})
		c := f.invite(flow.UDP)
		invite := f.one("INVITE").wire
		f.response(c, 180, "INVITE")
		f.cancel(c, reason)
		got := f.one("CANCEL sip:bob@192.0.2.9 SIP/2.0\r\n")
		if got.hop != hopOf(flow.UDP) || got.about != c.Handle() {
			t.Errorf("the CANCEL went to %v about %x", got.hop, got.about)
		}
		for _, name := range []string{"Call-ID", "From", "To", "Route"} {
			if got, want := header(got.wire, name), header(invite, name); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
		if got, want := header(got.wire, "Via"), header(invite, "Via")[:1]; !slices.Equal(got, want) {
			t.Errorf("Via: got %v, want %v", got, want)
		}
		want := map[string][]string{
			"CSeq": {"314159 CANCEL"}, "Max-Forwards": {"69"}, "Content-Length": {"0"},
			"Require": nil, "Proxy-Require": nil, "Proxy-Authorization": nil, "Content-Type": nil,
		}
		if reason != "" {
			want["Reason"] = []string{reason}
		} else {
			want["Reason"] = nil
		}
		for name, values := range want {
			if got := header(got.wire, name); !slices.Equal(got, values) {
				t.Errorf("%s: got %q, want %q", name, got, values)
			}
		}
		if m := parse(t, []byte(got.wire)); len(m.Body()) != 0 {
			t.Errorf("the CANCEL has a body: %q", m.Body())
		}
	}
}

// Proves: CA-4
func TestCancelWaitsForAProvisional(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	f.took()
	f.cancel(c, "SIP;cause=487")
	f.cancel(c, "SIP;cause=600") // only the first call counts
	f.silent()
	if !c.CancelPending() || c.Cancelled() {
		t.Error("the CANCEL is not owed")
	}
	f.run(time.Second)
	f.one("INVITE") // timer A goes on

	is(t, f.response(c, 100, "INVITE"), transaction.PassUp)
	got := f.one("CANCEL")
	if r := header(got.wire, "Reason"); !slices.Equal(r, []string{"SIP;cause=487"}) {
		t.Errorf("Reason: got %v", r)
	}
	if !c.Cancelled() {
		t.Error("the CANCEL reads as not sent")
	}
	is(t, f.response(c, 180, "INVITE"), transaction.PassUp)
	f.silent()
}

// Proves: CA-4
func TestNoCancelAfterAFinalResponse(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 486} {
		for _, owed := range []bool{false, true} {
			f := newFixture(t, transaction.Config{})
			c := f.invite(flow.UDP)
			if owed {
				f.cancel(c, "SIP;cause=487")
			}
			is(t, f.response(c, status, "INVITE"), transaction.PassUp)
			if !owed {
				f.cancel(c, "SIP;cause=487")
			}
			f.run(time.Minute)
			for _, s := range f.took() {
				if strings.HasPrefix(s.wire, "CANCEL") {
					t.Errorf("a CANCEL was sent after a %d", status)
				}
			}
			if c.CancelPending() {
				t.Errorf("a CANCEL is still pending after a %d", status)
			}
			f.empty()
		}
	}
}

// Proves: CA-9
func TestNonInviteIsNeverCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.start(sip.MESSAGE, "MESSAGE", flow.TCP)
	f.took()
	f.response(c, 100, "MESSAGE")
	f.cancel(c, "")
	if c.CancelPending() {
		t.Error("a CANCEL is pending")
	}
	f.run(10 * time.Second)
	f.silent()
}

// Proves: CA-8
func TestACancelledInviteWithoutAnEndTimesOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	f.response(c, 180, "INVITE")
	f.run(time.Minute)
	f.took()
	f.cancel(c, "")
	is(t, f.response(c, 200, "CANCEL"), transaction.Absorbed)
	f.run(20 * time.Second)
	is(t, f.response(c, 180, "INVITE"), transaction.PassUp) // prolongs nothing
	f.run(20 * time.Second)
	f.ended(transaction.TimedOut, c.Handle(), time.Minute+long)
	if !c.Cancelled() {
		t.Error("the timeout does not read as that of a CANCEL")
	}
	f.one("CANCEL")
	f.empty()
}

func TestCancelIsRepeatedByTimerEUntilItsFinal(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	f.response(c, 180, "INVITE")
	f.took()
	f.cancel(c, "")
	f.run(4 * time.Second)
	got := f.took()
	f.times(got, ms(0, 500, 1500, 3500)...)
	f.same(got, got[0].wire)
	if got := f.table.Stats().Kinds[transaction.NonInviteClient].Retransmitted; got != 3 {
		t.Errorf("got %d retransmissions counted, want 3", got)
	}
	is(t, f.response(c, 100, "CANCEL"), transaction.Absorbed)
	f.run(8 * time.Second) // every T2 now
	f.times(f.took(), ms(7500, 11500)...)
	is(t, f.response(c, 200, "CANCEL"), transaction.Absorbed)
	is(t, f.response(c, 200, "CANCEL"), transaction.Absorbed)
	f.run(10 * time.Second)
	f.silent()
	f.running()
}

func TestAnUnansweredCancelGoesOnBesideTheEndOfItsInvite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	f.response(c, 180, "INVITE")
	f.cancel(c, "")
	f.run(10 * time.Second)
	f.took()
	is(t, f.response(c, 487, "INVITE"), transaction.PassUp)
	f.one("ACK")
	f.run(23 * time.Second)
	if got := f.table.Stats().Kinds[transaction.NonInviteClient].TimedOut; got != 1 {
		t.Errorf("got %d timeouts of the CANCEL by 33 s, want 1", got) // timer F
	}
	f.run(time.Minute)
	// RFC 3261 §9.1: both transactions complete independently.
	f.times(f.took(), ms(11500, 15500, 19500, 23500, 27500, 31500)...)
	f.ended(transaction.Ended, c.Handle(), 42*time.Second) // timer D
	f.empty()
}

func TestCancelOnReliableTransportIsSentOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.TLS)
	f.response(c, 180, "INVITE")
	f.took()
	f.cancel(c, "")
	if got := f.one("CANCEL"); got.hop != hopOf(flow.TLS) {
		t.Errorf("the CANCEL went to %v, want the connection of the INVITE", got.hop)
	}
	f.run(31 * time.Second)
	f.silent()
	f.running()
	f.run(2 * time.Second)
	f.ended(transaction.TimedOut, c.Handle(), long)
	f.empty()
}

// Proves: TX-19
func TestAnswersOfCancelAndInviteAreToldApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	is(t, f.response(c, 180, "INVITE"), transaction.PassUp)
	is(t, f.response(c, 200, "CANCEL"), transaction.Stray) // none was sent
	f.cancel(c, "")
	is(t, f.response(c, 200, "CANCEL"), transaction.Absorbed)
	if c.Done() {
		t.Fatal("the 200 to the CANCEL completed the INVITE")
	}
	is(t, f.response(c, 200, "INVITE"), transaction.PassUp) // the 2xx that crosses the CANCEL
	if !c.First {
		t.Error("it is the first final response")
	}
	is(t, f.response(c, 200, "BYE"), transaction.Stray)
}

// Two readers drive one wheel, and the clock of one may be a little behind that of
// the other: what is due then ends all the same, and is not armed for the past.
func TestTimersEndByAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	f.response(c, 180, "INVITE")
	f.cancel(c, "")
	f.run(10 * time.Second)
	is(t, f.response(c, 487, "INVITE"), transaction.PassUp) // but nobody answers the CANCEL
	f.invite(flow.UDP)                                      // nor this
	fired := 0
	for span := time.Duration(0); span < 2*long; span += tick {
		for tm := f.wheel.Due(f.now.Add(span)); tm != nil; tm = f.wheel.Due(f.now.Add(span)) {
			f.table.Fire(f.now.Add(span-2*tick), tm, &f.fx)
			if fired++; fired > 100 {
				t.Fatal("a timer comes again and again")
			}
		}
	}
	f.empty()
}
