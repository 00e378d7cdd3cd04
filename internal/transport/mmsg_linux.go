package transport

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr; the compiler pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes received or sent
}

// name has room for the address of either family.
type name [unix.SizeofSockaddrInet6]byte

// ancillary has room for the control messages of one received datagram:
// SO_TIMESTAMPNS and IP_PKTINFO take 32 bytes each and IPV6_PKTINFO 40. It is an
// array of words because a Cmsghdr must be aligned.
type ancillary [10]uint64

func (a *ancillary) bytes() *byte { return (*byte)(unsafe.Pointer(a)) }

// receive is recvmmsg without telling Go's scheduler: with MSG_DONTWAIT it is
// over in microseconds, and leaving and entering the scheduler costs more than
// a small batch does.
func receive(fd uintptr, v []mmsghdr) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

// send is sendmmsg in the same manner.
func send(fd uintptr, v []mmsghdr) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

// put writes the socket address of to and returns its length.
func (n *name) put(to netip.AddrPort) uint32 {
	if a := to.Addr(); a.Is6() {
		raw := (*unix.RawSockaddrInet6)(unsafe.Pointer(n))
		*raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.As16(), Scope_id: scopeOf(a.Zone())}
		binary.BigEndian.PutUint16(n[2:], to.Port())
		return unix.SizeofSockaddrInet6
	}
	raw := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
	*raw = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
	binary.BigEndian.PutUint16(n[2:], to.Port())
	return unix.SizeofSockaddrInet4
}

// get reads a socket address. It is invalid for a family that is not IP.
func (n *name) get() netip.AddrPort {
	port := binary.BigEndian.Uint16(n[2:])
	switch (*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n[4:8])), port)
	case unix.AF_INET6:
		a := netip.AddrFrom16([16]byte(n[8:24])).Unmap()
		if a.IsLinkLocalUnicast() {
			a = a.WithZone(strconv.FormatUint(uint64((*unix.RawSockaddrInet6)(unsafe.Pointer(n)).Scope_id), 10))
		}
		return netip.AddrPortFrom(a, port)
	}
	return netip.AddrPort{}
}

// scopeOf is the interface index of a zone: what get made of one, or a name
// out of the configuration.
func scopeOf(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// local reads the address that a datagram came to from its control messages.
func local(h *unix.Msghdr) (netip.Addr, bool) {
	for at := uint64(0); ; {
		c, data := nextControl(h, &at)
		switch {
		case c == nil:
			return netip.Addr{}, false
		case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// Spec_dst, not Addr: of a broadcast it is the address to answer from.
			return netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst), true
		case c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr), true
		}
	}
}

// arrived reads when a datagram arrived, in nanoseconds of the wall clock.
func arrived(h *unix.Msghdr) (int64, bool) {
	for at := uint64(0); ; {
		c, data := nextControl(h, &at)
		switch {
		case c == nil:
			return 0, false
		case c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			return (*unix.Timespec)(unsafe.Pointer(&data[0])).Nano(), true
		}
	}
}

// nextControl reads the control message of h that begins at *at, and moves on; nil
// when there is none left.
func nextControl(h *unix.Msghdr, at *uint64) (c *unix.Cmsghdr, data []byte) {
	room := uint64(h.Controllen)
	if *at >= room || room-*at < unix.SizeofCmsghdr {
		return nil, nil
	}
	c = (*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(h.Control), *at))
	size := uint64(c.Len)
	if size < unix.SizeofCmsghdr || size > room-*at {
		return nil, nil
	}
	all := unsafe.Slice((*byte)(unsafe.Pointer(c)), size)
	*at += uint64(unix.CmsgSpace(int(size) - unix.CmsgLen(0)))
	return c, all[unix.CmsgLen(0):]
}

// put writes the control message that makes the kernel send from src and
// returns its length. An invalid or unspecified src leaves the choice to the
// kernel: length 0.
func (a *ancillary) put(src netip.Addr) int {
	if !src.IsValid() || src.IsUnspecified() || src.IsMulticast() {
		return 0
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(a))
	data := unsafe.Add(unsafe.Pointer(a), unix.CmsgLen(0))
	if src.Is6() {
		c.Level, c.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		c.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
		*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: src.As16(), Ifindex: scopeOf(src.Zone())}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	c.Level, c.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	c.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: src.As4()}
	return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}
