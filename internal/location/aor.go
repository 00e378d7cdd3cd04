package location

import (
	"net/netip"
	"strconv"

	"viaduct/sip"
)

// AppendAOR appends the canonical form of an address-of-record, the index of its
// bindings; false when u is neither sip nor sips.
//
// RFC 3261 §10.3 step 5: parameters are removed and escapes are undone. What may
// not stand in a user part unescaped is escaped again, in one way, so that the
// result is a URI and two AORs have one form exactly when their unescaped forms
// are equal. The user's case counts, the host's does not (§19.1.4), a literal
// host is its binary value (RFC 5954 §4.2), and a port that is written is not
// one that is not, the default port included. sips is the same AOR as sip
// (RFC 5630 §5.2). A password names nobody and is dropped: it must not be stored.
func AppendAOR(dst []byte, u *sip.URI) ([]byte, bool) {
	if !u.IsSIP() {
		return dst, false
	}
	dst = append(dst, "sip:"...)
	if u.HasUser {
		dst = appendUser(dst, u.User)
		dst = append(dst, '@')
	}
	dst = appendHost(dst, u)
	if u.HasPort {
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(u.Port), 10)
	}
	return dst, true
}

const upperHex = "0123456789ABCDEF"

// appendUser undoes escapes and redoes those that must be. The result is never
// longer than what was written.
func appendUser(dst, user []byte) []byte {
	for i := 0; i < len(user); i++ {
		c := user[i]
		if c == '%' && i+2 < len(user) {
			c = unhex(user[i+1])<<4 | unhex(user[i+2])
			i += 2
		}
		if userByte(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// userByte reports whether c may stand in a user part: unreserved or
// user-unreserved, RFC 3261 §25.1.
func userByte(c byte) bool {
	switch c {
	case '-', '_', '.', '!', '~', '*', '\'', '(', ')', '&', '=', '+', '$', ',', ';', '?', '/':
		return true
	}
	return c-'0' < 10 || (c|0x20)-'a' < 26
}

// unhex is the value of a hexadecimal digit, of which the parser of the URI has
// made sure.
func unhex(c byte) byte {
	if c-'0' < 10 {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}

func appendHost(dst []byte, u *sip.URI) []byte {
	if addr, ok := u.Addr(); ok {
		return appendAddr(dst, addr)
	}
	for _, c := range u.Host {
		if c-'A' < 26 {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

func appendAddr(dst []byte, addr netip.Addr) []byte {
	if addr.Is4() {
		return addr.AppendTo(dst)
	}
	dst = append(dst, '[')
	dst = addr.AppendTo(dst)
	return append(dst, ']')
}
