package sip

// Message is an index over bytes that it does not own. It is below 5 KiB,
// reusable, and allocates nothing; Parse fills it. It must not be copied while
// views of it are in use, and serves one goroutine at a time.
type Message struct {
	wire []byte // without leading CRLFs and surplus
	body int    // offset of the body; end of the header part

	// start line
	method      Method
	request     bool
	oldCase     bool // the SIP-Version was not in upper case
	status      uint16
	nameEnd     uint16 // of the method
	uri, uriEnd uint16
	reason      uint16
	reasonEnd   uint16
	version     uint16 // offset of the SIP-Version
	lineEnd     uint16 // end of the start line, CRLF included

	// header lines; first and last hold for the IDs in seen
	count       int
	maxLines    int
	maxHead     int // bytes of the header part
	seen        idSet
	damaged     idSet // IDs that have a line with a bare CR, bare LF or loose NUL
	first, last [numHeaders]uint16
	lines       [MaxHeaders + addedHeaders]line

	fault SyntaxError // of Parse; What == "" when there is none
	check SyntaxError // of Check

	// typed views, by bit in parsed
	parsed     viewSet
	spoiled    viewSet // those that have a fault
	via        ViaValue
	viaParams  fault // of the top Via behind its sent-by
	from, to   Address
	sequence   Sequence
	requestURI URI
	viewFault  [numViews]SyntaxError
}

// line is one header line with its continuation lines. Offsets are into wire.
type line struct {
	start, nameEnd  uint16
	value, valueEnd uint16 // without white space around
	end             uint16 // after its CRLF
	id              HeaderID
	next            uint16 // index of the next line with this id, 0: none
	damaged         bool
}

// Wire is the message: without CRLFs before the start line and bytes beyond
// Content-Length. It points into the bytes given to Parse.
func (m *Message) Wire() []byte { return m.wire }

// HeaderPart is the start line to the empty line, included.
func (m *Message) HeaderPart() []byte { return m.wire[:m.body] }

// Body is what follows the empty line, by Content-Length; empty when there is none.
func (m *Message) Body() []byte { return m.wire[m.body:] }

// IsRequest reports whether the message is a request.
func (m *Message) IsRequest() bool { return m.request }

// Method is the method of a request, OtherMethod for a response.
func (m *Message) Method() Method { return m.method }

// MethodName is the method of a request as written; empty for a response.
func (m *Message) MethodName() []byte { return m.wire[:m.nameEnd] }

// RequestURI is the Request-URI as written; empty for a response.
func (m *Message) RequestURI() []byte { return m.wire[m.uri:m.uriEnd] }

// Status is the status code of a response, 0 for a request.
func (m *Message) Status() int { return int(m.status) }

// ReasonPhrase is the reason phrase of a response as written; it may be empty.
func (m *Message) ReasonPhrase() []byte { return m.wire[m.reason:m.reasonEnd] }

// Has reports whether there is a line of that header.
func (m *Message) Has(id HeaderID) bool { return m.seen.has(id) }

// CallIDValue is the Call-ID, nil when absent. It compares byte by byte (RFC 3261 §20.8).
func (m *Message) CallIDValue() []byte {
	if !m.Has(CallID) {
		return nil
	}
	return m.lineValue(&m.lines[m.first[CallID]]).Text
}

// Get returns the value of the first line with that name (long or compact,
// any case), whole and as written, without white space around it. It finds
// every header, known or not.
func (m *Message) Get(name string) ([]byte, bool) {
	if id := HeaderOf(name); id != OtherHeader {
		if !m.Has(id) {
			return nil, false
		}
		return m.lineValue(&m.lines[m.first[id]]).Text, true
	}
	if i := m.lastNamed(name, false); i >= 0 {
		return m.lineValue(&m.lines[i]).Text, true
	}
	return nil, false
}

// lastNamed returns the index of the last (or first) line of a header without
// ID that has that name, -1 when there is none.
func (m *Message) lastNamed(name string, last bool) int {
	found := -1
	for i := range m.count {
		l := &m.lines[i]
		if l.id == OtherHeader && equalFold(m.wire[l.start:l.nameEnd], name) {
			found = i
			if !last {
				break
			}
		}
	}
	return found
}

// Answerable reports whether m is a request, not an ACK, with a top Via that
// can be parsed, so that an error response can be addressed and sent. It is
// meant for requests that failed Parse or Check.
func (m *Message) Answerable() bool {
	if !m.request || m.method == ACK || m.damaged.has(Via) {
		return false
	}
	// RFC 3261 §17: an ACK never draws a response, even one whose start line cannot be read.
	if s, err := m.Sequence(); err == nil && s.Method == ACK {
		return false
	}
	_, err := m.TopVia()
	return err == nil
}
