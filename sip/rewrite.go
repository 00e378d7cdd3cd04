package sip

import (
	"net/netip"
	"slices"
	"strconv"
)

// Rewriter is a few sorted range edits over a Message that passed Parse; all else
// is copied verbatim. Texts given are copied into the Rewriter, so they may be reused at
// once. It keeps its buffers over Reset and allocates nothing in steady state.
// Positions and values always refer to the message as received; edits of what
// another edit takes out are void.
type Rewriter struct {
	m      *Message
	edits  []edit  // sorted by pos; at one position insertions come first
	text   []byte  // texts of all edits
	gone   []int32 // positions of list elements taken out, sorted
	popped int     // Via values taken off the top
	noBody bool
}

// edit puts text in place of wire[pos:end].
type edit struct {
	pos, end   int32
	text, stop int32 // range in Rewriter.text
	kind       editKind
	key        HeaderID // of a line that can be set again
}

type editKind uint8

const (
	insertion   editKind = iota // a line, pos == end
	keyedLine                   // the one line of its key, pos == end
	stamped                     // of StampVia
	replacement                 // of a value or of the Request-URI
	elementCut                  // of RemoveValue; made anew when its line loses another element
	lineCut                     // a whole line
)

// Reset begins with a message that was parsed; earlier edits are forgotten. The
// message and its bytes must stay as they are until the last AppendTo.
func (r *Rewriter) Reset(m *Message) {
	r.m, r.edits, r.text, r.gone = m, r.edits[:0], r.text[:0], r.gone[:0]
	r.popped, r.noBody = 0, false
	if m.oldCase { // RFC 3261 §7.1: sent in upper case
		r.replace(int(m.version), int(m.version)+3, append(r.text, "SIP"...))
	}
}

// SetRequestURI puts another Request-URI into a request.
func (r *Rewriter) SetRequestURI(uri []byte) {
	r.replace(int(r.m.uri), int(r.m.uriEnd), append(r.text, uri...))
}

// SetMaxForwards replaces the value of Max-Forwards, or adds the line.
func (r *Rewriter) SetMaxForwards(n int) { r.setNumber(MaxForwards, n) }

// SetMaxBreadth replaces the value of Max-Breadth, or adds the line; of several
// lines exactly one stays.
func (r *Rewriter) SetMaxBreadth(n int) { r.setNumber(MaxBreadth, n) }

func (r *Rewriter) setNumber(id HeaderID, n int) {
	var b [20]byte
	r.set(id, strconv.AppendInt(b[:0], int64(n), 10), r.belowVias())
}

// Set replaces all values of a header by one line, or adds it at the end.
func (r *Rewriter) Set(id HeaderID, value []byte) { r.set(id, value, r.bottom()) }

func (r *Rewriter) set(id HeaderID, value []byte, pos int) {
	if !r.m.Has(id) {
		r.dropEdits(pos, pos+1, func(e *edit) bool { return e.kind == keyedLine && e.key == id })
		r.insert(edit{pos: int32(pos), end: int32(pos), kind: keyedLine, key: id}, headerNames[id], value, false)
		return
	}
	l := &r.m.lines[r.m.first[id]]
	r.dropEdits(int(l.start), int(l.end), func(e *edit) bool { return e.kind == lineCut || e.kind == elementCut })
	r.replace(int(l.value), int(l.valueEnd), append(r.text, value...))
	for n := l.next; n != 0; n = r.m.lines[n].next {
		r.cut(&r.m.lines[n])
	}
}

// Add puts a line at the end of the header part, or below the last one of its
// own kind when there is one.
func (r *Rewriter) Add(name string, value []byte) {
	pos := r.bottom()
	if id := HeaderOf(name); id != OtherHeader {
		pos = r.below(id, pos)
	} else if i := r.m.lastNamed(name, true); i >= 0 {
		pos = int(r.m.lines[i].end)
	}
	r.addLine(pos, name, value, false)
}

// Replace puts text in place of a value.
func (r *Rewriter) Replace(v Value, text []byte) {
	r.replace(v.Pos, v.Pos+len(v.Text), append(r.text, text...))
}

// PushVia puts a Via line of its own above all others.
func (r *Rewriter) PushVia(value []byte) { r.push(Via, int(r.m.lineEnd), value) }

// PushRoute puts a Route line above all Route values; of repeated calls the
// last one is topmost.
func (r *Rewriter) PushRoute(value []byte) { r.push(Route, r.belowVias(), value) }

// PushRecordRoute puts a Record-Route line above all Record-Route values; of
// repeated calls the last one is topmost.
func (r *Rewriter) PushRecordRoute(value []byte) { r.push(RecordRoute, r.belowVias(), value) }

// AppendRoute puts a Route line below all Route values.
func (r *Rewriter) AppendRoute(value []byte) {
	r.addLine(r.below(Route, r.belowVias()), headerNames[Route], value, false)
}

