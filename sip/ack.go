package sip

// AppendAck builds the ACK to a 300–699 from the INVITE as sent and
// the value of To in the response (RFC 3261 §17.1.1.3): Request-URI, top Via only,
// Route, From, Call-ID and CSeq number of the INVITE. Its header part is enough.
func AppendAck(dst []byte, invite *Message, to []byte) []byte {
	dst = invite.appendHead(dst, "ACK")
	dst = append(append(append(dst, "To: "...), to...), '\r', '\n')
	dst = invite.appendSequence(dst, "ACK")
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

// AppendCancel builds the CANCEL of an INVITE as sent: RFC 3261 §9.1, without
// Require and Proxy-Require. reason is the value of a Reason header (RFC 3326) or
// nil. The INVITE's header part is enough.
func AppendCancel(dst []byte, invite *Message, reason []byte) []byte {
	dst = invite.appendHead(dst, "CANCEL")
	dst = invite.appendFirst(dst, To)
	dst = invite.appendSequence(dst, "CANCEL")
	if reason != nil {
		dst = append(append(append(dst, "Reason: "...), reason...), '\r', '\n')
	}
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

// appendHead appends the start line with that method, the top Via value,
// Max-Forwards, Route, From and Call-ID.
func (m *Message) appendHead(dst []byte, method string) []byte {
	dst = append(append(dst, method...), ' ')
	dst = append(append(dst, m.RequestURI()...), " SIP/2.0\r\n"...)
	if v, ok := m.First(Via); ok {
		dst = append(append(append(dst, "Via: "...), v.Text...), '\r', '\n')
	}
	if m.Has(MaxForwards) {
		dst = m.appendFirst(dst, MaxForwards)
	} else { // RFC 3261 §8.1.1.6: no request is without it
		dst = append(dst, "Max-Forwards: 70\r\n"...)
	}
	if m.Has(Route) {
		for n := m.first[Route]; ; {
			l := &m.lines[n]
			dst = m.appendLine(dst, l)
			if n = l.next; n == 0 {
				break
			}
		}
	}
	dst = m.appendFirst(dst, From)
	return m.appendFirst(dst, CallID)
}

// appendSequence appends CSeq with the number as written and another method.
func (m *Message) appendSequence(dst []byte, method string) []byte {
	if !m.Has(CSeq) {
		return dst
	}
	v := m.lineValue(&m.lines[m.first[CSeq]])
	dst = append(append(dst, "CSeq: "...), v.Text[:digits(v.Text, 0)]...)
	return append(append(append(dst, ' '), method...), '\r', '\n')
}
