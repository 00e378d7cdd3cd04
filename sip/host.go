package sip

import (
	"bytes"
	"net/netip"
)

// HostAddr reads a host as written ("192.0.2.1", "[2001:db8::1]") as an
// address, by the grammar of RFC 5954. An IPv6 address may lack its brackets, as
// in a received parameter, and may have the extra colon of RFC 5118 §4.10. ok is
// false for a name. Nothing is unmapped and there are no zones.
func HostAddr(host []byte) (addr netip.Addr, ok bool) {
	if n := len(host); n >= 2 && host[0] == '[' && host[n-1] == ']' {
		return parseIPv6(host[1 : n-1])
	}
	if v4, ok := parseIPv4(host); ok {
		return netip.AddrFrom4(v4), true
	}
	if bytes.IndexByte(host, ':') < 0 {
		return netip.Addr{}, false
	}
	return parseIPv6(host)
}

// EqualHost compares host names without regard to case, literals by value
// (RFC 5954 §4.2). Escapes are not decoded, and a name never equals an address.
func EqualHost(a, b []byte) bool {
	if equalFold(a, b) {
		return true
	}
	x, ok := HostAddr(a)
	if !ok {
		return false
	}
	y, ok := HostAddr(b)
	return ok && x == y
}

// parseIPv4 reads the IPv4address of RFC 5954: four dec-octets without leading zeros.
func parseIPv4(s []byte) (addr [4]byte, ok bool) {
	k, n, size := 0, 0, 0 // octets read; value and digits of this one
	for _, c := range s {
		switch {
		case isDigit(c):
			if size > 0 && n == 0 {
				return addr, false
			}
			if n = n*10 + int(c-'0'); n > 255 {
				return addr, false
			}
			size++
		case c == '.' && size > 0 && k < 3:
			addr[k] = byte(n)
			k, n, size = k+1, 0, 0
		default:
			return addr, false
		}
	}
	addr[3] = byte(n)
	return addr, k == 3 && size > 0
}

// parseIPv6 reads the IPv6address of RFC 5954, without brackets and zone, and
// tolerates ":::" before an IPv4 address.
func parseIPv6(s []byte) (netip.Addr, bool) {
	var a [16]byte
	n, gap, i := 0, -1, 0 // bytes filled; where "::" stood; position
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(s) {
		if v4, ok := parseIPv4(bytes.TrimPrefix(s[i:], oneColon(gap == n))); ok && n <= 12 {
			copy(a[n:], v4[:])
			n += 4
			break
		}
		v, j := hex16(s, i)
		if j == i || n == 16 {
			return netip.Addr{}, false
		}
		a[n], a[n+1] = byte(v>>8), byte(v)
		n += 2
		if i = j; i == len(s) {
			break
		}
		if s[i] != ':' || i+1 == len(s) {
			return netip.Addr{}, false
		}
		if i++; s[i] == ':' {
			if gap >= 0 {
				return netip.Addr{}, false
			}
			gap = n
			i++
		}
	}
	if (gap < 0 && n != 16) || (gap >= 0 && n == 16) {
		return netip.Addr{}, false
	}
	if gap >= 0 {
		tail := n - gap
		copy(a[16-tail:], a[gap:n])
		clear(a[gap : 16-tail])
	}
	return netip.AddrFrom16(a), true
}

// oneColon is what may stand too much before an IPv4 address: a third colon after "::".
func oneColon(afterGap bool) []byte {
	if afterGap {
		return extraColon
	}
	return nil
}

var extraColon = []byte(":")

// hex16 reads 1*4HEXDIG from i on and returns its end; i when there is none or too many.
func hex16(s []byte, i int) (v uint16, end int) {
	j := i
	for j < len(s) && unhex(s[j]) != 255 {
		if j-i == 4 {
			return 0, i
		}
		v = v<<4 | uint16(unhex(s[j]))
		j++
	}
	return v, j
}

// hostEnd returns the end of a host that starts at i: a reference in brackets
// or a run of name characters. It does not judge it.
func hostEnd(s []byte, i int) int {
	if i < len(s) && s[i] == '[' {
		if j := bytes.IndexByte(s[i:], ']'); j > 0 {
			return i + j + 1
		}
		return i
	}
	return span(s, i, clHost)
}

// validHost judges a host: IPv6reference, IPv4address, or a name whose labels
// are neither empty nor begin or end with '-'. A name that ends in a number is a
// broken IPv4 address (RFC 5954 §4.1: 444.555.666.777 is malformed).
func validHost(h []byte) bool {
	if len(h) == 0 {
		return false
	}
	if h[0] == '[' {
		_, ok := HostAddr(h)
		return ok && h[len(h)-1] == ']'
	}
	if _, ok := parseIPv4(h); ok {
		return true
	}
	end := len(h)
	if h[end-1] == '.' {
		end--
	}
	start, numeric := 0, true // of the label
	for i := 0; i < end; i++ {
		switch c := h[i]; {
		case isDigit(c):
		case c == '.':
			if !validLabel(h[start:i]) {
				return false
			}
			start, numeric = i+1, true
		case !is(c, clHost):
			return false
		default:
			numeric = false
		}
	}
	return !numeric && validLabel(h[start:end])
}

// validLabel judges a label whose characters are those of a host.
func validLabel(s []byte) bool {
	return len(s) > 0 && s[0] != '-' && s[len(s)-1] != '-'
}

// port reads 1*DIGIT from i on, 0–65535.
func port(s []byte, i int) (n uint16, end int, ok bool) {
	end = digits(s, i)
	v, ok := number(s[i:end], 65535)
	return uint16(v), end, ok
}
