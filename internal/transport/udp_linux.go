package transport

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxSockets: the kernel spreads peers over any number of them.
const maxSockets = 256

// beforeBind sets the options of a socket that is about to be bound.
//
// The first socket of an address is bound without SO_REUSEPORT, so that a
// second server on the same address fails instead of taking half the traffic;
// afterBind then opens the door for the others.
func beforeBind(raw syscall.RawConn, cfg *UDPConfig, first bool) error {
	return control(raw, func(fd int) error {
		if !first {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return err
			}
		}
		return setOptions(fd, cfg)
	})
}

func afterBind(raw syscall.RawConn) error {
	return control(raw, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
}

func setOptions(fd int, cfg *UDPConfig) error {
	// The net package permits broadcast. Nothing here is ever sent to one
	// (RFC 4475 §3.3.10): with the option off the kernel refuses.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 0); err != nil {
		return err
	}
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReceiveBuffer)
	if cfg.SendBuffer > 0 {
		setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.SendBuffer)
	}
	level, options := unix.IPPROTO_IP, [][2]int{
		{unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT}, // a large response fragments instead of vanishing
		{unix.IP_RECVERR, 1},
		{unix.IP_PKTINFO, 1},
	}
	if cfg.Bind.Addr().Is6() {
		level, options = unix.IPPROTO_IPV6, [][2]int{
			{unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT},
			{unix.IPV6_RECVERR, 1},
			{unix.IPV6_RECVPKTINFO, 1},
		}
	}
	if !cfg.Bind.Addr().IsUnspecified() {
		options = options[:2] // every packet came to the bound address: no control message needed
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, level, o[0], o[1]); err != nil {
			return err
		}
	}
	return nil
}

// setBuffer asks for size beyond the system's limit first, which needs
// CAP_NET_ADMIN, then for as much of it as the limit allows.
func setBuffer(fd, force, plain, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size) // the kernel caps it; a small buffer still works
	}
}

// control runs f on the descriptor and returns the first error of both.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// probeSegments reports whether the kernel cuts a buffer into datagrams.
func probeSegments(raw syscall.RawConn) bool {
	can := false
	_ = control(raw, func(fd int) error { can = canSegment(fd); return nil }) // closed: then nothing is sent
	return can
}

// kernelDrops reads how many datagrams the kernel dropped for want of room.
// SO_MEMINFO costs nothing per packet; SO_RXQ_OVFL would need a control message
// with each.
func kernelDrops(raw syscall.RawConn) (n uint32, ok bool) {
	err := control(raw, func(fd int) error {
		n, ok = dropsOf(uintptr(fd))
		return nil
	})
	return n, ok && err == nil
}

func dropsOf(fd uintptr) (uint32, bool) {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info[unix.SK_MEMINFO_DROPS], e == 0
}
