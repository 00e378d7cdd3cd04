package location

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// A record is packed, so that a binding is one run of bytes and no pointer:
//
//	size 4 │ owner 4 │ AOR's length 2 │ bindings 1 │ 0 │ AOR │ binding …
//
// and a binding is fixed fields, at the offsets below, then the two addresses of
// its flow, 6 or 22 bytes each, then its six texts.
const (
	atCount  = 10
	atAOR    = 12
	atID     = 0
	atEnd    = 8
	atUpdate = 16
	atSince  = 24
	atCSeq   = 32
	atRegID  = 36
	atNode   = 40 // its node in the index of flows, plus one
	atConn   = 44
	atListen = 48
	atQ      = 50
	atFlags  = 52
	atProto  = 53
	atAddrs  = 54 // which addresses follow
	atWithin = 56 // where the instance is in the parameters, plus one; 0: it is a text of its own
	atTexts  = 58 // their lengths, 2 bytes each
	fixed    = atTexts + 2*texts
	texts    = 6
)

// What the byte at atAddrs says.
const (
	hasLocal uint8 = 1 << iota
	localIs6
	hasRemote
	remoteIs6
)

var le = binary.LittleEndian

func (r record) count() int  { return int(r[atCount]) }
func (r record) aor() []byte { n := atAOR + int(le.Uint16(r[8:])); return r[atAOR:n:n] }

// bindings is the part behind the AOR.
func (r record) bindings() packed { return packed(r[atAOR+len(r.aor()) : r.size()]) }

// packed is a run of packed bindings; its fields are those of the first.
type packed []byte

func (p packed) id() uint64                 { return le.Uint64(p[atID:]) }
func (p packed) expires() clock.Instant     { return clock.Instant(le.Uint64(p[atEnd:])) }
func (p packed) setExpires(i clock.Instant) { le.PutUint64(p[atEnd:], uint64(i)) }
func (p packed) node() uint32               { return le.Uint32(p[atNode:]) }
func (p packed) setNode(n uint32)           { le.PutUint32(p[atNode:], n) }

// next is the run behind the first binding.
func (p packed) next() packed {
	n := fixed + addrLen(p[atAddrs], hasLocal, localIs6) + addrLen(p[atAddrs], hasRemote, remoteIs6)
	for i := range texts {
		n += p.text(i)
	}
	if p.within() != 0 {
		n -= p.text(textInstance)
	}
	return p[n:]
}

// text is the length of a text.
func (p packed) text(i int) int { return int(le.Uint16(p[atTexts+2*i:])) }
func (p packed) within() int    { return int(le.Uint16(p[atWithin:])) }

// flow reads the flow of the first binding.
func (p packed) flow() flow.Flow {
	if p[atProto] == 0 {
		return flow.Flow{}
	}
	f := flow.Flow{
		Conn: le.Uint32(p[atConn:]), Listener: flow.Listener(le.Uint16(p[atListen:])),
		Protocol: flow.Protocol(p[atProto]),
	}
	n := fixed
	f.Local, n = readAddr(p, n, hasLocal, localIs6)
	f.Remote, _ = readAddr(p, n, hasRemote, remoteIs6)
	return f
}

// forgetFlow makes the flow of the first binding the zero Flow.
func (p packed) forgetFlow() { p[atProto] = byte(flow.None) }

// read makes b a view of the first binding.
func (p packed) read(b *Binding) {
	b.ID = p.id()
	b.Expires, b.Updated = p.expires(), clock.Instant(le.Uint64(p[atUpdate:]))
	b.Since = int64(le.Uint64(p[atSince:]))
	b.CSeq, b.RegID = le.Uint32(p[atCSeq:]), le.Uint32(p[atRegID:])
	b.Q, b.Flags = le.Uint16(p[atQ:]), Flags(p[atFlags])
	b.Flow = p.flow()
	n := fixed + addrLen(p[atAddrs], hasLocal, localIs6) + addrLen(p[atAddrs], hasRemote, remoteIs6)
	for i, text := range b.texts() {
		begin, end := n, n+p.text(i)
		if w := p.within(); i == textInstance && w != 0 {
			b.Instance = b.Params[w-1 : w-1+end-begin]
			continue
		}
		*text = p[begin:end:end]
		n = end
	}
}

