package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// What a plan may do to the order of messages: calls may pass each other, a call
// keeps its own order toward one place, and no two of its messages share a run.
func TestPlanKeepsTheOrderOfACall(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var p plan
	for range 2000 {
		list := make([]effect.Send, 1+random.IntN(width))
		p.reset()
		for i := range list {
			list[i] = effect.Send{
				Hop:  flow.Hop{Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(5060+random.IntN(3)))},
				Wire: make([]byte, 400+random.IntN(3)),
				Call: uint32(random.IntN(8)), // 0 among them
			}
			p.add(list, i, true)
		}
		checkPlan(t, &p, list)
	}
}

func checkPlan(t *testing.T, p *plan, list []effect.Send) {
	t.Helper()
	seen, position := 0, make([]int, len(list))
	for j := range p.m {
		calls := map[uint32]bool{}
		var size int
		p.each(j, func(i int) {
			position[i] = seen
			seen++
			if calls[list[i].Call] || list[i].Call == 0 && p.runs[j].count > 1 {
				t.Fatalf("call %d is twice in a run, or unknown in one", list[i].Call)
			}
			calls[list[i].Call] = true
			if size != 0 && size != len(list[i].Wire) {
				t.Fatal("a run has two sizes")
			}
			size = len(list[i].Wire)
		})
	}
	if seen != len(list) {
		t.Fatalf("%d of %d messages are planned", seen, len(list))
	}
	for i := range list {
		for k := range i {
			same := list[i].Hop.Remote == list[k].Hop.Remote
			if same && (list[i].Call == list[k].Call || list[i].Call == 0 || list[k].Call == 0) && position[k] > position[i] {
				t.Fatalf("message %d of call %d passed message %d of call %d", i, list[i].Call, k, list[k].Call)
			}
		}
	}
}

// Messages of one size arrive as the datagrams that they are, with their own
// bytes, whether they went together or alone.
func TestRunsArriveAsDatagrams(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][2]string{{"127.0.0.1", "127.0.0.1"}, {"0.0.0.0", "127.0.0.1"}, {"::1", "::1"}} {
		t.Run(hosts[0], func(t *testing.T) {
			t.Parallel()
			bind, host := netip.MustParseAddr(hosts[0]), netip.MustParseAddr(hosts[1])
			u := listen(t, UDPConfig{Bind: netip.AddrPortFrom(bind, 0)})
			from := netip.AddrPortFrom(host, u.Addr().Port())
			c := peer(t, netip.AddrPortFrom(host, 0), from)
			var list []effect.Send
			want := map[string]int{}
			for i := range 20 {
				wire := bytes.Repeat([]byte{byte('a' + i)}, 500)
				want[string(wire)]++
				hop := flow.Hop{Protocol: flow.UDP, Local: from, Remote: localAddr(c)}
				list = append(list, effect.Send{Hop: hop, Wire: wire, Call: uint32(i + 1)})
			}
			var trouble Trouble
			NewSender().Send(u.Sockets()[0], list, &trouble)
			if len(trouble.Failed) > 0 {
				t.Fatal(trouble.Failed)
			}
			for range list {
				if got := string(read(t, c)); want[got] != 1 {
					t.Fatalf("a datagram that was not sent: %.20q…", got)
				} else {
					want[got] = 0
				}
			}
			if sent := u.Counters().Sent; sent != uint64(len(list)) {
				t.Errorf("%d are counted as sent, want %d", sent, len(list))
			}
		})
	}
}

// A run that the kernel will not cut goes out one datagram at a time, and the
// socket sends no more runs.
func TestRunsThatCannotBeCutGoAlone(t *testing.T) {
	t.Parallel()
	bind := UDPConfig{Bind: addrPort(t, "127.0.0.1:0")}
	u := listen(t, bind)
	c := peer(t, addrPort(t, "127.0.0.1:0"), u.Addr())
	s := NewSender()
	s.to, s.trouble = u.Sockets()[0], &Trouble{}
	for i := range 3 {
		hop := flow.Hop{Remote: localAddr(c), Listener: 7} // not to be planned by Send again
		s.list = append(s.list, effect.Send{Hop: hop, Wire: fmt.Appendf(nil, "message %d", i), Call: uint32(i + 1)})
		s.plan.add(s.list, i, true)
	}
	s.split(0) // as when the kernel says no
	s.plan.reset()
	if s.to.segments.Load() {
		t.Error("the socket goes on with runs")
	}
	s.Send(s.to, s.list, s.trouble)
	for i := range 3 {
		if got := string(read(t, c)); got != fmt.Sprint("message ", i) {
			t.Errorf("got %q in place %d", got, i)
		}
	}
}
