package sip

import "bytes"

// Value is one element of a header field: of a list header, one of its
// comma-separated values; else the whole value. Text points into the wire at
// Pos, without white space around it (folds may be inside).
type Value struct {
	Text []byte
	Pos  int
}

func (m *Message) lineValue(l *line) Value {
	return Value{Text: m.wire[l.value:l.valueEnd:l.valueEnd], Pos: int(l.value)}
}

// First returns the first value of a header; false when there is none.
func (m *Message) First(id HeaderID) (Value, bool) {
	it := m.Values(id)
	ok := it.Next()
	return it.Value, ok
}

// Values walks all values of a header in order, over all its lines, splitting
// list headers at commas lazily (quotes and <> protect commas).
//
//	for it := m.Values(sip.Route); it.Next(); { use(it.Value) }
//
// An empty element of a list that routes (Via, Route, Record-Route, Contact,
// Path, Service-Route) is shown as an empty value, of other lists passed over.
func (m *Message) Values(id HeaderID) Values {
	it := Values{m: m, id: id, line: -1}
	if id < numHeaders && m.seen.has(id) {
		it.line = int(m.first[id])
		it.begin()
	}
	return it
}

// Values is the iterator of Message.Values. It is valid until the next Parse.
type Values struct {
	Value Value // of the last Next that returned true

	m        *Message
	line     int // index of the current line, -1: the end
	pos, end int // what is left of its value; pos > end: nothing
	id       HeaderID
}

func (it *Values) begin() {
	l := &it.m.lines[it.line]
	it.pos, it.end = int(l.value), int(l.valueEnd)
}

// Next steps to the next value; false at the end.
func (it *Values) Next() bool {
	for it.line >= 0 {
		if it.pos > it.end {
			next := it.m.lines[it.line].next
			if next == 0 {
				it.line = -1
				return false
			}
			it.line = int(next)
			it.begin()
		}
		it.take()
		if len(it.Value.Text) > 0 || !listHeaders.has(it.id) || addressLists.has(it.id) {
			return true
		}
	}
	return false
}

// take cuts the next element off the current line.
func (it *Values) take() {
	w := it.m.wire
	stop := it.end
	if listHeaders.has(it.id) {
		stop = elementEnd(w[:it.end], it.pos)
	}
	i, j := trimLWS(w, it.pos, stop)
	it.Value = Value{Text: w[i:j:j], Pos: i}
	it.pos = stop + 1
}

// elementEnd returns the position of the comma that ends the list element
// starting at i, or len(s). RFC 3261 §25.1: quoted strings and <> protect commas.
// What is opened and never closed reaches to the end: it is malformed, and must
// not be cut into something that looks sound.
func elementEnd(s []byte, i int) int {
	if bytes.IndexByte(s[i:], ',') < 0 {
		return len(s) // as nearly every line
	}
	angle := false
	for ; i < len(s); i++ {
		if class[s[i]]&clPlain != 0 {
			continue
		}
		switch s[i] {
		case ',':
			if !angle {
				return i
			}
		case '<':
			angle = true
		case '>':
			angle = false
		case '"':
			if angle {
				continue
			}
			j := quoted(s, i)
			if j < 0 {
				return len(s)
			}
			i = j - 1
		}
	}
	return i
}

// Lines walks every header line as it stands, known or not, in order.
func (m *Message) Lines() Lines { return Lines{m: m} }

// Lines is the iterator of Message.Lines. It is valid until the next Parse.
type Lines struct {
	ID    HeaderID
	Name  []byte // as written
	Value Value  // the whole value of the line

	m *Message
	n int
}

// Next steps to the next line; false at the end.
func (it *Lines) Next() bool {
	if it.n >= it.m.count {
		return false
	}
	l := &it.m.lines[it.n]
	it.n++
	it.ID, it.Name, it.Value = l.id, it.m.wire[l.start:l.nameEnd:l.nameEnd], it.m.lineValue(l)
	return true
}
