package transport

import (
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// userTimeout is how long data may stay unacknowledged before the kernel gives
// the peer up: twice 64*T1. It ends an idle connection, too: at the first probe that
// falls due after that time without a sign of the peer, if one was lost before. So it
// is longer than it takes to lose three probes (tcp(7)).
const userTimeout = 64_000 // milliseconds

// idleSpread is how many seconds the first probes of connections lie apart. The kernel's
// timers tick in steps of two seconds at that length, and the probes of thousands
// of phones that came together would overflow a queue on their way.
const idleSpread = 12

// streamOptions sets the options of a connection, which salt tells from others. Go has
// switched Nagle's algorithm off already: a small message does not wait for an
// acknowledgement.
func streamOptions(raw syscall.RawConn, salt uint16) error {
	return control(raw, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, userTimeout); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive.Idle/time.Second)+int(salt)%idleSpread)
	})
}

// beforeConnect lets the kernel choose the port when it knows the destination:
// the same port can then be used for several.
func beforeConnect(_, _ string, raw syscall.RawConn) error {
	return control(raw, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}

// maxDescriptors is how many descriptors the process may open.
func maxDescriptors() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur > 1<<30 {
		return 0
	}
	return int(l.Cur)
}

// read receives until the connection ends. All of a turn, receive, work and
// send, happens inside the raw connection's Read, as it does for datagrams. A
// short receive does not prove that nothing is left, because the end of a stream
// gives no edge of its own when it came with the last bytes: it takes one more
// receive to know.
func (c *Conn) read() error {
	var failed error
	err := c.raw.Read(func(fd uintptr) bool {
		var done bool
		done, failed = c.readAll(int(fd))
		return done
	})
	if failed != nil {
		return failed
	}
	return err
}

// await waits until a receive would bring something, and returns the error that it
// brings instead: the kernel tells it once. It takes little of the stack: that of a
// goroutine that only waits here stays as small as it began.
func (c *Conn) await() (failed error) {
	_ = c.raw.Read(func(fd uintptr) (done bool) { // its end, the next receive finds
		done, failed = readable(fd)
		return done
	})
	return failed
}

// readable reports whether there is something to receive, or the end.
func readable(fd uintptr) (bool, error) {
	var b [1]byte
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1, unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN:
			return false, nil
		case 0:
			return true, nil
		default:
			return true, errno
		}
	}
}

// readAll works on what has arrived; done means that the connection ends.
func (c *Conn) readAll(fd int) (done bool, err error) {
	var l *lane
	defer func() {
		if l != nil {
			c.s.lanes <- l
		}
	}()
	for turns := 0; c.reason.Load() == uint32(notEnded); turns++ {
		if l != nil && turns%laneTurns == 0 {
			c.s.lanes <- l
			l = nil
		}
		if l == nil {
			l = c.s.borrow()
		}
		buffer, before := c.room(l)
		n, err := c.receive(fd, buffer[before:])
		if c.tls != nil {
			c.answerTLS(l.sender)
		}
		switch {
		case err == errNothing:
			return false, nil
		case err != nil:
			return true, err
		case !c.take(l, buffer[:before+n], n):
			return true, nil
		}
	}
	return true, nil
}

// receiveStream does not wait, and does not tell the scheduler: a receive that does not
// wait is over before it could do anything with the news.
func receiveStream(fd int, _ net.Conn, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return 0, errNothing
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// vectors is one write under way.
type vectors struct {
	transmit func(fd uintptr)
	iovs     [width]unix.Iovec
	hdr      unix.Msghdr
	n        int // bytes written, or -1
}

func (v *vectors) init() { v.transmit = v.sendmsg }

// write gives the kernel wires, none of them empty, without waiting, and returns
// how many bytes it took, or -1.
func (v *vectors) write(c *Conn, wires [][]byte) int {
	for k, wire := range wires {
		v.iovs[k].Base = &wire[0]
		v.iovs[k].SetLen(len(wire))
	}
	v.hdr.Iov = &v.iovs[0]
	v.hdr.SetIovlen(len(wires))
	v.n = -1
	if c.raw.Control(v.transmit) != nil { // closed: its goroutine is at it
		v.n = -1
	}
	clear(v.iovs[:len(wires)])
	return v.n
}

// sendmsg runs inside Control, which only keeps the descriptor from being
// closed. Like a receive it does not tell the scheduler: that costs two wake-ups
// of another thread a call when there is little to do.
func (v *vectors) sendmsg(fd uintptr) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&v.hdr)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch errno {
		case 0:
			v.n = int(n)
			return
		case unix.EINTR:
		default:
			return
		}
	}
}
