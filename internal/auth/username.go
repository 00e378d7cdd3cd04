package auth

import "unicode/utf8"

// This file reads username* (RFC 7616 §3.4): ext-value of RFC 8187 §3.2.1, in
// UTF-8, the only charset that the RFC still has.

// setUser sets User from username or username*.
func (c *Credentials) setUser() bool {
	switch {
	case c.extended != nil:
		user, ok := appendExtended(c.user[:0], c.extended)
		c.user, c.User = user, user
		return ok && len(user) > 0
	case c.username.escapes:
		c.user = c.username.append(c.user[:0])
		c.User = c.user
	default:
		c.User = c.username.raw
	}
	return len(c.User) > 0
}

// appendExtended decodes charset'language'value.
func appendExtended(dst, s []byte) ([]byte, bool) {
	const charset = "utf-8'"
	if len(s) < len(charset) || !fold(s[:len(charset)], charset) {
		return dst, false
	}
	i := span(s, len(charset), isLanguage)
	if i == len(s) || s[i] != '\'' {
		return dst, false
	}
	start := len(dst)
	for i++; i < len(s); i++ {
		b := s[i]
		if b == '%' {
			if i+2 >= len(s) {
				return dst, false
			}
			high, ok := unhex(s[i+1])
			low, ok2 := unhex(s[i+2])
			if !ok || !ok2 {
				return dst, false
			}
			b, i = high<<4|low, i+2
		} else if !isAttrChar(b) {
			return dst, false
		}
		dst = append(dst, b)
	}
	return dst, utf8.Valid(dst[start:])
}

func isLanguage(b byte) bool { return isToken(b) && b != '\'' }

// isAttrChar tells attr-char of RFC 8187 §3.2.1.
func isAttrChar(b byte) bool {
	switch b {
	case '#', '$', '&', '^', '|':
		return true
	case '*', '\'', '%':
		return false
	}
	return isToken(b)
}
