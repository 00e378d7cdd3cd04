package sip

// Address is name-addr or addr-spec with header parameters: From, To, Contact,
// Route, Record-Route, Path (RFC 3261 §20.10, §25.1). All slices point into the
// text that was parsed.
type Address struct {
	Display []byte // as written, quotes included
	URI     []byte
	Params  Params // header parameters
	Angle   bool   // URI was in <>
	sound   bool   // URI was parsed whole, without a fault
}

// ParseAddress reads one value. The URI is judged as an absoluteURI only (see
// ParseURI). Without <> all that follows the first ';' are header parameters, and
// a URI with '?' or ',' is malformed (RFC 3261 §20.10). The error is a
// *SyntaxError with the offset in text.
func ParseAddress(text []byte) (Address, error) {
	var a Address
	f := a.parse(text, nil)
	return a, f.export()
}

// ParseAddressURI is ParseAddress and ParseURI of its URI in one, for those who need
// both: they go into a and u. The error is that of the one or the other.
func ParseAddressURI(text []byte, a *Address, u *URI) error {
	if f := a.parse(text, u); f.what != "" {
		return f.export()
	}
	if !a.sound {
		_, err := ParseURI(a.URI)
		return err
	}
	return nil
}

// Tag is the tag parameter, nil when absent or empty.
func (a *Address) Tag() []byte {
	v, _ := a.tag()
	return orNil(v)
}

// tag finds the tag parameter, which may be the one beyond MaxParams.
func (a *Address) tag() (value []byte, ok bool) {
	for it := a.Params.eachAndOurs(); it.Next(); {
		if equalFold(it.Name, "tag") {
			return it.Value, true
		}
	}
	return nil, false
}

// Q is the q parameter in thousandths; def when absent or bad.
func (a *Address) Q(def int) int {
	v, ok := a.Params.Get("q")
	if !ok {
		return def
	}
	// RFC 3261 §25.1: qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
	if len(v) == 0 || len(v) > 5 || v[0] != '0' && v[0] != '1' || len(v) > 1 && v[1] != '.' {
		return def
	}
	q := int(v[0]-'0') * 1000
	for i, unit := 2, 100; i < len(v); i, unit = i+1, unit/10 {
		if !isDigit(v[i]) {
			return def
		}
		q += int(v[i]-'0') * unit
	}
	if q > 1000 {
		return def
	}
	return q
}

// parse reads s. With a u its URI is parsed whole into that, and once instead of
// twice when it is sound; a faulty one is only noted as long as it is an absoluteURI.
func (a *Address) parse(s []byte, u *URI) fault {
	*a = Address{}
	bad := func(i int) fault { return fault{"Bad Address", i} }

	i := skipLWS(s, 0)
	start := i
	if i < len(s) && s[i] == '"' {
		if i = quoted(s, i); i < 0 {
			return bad(start)
		}
		a.Display = s[start:i:i]
		if i = skipLWS(s, i); i == len(s) || s[i] != '<' {
			return bad(i)
		}
	} else if i = displayEnd(s, i); i == len(s) || s[i] != '<' {
		return a.parseSpec(s, start, u)
	} else if _, j := trimLWS(s, start, i); j > start {
		a.Display = s[start:j:j]
	}
	a.Angle = true
	i++
	end := span(s, i, clInAngle)
	if end == len(s) || s[end] != '>' {
		return bad(end)
	}
	a.URI = s[i:end:end]
	if !a.judge(u) {
		return bad(i)
	}
	return a.takeParams(s, end+1)
}

// judge reports whether the URI is an absoluteURI; one that parses whole is.
func (a *Address) judge(u *URI) bool {
	a.sound = u != nil && u.parse(a.URI).what == ""
	return a.sound || validAbsolute(a.URI)
}

// displayEnd skips an unquoted display name with the white space in it.
func displayEnd(s []byte, i int) int {
	for {
		j := skipLWS(s, span(s, i, clDisplay))
		if j == i {
			return i
		}
		i = j
	}
}

// parseSpec reads addr-spec: a URI without <>, and so without ';', '?' and ','.
func (a *Address) parseSpec(s []byte, i int, u *URI) fault {
	end := i
	for end < len(s) && is(s[end], clValue) && s[end] != '?' {
		end++
	}
	a.URI = s[i:end:end]
	if !a.judge(u) {
		return fault{"Bad Address", i}
	}
	return a.takeParams(s, end)
}

// takeParams reads the header parameters that are the rest of s.
func (a *Address) takeParams(s []byte, i int) fault {
	a.Params = Params(s[i:len(s):len(s)])
	it, tags := a.Params.eachAndOurs(), 0
	for it.Next() {
		if !equalFold(it.Name, "tag") {
			continue
		}
		if tags++; tags > 1 || len(it.Value) > MaxTag {
			return fault{"Bad Tag", i}
		}
	}
	if it.Err || it.crowded(tags > 0) {
		return fault{"Bad Address", i}
	}
	return fault{}
}
