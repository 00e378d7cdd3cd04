package transport

import (
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"viaduct/internal/clock"
)

// What a filter drops is counted apart from what found no room, and is no sign of a
// full queue; it ends when it holds no longer, and may take the place of another.
// Proves: RB-7
func TestSieveOfASocket(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(bind, func(t *testing.T) {
			read, u := byHand(t, UDPConfig{Bind: addrPort(t, bind)})
			s, client := u.Sockets()[0], peer(t, netip.AddrPort{}, u.Addr())
			send := func(n int) {
				for range n {
					for _, wire := range []string{"INVITE", "OPTIONS"} {
						if _, err := client.Write([]byte(wire)); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			packets := func() (n int) {
				for _, b := range read() {
					if n += b.packets; b.lost {
						t.Error("taken for a full queue")
					}
				}
				return n
			}
			first := func(word uint32) []bpf.RawInstruction {
				p, err := bpf.Assemble([]bpf.Instruction{
					bpf.LoadAbsolute{Off: 8, Size: 4}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: word, SkipFalse: 1}, bpf.RetConstant{}, bpf.RetConstant{Val: 1 << 16},
				})
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			count := func(sieved uint64) {
				if c := s.Counters(); c.Sieved != sieved || c.KernelDrops != 0 {
					t.Errorf("sieved %d, dropped %d", c.Sieved, c.KernelDrops)
				}
			}
			if !s.Sieve(first(0x494e5649), 1000) || !s.Sieved() {
				t.Fatal("no filter")
			}
			send(width + 5)
			if n := packets(); n != width+5 {
				t.Errorf("%d came through, want %d", n, width+5)
			}
			count(width + 5)
			if !s.Sieve(first(0x4f505449), 2000) {
				t.Fatal("no other filter")
			}
			s.HoldSieve(3000)
			s.DropSieve(clock.Instant(2999))
			send(1)
			if n := packets(); n != 1 || !s.Sieved() {
				t.Errorf("%d came through", n)
			}
			count(width + 6)
			s.DropSieve(clock.Instant(3000))
			send(width)
			if n := packets(); n != 2*width || s.Sieved() {
				t.Errorf("%d came through without a filter", n)
			}
			count(width + 6)
			if s.Sieve(make([]bpf.RawInstruction, 5000), 1) || s.Sieve(nil, 1) {
				t.Error("a filter that is none")
			}
		})
	}
}
