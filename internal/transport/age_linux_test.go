package transport

import (
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seen is what a turn was told of its batch.
type seen struct {
	packets int
	aged    bool
	lost    bool
}

// byHand is a reader that reads when a test says so.
func byHand(t *testing.T, cfg UDPConfig) (read func() []seen, u *UDP) {
	t.Helper()
	u = listen(t, cfg)
	var list []seen
	r := &reader{s: u.Sockets()[0]}
	r.turn = func(b *Batch) { list = append(list, seen{len(b.Packets), b.Age > 0, b.Lost}) }
	if err := r.init(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(r.buffers) })
	return func() []seen {
		list = nil
		_ = r.s.raw.Control(func(fd uintptr) { r.read(fd) })
		return list
	}, u
}

// The age of the oldest datagram is known from the second batch on that was full,
// on a socket for one address and on one for all of them, where each datagram
// tells its destination, too.
func TestAgeOfFullBatches(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		t.Run(bind, func(t *testing.T) {
			at := addrPort(t, bind)
			read, u := byHand(t, UDPConfig{Bind: at})
			host := at.Addr()
			if host.IsUnspecified() {
				host = netip.MustParseAddr(map[bool]string{true: "127.0.0.1", false: "::1"}[host.Is4()])
			}
			client := peer(t, netip.AddrPort{}, netip.AddrPortFrom(host, u.Addr().Port()))
			send := func(n int) {
				for range n {
					if _, err := client.Write([]byte("OPTIONS")); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i, step := range []struct {
				send int
				want []seen
			}{
				{1, []seen{{1, false, false}}},
				{width + 1, []seen{{width, false, false}, {1, false, false}}},
				{2*width + 2, []seen{{width, true, false}, {width, true, false}, {2, false, false}}},
				{3, []seen{{3, false, false}}},
			} {
				send(step.send)
				if got := read(); !slices.Equal(got, step.want) {
					t.Errorf("step %d: got %+v, want %+v", i, got, step.want)
				}
			}
			for range calm {
				send(1)
				read()
			}
			send(width)
			if got := read(); !slices.Equal(got, []seen{{width, false, false}}) {
				t.Errorf("after a calm time: got %+v", got)
			}
		})
	}
}

// What the kernel had no room for is told with the next batch that is full, once.
func TestLostIsTold(t *testing.T) {
	read, u := byHand(t, UDPConfig{Bind: addrPort(t, "127.0.0.1:0"), ReceiveBuffer: 64 << 10})
	client := peer(t, netip.AddrPort{}, u.Addr())
	for range 2000 {
		if _, err := client.Write([]byte("OPTIONS")); err != nil {
			t.Fatal(err)
		}
	}
	got := read()
	if len(got) < 2 || !got[0].lost {
		t.Fatalf("got %+v", got)
	}
	for _, s := range got[1:] {
		if s.lost {
			t.Errorf("told twice: %+v", got)
		}
	}
	if c := u.Counters(); c.KernelDrops == 0 {
		t.Errorf("got %+v", c)
	}
}

// Control messages that the kernel would not write are no reason to read on.
func TestControlMessages(t *testing.T) {
	t.Parallel()
	var a ancillary
	head := func(at uintptr, size uint64, level, kind int32) {
		*(*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(&a), at)) = unix.Cmsghdr{Len: size, Level: level, Type: kind}
	}
	h := unix.Msghdr{Control: a.bytes()}
	for _, c := range []struct {
		name   string
		length int
		write  func()
		stamp  bool
	}{
		{"nothing", 0, func() {}, false},
		{"a stamp", 32, func() { head(0, 32, unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS) }, true},
		{"another one, then a stamp", 64, func() {
			head(0, 28, unix.IPPROTO_IP, unix.IP_PKTINFO)
			head(32, 32, unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS)
		}, true},
		{"a length of 0", 64, func() { head(0, 0, 1, 1) }, false},
		{"a length beyond the end", 32, func() { head(0, 33, unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS) }, false},
		{"a length near the largest", 32, func() { head(0, 1<<64-1, unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS) }, false},
		{"half a stamp", 24, func() { head(0, 24, unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS) }, false},
		{"half a header", 40, func() { head(0, 32, unix.IPPROTO_IP, unix.IP_PKTINFO) }, false},
	} {
		a = ancillary{}
		c.write()
		h.SetControllen(c.length)
		if _, ok := arrived(&h); ok != c.stamp {
			t.Errorf("%s: a stamp is found: %v", c.name, ok)
		}
		_, _ = local(&h)
	}
}
