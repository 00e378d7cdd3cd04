package sip

// SetNamed makes one line with value of all lines of a header, or adds it at the
// end. It is for headers that an operator names; those with an ID have Set.
func (r *Rewriter) SetNamed(name string, value []byte) {
	if id := HeaderOf(name); id != OtherHeader {
		r.Set(id, value)
		return
	}
	first := r.m.lastNamed(name, false)
	if first < 0 {
		r.addLine(r.bottom(), name, value, false)
		return
	}
	l := &r.m.lines[first]
	r.dropEdits(int(l.start), int(l.end), func(e *edit) bool { return e.kind == lineCut || e.kind == elementCut })
	r.replace(int(l.value), int(l.valueEnd), append(r.text, value...))
	r.cutNamed(name, first+1)
}

// RemoveNamed removes all lines of a header.
func (r *Rewriter) RemoveNamed(name string) {
	if id := HeaderOf(name); id != OtherHeader {
		r.RemoveAll(id)
		return
	}
	r.cutNamed(name, 0)
}

// cutNamed removes the lines of a header without ID from line from on.
func (r *Rewriter) cutNamed(name string, from int) {
	for i := from; i < int(r.m.count); i++ {
		if l := &r.m.lines[i]; l.id == OtherHeader && equalFold(r.m.wire[l.start:l.nameEnd], name) {
			r.cut(l)
		}
	}
}

// PushPath puts a Path line above all Path values (RFC 3327 §5.2).
func (r *Rewriter) PushPath(value []byte) { r.push(Path, r.belowVias(), value) }

// FirstOf is the first element of a list of addresses, as a Route or a Path line
// has it; valid as long as list.
func FirstOf(list []byte) []byte {
	i, j := trimLWS(list, 0, elementEnd(list, 0))
	return list[i:j]
}
