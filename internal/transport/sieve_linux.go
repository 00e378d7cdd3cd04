package transport

import (
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"viaduct/internal/clock"
)

// Sieve has the kernel run program over each datagram, with its UDP header, and drop
// those for which it says 0, before they are queued: that costs the reader nothing.
// The filter holds until then, unless HoldSieve or another Sieve come before. It
// reports whether the kernel does so. program may be changed afterwards.
func (s *Socket) Sieve(program []bpf.RawInstruction, until clock.Instant) bool {
	if len(program) == 0 || len(program) > 4096 {
		return false
	}
	f := unix.SockFprog{Len: uint16(len(program)), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))} // the two have one layout
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countDrops()
	attach := func(fd int) error { return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f) }
	if err := control(s.raw, attach); err != nil {
		detach(s.raw) // there may be room for one
		if s.sieve.Store(0); control(s.raw, attach) != nil {
			return false
		}
	}
	s.sieve.Store(int64(until))
	return true
}

// detach takes the filter away.
func detach(raw syscall.RawConn) {
	_ = control(raw, func(fd int) error { // fails when there is none, or with the socket
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	})
}
