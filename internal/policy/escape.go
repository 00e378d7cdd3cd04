package policy

import "strings"

// What may stand unescaped in the parts of a URI (RFC 3261 §25.1).
var (
	unreserved = chars("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()")
	userChars  = unreserved.with("&=+$,;?/")
	paramChars = unreserved.with("[]/:&+$")
	hostChars  = chars("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]")
)

func chars(list string) set {
	var s set
	return s.with(list)
}

func (s set) with(list string) set {
	for i := range len(list) {
		s.add(list[i], list[i])
	}
	return s
}

// AsUser is t written so that it can stand in the user part of a URI and cannot
// end it: escapes are kept, other characters that may not stand there are
// escaped. Without it a header field of the message could choose the host.
func AsUser(t Text) Text { return func(f *Facts) []byte { return f.escape(t(f), &userChars) } }

// AsParam is t written so that it can stand in a URI parameter.
func AsParam(t Text) Text { return func(f *Facts) []byte { return f.escape(t(f), &paramChars) } }

// AsHost is t where it can stand as host, or host and port, of a URI, else
// empty: there are no escapes in a host, and a URI without one is no target.
func AsHost(t Text) Text {
	return func(f *Facts) []byte {
		b := t(f)
		for _, c := range b {
			if !hostChars.has(c) {
				return nil
			}
		}
		return b
	}
}

const hexDigits = "0123456789ABCDEF"

// escape returns b itself when nothing in it needs escaping.
func (f *Facts) escape(b []byte, allowed *set) []byte {
	i := 0
	for i < len(b) && (allowed.has(b[i]) || isEscape(b[i:])) {
		i++
	}
	if i == len(b) {
		return b
	}
	mark := len(f.Scratch)
	for i, c := range b {
		if allowed.has(c) || isEscape(b[i:]) {
			f.Scratch = append(f.Scratch, c)
			continue
		}
		f.Scratch = append(f.Scratch, '%', hexDigits[c>>4], hexDigits[c&15])
	}
	return f.keep(mark)
}

// plainEscapes decodes the escapes of unreserved characters and writes the
// digits of the others in upper case. It returns b itself when it has no escape.
func (f *Facts) plainEscapes(b []byte) []byte {
	i := 0
	for i < len(b) && b[i] != '%' {
		i++
	}
	if i == len(b) {
		return b
	}
	mark := len(f.Scratch)
	for i := 0; i < len(b); i++ {
		if !isEscape(b[i:]) {
			f.Scratch = append(f.Scratch, b[i])
			continue
		}
		c := hexValue(b[i+1])<<4 | hexValue(b[i+2])
		if unreserved.has(c) {
			f.Scratch = append(f.Scratch, c)
		} else {
			f.Scratch = append(f.Scratch, '%', hexDigits[c>>4], hexDigits[c&15])
		}
		i += 2
	}
	return f.keep(mark)
}

func isEscape(b []byte) bool {
	return len(b) >= 3 && b[0] == '%' && isHex(b[1]) && isHex(b[2])
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func hexValue(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// UserInfo is t and an @, or nothing when t is empty: a URI that has no user
// part has no @ either (RFC 3261 §25.1).
func UserInfo(t Text) Text {
	return func(f *Facts) []byte {
		b := t(f)
		if len(b) == 0 {
			return nil
		}
		mark := len(f.Scratch)
		f.Scratch = append(append(f.Scratch, b...), '@')
		return f.keep(mark)
	}
}
