package sip

import (
	"net/netip"
	"strconv"
)

// Response describes a response built from a request (RFC 3261 §8.2.6).
type Response struct {
	Status  int
	Reason  string         // "" for the RFC's phrase of Status
	Tag     []byte         // To tag to add when To has none; nil adds none (100)
	Source  netip.AddrPort // where the request came from: received/rport go into the top Via; invalid: as written
	Headers []byte         // whole header lines with CRLF, e.g. "Unsupported: a, b\r\n"
	Server  string         // Server header, "" for none
}

// AppendResponse appends the response to dst: all Via values, From, To, Call-ID
// and CSeq as received, for 100 also Timestamp, then Server, Headers and
// Content-Length 0. It copes with requests that failed Parse or Check: what is
// missing or holds bare line ends is left out, and of doubled single-value fields
// only the first is copied.
func AppendResponse(dst []byte, req *Message, r *Response) []byte {
	dst = appendStatusLine(dst, r.Status, r.Reason)
	dst = req.appendVias(dst, r.Source)
	dst = req.appendFirst(dst, From)
	dst = req.appendTo(dst, r.Tag)
	dst = req.appendFirst(dst, CallID)
	dst = req.appendFirst(dst, CSeq)
	if r.Status == 100 { // RFC 3261 §8.2.6.1
		dst = req.appendFirst(dst, Timestamp)
	}
	if r.Server != "" {
		dst = append(append(append(dst, "Server: "...), r.Server...), '\r', '\n')
	}
	dst = append(dst, r.Headers...)
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

func appendStatusLine(dst []byte, status int, reason string) []byte {
	if reason == "" {
		reason = StatusText(status)
	}
	dst = strconv.AppendInt(append(dst, "SIP/2.0 "...), int64(status), 10)
	return append(append(append(dst, ' '), reason...), '\r', '\n')
}

// appendVias copies all Via lines, the top one stamped when src is valid.
func (m *Message) appendVias(dst []byte, src netip.AddrPort) []byte {
	if !m.Has(Via) {
		return dst
	}
	n := m.first[Via]
	if v, err := m.TopVia(); err == nil && src.IsValid() {
		l := &m.lines[n]
		st := v.stampFor(src)
		dst = st.appendStamped(dst, m.wire, int(l.start), int(l.end))
		if n = l.next; n == 0 {
			return dst
		}
	}
	for {
		dst = m.appendLine(dst, &m.lines[n])
		if n = m.lines[n].next; n == 0 {
			return dst
		}
	}
}

// appendLine copies a line as it is, unless it would damage what it goes into.
func (m *Message) appendLine(dst []byte, l *line) []byte {
	if l.damaged {
		return dst
	}
	return append(dst, m.wire[l.start:l.end]...)
}

// appendFirst copies the first line of a header, if there is one.
func (m *Message) appendFirst(dst []byte, id HeaderID) []byte {
	if !m.Has(id) {
		return dst
	}
	return m.appendLine(dst, &m.lines[m.first[id]])
}

// appendTo copies To and adds the tag when it has none (RFC 3261 §8.2.6.2).
func (m *Message) appendTo(dst, tag []byte) []byte {
	if len(tag) == 0 || !m.Has(To) || m.hasToTag() {
		return m.appendFirst(dst, To)
	}
	l := &m.lines[m.first[To]]
	if l.damaged {
		return dst
	}
	dst = append(dst, m.wire[l.start:l.valueEnd]...)
	dst = append(append(dst, ";tag="...), tag...)
	return append(dst, m.wire[l.valueEnd:l.end]...)
}

// hasToTag reports whether To has a tag; of a To that does not parse, whether
// something in it looks like one.
func (m *Message) hasToTag() bool {
	if a, err := m.ToAddress(); err == nil {
		_, ok := a.tag()
		return ok
	}
	s := m.lineValue(&m.lines[m.first[To]]).Text
	for i := range s {
		if s[i] != ';' {
			continue
		}
		j := skipLWS(s, i+1)
		if j+3 <= len(s) && equalFold(s[j:j+3], "tag") {
			if k := skipLWS(s, j+3); k < len(s) && s[k] == '=' {
				return true
			}
		}
	}
	return false
}
