package transaction_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

func TestTheBoundIsOverServersAndClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{Max: 4})
	invite := received("INVITE")
	s := f.request(flow.UDP, invite).Server
	c, d := f.invite(flow.UDP), f.invite(flow.UDP)
	f.invite(flow.UDP)
	if f.table.Reserve(sip.BYE) != nil {
		t.Error("a client was reserved beyond the bound")
	}
	is(t, f.request(flow.UDP, received("BYE")).Verdict, transaction.Full)
	is(t, f.request(flow.UDP, invite).Verdict, transaction.Unanswered) // a copy needs no slot
	r := f.request(flow.UDP, received("CANCEL"))
	is(t, r.Verdict, transaction.Full)
	if r.Of != s || r.Server != nil {
		t.Error("at the bound a CANCEL does not find its INVITE")
	}
	if got := f.table.Stats().Full; got != 3 {
		t.Errorf("got %d refusals counted, want 3", got)
	}
	f.table.Abandon(c)
	is(t, f.request(flow.UDP, received("BYE")).Verdict, transaction.Full) // there would be no place for a branch
	f.table.Abandon(d)
	is(t, f.request(flow.UDP, received("BYE")).Verdict, transaction.NewRequest)
}

// A finished transaction only absorbs copies: it takes no room from those under
// way, up to a bound of its own.
func TestFinishedTransactionsHaveTheirOwnBound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{Max: 2})
	n := 0
	for ; n < 1000; n++ {
		bye := received("BYE", "nashds8", fmt.Sprint("branch", n))
		r := f.request(flow.UDP, bye)
		if r.Verdict == transaction.Full {
			break
		}
		f.respond(r.Server, bye, 200, "x")
	}
	if n != 41 {
		t.Errorf("%d finished transactions were taken, want 41", n)
	}
	if got := f.table.Stats().UnderWay; got != 0 {
		t.Errorf("%d are counted as under way, want 0", got)
	}
}

func TestHandlesDieWithTheirTransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{Shard: 9})
	seen := map[any]bool{}
	for i := range 20 {
		bye := received("BYE", "nashds8", fmt.Sprint("branch", i))
		s := f.request(flow.TCP, bye).Server
		c := f.start(sip.BYE, "BYE", flow.TCP)
		hs, hc := s.Handle(), c.Handle()
		if hs == hc || seen[hs] || seen[hc] || hs.Generation() == 0 || hc.Generation() == 0 || hs.Shard() != 9 || hc.Shard() != 9 {
			t.Fatalf("got handles %x and %x", hs, hc)
		}
		seen[hs], seen[hc] = true, true
		if f.table.Server(hs) != s || f.table.Client(hc) != c {
			t.Fatal("a live transaction is not found by its handle")
		}
		if f.table.Server(hc) != nil || f.table.Client(hs) != nil {
			t.Fatal("a handle of one kind finds the other")
		}
		f.respond(s, bye, 200, "x")
		f.response(c, 200, "BYE")
		f.run(tick)
		if f.table.Server(hs) != nil || f.table.Client(hc) != nil {
			t.Fatal("a transaction is found after its end")
		}
		f.empty()
	}
	if f.table.Server(0) != nil || f.table.Client(0) != nil {
		t.Error("the zero handle finds something")
	}
}

// What Fire returns has ended, and is still readable.
func TestWhatEndedStaysReadable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.invite(flow.UDP)
	c.User = 42
	want := c.Branch
	f.now = f.now.Add(time.Minute)
	for tm := f.wheel.Due(f.now); tm != nil; tm = f.wheel.Due(f.now) {
		got, _, verdict := f.table.Fire(f.now, tm, &f.fx)
		if verdict != transaction.TimedOut {
			continue
		}
		if got.User != 42 || got.Branch != want || got.Method != sip.INVITE || got.Hop != hopOf(flow.UDP) {
			t.Errorf("got %+v", got)
		}
		if f.table.Client(got.Handle()) != nil {
			t.Error("it is found by its handle")
		}
		return
	}
	t.Error("no timeout")
}

func TestRandomIsDrawnAhead(t *testing.T) {
	t.Parallel()
	calls := 0
	r := rand.NewChaCha8([32]byte{2})
	f := newFixture(t, transaction.Config{Random: func(p []byte) {
		calls++
		_, _ = r.Read(p) // never fails
	}})
	nonces := map[[6]byte]bool{}
	for range 170 {
		c := f.table.Reserve(sip.BYE)
		nonces[c.Branch.Nonce] = true
	}
	if calls != 1 {
		t.Errorf("got %d draws for 170 branches, want 1", calls)
	}
	if len(nonces) != 170 {
		t.Errorf("got %d different nonces", len(nonces))
	}
	f.table.Reserve(sip.BYE)
	if calls != 2 {
		t.Errorf("got %d draws for 171 branches, want 2", calls)
	}
}

func TestStatsByKind(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	f.request(flow.UDP, received("INVITE"))
	f.request(flow.UDP, received("BYE"))
	f.request(flow.UDP, received("BYE"))
	f.invite(flow.UDP)
	f.start(sip.BYE, "BYE", flow.UDP)
	f.run(time.Minute)
	got := f.table.Stats()
	want := [transaction.NumKinds]transaction.KindStats{
		transaction.InviteServer:    {Live: 1, Started: 1},
		transaction.NonInviteServer: {Started: 1, TimedOut: 1, Absorbed: 1},
		transaction.InviteClient:    {Started: 1, TimedOut: 1, Retransmitted: 6},
		transaction.NonInviteClient: {Started: 1, TimedOut: 1, Retransmitted: 10},
	}
	if got.Kinds != want {
		t.Errorf("got %+v, want %+v", got.Kinds, want)
	}
	if got.TimedOut != 2 || got.ServerTimedOut != 1 || got.ClientRetransmissions != 16 || got.AbsorbedDuplicates != 1 || got.Servers != 1 || got.Clients != 0 {
		t.Errorf("got %+v", got)
	}
	for k := range transaction.NumKinds {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
}
