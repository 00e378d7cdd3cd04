package engine

import (
	"strings"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/overload"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
	"viaduct/sip"
)

// A reader that is behind takes on nothing new, the least wanted first; what is
// under way goes on, and old requests are not worth a look.
// Proves: RB-7
func TestReaderThatIsBehind(t *testing.T) {
	keys, err := proxy.NewKeys([]byte("a secret of the test bench"))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := loopback("127.0.0.1:0")
	snapshot.Keys = keys
	var taken []string
	e := newFake(t, Config{Snapshot: snapshot, Shards: 1}, func(f *fake) {
		f.packet = func(m *sip.Message, _ flow.Flow, _ *effect.List) {
			what := "response"
			if m.IsRequest() {
				what = string(m.MethodName())
			}
			taken = append(taken, what)
		}
		f.shed = func(m *sip.Message) { taken = append(taken, "503 "+string(m.MethodName())) }
	})
	invite := request("INVITE", 1)
	tagged := func(method, tag string) string {
		return strings.Replace(request(method, 1), "\r\nTo:", "\r\nTo: <sip:b@c>;tag="+tag+"\r\nX:", 1)
	}
	all := []string{
		invite, tagged("INVITE", "x"), tagged("ACK", "x"), tagged("ACK", string(keys.ShedTag())+"rest"), request("CANCEL", 1), request("OPTIONS", 1),
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\r\n", request("REGISTER", 1), "garbage\r\n\r\n",
	}
	w := e.newWorker(0)
	turn := func(age, packet time.Duration, lost bool, wires ...string) string {
		taken = nil
		b := transport.Batch{Age: age, Lost: lost}
		for _, wire := range wires {
			b.Packets = append(b.Packets, transport.Packet{Wire: []byte(wire), From: flow.Flow{Protocol: flow.UDP}, Age: packet})
		}
		w.turn(&b)
		return strings.Join(taken, ", ")
	}
	for _, step := range []struct {
		name        string
		age, packet time.Duration
		lost        bool
		want        string
	}{
		{"a burst", 50 * time.Millisecond, 0, false, "INVITE, INVITE, ACK, ACK, CANCEL, OPTIONS, response, REGISTER"},
		{"no room", 0, 0, true, "503 INVITE, INVITE, ACK, CANCEL, 503 OPTIONS, response, 503 REGISTER"},
		{"some room", 12 * time.Millisecond, 0, false, "INVITE, INVITE, ACK, CANCEL, 503 OPTIONS, response, 503 REGISTER"},
		{"far behind", 400 * time.Millisecond, 400 * time.Millisecond, false, "503 INVITE, INVITE, ACK, CANCEL, 503 OPTIONS, response, 503 REGISTER"},
		{"stale", 600 * time.Millisecond, 600 * time.Millisecond, false, "ACK, response"},
	} {
		if got := turn(step.age, step.packet, step.lost, all...); got != step.want {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	s := e.Stats().Shed
	want := Shedding{Acks: 4, Times: 1, Behind: 1}
	want.Refused[overload.Call], want.Refused[overload.Other], want.Refused[overload.Register] = 2, 6, 3
	want.Stale[overload.UnderWay], want.Stale[overload.Call], want.Stale[overload.Other], want.Stale[overload.Register] = 2, 1, 2, 1
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

// Age alone drops a request, behind or not; ages of a stream's messages are its
// wait for a turn.
func TestStaleRequests(t *testing.T) {
	snapshot := loopback("127.0.0.1:0")
	snapshot.Keys, _ = proxy.NewKeys([]byte("a secret of the test bench"))
	n := 0
	e := newFake(t, Config{Snapshot: snapshot, Shards: 1}, func(f *fake) { f.packet = func(*sip.Message, flow.Flow, *effect.List) { n++ } })
	w := e.newWorker(0)
	for _, age := range []time.Duration{0, 499 * time.Millisecond, 500 * time.Millisecond, time.Hour} {
		w.turn(&transport.Batch{Age: age, Packets: []transport.Packet{{Wire: []byte(request("INVITE", 1)), From: flow.Flow{Protocol: flow.UDP}, Age: age}}})
	}
	if stale := e.Stats().Shed.Stale[overload.Call]; n != 2 || stale != 2 {
		t.Errorf("%d taken, %d stale", n, stale)
	}
}

// A reader for which even to refuse would take too long has the kernel keep new work
// away, until nothing is refused any more; the ticker sees to those that sleep.
func TestReaderBehindPutsASieveInFrontOfIt(t *testing.T) {
	snapshot := loopback("127.0.0.1:0")
	snapshot.Keys, _ = proxy.NewKeys([]byte("a secret of the test bench"))
	e := newFake(t, Config{Snapshot: snapshot, Shards: 1}, nil)
	w := e.newWorker(0)
	w.begin()
	w.reads = e.inForce.Load().listeners[0].udp.Sockets()[0]
	b := transport.Batch{}
	for range 100 {
		b.Packets = append(b.Packets, transport.Packet{Wire: []byte(request("INVITE", 1)), From: flow.Flow{Protocol: flow.UDP}})
	}
	turn := func(age time.Duration) {
		b.Age = age
		w.now = w.now.Add(overload.Interval)
		w.queue(&b)
		for i := range b.Packets {
			w.judge(&b.Packets[i])
		}
	}
	for range 10 {
		turn(time.Second)
	}
	if !w.reads.Sieved() || !w.gate.Behind() {
		t.Fatal("nothing in front of it")
	}
	e.dropSieves(w.now)
	if !w.reads.Sieved() {
		t.Error("taken away from a reader that is at work")
	}
	for range 40 {
		turn(0)
	}
	if w.reads.Sieved() || w.gate.Behind() {
		t.Error("still something in front of it")
	}
	for range 10 {
		turn(time.Second)
	}
	e.dropSieves(w.now.Add(sieveHolds))
	if w.reads.Sieved() {
		t.Error("left in front of a reader that has nothing to do")
	}
	if turn(0); w.gate.Valve.Share() != 0 {
		t.Error("the reader does not know")
	}
}
