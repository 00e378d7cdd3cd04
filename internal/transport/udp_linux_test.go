package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// closedPort is an address where nobody listens: it was free a moment ago.
func closedPort(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	c := peer(t, netip.AddrPortFrom(netip.MustParseAddr(host), 0), netip.AddrPort{})
	a := localAddr(c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return a
}

func hopTo(u *UDP, to netip.AddrPort) flow.Hop {
	return flow.Hop{Local: u.Addr(), Remote: to, Protocol: flow.UDP}
}

// ICMP port unreachable comes back with where the datagram went and how it
// began, and the process goes on with everything else.
//
// Proves: NH-7, TP-17
func TestRefusedIsReported(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, any := range []bool{false, true} {
			bind := netip.MustParseAddr(host)
			if any && bind.Is6() {
				bind = netip.IPv6Unspecified()
			} else if any {
				bind = netip.IPv4Unspecified()
			}
			t.Run(bind.String(), func(t *testing.T) {
				t.Parallel()
				u := listen(t, UDPConfig{Bind: netip.AddrPortFrom(bind, 0)})
				reports := make(chan Report, 8)
				serve(t, u, func(s *Socket, sender *Sender, b *Batch) {
					for _, r := range b.Trouble.Reports {
						reports <- Report{To: r.To, Quoted: bytes.Clone(r.Quoted)}
					}
					echo(s, sender, b)
				})
				dead := closedPort(t, host)
				var fx effect.List
				var trouble Trouble
				fx.Send(flow.Hop{Remote: dead}, []byte("INVITE sip:nobody"), 1)
				NewSender().Send(u.Sockets()[0], fx.Sends, &trouble)
				if trouble.Any() {
					t.Errorf("sending itself does not fail, got %+v", trouble)
				}
				got := <-reports
				if got.To != dead || string(got.Quoted) != "INVITE sip:nobody" {
					t.Errorf("got %q to %s, want the datagram to %s", got.Quoted, got.To, dead)
				}
				client := peer(t, netip.AddrPort{}, netip.AddrPortFrom(netip.MustParseAddr(host), u.Addr().Port()))
				write(t, client, []byte("OPTIONS"))
				if got := read(t, client); string(got) != "OPTIONS" {
					t.Errorf("got %q", got)
				}
				if got := u.Counters(); got.Unreachable != 1 || got.ReceiveErrors != 0 {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

// A pending error is about a datagram that left before: the messages behind it
// go out, all of them, and each dead peer is reported.
//
// Proves: NH-7
func TestPendingErrorFailsNobodyElse(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	live := peer(t, addrPort(t, "127.0.0.1:0"), netip.AddrPort{})
	dead := []netip.AddrPort{closedPort(t, "127.0.0.1"), closedPort(t, "127.0.0.2")}
	var fx effect.List
	var trouble Trouble
	sender := NewSender()
	const rounds = 2 * width
	for i := range rounds {
		fx.Send(hopTo(u, dead[i%2]), fx.Copy([]byte("BYE")), effect.Handle(1+i))
		fx.Send(hopTo(u, localAddr(live)), fx.Copy(fmt.Appendf(nil, "message %d", i)), 0)
	}
	sender.Send(u.Sockets()[0], fx.Sends, &trouble)
	if len(trouble.Failed) > 0 {
		t.Errorf("got failures %+v", trouble.Failed)
	}
	if len(trouble.Reports) == 0 {
		t.Error("no report")
	}
	for _, r := range trouble.Reports {
		if !slices.Contains(dead, r.To) || string(r.Quoted) != "BYE" {
			t.Errorf("got %q to %s", r.Quoted, r.To)
		}
	}
	for i := range rounds {
		if got, want := string(read(t, live)), fmt.Sprintf("message %d", i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if c := u.Counters(); c.Sent != 2*rounds || c.DroppedFull+c.SendErrors+c.DroppedFull != 0 {
		t.Errorf("got %+v", c)
	}
}

// What cannot be sent is told, for that message; the others go.
//
// Proves: NH-7
func TestFailureIsTheMessagesOwn(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	live := peer(t, addrPort(t, "127.0.0.1:0"), netip.AddrPort{})
	hop := func(to string) flow.Hop { return hopTo(u, addrPort(t, to)) }
	wire := []byte("ACK")
	list := []effect.Send{
		{Hop: hopTo(u, localAddr(live)), Wire: wire},
		{Hop: hopTo(u, localAddr(live)), Wire: make([]byte, 65_508), For: 1}, // EMSGSIZE
		{Hop: hop("127.0.0.1:0"), Wire: wire, For: 2},
		{Hop: hop("[::1]:5060"), Wire: wire, For: 3},           // not of this socket's family
		{Hop: hop("127.255.255.255:5060"), Wire: wire, For: 4}, // broadcast
		{Hop: hop("198.51.100.1:5060"), Wire: wire, For: 5},    // not from a loopback address
		{Hop: flow.Hop{}, Wire: wire, For: 6},
		{Hop: flow.Hop{Listener: 9}, Wire: wire, For: 7}, // another listener's: left alone
		{Hop: hopTo(u, localAddr(live)), Wire: []byte("BYE")},
	}
	var trouble Trouble
	NewSender().Send(u.Sockets()[0], list, &trouble)
	var failed []effect.Handle
	for _, f := range trouble.Failed {
		failed = append(failed, f.For)
		if f.Err == nil {
			t.Errorf("failure %d has no error", f.For)
		}
	}
	slices.Sort(failed)
	if want := []effect.Handle{1, 2, 3, 4, 5, 6}; !slices.Equal(failed, want) {
		t.Errorf("got %v, want %v; %+v", failed, want, trouble.Failed)
	}
	if !errors.Is(trouble.Failed[slices.IndexFunc(trouble.Failed, func(f Failure) bool { return f.For == 1 })].Err, unix.EMSGSIZE) {
		t.Errorf("want EMSGSIZE, got %+v", trouble.Failed)
	}
	for i, m := range list {
		if (m.Wire == nil) != (m.Hop.Listener == 0) {
			t.Errorf("message %d: done %t", i, m.Wire == nil)
		}
	}
	for _, want := range []string{"ACK", "BYE"} {
		if got := string(read(t, live)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// RFC 3261 §18.4 and seams.md §6: which ICMP messages are failures.
//
// Proves: NH-7
func TestWhatICMPMeans(t *testing.T) {
	const v4, v6 = unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6
	for _, c := range []struct {
		what               string
		origin, kind, code uint8
		want               bool
	}{
		{"net unreachable", v4, 3, 0, true},
		{"host unreachable", v4, 3, 1, true},
		{"protocol unreachable", v4, 3, 2, true},
		{"port unreachable", v4, 3, 3, true},
		{"fragmentation needed", v4, 3, 4, false},
		{"administratively prohibited", v4, 3, 13, true},
		{"source quench", v4, 4, 0, false},
		{"TTL exceeded", v4, 11, 0, false},
		{"reassembly time exceeded", v4, 11, 1, false},
		{"parameter problem", v4, 12, 0, true},
		{"no route", v6, 1, 0, true},
		{"port unreachable, IPv6", v6, 1, 4, true},
		{"packet too big", v6, 2, 0, false},
		{"hop limit exceeded", v6, 3, 0, false},
		{"parameter problem, IPv6", v6, 4, 1, true},
		{"a local error", unix.SO_EE_ORIGIN_LOCAL, 3, 3, false},
	} {
		e := unix.SockExtendedErr{Origin: c.origin, Type: c.kind, Code: c.code}
		if got := unreachable(&e); got != c.want {
			t.Errorf("%s: got %t, want %t", c.what, got, c.want)
		}
	}
}

// A storm of ICMP errors is bounded, and counted.
func TestReportsAreBounded(t *testing.T) {
	var trouble Trouble
	for i := range maxReports + 5 {
		if got, want := trouble.report(netip.AddrPort{}, []byte("INVITE")), i < maxReports; got != want {
			t.Fatalf("report %d: got %t, want %t", i, got, want)
		}
	}
	for _, r := range trouble.Reports {
		if string(r.Quoted) != "INVITE" {
			t.Fatalf("got %q", r.Quoted)
		}
	}
	trouble.Reset()
	if trouble.Any() || !trouble.report(netip.AddrPort{}, nil) {
		t.Error("not usable after Reset")
	}
}

// A burst comes in full batches; the last is short and ends the turn.
func TestBatches(t *testing.T) {
	const count = 2*width + 10
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	client := peer(t, netip.AddrPort{}, u.Addr())
	for range count {
		write(t, client, []byte("message"))
	}
	sizes := make(chan int, 8)
	serve(t, u, func(_ *Socket, _ *Sender, b *Batch) { sizes <- len(b.Packets) })
	for _, want := range []int{width, width, 10} {
		if got := <-sizes; got != want {
			t.Errorf("got a batch of %d, want %d", got, want)
		}
	}
	if c := u.Counters(); c.Batches != 3 || c.FullBatches != 2 || c.Received != count {
		t.Errorf("got %+v", c)
	}
}

// The kernel spreads peers over the sockets and keeps each on its own.
func TestPeersKeepTheirSocket(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), Sockets: 2})
	var mu sync.Mutex
	seen := map[netip.AddrPort]map[*Socket]bool{}
	serve(t, u, func(s *Socket, sender *Sender, b *Batch) {
		mu.Lock()
		for _, p := range b.Packets {
			if seen[p.From.Remote] == nil {
				seen[p.From.Remote] = map[*Socket]bool{}
			}
			seen[p.From.Remote][s] = true
		}
		mu.Unlock()
		echo(s, sender, b)
	})
	for range 64 { // all on one of two sockets: once in 2^63
		client := peer(t, netip.AddrPort{}, u.Addr())
		for range 3 {
			write(t, client, []byte("message"))
			_ = read(t, client)
		}
	}
	used := map[*Socket]bool{}
	mu.Lock()
	defer mu.Unlock()
	for from, sockets := range seen {
		if len(sockets) != 1 {
			t.Errorf("%s came to %d sockets", from, len(sockets))
		}
		for s := range sockets {
			used[s] = true
		}
	}
	if len(used) != 2 {
		t.Errorf("%d of 2 sockets were used", len(used))
	}
}

func TestKernelDropsAreCounted(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), ReceiveBuffer: 1})
	client := peer(t, netip.AddrPort{}, u.Addr())
	const count = 200
	for range count {
		write(t, client, bytes.Repeat([]byte("v"), 1000))
	}
	drops := u.Counters().KernelDrops
	if drops == 0 || drops >= count {
		t.Fatalf("got %d drops of %d", drops, count)
	}
	if again := u.Counters().KernelDrops; again != drops {
		t.Errorf("got %d, then %d", drops, again)
	}
	received := make(chan int, count)
	serve(t, u, func(_ *Socket, _ *Sender, b *Batch) { received <- len(b.Packets) })
	for got := uint64(0); got < count-drops; {
		got += uint64(<-received)
	}
}

// network gives the calling test a network of its own: a link 10.9.9.1/24 with
// nobody at the other end. It takes root.
func network(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network of its own: ", err)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "v0", "type", "veth", "peer", "name", "v1"},
		{"addr", "add", "10.9.9.1/24", "dev", "v0"},
		{"link", "set", "v0", "up"},
		{"link", "set", "v1", "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("ip %v: %v: %s", args, err, out)
		}
	}
}

// A full send buffer drops what does not fit, counts it and returns: here the
// buffer is full of datagrams that wait for the address of a neighbour who does
// not exist. Nobody is told that it failed: retransmission repairs it.
func TestFullSendBufferDrops(t *testing.T) {
	network(t)
	u := listen(t, UDPConfig{Bind: addrPort(t, "10.9.9.1:0"), SendBuffer: 1})
	var fx effect.List
	const count = 50
	for range count {
		fx.Send(hopTo(u, addrPort(t, "10.9.9.2:5060")), fx.Copy(make([]byte, 1000)), 1)
	}
	var trouble Trouble
	sender := NewSender()
	sender.Send(u.Sockets()[0], fx.Sends, &trouble)
	c := u.Counters()
	if c.DroppedFull == 0 || c.Sent == 0 || c.Sent+c.DroppedFull != count || trouble.Any() {
		t.Errorf("got %+v and %+v", c, trouble)
	}
}

// Without a route the message itself fails.
//
// Proves: NH-7
func TestNoRouteIsAFailure(t *testing.T) {
	network(t)
	u := listen(t, UDPConfig{Bind: addrPort(t, "0.0.0.0:0")})
	live := peer(t, addrPort(t, "127.0.0.1:0"), netip.AddrPort{})
	list := []effect.Send{
		{Hop: flow.Hop{Remote: addrPort(t, "198.51.100.1:5060")}, Wire: []byte("INVITE"), For: 7},
		{Hop: flow.Hop{Remote: localAddr(live)}, Wire: []byte("ACK"), For: 8},
	}
	var trouble Trouble
	NewSender().Send(u.Sockets()[0], list, &trouble)
	if len(trouble.Failed) != 1 || trouble.Failed[0].For != 7 || !errors.Is(trouble.Failed[0].Err, unix.ENETUNREACH) {
		t.Errorf("got %+v", trouble)
	}
	if got := read(t, live); string(got) != "ACK" {
		t.Errorf("got %q", got)
	}
	if src, ok := NewSources().Source(netip.MustParseAddr("198.51.100.1")); ok {
		t.Errorf("source %s without a route", src)
	}
	if src, ok := NewSources().Source(netip.MustParseAddr("10.9.9.77")); !ok || src != netip.MustParseAddr("10.9.9.1") {
		t.Errorf("got source %s %t", src, ok)
	}
}

// Link-local addresses keep their interface, there and back.
func TestLinkLocalZone(t *testing.T) {
	for _, a := range []string{"[fe80::1%7]:5060", "192.0.2.1:5060", "[2001:db8::1]:1", "[::1]:65535", "255.255.255.255:0"} {
		var n name
		want := addrPort(t, a)
		if size := n.put(want); size != unix.SizeofSockaddrInet4 && want.Addr().Is4() || n.get() != want {
			t.Errorf("%s: got %s", want, n.get())
		}
	}
	var n name
	if got := n.get(); got.IsValid() {
		t.Errorf("no family: got %s", got)
	}
	if got := scopeOf("lo"); got == 0 {
		t.Error("lo has no index")
	}
	if got := scopeOf("no such interface"); got != 0 {
		t.Errorf("got %d", got)
	}
}

// Without the poller's help a socket is still served.
func TestReaderServesWithoutThePoller(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	client := peer(t, netip.AddrPort{}, u.Addr())
	sender := NewSender()
	r := &reader{s: u.Sockets()[0]}
	r.turn = func(b *Batch) { echo(r.s, sender, b) }
	if err := r.init(); err != nil {
		t.Fatal(err)
	}
	write(t, client, []byte("OPTIONS"))
	r.limp()
	if got := read(t, client); string(got) != "OPTIONS" {
		t.Errorf("got %q", got)
	}
	if err := unix.Munmap(r.buffers); err != nil {
		t.Error(err)
	}
}

// relay is one turn of a socket without its goroutine: count packets are echoed.
func relay(t testing.TB, bind string, count int) (turn func(), u *UDP) {
	u = listen(t, UDPConfig{Bind: addrPort(t, bind)})
	to := u.Addr()
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port())
	}
	client := peer(t, netip.AddrPort{}, to)
	sender := NewSender()
	var fx effect.List
	r := &reader{s: u.Sockets()[0]}
	r.turn = func(b *Batch) {
		for i := range b.Packets {
			fx.Send(b.Packets[i].From.Hop(), fx.Copy(b.Packets[i].Wire), 0)
		}
		sender.Send(r.s, fx.Sends, &b.Trouble)
		fx.Reset()
	}
	if err := r.init(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(r.buffers) })
	wire, back := bytes.Repeat([]byte("v"), 800), make([]byte, 1000)
	once := func(fd uintptr) { r.read(fd) }
	return func() {
		for range count {
			if _, err := client.Write(wire); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.s.raw.Control(once); err != nil {
			t.Fatal(err)
		}
		for range count {
			if _, err := client.Read(back); err != nil {
				t.Fatal(err)
			}
		}
	}, u
}

func TestTurnAllocatesNothing(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		turn, _ := relay(t, bind, 10)
		if n := testing.AllocsPerRun(100, turn); n != 0 {
			t.Errorf("%s: %v allocations", bind, n)
		}
	}
}

func TestErrorQueueAllocatesNothing(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	dead := closedPort(t, "127.0.0.1")
	sender := NewSender()
	var trouble Trouble
	var fx effect.List
	n := testing.AllocsPerRun(100, func() {
		for range 4 {
			fx.Send(hopTo(u, dead), fx.Copy([]byte("INVITE")), 1)
		}
		sender.Send(u.Sockets()[0], fx.Sends, &trouble)
		fx.Reset()
		trouble.Reset()
	})
	if n != 0 || u.Counters().Unreachable == 0 {
		t.Errorf("%v allocations, %+v", n, u.Counters())
	}
}

func BenchmarkTurn(b *testing.B) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		for _, count := range []int{1, 16, 63} {
			b.Run(fmt.Sprintf("%s/%d", bind, count), func(b *testing.B) {
				turn, _ := relay(b, bind, count)
				b.ReportAllocs()
				for b.Loop() {
					turn()
				}
			})
		}
	}
}

