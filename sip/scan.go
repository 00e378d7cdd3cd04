package sip

import (
	"encoding/binary"
	"math/bits"
)

// Parse indexes wire in one pass, as one datagram: CRLFs before the start line
// are skipped, bytes beyond Content-Length are cut off (see Wire). It checks
// framing: start line, header names, line ends, NUL, size limits, doubled
// single-value headers, Content-Length against the body. Values stay unparsed.
// After an error the index still holds what could be read, so that a response
// can be built: see Answerable. The error is a *SyntaxError owned by m and
// tells the first fault; m keeps wire until the next Parse.
func (m *Message) Parse(wire []byte) error {
	m.maxLines, m.maxHead = MaxHeaders, MaxHeaderPart
	return m.scan(wire)
}

// ParseSent is Parse for a message that was within the bounds when it came and
// has gone through a Rewriter since: it leaves room for what a proxy adds. A
// header part alone is enough: the body that is missing is the only fault then.
func (m *Message) ParseSent(wire []byte) error {
	m.maxLines, m.maxHead = MaxHeaders+addedHeaders, MaxHeaderPart+addedBytes
	return m.scan(wire)
}

func (m *Message) scan(wire []byte) error {
	m.reset(wire)
	b := m.wire
	if len(b) > MaxMessage {
		m.fail(513, MaxMessage, "Message Too Large")
	}
	if len(b) > m.maxHead {
		b = b[:m.maxHead]
	}
	end, damage := lineEnd(b, 0)
	if end < 0 {
		return m.incomplete(len(b))
	}
	m.startLine(b[:end], damage)
	for i := end + 2; ; {
		m.body = i
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			m.body = i + 2
			break
		}
		end, damage = lineEnd(b, i)
		if end < 0 {
			return m.incomplete(len(b))
		}
		m.headerLine(i, end, damage)
		i = end + 2
	}
	m.cutBody()
	return m.verdict()
}

func (m *Message) reset(wire []byte) {
	for len(wire) >= 2 && wire[0] == '\r' && wire[1] == '\n' { // RFC 3261 §7.5
		wire = wire[2:]
	}
	m.wire, m.body, m.count = wire, 0, 0
	m.seen, m.damaged, m.parsed, m.spoiled = 0, 0, 0, 0
	m.method, m.request, m.oldCase, m.status = OtherMethod, false, false, 0
	m.nameEnd, m.uri, m.uriEnd, m.reason, m.reasonEnd, m.version, m.lineEnd = 0, 0, 0, 0, 0, 0, 0
	m.fault.What = ""
}

// fail notes a fault; the first one stays.
func (m *Message) fail(status, pos int, what string) {
	if m.fault.What == "" {
		m.fault = SyntaxError{Status: status, Offset: pos, What: what}
	}
}

func (m *Message) verdict() error {
	if m.fault.What != "" {
		return &m.fault
	}
	return nil
}

// incomplete ends a Parse that met no empty line.
func (m *Message) incomplete(n int) error {
	if n == m.maxHead && len(m.wire) > n {
		m.fail(513, n, "Header Part Too Large")
	}
	m.fail(400, n, "Incomplete Header Part")
	m.body = min(max(m.body, int(m.lineEnd)), len(m.wire))
	m.wire = m.wire[:m.body]
	return &m.fault
}

// damage is what a line holds that may not be in a header part.
type damage uint8

