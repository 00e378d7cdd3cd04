package proxy_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"
)

// The budgets of memory (design): what one call takes while it rings, and what a
// finished transaction takes on average over INVITE and BYE, kept the full 64*T1.
const (
	ringingOverhead = 2 << 10 // beside twice the bytes of the INVITE
	finishedBudget  = 700
)

// heap is what lives on the heap now.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// ring parks n calls that have got their 180.
func (p *player) ring(n int) (inviteBytes int) {
	for range n {
		p.n++
		invite := p.request("INVITE", 1, "", sdp)
		inviteBytes = len(invite)
		p.step(invite, p.caller)
		p.step(response(bytes.Clone(p.sent()), "180 Ringing"), p.callee)
	}
	p.fx.Reset()
	return inviteBytes
}

// The budget of a ringing call is that of the whole heap, slabs, wheel, index and
// all, over 20,000 of them.
func TestAllocOfRingingCalls(t *testing.T) {
	per, size := perRinging(t, 20_000)
	t.Logf("%d bytes a ringing call, INVITE of %d bytes", per, size)
	if budget := 2*size + ringingOverhead; per > budget {
		t.Errorf("%d bytes a ringing call, want at most %d for an INVITE of %d bytes", per, budget, size)
	}
}

func perRinging(tb testing.TB, calls int) (per, size int) {
	p := newPlayer(tb)
	before := heap()
	size = p.ring(calls)
	per = int(heap()-before) / calls
	runtime.KeepAlive(p)
	return per, size
}

// A finished transaction is a server or a client of package transaction beyond
// its final response; what the proxy keeps for it counts too.
func TestAllocOfFinishedTransactions(t *testing.T) {
	part, perCall := perFinished(t, 100)
	per := perCall / 2 // an INVITE and a BYE, each with the server and the client that it takes
	t.Logf("%d bytes a finished transaction (%d a server or client), %d a finished call", per, part, perCall)
	if per > finishedBudget {
		t.Errorf("%d bytes a finished transaction, want at most %d", per, finishedBudget)
	}
}

// perFinished plays calls at a steady rate for longer than any finished
// transaction is kept, so that slots are used again as in service, and looks at
// what is there then: the calls of the last 64*T1.
func perFinished(tb testing.TB, perSecond int) (per, perCall int) {
	p := newPlayer(tb)
	before := heap()
	const kept = 32
	for range 40 * perSecond {
		p.n++
		p.now = p.now.Add(time.Second / time.Duration(perSecond))
		p.fx.Reset()
		p.element.Expire(p.now, &p.fx)
		p.step(p.request("INVITE", 1, "", sdp), p.caller)
		invite := bytes.Clone(p.sent())
		p.step(response(invite, "180 Ringing"), p.callee)
		p.step(response(invite, "200 OK"), p.callee)
		route := p.routeOf(p.sent())
		p.step(p.request("ACK", 1, route, ""), p.caller)
		p.step(p.request("BYE", 2, route, ""), p.caller)
		p.step(response(p.sent(), "200 OK"), p.callee)
	}
	p.fx.Reset()
	st := p.element.core.Stats().Transactions
	if least := 3 * kept * perSecond; st.UnderWay != 0 || st.Servers+st.Clients < least {
		tb.Fatalf("%d servers, %d clients, %d under way: want %d finished ones", st.Servers, st.Clients, st.UnderWay, least)
	}
	used := int(heap() - before)
	runtime.KeepAlive(p)
	return used / (st.Servers + st.Clients), used / (kept * perSecond)
}

// BenchmarkMemory reports the figures.
func BenchmarkMemory(b *testing.B) {
	var ringing, finished, call int
	for b.Loop() {
		ringing, _ = perRinging(b, 20_000)
		finished, call = perFinished(b, 100)
	}
	b.ReportMetric(float64(ringing), "B/ringing-call")
	b.ReportMetric(float64(finished), "B/finished-transaction")
	b.ReportMetric(float64(call), "B/finished-call")
}
