package sip

// skipLWS returns the first position at or after i that is no linear white
// space: SP, HTAB, or a CRLF followed by one of them (RFC 3261 §25.1 LWS).
func skipLWS(s []byte, i int) int {
	if i < len(s) && s[i] <= ' ' { // hardly ever, so that the rest is not worth inlining
		return skipWhite(s, i)
	}
	return i
}

func skipWhite(s []byte, i int) int {
	for i < len(s) {
		switch s[i] {
		case ' ', '\t':
			i++
		case '\r':
			if i+2 >= len(s) || s[i+1] != '\n' || !isWSP(s[i+2]) {
				return i
			}
			i += 3
		default:
			return i
		}
	}
	return i
}

func isWSP(c byte) bool { return c == ' ' || c == '\t' }

// trimLWS cuts linear white space off both ends of s[i:j].
func trimLWS(s []byte, i, j int) (int, int) {
	for i < j && isLWSByte(s[i]) {
		i++
	}
	for j > i && isLWSByte(s[j-1]) {
		j--
	}
	return i, j
}

func isLWSByte(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// quoted returns the position after the quoted-string that starts at i, or -1
// when it is malformed or does not end. RFC 3261 §25.1: a backslash quotes any
// one byte but CR and LF; NUL is legal only so.
func quoted(s []byte, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
			if i == len(s) || s[i] == '\r' || s[i] == '\n' {
				return -1
			}
		case '\r':
			if skipLWS(s, i) == i {
				return -1
			}
			i += 2
		case '\n', 0:
			return -1
		}
	}
	return -1
}