const (
	bareEnd damage = 1 << iota // CR or LF alone
	hasNUL
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// lineEnd returns the offset of the CRLF that ends the line starting at i, past
// its continuation lines (RFC 3261 §7.3.1), or -1 when none has arrived.
//
// CR, LF and NUL are all below 0x0E, and almost nothing else is: eight bytes are
// tested at once for any such byte, and only a hit is looked at. On an 800-byte
// INVITE that halves the time of Parse against a loop over bytes.
func lineEnd(b []byte, i int) (int, damage) {
	var d damage
	for {
		i = nextControl(b, i)
		if i >= len(b) {
			return -1, d
		}
		switch b[i] {
		case '\r':
			if i+1 >= len(b) || b[i+1] != '\n' {
				d |= bareEnd
				break
			}
			if i+2 >= len(b) || !isWSP(b[i+2]) {
				return i, d
			}
			i += 2
		case '\n':
			d |= bareEnd
		case 0:
			d |= hasNUL
		}
		i++
	}
}

// nextControl returns the position of the first byte below 0x0E at or after i.
func nextControl(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		if t := (w - 0x0E*ones) &^ w & highs; t != 0 {
			return i + bits.TrailingZeros64(t)>>3
		}
	}
	for i < len(b) && b[i] >= 0x0E {
		i++
	}
	return i
}

// headerLine indexes the line wire[i:end]; its CRLF follows.
func (m *Message) headerLine(i, end int, d damage) {
	b := m.wire
	j := i
	for j < end && class[b[j]]&clToken != 0 {
		j++
	}
	v := j
	for v < end && isWSP(b[v]) {
		v++
	}
	if j == i || v == end || b[v] != ':' {
		m.fail(400, i, "Bad Header Field Name")
		return
	}
	if m.count == m.maxLines {
		m.fail(400, i, "Too Many Header Fields")
		return
	}
	value, valueEnd := trimLWS(b, v+1, end)
	if d == hasNUL && escapedNULs(b[value:valueEnd]) {
		d = 0
	}
	if d != 0 {
		m.fail(400, i, "Bad Character In Header Field")
	}
	m.enter(line{
		start: uint16(i), nameEnd: uint16(j), value: uint16(value), valueEnd: uint16(valueEnd),
		end: uint16(end + 2), id: lookupHeader(b, i, j-i), damaged: d != 0,
	})
}

// enter adds a line to the index.
func (m *Message) enter(l line) {
	n := uint16(m.count)
	m.lines[n] = l
	m.count++
	if l.damaged {
		m.damaged |= 1 << l.id
	}
	if l.id == OtherHeader {
		return
	}
	if !m.seen.has(l.id) {
		m.seen |= 1 << l.id
		m.first[l.id], m.last[l.id] = n, n
		return
	}
	m.lines[m.last[l.id]].next = n
	m.last[l.id] = n
	// RFC 3261 §20: Max-Forwards means nothing in a response, so two of them are no error there.
	if singleHeaders.has(l.id) && (m.request || l.id != MaxForwards) {
		m.fail(400, int(l.start), doubled[l.id])
	}
}

var doubled = [numHeaders]string{
	From: "Doubled From", To: "Doubled To", CallID: "Doubled Call-ID", CSeq: "Doubled CSeq",
	MaxForwards: "Doubled Max-Forwards", ContentLength: "Doubled Content-Length",
}

// escapedNULs reports whether each NUL in a value follows a backslash inside a
// quoted string, the only place where RFC 3261 §25.1 has it.
func escapedNULs(s []byte) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0:
			return false
		case '"':
			if i = quoted(s, i); i < 0 {
				return false
			}
			i--
		}
	}
	return true
}

// cutBody applies RFC 3261 §18.3 to a datagram: without Content-Length the body
// is the rest; what is beyond it is no part of the message; one that is too
// short is a fault.
func (m *Message) cutBody() {
	if !m.Has(ContentLength) {
		return
	}
	l := &m.lines[m.first[ContentLength]]
	n, ok := number(m.wire[l.value:l.valueEnd], 1<<32-1)
	switch rest := uint64(len(m.wire) - m.body); {
	case !ok:
		m.fail(400, int(l.value), "Bad Content-Length")
	case n > rest:
		m.fail(400, int(l.value), "Body Shorter Than Content-Length")
	default:
		m.wire = m.wire[:m.body+int(n)]
	}
}
