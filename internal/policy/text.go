package policy

import "bytes"

// Const is always s.
func Const(s string) Text {
	b := []byte(s)
	return func(*Facts) []byte { return b }
}

// Concat joins texts. The parts are built one after the other at the end of the
// scratch: where a part builds something there itself, what was joined so far
// moves behind it.
func Concat(parts ...Text) Text {
	return func(f *Facts) []byte {
		mark := len(f.Scratch)
		for _, part := range parts {
			end := len(f.Scratch)
			t := part(f)
			if len(f.Scratch) != end {
				joined := f.Scratch[mark:end]
				mark = len(f.Scratch)
				f.Scratch = append(f.Scratch, joined...)
			}
			f.Scratch = append(f.Scratch, t...)
		}
		return f.keep(mark)
	}
}

// Lower is t with ASCII letters in lower case.
func Lower(t Text) Text { return func(f *Facts) []byte { return f.lower(t(f)) } }

// ReplacePrefix is t with the prefix replaced, or t when it does not start with it.
func ReplacePrefix(t, prefix, by Text) Text {
	return func(f *Facts) []byte {
		s, p := t(f), prefix(f)
		if !bytes.HasPrefix(s, p) {
			return s
		}
		with := by(f)
		mark := len(f.Scratch)
		f.Scratch = append(append(f.Scratch, with...), s[len(p):]...)
		return f.keep(mark)
	}
}

// Choose is a where c holds, else b.
func Choose[E ~func(*Facts) T, T any](c Bool, a, b E) E {
	return func(f *Facts) T {
		if c(f) {
			return a(f)
		}
		return b(f)
	}
}

// NotEmpty is has(t).
func NotEmpty(t Text) Bool { return func(f *Facts) bool { return len(t(f)) > 0 } }

// str copies s to the scratch.
func (f *Facts) str(s string) []byte {
	mark := len(f.Scratch)
	f.Scratch = append(f.Scratch, s...)
	return f.keep(mark)
}

// lower returns b itself when it has no upper-case letter.
func (f *Facts) lower(b []byte) []byte {
	i := 0
	for i < len(b) && lower(b[i]) == b[i] {
		i++
	}
	if i == len(b) {
		return b
	}
	mark := len(f.Scratch)
	for _, c := range b {
		f.Scratch = append(f.Scratch, lower(c))
	}
	return f.keep(mark)
}

// unfold writes each fold as one space, as RFC 3261 §7.3.1 reads it; a value
// without folds is returned as it is.
func (f *Facts) unfold(b []byte) []byte {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	mark := len(f.Scratch)
	for len(b) > 0 {
		n := bytes.IndexAny(b, "\r\n")
		if n < 0 {
			f.Scratch = append(f.Scratch, b...)
			break
		}
		f.Scratch = append(append(f.Scratch, bytes.TrimRight(b[:n], " \t")...), ' ')
		b = bytes.TrimLeft(b[n:], "\r\n \t")
	}
	return f.keep(mark)
}
