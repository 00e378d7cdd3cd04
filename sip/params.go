package sip

// Params is a run of ";name=value" as written (the first byte is ';' or LWS, or
// it is empty). It is either of a header field, with white space and quoted
// strings in it, or of a URI.
type Params []byte

// Get finds a parameter by name without regard to case. value is without LWS
// around it but with its quotes, empty for ";name". Of two with one name the
// first is found.
func (p Params) Get(name string) (value []byte, ok bool) {
	for it := p.Each(); it.Next(); {
		if equalFold(it.Name, name) {
			return it.Value, true
		}
	}
	return nil, false
}

// Has reports whether there is a parameter of that name, with a value or without.
func (p Params) Has(name string) bool {
	_, ok := p.Get(name)
	return ok
}

// Each walks them: for it := p.Each(); it.Next(); { it.Name, it.Value }
func (p Params) Each() ParamIter { return ParamIter{p: p} }

// eachAndOurs walks them and one more than MaxParams: the received of a Via and the
// tag of a To are added by whoever takes the message in, and must not make a value
// that was within the bound unreadable when it comes back in a spiral. The caller
// judges by crowded.
func (p Params) eachAndOurs() ParamIter { return ParamIter{p: p, count: -1} }

// crowded reports, at the end of eachAndOurs, more than MaxParams parameters apart
// from the one that a server adds, which is there or not.
func (it *ParamIter) crowded(added bool) bool { return it.count == MaxParams && !added }

// ParamIter is the iterator of Params.Each. Err tells after Next returned false
// whether it stopped at something malformed, or after MaxParams parameters.
type ParamIter struct {
	Name, Value []byte // Value with its quotes; empty without value
	HasValue    bool   // there was a '='
	Err         bool

	p          Params
	start, pos int // of the current parameter: its ';' and its end
	count      int
}

// Next steps to the next parameter; false at the end or at a fault.
func (it *ParamIter) Next() bool {
	s := []byte(it.p)
	i := skipLWS(s, it.pos)
	if i >= len(s) {
		return false
	}
	if s[i] != ';' || it.count == MaxParams {
		it.Err = true
		return false
	}
	it.count++
	it.start = i
	i = skipLWS(s, i+1)
	j := span(s, i, clName)
	if j == i {
		it.Err = true
		return false
	}
	it.Name, it.Value, it.HasValue, it.pos = s[i:j:j], nil, false, j
	i = skipLWS(s, j)
	if i < len(s) && s[i] == '=' {
		return it.takeValue(skipLWS(s, i+1))
	}
	return true
}

func (it *ParamIter) takeValue(i int) bool {
	s := []byte(it.p)
	j := i
	if i < len(s) && s[i] == '"' {
		j = quoted(s, i)
	} else {
		j = span(s, i, clValue)
	}
	if j < 0 {
		it.Err = true
		return false
	}
	it.Value, it.HasValue, it.pos = s[i:j:j], true, j
	return true
}
