package transaction_test

import (
	"testing"
	"time"
	"unsafe"

	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// calls makes calls through a table as a proxy would: each message of the call is
// parsed once, and then only the key and the branch differ from call to call.
type calls struct {
	*fixture
	n                                  uint64
	invite, ack, bye, cancel           *sip.Message
	wire100, wire180, wire200, wire487 []byte
	wireInvite, wireBye, wireByeOK     []byte
	trying, ringing, ok, busy, byeOK   *sip.Message
	cancelOK                           *sip.Message
}

func newCalls(t testing.TB) *calls {
	c := &calls{fixture: newFixture(t, transaction.Config{})}
	b := &someBranch
	c.invite, c.ack = parse(t, received("INVITE")), parse(t, received("ACK"))
	c.bye, c.cancel = parse(t, received("BYE")), parse(t, received("CANCEL"))
	respond := func(m *sip.Message, status int) []byte {
		return sip.AppendResponse(nil, m, &sip.Response{Status: status, Tag: []byte("a6c85cf")})
	}
	c.wire100, c.wire180 = respond(c.invite, 100), respond(c.invite, 180)
	c.wire200, c.wire487 = respond(c.invite, 200), respond(c.invite, 487)
	c.wireByeOK = respond(c.bye, 200)
	client := &transaction.Client{Branch: *b}
	c.wireInvite, c.wireBye = forwarded("INVITE", client), forwarded("BYE", client)
	c.trying, c.ringing = parse(t, answer(b, 100, "INVITE")), parse(t, answer(b, 180, "INVITE"))
	c.ok, c.busy = parse(t, answer(b, 200, "INVITE")), parse(t, answer(b, 487, "INVITE"))
	c.byeOK, c.cancelOK = parse(t, answer(b, 200, "BYE")), parse(t, answer(b, 200, "CANCEL"))
	return c
}

func (c *calls) key() transaction.Key {
	c.n++
	return transaction.Key{Hi: c.n * 0x9e3779b97f4a7c15, Lo: c.n}
}

// pass moves the clock and ends what is due.
func (c *calls) pass(d time.Duration) {
	c.now = c.now.Add(d)
	for tm := c.wheel.Due(c.now); tm != nil; tm = c.wheel.Due(c.now) {
		c.table.Fire(c.now, tm, &c.fx)
	}
	c.fx.Reset()
}

func (c *calls) begin(m *sip.Message, wire []byte) (*transaction.Server, *transaction.Client, transaction.Key) {
	key := c.key()
	s := c.table.Request(c.now, m, key, flowOf(flow.UDP), &c.fx).Server
	client := c.table.Reserve(m.Method())
	c.table.Start(c.now, client, c.fx.Copy(wire), hopOf(flow.UDP), &c.fx)
	return s, client, key
}

func (c *calls) relay(s *transaction.Server, client *transaction.Client, m *sip.Message, wire []byte) {
	b := client.Branch
	c.table.Response(c.now, m, &b, &c.fx)
	if wire != nil {
		c.table.Respond(c.now, s, m.Status(), c.fx.Copy(wire), &c.fx)
	}
}

// ring is an INVITE up to its 180.
func (c *calls) ring() (*transaction.Server, *transaction.Client, transaction.Key) {
	s, client, key := c.begin(c.invite, c.wireInvite)
	c.table.Respond(c.now, s, 100, c.fx.Copy(c.wire100), &c.fx)
	c.relay(s, client, c.trying, nil)
	c.relay(s, client, c.ringing, c.wire180)
	return s, client, key
}

// answered is a call from INVITE to BYE.
func (c *calls) answered() {
	s, client, key := c.ring()
	c.relay(s, client, c.ok, c.wire200)
	c.table.Request(c.now, c.ack, key, flowOf(flow.UDP), &c.fx)
	s, client, _ = c.begin(c.bye, c.wireBye)
	c.relay(s, client, c.byeOK, c.wireByeOK)
}

// cancelled is a call that the caller gives up.
func (c *calls) cancelled() {
	s, client, key := c.ring()
	cancel := c.table.Request(c.now, c.cancel, key, flowOf(flow.UDP), &c.fx).Server
	c.table.Respond(c.now, cancel, 200, c.fx.Copy(c.wireByeOK), &c.fx)
	c.table.Cancel(c.now, client, nil, &c.fx)
	c.relay(s, client, c.cancelOK, nil)
	c.relay(s, client, c.busy, c.wire487)
	c.table.Request(c.now, c.ack, key, flowOf(flow.UDP), &c.fx)
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for name, call := range map[string]func(*calls){"answered": (*calls).answered, "cancelled": (*calls).cancelled} {
		c := newCalls(t)
		step := func() {
			call(c)
			c.pass(20 * time.Millisecond)
		}
		for range 5000 { // two lives of the longest timers, so that slots come back
			step()
		}
		if n := testing.AllocsPerRun(2000, step); n != 0 {
			t.Errorf("%s: got %v allocations a call, want 0", name, n)
		}
		c.pass(time.Hour)
		c.empty()
	}
}

func TestKeyDoesNotAllocate(t *testing.T) {
	for _, m := range []*sip.Message{parse(t, received("INVITE")), parse(t, old("INVITE"))} {
		if n := testing.AllocsPerRun(100, func() { transaction.KeyOf(m) }); n != 0 {
			t.Errorf("got %v allocations, want 0", n)
		}
	}
}

// A call leaves four finished transactions behind. Each may take 700 bytes on
// average; an INVITE answered 2xx keeps no message at all.
func TestMemoryOfFinishedTransactions(t *testing.T) {
	t.Parallel()
	const n = 2000
	c := newCalls(t)
	for range n {
		c.answered()
	}
	s := c.table.Stats()
	if s.Servers != 2*n || s.Clients != 2*n {
		t.Fatalf("got %d servers and %d clients for %d calls", s.Servers, s.Clients, n)
	}
	// The index holds a cache line for four servers, twice that at most.
	const indexed = 2 * 64 / 4
	slots := s.Servers*(int(unsafe.Sizeof(transaction.Server{}))+indexed) + s.Clients*int(unsafe.Sizeof(transaction.Client{}))
	each := (slots + s.Bytes) / (s.Servers + s.Clients)
	t.Logf("%d bytes for each finished transaction, %d of them kept messages", each, s.Bytes/(s.Servers+s.Clients))
	if each > 700 {
		t.Errorf("got %d bytes for each finished transaction, want at most 700", each)
	}
	if kept := s.Bytes / n; kept > len(c.wireByeOK)+63 {
		t.Errorf("got %d kept bytes a call, want only the %d of the answer to BYE", kept, len(c.wireByeOK))
	}
}

func BenchmarkTable(b *testing.B) {
	run := func(name string, call func(*calls)) {
		b.Run(name, func(b *testing.B) {
			c := newCalls(b)
			step := func() {
				call(c)
				c.pass(time.Millisecond)
			}
			for range 70_000 {
				step()
			}
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
	run("invite-call", (*calls).answered)
	run("invite-cancel", (*calls).cancelled)
	run("non-invite", func(c *calls) {
		s, client, _ := c.begin(c.bye, c.wireBye)
		c.relay(s, client, c.byeOK, c.wireByeOK)
	})
	b.Run("copy", func(b *testing.B) {
		c := newCalls(b)
		key := c.key()
		s := c.table.Request(c.now, c.bye, key, flowOf(flow.UDP), &c.fx).Server
		c.table.Respond(c.now, s, 200, c.fx.Copy(c.wireByeOK), &c.fx)
		b.ReportAllocs()
		for b.Loop() {
			c.table.Request(c.now, c.bye, key, flowOf(flow.UDP), &c.fx)
			c.fx.Reset()
		}
	})
	b.Run("stray", func(b *testing.B) {
		c := newCalls(b)
		stray := someBranch
		b.ReportAllocs()
		for b.Loop() {
			c.table.Response(c.now, c.ok, &stray, &c.fx)
		}
	})
}

func BenchmarkKeyOf(b *testing.B) {
	m := parse(b, received("INVITE"))
	b.ReportAllocs()
	for b.Loop() {
		transaction.KeyOf(m)
	}
}

func BenchmarkBranch(b *testing.B) {
	room := make([]byte, 0, 64)
	branch := someBranch
	b.ReportAllocs()
	for b.Loop() {
		room = branch.AppendTo(room[:0])
		branch, _ = transaction.ParseBranch(room)
	}
}