// texts are the variable parts in the order of the record; the instance stands
// after the parameters, for it is part of them as a rule.
func (b *Binding) texts() [texts]*[]byte {
	return [texts]*[]byte{&b.Contact, &b.Params, &b.CallID, &b.Path, &b.Instance, &b.UserAgent}
}

const textInstance = 4

// size is how many bytes b takes in a record at most.
func (b *Binding) size() int {
	n := fixed
	for _, a := range [2]netip.AddrPort{b.Flow.Local, b.Flow.Remote} {
		switch {
		case !a.IsValid():
		case a.Addr().Is4():
			n += 6
		default:
			n += 22
		}
	}
	for _, text := range b.texts() {
		n += len(*text)
	}
	return n
}

// appendRecord appends a record of one AOR. Nodes are set when it is installed.
func appendRecord(dst, aor []byte, owner uint32, bindings []Binding) []byte {
	start := len(dst)
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint32(dst, owner)
	dst = le.AppendUint16(dst, uint16(len(aor)))
	dst = append(dst, byte(len(bindings)), 0)
	dst = append(dst, aor...)
	for i := range bindings {
		dst = appendBinding(dst, &bindings[i])
	}
	le.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

func appendBinding(dst []byte, b *Binding) []byte {
	dst = le.AppendUint64(dst, b.ID)
	dst = le.AppendUint64(dst, uint64(b.Expires))
	dst = le.AppendUint64(dst, uint64(b.Updated))
	dst = le.AppendUint64(dst, uint64(b.Since))
	dst = le.AppendUint32(dst, b.CSeq)
	dst = le.AppendUint32(dst, b.RegID)
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint32(dst, b.Flow.Conn)
	dst = le.AppendUint16(dst, uint16(b.Flow.Listener))
	dst = le.AppendUint16(dst, b.Q)
	dst = append(dst, byte(b.Flags), byte(b.Flow.Protocol), addrBits(b.Flow.Local, hasLocal, localIs6)|
		addrBits(b.Flow.Remote, hasRemote, remoteIs6), 0)
	within := 0
	if len(b.Instance) > 0 {
		within = bytes.Index(b.Params, b.Instance) + 1
	}
	dst = le.AppendUint16(dst, uint16(within))
	all := b.texts()
	for _, text := range all {
		dst = le.AppendUint16(dst, uint16(len(*text)))
	}
	dst = appendAddrPort(dst, b.Flow.Local)
	dst = appendAddrPort(dst, b.Flow.Remote)
	for i, text := range all {
		if i != textInstance || within == 0 {
			dst = append(dst, *text...)
		}
	}
	return dst
}

func addrBits(a netip.AddrPort, has, is6 uint8) uint8 {
	switch {
	case !a.IsValid():
		return 0
	case a.Addr().Is4():
		return has
	}
	return has | is6
}

func addrLen(bits, has, is6 uint8) int {
	switch {
	case bits&has == 0:
		return 0
	case bits&is6 == 0:
		return 6
	}
	return 22
}

// appendAddrPort appends address and port, and of IPv6 the zone, which the
// transport writes as a number.
func appendAddrPort(dst []byte, a netip.AddrPort) []byte {
	switch {
	case !a.IsValid():
		return dst
	case a.Addr().Is4():
		b := a.Addr().As4()
		dst = append(dst, b[:]...)
	default:
		b := a.Addr().As16()
		dst = append(dst, b[:]...)
		zone, _ := strconv.ParseUint(a.Addr().Zone(), 10, 32) // none is 0
		dst = le.AppendUint32(dst, uint32(zone))
	}
	return le.AppendUint16(dst, a.Port())
}

func readAddr(p packed, n int, has, is6 uint8) (netip.AddrPort, int) {
	bits := p[atAddrs]
	size := addrLen(bits, has, is6)
	if size == 0 {
		return netip.AddrPort{}, n
	}
	end := n + size
	port := le.Uint16(p[end-2:])
	if size == 6 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p[n:])), port), end
	}
	addr := netip.AddrFrom16([16]byte(p[n:]))
	if zone := le.Uint32(p[n+16:]); zone != 0 {
		addr = addr.WithZone(strconv.FormatUint(uint64(zone), 10))
	}
	return netip.AddrPortFrom(addr, port), end
}
