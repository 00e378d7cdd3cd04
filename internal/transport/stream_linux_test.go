package transport

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/internal/effect"
)

// fullListener listens with the smallest backlog and accepts nothing.
func fullListener(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	a := name.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
}

// Small messages do not wait for the acknowledgement of those before them, on
// connections of either side, and data that nobody acknowledges ends them.
//
// Proves: TP-18
func TestOptionsOfConnections(t *testing.T) {
	t.Parallel()
	h := newHall(t, StreamLimits{}, func(*Packet, *effect.List) {})
	put(t, h.caller(), streamed(1, 0))
	l := callee(t)
	var lost Trouble
	h.NewSender().Send(h.tcp, []effect.Send{h.request(l.Addr().String(), 2)}, &lost)
	put(t, acceptOn(t, l), streamed(3, 0))
	h.until("both", func() bool { return len(h.got) == 2 })
	for _, p := range h.packets() {
		hop := p.From.Hop()
		c := h.find(h.tcp, &hop)
		if err := control(c.raw, func(fd int) error {
			delay, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
			if err == nil && delay != 1 {
				t.Errorf("Nagle's algorithm is on for %s", p.From)
			}
			timeout, err2 := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			if err2 == nil && timeout != userTimeout {
				t.Errorf("user timeout %d for %s", timeout, p.From)
			}
			idle, err3 := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
			every, err4 := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
			if least := int(keepAlive.Idle / time.Second); err3 == nil && (idle < least || idle >= least+idleSpread) {
				t.Errorf("the first probe is sent after %d s to %s", idle, p.From)
			}
			// The kernel gives up at the first probe that falls due after the user timeout.
			if lost := (timeout/1000-idle)/max(every, 1) + 1; lost < 3 {
				t.Errorf("%d lost probes end the connection to %s", lost, p.From)
			}
			return errors.Join(err, err2, err3, err4)
		}); err != nil {
			t.Fatal(err)
		}
	}
}
