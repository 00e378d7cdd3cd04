package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// quotedRoom is how much of a failed datagram is looked at. ICMP quotes 548
// bytes of it at most (RFC 1812 §4.3.2.3) and the top Via is at the start.
const quotedRoom = 2048

// errorQueue reads the error queue of a socket (ip(7), IP_RECVERR).
type errorQueue struct {
	msg     unix.Msghdr
	iov     unix.Iovec
	name    name
	control [32]uint64 // sock_extended_err, the offender's address, packet info
	payload [quotedRoom]byte
}

func (q *errorQueue) init() {
	q.iov.Base = &q.payload[0]
	q.iov.SetLen(len(q.payload))
	q.msg.Name, q.msg.Iov = &q.name[0], &q.iov
	q.msg.SetIovlen(1)
	q.msg.Control = (*byte)(unsafe.Pointer(&q.control[0]))
}

// drain empties the queue of s into t and returns how many entries it held.
// Emptying it also clears the error that is pending on the socket.
func (q *errorQueue) drain(fd uintptr, s *Socket, t *Trouble) int {
	n := 0
	for ; n < drainMax; n++ {
		q.msg.Namelen = uint32(len(q.name))
		q.msg.SetControllen(len(q.control) * 8)
		size, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&q.msg)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			break
		}
		switch e := extendedError(&q.msg); {
		case e == nil:
		case !unreachable(e):
			s.counters.ignoredICMP.Add(1)
		case t.report(q.name.get(), q.payload[:size]):
			s.counters.unreachable.Add(1)
		default:
			s.counters.unreachableLost.Add(1)
		}
	}
	return n
}

// drainMax bounds one visit: a reader has other things to do than to listen to
// an ICMP storm. The rest comes with the next wake-up.
const drainMax = 1024

// extendedError finds struct sock_extended_err among the control messages.
func extendedError(h *unix.Msghdr) *unix.SockExtendedErr {
	rest := unsafe.Slice(h.Control, h.Controllen)
	for len(rest) >= unix.SizeofCmsghdr {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&rest[0]))
		if c.Len < unix.SizeofCmsghdr || uint64(c.Len) > uint64(len(rest)) {
			return nil
		}
		own := c.Level == unix.IPPROTO_IP && c.Type == unix.IP_RECVERR || c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_RECVERR
		if own && int(c.Len) >= unix.CmsgLen(int(unsafe.Sizeof(unix.SockExtendedErr{}))) {
			return (*unix.SockExtendedErr)(unsafe.Pointer(&rest[unix.CmsgLen(0)]))
		}
		rest = rest[min(unix.CmsgSpace(int(c.Len)-unix.CmsgLen(0)), len(rest)):]
	}
	return nil
}

// ICMP types of RFC 792 and RFC 4443.
const (
	icmpUnreachable   = 3
	icmpFragmentation = 4 // code of icmpUnreachable
	icmpParameter     = 12
	icmp6Unreachable  = 1
	icmp6Parameter    = 4
)

// unreachable is RFC 3261 §18.4: unreachable errors and parameter problems are
// failures of sending; source quench, TTL exceeded and what routers say about
// packet sizes are not. Local errors were returned by the send itself.
func unreachable(e *unix.SockExtendedErr) bool {
	switch e.Origin {
	case unix.SO_EE_ORIGIN_ICMP:
		return e.Type == icmpUnreachable && e.Code != icmpFragmentation || e.Type == icmpParameter
	case unix.SO_EE_ORIGIN_ICMP6:
		return e.Type == icmp6Unreachable || e.Type == icmp6Parameter
	}
	return false
}
