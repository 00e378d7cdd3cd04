package registrar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

// behind registers n phones behind NATs and as many with addresses of their own.
func (d *desk) behind(n int) {
	d.t.Helper()
	for i := range n {
		d.from = flowOf("udp", fmt.Sprintf("192.0.2.10:%d", 20000+i), 0)
		d.send("", fmt.Sprintf("To: <sip:n%d@example.com>", i), "Contact: <sip:a@10.0.0.7>")
		d.from = flowOf("udp", "192.0.2.10:5060", 0)
		d.send("", fmt.Sprintf("To: <sip:o%d@example.com>", i), "Contact: <sip:a@192.0.2.10>")
	}
}

// Each flow gets one keepalive in 25 s, and no moment gets many of them.
func TestKeepalivesAreSpreadOverTheirRound(t *testing.T) {
	t.Parallel()
	const n, ticks = 1000, 500
	d := newDesk(t)
	d.behind(n)
	var k registrar.Keepalives
	for round := range 3 {
		seen, most := map[flow.Flow]int{}, 0
		for range ticks {
			burst := 0
			if k.Due(d.now, d.d, n, func(b *location.Binding) { seen[b.Flow]++; burst++ }) {
				t.Fatal("more are due than the bound lets through")
			}
			most = max(most, burst)
			d.now = d.now.Add(registrar.KeepaliveEvery / ticks)
		}
		if len(seen) < n-n/ticks-20 || len(seen) > n { // what is on the edge comes with the first tick of the next round
			t.Errorf("round %d: %d flows, want %d", round, len(seen), n)
		}
		for f, times := range seen {
			if times > 2 {
				t.Errorf("round %d: %v met %d times", round, f, times)
			}
		}
		if most > 40 {
			t.Errorf("round %d: a burst of %d, of %d in a round of %d ticks", round, most, n, ticks)
		}
	}
	if k.Late != 0 {
		t.Errorf("%d rounds were late", k.Late)
	}
}

// What the bound leaves is due at once; a round that cannot be held is counted.
func TestKeepalivesAreBounded(t *testing.T) {
	t.Parallel()
	const n = 100
	d := newDesk(t)
	d.behind(n)
	var k registrar.Keepalives
	met := 0
	due := func(most int) bool {
		return k.Due(d.now, d.d, most, func(*location.Binding) { met++ })
	}
	due(10)
	d.now = d.now.Add(registrar.KeepaliveEvery - 1)
	for calls := 1; due(10); calls++ {
		if met > 10*calls {
			t.Fatalf("%d after %d calls of 10", met, calls)
		}
	}
	if met < n-1 {
		t.Errorf("met %d, want nearly %d", met, n)
	}
	d.now = d.now.Add(2)
	due(n)
	if met != n {
		t.Errorf("met %d at the end of the round, want %d", met, n)
	}
	d.now = d.now.Add(10 * registrar.KeepaliveEvery)
	for due(10) {
	}
	if met != 2*n || k.Late != 1 {
		t.Errorf("met %d, %d late, want %d, 1", met, k.Late, 2*n)
	}
	if due(10); met != 2*n {
		t.Error("a new round began with the end of the old one")
	}
}

// What has ended gets no keepalive any more.
func TestKeepalivesEndWithTheBinding(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send("", "Contact: <sip:a@10.0.0.7>;expires=60")
	var k registrar.Keepalives
	met := 0
	round := func() int {
		met = 0
		for range 2 {
			k.Due(d.now, d.d, 10, func(*location.Binding) { met++ })
			d.now = d.now.Add(registrar.KeepaliveEvery)
		}
		return met
	}
	if got := round(); got != 1 {
		t.Errorf("met %d times, want 1", got)
	}
	d.now = d.now.Add(time.Minute)
	if got := round(); got != 0 {
		t.Errorf("met %d times after its end", got)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	b := location.Binding{Contact: []byte("sip:a@10.0.0.7:5062;ob;method=INVITE?Subject=x")}
	wire := registrar.AppendOptions(nil, &b, &registrar.Options{
		Protocol: flow.UDP, SentBy: []byte("192.0.2.1:5060"), Branch: []byte("z9hG4bKx"), Tag: []byte("t"),
		CallID: []byte("c"), From: []byte("sip:192.0.2.1"),
	})
	var m sip.Message
	if err := m.Parse(wire); err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	if got := string(m.RequestURI()); m.Method() != sip.OPTIONS || got != "sip:a@10.0.0.7:5062;ob" {
		t.Errorf("got %s %s", m.MethodName(), got)
	}
	if !strings.Contains(string(wire), "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKx\r\n") {
		t.Errorf("got\n%s", wire)
	}
}
