package proxy

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// cookie is what our Record-Route URIs carry in their user part (seams.md §3):
// everything needed to route a later request of the dialog, signed together with
// the Call-ID. It holds no time and no random value, so a copy of a request gets
// the same bytes.
//
//	flags 1 | key id 1 | listener 4 | rule 4 | groups 2+2 | flow 6 or 18 | MAC 10
type cookie struct {
	listener    uint32         // hash of the listener's name, of this side
	rule        uint32         // hash of the rule that let the call in, 0: none
	targetGroup uint16         // of the group that the call was sent to, 0: none
	sourceGroup uint16         // of the group that the call came from, 0: none
	flow        netip.AddrPort // the side's flow, when the side is one
	paired      bool           // one of two values
	downstream  bool           // of a pair: the value that faces the callee
	path        bool           // of a Path value: it leads to a flow, in whatever call
}

// Bits of the first byte. The upper two are the version, 0.
const (
	cookieVersionMask = 0xC0
	cookiePaired      = 1 << 0
	cookieDownstream  = 1 << 1
	cookieFlow4       = 1 << 2
	cookieFlow6       = 1 << 3
	cookiePath        = 1 << 4

	cookieHead = 14
	cookieMAC  = 10
	// cookieMax is the longest in bytes: 56 characters, of the 80 that seams.md allows.
	cookieMax = cookieHead + 18 + cookieMAC
)

var base64url = base64.RawURLEncoding.Strict()

// append writes everything but the key id and the MAC.
func (k *cookie) append(dst []byte) []byte {
	var flags byte
	if k.paired {
		flags |= cookiePaired
	}
	if k.downstream {
		flags |= cookieDownstream
	}
	if k.path {
		flags |= cookiePath
	}
	switch {
	case k.flow.Addr().Is4():
		flags |= cookieFlow4
	case k.flow.IsValid():
		flags |= cookieFlow6
	}
	dst = append(dst, flags, 0)
	dst = binary.BigEndian.AppendUint32(dst, k.listener)
	dst = binary.BigEndian.AppendUint32(dst, k.rule)
	dst = binary.BigEndian.AppendUint16(dst, k.targetGroup)
	dst = binary.BigEndian.AppendUint16(dst, k.sourceGroup)
	switch {
	case flags&cookieFlow4 != 0:
		a := k.flow.Addr().As4()
		dst = append(dst, a[:]...)
		dst = binary.BigEndian.AppendUint16(dst, k.flow.Port())
	case flags&cookieFlow6 != 0:
		a := k.flow.Addr().As16()
		dst = append(dst, a[:]...)
		dst = binary.BigEndian.AppendUint16(dst, k.flow.Port())
	}
	return dst
}

// parse reads the bytes in front of the MAC.
func (k *cookie) parse(b []byte) bool {
	if len(b) < cookieHead || b[0]&cookieVersionMask != 0 {
		return false
	}
	flags := b[0]
	*k = cookie{
		listener:    binary.BigEndian.Uint32(b[2:]),
		rule:        binary.BigEndian.Uint32(b[6:]),
		targetGroup: binary.BigEndian.Uint16(b[10:]),
		sourceGroup: binary.BigEndian.Uint16(b[12:]),
		paired:      flags&cookiePaired != 0,
		downstream:  flags&cookieDownstream != 0,
		path:        flags&cookiePath != 0,
	}
	rest := b[cookieHead:]
	switch {
	case flags&cookieFlow4 != 0 && len(rest) == 6:
		k.flow = netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest)), binary.BigEndian.Uint16(rest[4:]))
	case flags&cookieFlow6 != 0 && len(rest) == 18:
		k.flow = netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest)), binary.BigEndian.Uint16(rest[16:]))
	case flags&(cookieFlow4|cookieFlow6) != 0 || len(rest) != 0:
		return false
	}
	return true
}

// appendCookie appends the signed cookie as characters of a user part.
func (s *signer) appendCookie(dst []byte, k *cookie, callID []byte) []byte {
	b := k.append(s.scratch[:0])
	first := &s.ring[0]
	b[1] = first.id
	if k.path {
		callID = nil
	}
	b = append(b, s.sign(first.cookie, b, callID)[:cookieMAC]...)
	return base64url.AppendEncode(dst, b)
}

// isFlowToken reports whether a user part has the form of a Path value that one of
// the listeners has made, whoever wrote it.
func (s *Snapshot) isFlowToken(user []byte) bool {
	var b [cookieMax + 2]byte
	if len(user) > base64url.EncodedLen(cookieMax) {
		return false
	}
	n, err := base64url.Decode(b[:], user)
	if err != nil || n <= cookieMAC {
		return false
	}
	var k cookie
	if !k.parse(b[:n-cookieMAC]) || !k.path {
		return false
	}
	_, ok := s.listenerByHash(k.listener)
	return ok
}

// openCookie reads the user part of a Route value and verifies its signature by
// the key that it names.
func (s *signer) openCookie(user, callID []byte) (k cookie, ok bool) {
	if len(user) > base64url.EncodedLen(cookieMax) || len(user) < base64url.EncodedLen(cookieHead+cookieMAC) {
		return k, false
	}
	n, err := base64url.Decode(s.scratch[:], user)
	if err != nil {
		return k, false
	}
	body, mac := s.scratch[:n-cookieMAC], s.scratch[n-cookieMAC:n]
	if body[0]&cookiePath != 0 { // made by a REGISTER, for calls to come
		callID = nil
	}
	for i := range s.ring {
		r := &s.ring[i]
		if r.id == body[1] && subtle.ConstantTimeCompare(mac, s.sign(r.cookie, body, callID)[:cookieMAC]) == 1 {
			return k, k.parse(body)
		}
	}
	return k, false
}
