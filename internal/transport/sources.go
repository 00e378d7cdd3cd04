package transport

import (
	"hash/maphash"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
)

const (
	sourceSlots   = 1024             // bounds the cache: two prefixes on one slot take turns
	sourceLife    = 60 * time.Second // routes change rarely
	sourceMissing = time.Second      // but a network that comes up should be seen soon
)

// Sources tells which local address the kernel would use toward a destination
// (proxy.Sources). It asks the kernel with a connected UDP socket, which sends
// nothing and does not wait, and remembers the answer by /24 or /64. Any
// goroutine may use it; it takes no lock.
type Sources struct {
	seed  maphash.Seed
	now   func() clock.Instant
	probe func(netip.Addr) (netip.Addr, bool)
	slots [sourceSlots]atomic.Pointer[source]
}

// source is one immutable entry.
type source struct {
	prefix netip.Addr // first address of the /24 or /64; a link-local address itself
	addr   netip.Addr
	ok     bool
	until  clock.Instant
}

// NewSources returns an empty cache over the kernel's routing table.
func NewSources() *Sources {
	return &Sources{seed: maphash.MakeSeed(), now: clock.Now, probe: probe}
}

// Source returns the source address toward dst; ok is false when there is no
// route to it.
func (s *Sources) Source(dst netip.Addr) (src netip.Addr, ok bool) {
	dst = dst.Unmap()
	if !dst.IsValid() {
		return netip.Addr{}, false
	}
	key, now := prefixOf(dst), s.now()
	bytes := key.As16()
	slot := &s.slots[maphash.Bytes(s.seed, bytes[:])%sourceSlots]
	if e := slot.Load(); e != nil && e.prefix == key && now < e.until {
		return e.addr, e.ok
	}
	src, ok = s.probe(dst)
	life := sourceLife
	if !ok {
		life = sourceMissing
	}
	slot.Store(&source{prefix: key, addr: src, ok: ok, until: now.Add(life)})
	return src, ok
}

// prefixOf is what addresses with the same source have in common. Link-local
// addresses are kept apart: their zone decides.
func prefixOf(a netip.Addr) netip.Addr {
	if a.Zone() != "" {
		return a
	}
	bits := 64
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return a
	}
	return p.Addr()
}

// probe connects a UDP socket to dst and reads back its own address.
func probe(dst netip.Addr) (netip.Addr, bool) {
	const discard = 9 // any port but 0: nothing is sent
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, discard)))
	if err != nil {
		return netip.Addr{}, false
	}
	local, ok := c.LocalAddr().(*net.UDPAddr)
	_ = c.Close() // nothing was sent on it
	if !ok {
		return netip.Addr{}, false
	}
	src := local.AddrPort().Addr().Unmap()
	return src, src.IsValid() && !src.IsUnspecified()
}
