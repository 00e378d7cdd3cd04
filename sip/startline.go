package sip

import "bytes"

// startLine reads the Request-Line or Status-Line (RFC 3261 §7.1, §7.2):
// exactly one SP between the parts, nothing around them, no folding. On a fault
// it still keeps the method, because an ACK must not be answered.
func (m *Message) startLine(s []byte, d damage) {
	m.lineEnd = uint16(len(s) + 2)
	m.request = !isVersion(s)
	if d != 0 || bytes.IndexByte(s, '\r') >= 0 {
		m.fail(400, 0, "Bad Start Line")
	}
	if m.request {
		m.requestLine(s)
	} else {
		m.statusLine(s)
	}
}

func (m *Message) requestLine(s []byte) {
	i := span(s, 0, clToken)
	m.nameEnd = uint16(i)
	m.method = MethodOf(s[:i])
	if i == 0 || i == len(s) || s[i] != ' ' {
		m.fail(400, i, "Bad Request-Line")
		return
	}
	j := i + 1 + bytes.IndexByte(s[i+1:], ' ')
	if j <= i+1 {
		m.fail(400, i, "Bad Request-Line")
		return
	}
	m.uri, m.uriEnd, m.version = uint16(i+1), uint16(j), uint16(j+1)
	m.checkVersion(s[j+1:], "Bad Request-Line")
}

func (m *Message) statusLine(s []byte) {
	i := bytes.IndexByte(s, ' ')
	if i < 0 {
		m.fail(400, 0, "Bad Status-Line")
		return
	}
	m.checkVersion(s[:i], "Bad Status-Line")
	if len(s) < i+4 || (len(s) > i+4 && s[i+4] != ' ') {
		m.fail(400, i, "Bad Status Code")
		return
	}
	code, ok := number(s[i+1:i+4], 699)
	if !ok || code < 100 {
		m.fail(400, i, "Bad Status Code")
		return
	}
	m.status = uint16(code)
	m.reason, m.reasonEnd = uint16(min(i+5, len(s))), uint16(len(s))
}

// isVersion reports whether s begins like a SIP-Version, without regard to case.
func isVersion(s []byte) bool { return len(s) >= 4 && equalFold(s[:4], "SIP/") }

// checkVersion wants SIP/2.0. RFC 3261 §7.1: case does not count on receipt, but
// upper case is sent. RFC 4475 §3.1.2.16: another version is 505.
func (m *Message) checkVersion(s []byte, what string) {
	if string(s) == "SIP/2.0" {
		return
	}
	pos := int(m.version)
	if !isVersion(s) {
		m.fail(400, pos, what)
		return
	}
	major := digits(s, 4)
	if major == 4 || major == len(s) || s[major] != '.' {
		m.fail(400, pos, what)
		return
	}
	if minor := digits(s, major+1); minor == major+1 || minor != len(s) {
		m.fail(400, pos, what)
		return
	}
	if string(s[4:]) != "2.0" {
		m.fail(505, pos, "Version Not Supported")
		return
	}
	m.oldCase = true
}

// digits returns the end of the run of digits that starts at i.
func digits(s []byte, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}