// push adds a line above the first of its kind, or at pos when there is none.
func (r *Rewriter) push(id HeaderID, pos int, value []byte) {
	if r.m.Has(id) {
		pos = int(r.m.lines[r.m.first[id]].start)
	}
	r.addLine(pos, headerNames[id], value, true)
}

// below is the position after the last line of a header, or pos.
func (r *Rewriter) below(id HeaderID, pos int) int {
	if r.m.Has(id) {
		return int(r.m.lines[r.m.last[id]].end)
	}
	return pos
}

func (r *Rewriter) belowVias() int { return r.below(Via, int(r.m.lineEnd)) }

// bottom is the position of the empty line; of a message without one, of nothing useful.
func (r *Rewriter) bottom() int { return max(r.m.body-2, 0) }

// StampVia writes received and rport into the top Via of a received request
// (RFC 3261 §18.2.1, RFC 3581 §4); what the sender wrote there is replaced. src
// is the source of the packet; an IPv4-mapped address is unmapped. Without a Via
// that can be parsed, or with an invalid src, nothing happens.
func (r *Rewriter) StampVia(src netip.AddrPort) {
	v, err := r.m.TopVia()
	if err != nil || !src.IsValid() {
		return
	}
	st := v.stampFor(src)
	r.dropEdits(0, r.m.body, func(e *edit) bool { return e.kind == stamped })
	for _, c := range st.cuts[:st.n] {
		r.place(edit{pos: int32(c.pos), end: int32(c.end), kind: stamped}, r.text, false)
	}
	if st.size > 0 {
		r.place(edit{pos: int32(st.at), end: int32(st.at), kind: stamped}, append(r.text, st.text[:st.size]...), false)
	}
}

// EnsureContentLength adds Content-Length when there is none (RFC 3261 §16.6 step 9).
func (r *Rewriter) EnsureContentLength() {
	if r.m.Has(ContentLength) {
		return
	}
	n := len(r.m.Body())
	if r.noBody {
		n = 0
	}
	var b [20]byte
	r.set(ContentLength, strconv.AppendInt(b[:0], int64(n), 10), r.bottom())
}

// DropBody leaves the body off and makes Content-Length 0, adding it when there
// is none.
func (r *Rewriter) DropBody() {
	r.noBody = true
	r.set(ContentLength, []byte("0"), r.bottom())
}

// AppendTo appends the edited message to dst. It may be called again.
func (r *Rewriter) AppendTo(dst []byte) []byte {
	w := r.m.wire
	at := 0
	for i := range r.edits {
		e := &r.edits[i]
		if int(e.pos) < at {
			continue // inside what another edit took out
		}
		dst = append(dst, w[at:e.pos]...)
		dst = append(dst, r.text[e.text:e.stop]...)
		at = int(e.end)
	}
	if r.noBody {
		w = w[:r.m.body]
	}
	return append(dst, w[at:]...)
}

// Size is an upper bound of what AppendTo appends, in bytes.
func (r *Rewriter) Size() int { return len(r.m.wire) + len(r.text) }

// replace puts the bytes that text has beyond r.text in place of wire[pos:end].
func (r *Rewriter) replace(pos, end int, text []byte) {
	r.dropEdits(pos, pos+1, func(e *edit) bool { return e.kind == replacement && int(e.end) == end })
	r.place(edit{pos: int32(pos), end: int32(end), kind: replacement}, text, false)
}

// addLine inserts a header line at pos, before or after what was inserted there earlier.
func (r *Rewriter) addLine(pos int, name string, value []byte, above bool) {
	r.insert(edit{pos: int32(pos), end: int32(pos)}, name, value, above)
}

func (r *Rewriter) insert(e edit, name string, value []byte, above bool) {
	text := append(append(r.text, name...), ": "...)
	r.place(e, append(append(text, value...), '\r', '\n'), above)
}

// place puts e into the sorted list; its text is what text has beyond r.text.
func (r *Rewriter) place(e edit, text []byte, above bool) {
	e.text, e.stop = int32(len(r.text)), int32(len(text))
	r.text = text
	i := len(r.edits)
	for i > 0 && e.before(&r.edits[i-1], above) {
		i--
	}
	r.edits = slices.Insert(r.edits, i, e)
}

// before orders edits: by position; at one position insertions, then the longer
// range, so that what lies inside it is passed over.
func (e *edit) before(o *edit, above bool) bool {
	if e.pos != o.pos {
		return e.pos < o.pos
	}
	if eIn, oIn := e.pos == e.end, o.pos == o.end; eIn != oIn {
		return eIn
	} else if eIn {
		return above
	}
	return e.end > o.end
}

// dropEdits forgets the edits that begin in [pos, end) and match.
func (r *Rewriter) dropEdits(pos, end int, match func(*edit) bool) {
	kept := r.edits[:0]
	for i := range r.edits {
		e := &r.edits[i]
		if int(e.pos) >= pos && int(e.pos) < end && match(e) {
			continue
		}
		kept = append(kept, *e)
	}
	r.edits = kept
}