// Nor is one lost, nor an answer, while ICMP errors arrive all the time: they end
// receives and sends early, on sockets that did not send what they are about.
func TestNothingIsLostAmongErrors(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), Sockets: 2})
	dead := closedPort(t, "127.0.0.1")
	serve(t, u, func(_ *Socket, sender *Sender, b *Batch) {
		var fx effect.List
		for _, p := range b.Packets {
			fx.Send(hopTo(u, dead), fx.Copy([]byte("BYE")), 1)
			fx.Send(p.From.Hop(), fx.Copy(p.Wire), 0)
			fx.Send(hopTo(u, dead), fx.Copy([]byte("BYE")), 2)
		}
		for _, other := range u.Sockets() {
			sender.Send(other, fx.Sends, &b.Trouble)
			for range b.Packets {
				fx.Send(hopTo(u, dead), fx.Copy([]byte("BYE")), 3)
			}
		}
	})
	var clients sync.WaitGroup
	for range 8 {
		client := peer(t, netip.AddrPort{}, u.Addr())
		clients.Go(func() {
			b := make([]byte, 100)
			for i := range 200 {
				for range 1 + i%3 {
					if _, err := client.Write([]byte("ping")); err != nil {
						t.Error(err)
						return
					}
				}
				for range 1 + i%3 {
					if _, err := client.Read(b); err != nil {
						t.Errorf("round %d: %v", i, err)
						return
					}
				}
			}
		})
	}
	clients.Wait()
	if c := u.Counters(); c.Unreachable == 0 || c.SendErrors+c.DroppedFull+c.ReceiveErrors != 0 {
		t.Errorf("got %+v", c)
	}
}
