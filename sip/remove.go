package sip

import "slices"

// PopVia takes off exactly the top Via value, also out of a comma list. Called
// again it takes the next one.
func (r *Rewriter) PopVia() {
	it := r.m.Values(Via)
	for n := 0; it.Next(); n++ {
		if n == r.popped {
			r.popped++
			r.RemoveValue(Via, it.Value)
			return
		}
	}
}

// RemoveValue takes out one value of a header, as handed out by First or
// Values: one element of a list; the line too when nothing else is left in it.
// A value of another header is ignored.
func (r *Rewriter) RemoveValue(id HeaderID, v Value) {
	l := r.lineAt(id, v.Pos)
	if l == nil {
		return
	}
	if !listHeaders.has(id) {
		r.cut(l)
		return
	}
	i, found := slices.BinarySearch(r.gone, int32(v.Pos))
	if found {
		return
	}
	r.gone = slices.Insert(r.gone, i, int32(v.Pos))
	r.recut(l)
}

// RemoveAll takes out all lines of a header. Lines that were added stay.
func (r *Rewriter) RemoveAll(id HeaderID) {
	if !r.m.Has(id) {
		return
	}
	for n := r.m.first[id]; ; {
		l := &r.m.lines[n]
		r.cut(l)
		if n = l.next; n == 0 {
			return
		}
	}
}

// lineAt returns the line of a header whose value holds pos, nil when there is none.
func (r *Rewriter) lineAt(id HeaderID, pos int) *line {
	if !r.m.Has(id) {
		return nil
	}
	for n := r.m.first[id]; ; {
		l := &r.m.lines[n]
		if pos >= int(l.value) && pos <= int(l.valueEnd) {
			return l
		}
		if n = l.next; n == 0 {
			return nil
		}
	}
}

// cut takes out a whole line.
func (r *Rewriter) cut(l *line) {
	r.dropEdits(int(l.start), int(l.start)+1, func(e *edit) bool { return e.kind == lineCut })
	r.place(edit{pos: int32(l.start), end: int32(l.end), kind: lineCut}, r.text, false)
}

// recut makes the cuts of a line anew from all its elements that are gone. One
// that has a kept element before it goes with the comma before it; those at the
// head of the line go with the comma after them.
func (r *Rewriter) recut(l *line) {
	r.dropEdits(int(l.start), int(l.end), func(e *edit) bool { return e.kind == elementCut })
	w := r.m.wire[:l.valueEnd]
	head, prev, kept := -1, 0, false
	for at := int(l.value); at <= len(w); {
		stop := elementEnd(w, at)
		i, j := trimLWS(w, at, stop)
		_, gone := slices.BinarySearch(r.gone, int32(i))
		switch {
		case gone && kept:
			r.elementCut(prev, j)
		case gone && head < 0:
			head = i
		case !gone && !kept:
			kept = true
			if head >= 0 {
				r.elementCut(head, i)
			}
		}
		prev, at = j, stop+1
	}
	if !kept {
		r.elementCut(int(l.start), int(l.end))
	}
}

func (r *Rewriter) elementCut(pos, end int) {
	r.place(edit{pos: int32(pos), end: int32(end), kind: elementCut}, r.text, false)
}
