package transport

import (
	"encoding/binary"
	"net/netip"
)

// RFC 5389 §6, as far as a Binding needs it.
const (
	stunHeader     = 20
	stunCookie     = 0x2112A442
	stunRequest    = 0x0001
	stunSuccess    = 0x0101
	stunFailure    = 0x0111
	stunXORMapped  = 0x0020
	stunErrorCode  = 0x0009
	stunUnknown    = 0x000A
	stunFamily4    = 0x01
	stunFamily6    = 0x02
	stunOptional   = 0x8000 // attributes from here on may be ignored (§15)
	stunMaxUnknown = 8      // more are not listed: the answer must not outgrow what a forger sent
	stunAnswer     = 96     // room for the longest answer
)

// isSTUN reports whether a datagram that starts with a byte below 2 is STUN
// (RFC 5626 §8: no SIP message does).
func isSTUN(b []byte) bool {
	return len(b) >= stunHeader && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// appendBinding appends the answer to the STUN Binding Request b that came from
// peer. It appends nothing when b is something else or malformed: RFC 5389
// §7.3 wants such a message dropped in silence.
//
// RFC 5626 §8 asks for no attribute but XOR-MAPPED-ADDRESS, no authentication,
// and no compatibility with RFC 3489, whose requests have no cookie.
func appendBinding(dst, b []byte, peer netip.AddrPort) []byte {
	if !isSTUN(b) || binary.BigEndian.Uint16(b) != stunRequest || !peer.IsValid() {
		return dst
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length%4 != 0 || length != len(b)-stunHeader {
		return dst
	}
	var list [stunMaxUnknown]uint16
	unknown, ok := stunRequired(b[stunHeader:], list[:0])
	if !ok {
		return dst
	}
	if len(unknown) > 0 {
		return appendUnknown(dst, b, unknown)
	}
	return appendMapped(dst, b, peer)
}

// stunRequired lists the attributes that a server must understand and this one
// does not: it understands none. ok is false when the attributes do not fit.
func stunRequired(attributes []byte, unknown []uint16) (_ []uint16, ok bool) {
	for len(attributes) > 0 {
		if len(attributes) < 4 {
			return nil, false
		}
		kind := binary.BigEndian.Uint16(attributes)
		size := 4 + (int(binary.BigEndian.Uint16(attributes[2:]))+3)&^3 // §15: padded to 4 bytes
		if size > len(attributes) {
			return nil, false
		}
		if kind < stunOptional && len(unknown) < cap(unknown) {
			unknown = append(unknown, kind)
		}
		attributes = attributes[size:]
	}
	return unknown, true
}

// appendHeader appends a STUN header that answers request.
func appendHeader(dst, request []byte, kind, length int) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(kind))
	dst = binary.BigEndian.AppendUint16(dst, uint16(length))
	return append(dst, request[4:stunHeader]...) // cookie and transaction ID
}

// appendMapped is the success response with XOR-MAPPED-ADDRESS (§15.2): the
// address is XORed with cookie and transaction ID, so that NATs that rewrite
// addresses in payloads leave it alone.
func appendMapped(dst, request []byte, peer netip.AddrPort) []byte {
	raw, family := peer.Addr().As16(), byte(stunFamily6)
	address := raw[:]
	if peer.Addr().Is4() || peer.Addr().Is4In6() {
		address, family = raw[12:], stunFamily4
	}
	for i := range address {
		address[i] ^= request[4+i]
	}
	dst = appendHeader(dst, request, stunSuccess, 8+len(address))
	dst = binary.BigEndian.AppendUint16(dst, stunXORMapped)
	dst = binary.BigEndian.AppendUint16(dst, uint16(4+len(address)))
	dst = append(dst, 0, family)
	dst = binary.BigEndian.AppendUint16(dst, peer.Port()^uint16(stunCookie>>16))
	return append(dst, address...)
}

// appendUnknown is the 420 of §7.3.1 with the list of §15.9.
func appendUnknown(dst, request []byte, unknown []uint16) []byte {
	const reason = "Unknown Attribute" // 17 bytes, padded to 20
	list := (2*len(unknown) + 3) &^ 3
	dst = appendHeader(dst, request, stunFailure, 4+4+20+4+list)
	dst = binary.BigEndian.AppendUint16(dst, stunErrorCode)
	dst = binary.BigEndian.AppendUint16(dst, 4+uint16(len(reason)))
	dst = append(dst, 0, 0, 4, 20)
	dst = append(dst, reason+"\x00\x00\x00"...)
	dst = binary.BigEndian.AppendUint16(dst, stunUnknown)
	dst = binary.BigEndian.AppendUint16(dst, uint16(2*len(unknown)))
	for _, kind := range unknown {
		dst = binary.BigEndian.AppendUint16(dst, kind)
	}
	if len(unknown)%2 == 1 {
		dst = append(dst, 0, 0) // §15: padding
	}
	return dst
}
