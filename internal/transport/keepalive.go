package transport

// kind is what a datagram is, judged by its first bytes.
type kind uint8

const (
	message   kind = iota // for the SIP parser, garbage included
	keepalive             // dropped in silence
	stun                  // answered here
)

// kindOf tells keepalives from messages. Phones send empty datagrams, NULs and
// CRLFs to keep a NAT binding; RFC 5626 §8 makes STUN of it. None is a SIP
// error, and answering one as such would only make noise.
func kindOf(b []byte) kind {
	if len(b) == 0 {
		return keepalive
	}
	switch b[0] {
	case '\r', '\n', 0, 1, ' ', '\t':
	default:
		return message // the usual case, decided by one byte
	}
	if b[0] < 2 && isSTUN(b) {
		return stun
	}
	for _, c := range b {
		switch c {
		case '\r', '\n', 0, ' ', '\t':
		default:
			return message // CRLFs before a start line are the parser's to skip (RFC 3261 §7.5)
		}
	}
	return keepalive
}
