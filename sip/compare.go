package sip

import "bytes"

// Equal compares by RFC 3261 §19.1.4, hosts by RFC 5954 §4.2. URIs of other
// schemes are equal when the scheme is, without regard to case, and all else is,
// byte by byte.
func (u *URI) Equal(v *URI) bool {
	if !u.IsSIP() || !v.IsSIP() {
		return equalFold(u.SchemeName, v.SchemeName) &&
			bytes.Equal(u.Text[len(u.SchemeName):], v.Text[len(v.SchemeName):])
	}
	return u.Scheme == v.Scheme &&
		u.HasUser == v.HasUser && equalEscaped(u.User, v.User, false) &&
		u.HasPassword == v.HasPassword && equalEscaped(u.Password, v.Password, false) &&
		EqualHost(u.Host, v.Host) &&
		u.HasPort == v.HasPort && u.Port == v.Port && // the default port does not equal no port
		paramsWithin(u.Params, v.Params) && paramsWithin(v.Params, u.Params) &&
		headersWithin(u.Headers, v.Headers) && headersWithin(v.Headers, u.Headers)
}

// paramsWithin reports whether no parameter of p forbids equality with a URI
// that has q: those in both match, and user, ttl, method, maddr and transport
// are in both or in none.
func paramsWithin(p, q Params) bool {
	for it := p.Each(); it.Next(); {
		first, _ := findParam(p, it.Name) // of two with one name only the first counts
		other, ok := findParam(q, it.Name)
		switch {
		case ok && (first.HasValue != other.HasValue || !equalEscaped(first.Value, other.Value, true)):
			return false
		case !ok && neverAlone(it.Name):
			return false
		}
	}
	return true
}

func findParam(p Params, name []byte) (ParamIter, bool) {
	for it := p.Each(); it.Next(); {
		if equalEscaped(it.Name, name, true) {
			return it, true
		}
	}
	return ParamIter{}, false
}

func neverAlone(name []byte) bool {
	for _, n := range [...]string{"user", "ttl", "method", "maddr", "transport"} {
		if equalEscaped(name, n, true) {
			return true
		}
	}
	return false
}

// headersWithin reports whether each header of the headers part a is in b as
// often as in a. Their order does not count, nor the case of their names.
func headersWithin(a, b []byte) bool {
	for rest := a; len(rest) > 0; {
		var h []byte
		h, rest = cutHeader(rest)
		if countHeader(a, h) > countHeader(b, h) {
			return false
		}
	}
	return (a == nil) == (b == nil)
}

func cutHeader(s []byte) (first, rest []byte) {
	first, rest, _ = bytes.Cut(s, ampersand)
	return first, rest
}

func countHeader(s, h []byte) (n int) {
	name, value, _ := bytes.Cut(h, equals)
	for len(s) > 0 {
		var x []byte
		x, s = cutHeader(s)
		xname, xvalue, _ := bytes.Cut(x, equals)
		if equalEscaped(xname, name, true) && equalEscaped(xvalue, value, false) {
			n++
		}
	}
	return n
}

var equals = []byte("=")

// equalEscaped compares with %HH decoded once (RFC 3261 §19.1.4: a character
// that is not reserved equals its escape; a reserved one does not), with or
// without regard to case.
func equalEscaped[T string | []byte](a []byte, b T, fold bool) bool {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		x, nx := unit(a, i)
		y, ny := unit(b, j)
		if x != y && (!fold || foldUnit(x) != foldUnit(y)) {
			return false
		}
		i, j = i+nx, j+ny
	}
	return i == len(a) && j == len(b)
}

// unit reads one character at i, escaped or not. An escaped reserved character
// comes back with a mark, so that it differs from the bare one.
func unit[T string | []byte](s T, i int) (c uint16, n int) {
	if s[i] != '%' || i+2 >= len(s) || unhex(s[i+1]) == 255 || unhex(s[i+2]) == 255 {
		return uint16(s[i]), 1
	}
	b := unhex(s[i+1])<<4 | unhex(s[i+2])
	switch b {
	case ';', '/', '?', ':', '@', '&', '=', '+', '$', ',': // reserved
		return uint16(b) | 0x100, 3
	}
	return uint16(b), 3
}

func foldUnit(c uint16) uint16 {
	if c < 0x100 {
		return uint16(lower(byte(c)))
	}
	return c
}

// AppendUnescaped appends s with its %HH decoded once, reserved characters too;
// a '%' that is no escape stays.
func AppendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c, n := unit(s, i)
		dst = append(dst, byte(c))
		i += n
	}
	return dst
}
