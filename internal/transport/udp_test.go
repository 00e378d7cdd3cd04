package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// patience is how long a test waits for what must come; it passes as soon as it
// has come.
const patience = 10 * time.Second

func addrPort(t testing.TB, s string) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// listen opens cfg and closes it at the end of the test.
func listen(t testing.TB, cfg UDPConfig) *UDP {
	t.Helper()
	u, err := ListenUDP(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return u
}

// serve runs turn on all sockets of u until the end of the test.
func serve(t testing.TB, u *UDP, turn func(*Socket, *Sender, *Batch)) {
	t.Helper()
	var group sync.WaitGroup
	for _, s := range u.Sockets() {
		group.Go(func() {
			sender := NewSender()
			if err := s.Serve(func(b *Batch) { turn(s, sender, b) }); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		_ = u.Close() // a test may have done so
		group.Wait()
	})
}

// echo sends every packet back along its flow.
func echo(s *Socket, sender *Sender, b *Batch) {
	var fx effect.List
	for _, p := range b.Packets {
		fx.Send(p.From.Hop(), fx.Copy(p.Wire), 0)
	}
	sender.Send(s, fx.Sends, &b.Trouble)
}

// peer is a plain socket of the other side, with a deadline.
func peer(t testing.TB, local, remote netip.AddrPort) *net.UDPConn {
	t.Helper()
	var from, to *net.UDPAddr
	if local.IsValid() {
		from = net.UDPAddrFromAddrPort(local)
	}
	if remote.IsValid() {
		to = net.UDPAddrFromAddrPort(remote)
	}
	var c *net.UDPConn
	var err error
	if to != nil {
		c, err = net.DialUDP("udp", from, to)
	} else {
		c, err = net.ListenUDP("udp", from)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have done so
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, c *net.UDPConn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, c *net.UDPConn) []byte {
	t.Helper()
	b := make([]byte, datagram)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// localAddr is where c is bound.
func localAddr(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// An answer leaves from the address and port that the request came to: the
// peer's socket is connected and takes nothing else. On a wildcard the kernel
// would choose another address of the machine.
//
// Proves: TP-15
func TestAnswerLeavesFromWhereTheRequestCameTo(t *testing.T) {
	for _, c := range []struct{ bind, to, from string }{
		{"127.0.0.1:0", "127.0.0.1", "127.0.0.1:0"},
		{"127.0.0.2:0", "127.0.0.2", "127.0.0.1:0"},
		{"0.0.0.0:0", "127.0.0.1", "127.0.0.1:0"},
		{"0.0.0.0:0", "127.0.0.2", "127.0.0.3:0"},
		{"[::1]:0", "::1", "[::1]:0"},
		{"[::]:0", "::1", "[::1]:0"},
	} {
		t.Run(c.bind+" at "+c.to, func(t *testing.T) {
			t.Parallel()
			u := listen(t, UDPConfig{Listener: 3, Bind: addrPort(t, c.bind), Sockets: 2})
			flows := make(chan flow.Flow, 1)
			serve(t, u, func(s *Socket, sender *Sender, b *Batch) {
				for _, p := range b.Packets {
					flows <- p.From
				}
				echo(s, sender, b)
			})
			to := netip.AddrPortFrom(netip.MustParseAddr(c.to), u.Addr().Port())
			client := peer(t, addrPort(t, c.from), to)
			write(t, client, []byte("OPTIONS"))
			if got := read(t, client); string(got) != "OPTIONS" {
				t.Errorf("got %q", got)
			}
			want := flow.Flow{Local: to, Remote: localAddr(client), Listener: 3, Protocol: flow.UDP}
			if got := <-flows; got != want {
				t.Errorf("got flow %+v, want %+v", got, want)
			}
		})
	}
}

// RFC 3261 §18.1.1: datagrams up to the limit of UDP must be handled.
func TestLargeDatagramsBothWays(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	serve(t, u, echo)
	client := peer(t, netip.AddrPort{}, u.Addr())
	for _, size := range []int{60_000, 65_507, 1} {
		want := bytes.Repeat([]byte("v"), size)
		write(t, client, want)
		if got := read(t, client); !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, want %d", len(got), size)
		}
	}
}

// Messages of one peer come out of a socket and leave it in the order they came,
// over several batches.
func TestOrderIsKept(t *testing.T) {
	const count = 5*width + 7
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), Sockets: 4})
	client := peer(t, netip.AddrPort{}, u.Addr())
	if err := client.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	for i := range count {
		write(t, client, fmt.Appendf(nil, "message %d", i))
	}
	serve(t, u, echo)
	for i := range count {
		if got, want := string(read(t, client)), fmt.Sprintf("message %d", i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// A wake-up that is lost would stop this for good: each message waits for the
// answer to the one before.
func TestNoWakeUpIsLost(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), Sockets: 2})
	serve(t, u, echo)
	var group sync.WaitGroup
	for range 4 {
		client := peer(t, netip.AddrPort{}, u.Addr())
		group.Go(func() {
			b := make([]byte, 100)
			for range 2000 {
				if _, err := client.Write([]byte("ping")); err != nil {
					t.Error(err)
					return
				}
				if _, err := client.Read(b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// Keepalives get no answer and reach nobody; what follows does.
//
// Proves: TP-9
func TestKeepalivesAreDroppedInSilence(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	serve(t, u, echo)
	client := peer(t, netip.AddrPort{}, u.Addr())
	silent := []string{"", "\x00", "\x00\x00\x00\x00", "\r\n", "\r\n\r\n", "\r\n\r\n\x00", "  \r\n"}
	for _, b := range silent {
		write(t, client, []byte(b))
	}
	write(t, client, []byte("\r\nINVITE")) // RFC 3261 §7.5: CRLF before a start line is the parser's
	if got := read(t, client); string(got) != "\r\nINVITE" {
		t.Errorf("got %q", got)
	}
	if got := u.Counters().Keepalives; got != uint64(len(silent)) {
		t.Errorf("got %d keepalives, want %d", got, len(silent))
	}
}

// Proves: OB-11, OB-18, TP-9
func TestSTUNIsAnsweredFromTheSamePort(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(bind, func(t *testing.T) {
			t.Parallel()
			u := listen(t, UDPConfig{Bind: addrPort(t, bind)})
			serve(t, u, func(_ *Socket, _ *Sender, b *Batch) {
				for _, p := range b.Packets {
					t.Errorf("passed up: %q", p.Wire)
				}
			})
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), u.Addr().Port())
			switch {
			case u.Addr().Addr().Is6():
				to = netip.AddrPortFrom(netip.IPv6Loopback(), u.Addr().Port())
			case !u.Addr().Addr().IsUnspecified():
				to = u.Addr()
			}
			client := peer(t, netip.AddrPort{}, to)
			write(t, client, binding())
			if got, want := mapped(t, read(t, client)), localAddr(client); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			write(t, client, append(binding(), 1))
			write(t, client, binding())
			_ = read(t, client)
			if c := u.Counters(); c.Bindings != 2 || c.BadBindings != 1 {
				t.Errorf("got %d answered and %d bad, want 2 and 1", c.Bindings, c.BadBindings)
			}
		})
	}
}

func TestCounters(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	serve(t, u, echo)
	client := peer(t, netip.AddrPort{}, u.Addr())
	for _, b := range []string{"one", "three"} {
		write(t, client, []byte(b))
		_ = read(t, client)
	}
	_ = u.Close()
	got := u.Counters()
	want := Counters{Received: 2, ReceivedBytes: 8, Batches: 2, Sent: 2, SentBytes: 8}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got.Add(want)
	if got.Received != 4 || got.SentBytes != 16 {
		t.Errorf("sum is %+v", got)
	}
}

// A second server on one address must fail, although the sockets of one server
// share it.
func TestAddressInUse(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), Sockets: 2})
	for _, bind := range []netip.AddrPort{u.Addr(), netip.AddrPortFrom(netip.IPv4Unspecified(), u.Addr().Port())} {
		second, err := ListenUDP(t.Context(), UDPConfig{Bind: bind, Sockets: 2})
		if err == nil {
			_ = second.Close()
			t.Fatalf("%s was bound twice", bind)
		}
		if !errors.Is(err, syscall.EADDRINUSE) || !bytes.Contains([]byte(err.Error()), []byte(bind.String())) {
			t.Errorf("got %q, want EADDRINUSE and the address", err)
		}
	}
}

func TestListenErrorNamesTheAddress(t *testing.T) {
	for _, bind := range []string{"192.0.2.77:0", "[2001:db8::77]:0"} {
		u, err := ListenUDP(t.Context(), UDPConfig{Bind: addrPort(t, bind)})
		if err == nil {
			_ = u.Close()
			t.Fatalf("%s is not an address of this machine, and was bound", bind)
		}
		if !bytes.Contains([]byte(err.Error()), []byte(bind[:10])) {
			t.Errorf("got %q", err)
		}
	}
	if _, err := ListenUDP(t.Context(), UDPConfig{}); err == nil {
		t.Error("no address, and no error")
	}
}

// Serve ends although the socket is never empty.
func TestCloseEndsABusyReader(t *testing.T) {
	u := listen(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0")})
	client := peer(t, netip.AddrPort{}, u.Addr())
	for range 4 * width {
		write(t, client, []byte("message"))
	}
	turns, s := 0, u.Sockets()[0]
	var group sync.WaitGroup
	err := s.Serve(func(*Batch) {
		if turns++; turns == 1 {
			group.Go(func() { _ = s.Close() }) // waits for this turn
			for !s.closed.Load() {
				runtime.Gosched()
			}
		}
	})
	group.Wait()
	if err != nil {
		t.Error(err)
	}
	if turns != 1 {
		t.Errorf("got %d turns after Close, want none", turns-1)
	}
}

// Nothing is left behind: what a listener opened is closed with it.
func TestNoDescriptorLeaks(t *testing.T) {
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	before := open()
	for range 3 {
		u, err := ListenUDP(t.Context(), UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), Sockets: 8})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ListenUDP(t.Context(), UDPConfig{Bind: u.Addr(), Sockets: 8}); err == nil {
			t.Error("bound twice")
		}
		_, _ = NewSources().Source(netip.MustParseAddr("127.0.0.1"))
		_ = u.Close()
	}
	if after := open(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
