package engine

import (
	"net"
	"net/netip"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
)

// steady is a turn of a worker over the real core: copies of OPTIONS that its
// server transactions answer again, to a phone that reads them.
func steady(t testing.TB, count int) func() {
	t.Helper()
	keys, err := proxy.NewKeys([]byte("a secret of the test bench"))
	if err != nil {
		t.Fatal(err)
	}
	s := loopback("127.0.0.1:0")
	s.Keys, s.Names, s.Domains = keys, policy.NewDomains("127.0.0.1"), policy.NewDomains()
	e, err := New(Config{Snapshot: s, Readers: 1, Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	at := e.Addresses()[0].Bind
	alice := phone(t, at)
	from := flow.Flow{Local: at, Remote: alice.LocalAddr().(*net.UDPAddr).AddrPort(), Protocol: flow.UDP}
	var batch transport.Batch
	for n := range count {
		batch.Packets = append(batch.Packets, transport.Packet{Wire: []byte(request("OPTIONS", n)), From: from})
	}
	// Among them a response that belongs to nobody, and one that is no message.
	batch.Packets = append(batch.Packets,
		transport.Packet{Wire: []byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9\r\n\r\n"), From: from},
		transport.Packet{Wire: []byte("no message"), From: from})
	w, b := e.newWorker(0), make([]byte, 2000)
	return func() {
		w.turn(&batch)
		for range count {
			if _, _, err := alice.ReadFromUDPAddrPort(b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSteadyTurnAllocatesNothing(t *testing.T) {
	turn := steady(t, 8)
	turn() // the transactions are made
	if n := testing.AllocsPerRun(200, turn); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
}

// Nor do failures that go back to the core.
func TestFailureAllocatesNothing(t *testing.T) {
	e := newFake(t, Config{Shards: 1, Readers: 1}, nil)
	w := e.newWorker(0)
	nowhere := flow.Hop{Remote: netip.MustParseAddrPort("127.0.0.1:0"), Protocol: flow.UDP}
	wire := []byte("BYE")
	turn := func() {
		w.begin()
		for range 4 {
			w.fx.Send(nowhere, wire, 1)
		}
		w.finish()
	}
	turn()
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
}

func BenchmarkTurn(b *testing.B) {
	for _, c := range []struct {
		name  string
		count int
	}{{"1", 1}, {"16", 16}} {
		b.Run(c.name, func(b *testing.B) {
			turn := steady(b, c.count)
			b.ReportAllocs()
			for b.Loop() {
				turn()
			}
		})
	}
}
