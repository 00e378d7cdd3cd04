package registrar

import "bytes"

// Instance takes the URN out of the value of a +sip.instance parameter: it
// stands in angle brackets within a quoted string (RFC 5626 §4.1). It is nil when
// there is none.
func Instance(value []byte) []byte {
	n := len(value)
	if n < 5 || value[0] != '"' || value[n-1] != '"' || value[1] != '<' || value[n-2] != '>' {
		return nil
	}
	urn := value[2 : n-2]
	for _, c := range urn {
		if c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '<' || c == '>' {
			return nil
		}
	}
	return urn
}

// appendCanonicalURN writes a URN so that equal ones are equal byte by byte: the
// scheme, the namespace and what is escaped in lower case (RFC 2141 §5), of a
// UUID all of it (RFC 4122 §3). RFC 5626 §4.1: an element compares by the rules
// of the scheme that it knows, and by those of RFC 2141 otherwise.
func appendCanonicalURN(dst, urn []byte) []byte {
	start, colons := len(dst), 0
	escaped := 0 // characters of a %HH still to come
	for _, c := range urn {
		switch {
		case c == ':':
			colons++
		case c == '%':
			escaped = 3
		}
		if colons < 2 || escaped > 0 || bytes.HasPrefix(dst[start:], uuid) {
			c = lower(c)
		}
		escaped = max(escaped-1, 0)
		dst = append(dst, c)
	}
	return dst
}

var uuid = []byte("urn:uuid:")

func lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}
