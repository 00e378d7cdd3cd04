package sip

// ViaValue is one Via value (RFC 3261 §20.42). All slices point into Value.Text.
type ViaValue struct {
	Value     Value
	Transport []byte // "UDP", as written
	Host      []byte // as written, IPv6 with brackets
	Port      uint16 // 0: none written
	SentBy    []byte // host[:port] as written
	Branch    []byte // nil: none
	Received  []byte // as written, with or without brackets
	RPort     []byte // digits, empty for ";rport"
	HasRPort  bool
	MAddr     []byte
	TTL       []byte
	Params    Params
}

// ParseVia reads one Via value. The error is a *SyntaxError with the offset in
// text. Parameters that it does not know, without value or with a quoted one, are
// no fault; branch, received, rport, maddr or ttl written twice are.
func ParseVia(text []byte) (ViaValue, error) {
	var v ViaValue
	f := v.parse(Value{Text: text})
	return v, f.export()
}

// HasCookie reports whether the branch starts with z9hG4bK (without regard to
// case) and has more than that (RFC 3261 §8.1.1.7).
func (v *ViaValue) HasCookie() bool {
	const cookie = "z9hG4bK"
	return len(v.Branch) > len(cookie) && equalFold(v.Branch[:len(cookie)], cookie)
}

// parse reads val. When sent-by is sound and a parameter is not, the fault comes
// with v filled up to there.
func (v *ViaValue) parse(val Value) fault {
	*v = ViaValue{Value: val}
	s := val.Text
	bad := func(i int) fault { return fault{"Bad Via", i} }

	i := skipLWS(s, 0)
	for part := range 3 { // sent-protocol = protocol-name SLASH protocol-version SLASH transport
		j := span(s, i, clToken)
		if j == i {
			return bad(i)
		}
		if part == 2 {
			v.Transport = s[i:j:j]
			i = j
			break
		}
		i = skipLWS(s, j)
		if i == len(s) || s[i] != '/' {
			return bad(i)
		}
		i = skipLWS(s, i+1)
	}
	start := skipLWS(s, i)
	if start == i {
		return bad(i)
	}
	i = hostEnd(s, start)
	v.Host = s[start:i:i]
	if !validHost(v.Host) {
		return bad(start)
	}
	if j := skipLWS(s, i); j < len(s) && s[j] == ':' {
		n, end, ok := port(s, skipLWS(s, j+1))
		if !ok {
			return bad(j)
		}
		v.Port, i = n, end
	}
	v.SentBy = s[start:i:i]
	v.Params = Params(s[i:len(s):len(s)])
	if !v.readParams() {
		return bad(i)
	}
	return fault{}
}

// readParams notes the parameters of RFC 3261 §25.1 via-params and RFC 3581.
func (v *ViaValue) readParams() bool {
	var seen viaParam
	it := v.Params.eachAndOurs()
	for it.Next() {
		p := viaParamOf(it.Name)
		if p&seen != 0 {
			return false
		}
		seen |= p
		switch p {
		case viaBranch:
			v.Branch = orNil(it.Value)
		case viaReceived:
			v.Received = orNil(it.Value)
		case viaMAddr:
			v.MAddr = orNil(it.Value)
		case viaTTL:
			v.TTL = orNil(it.Value)
		case viaRPort:
			if !validOr(it.Value, 65535) {
				return false
			}
			v.RPort, v.HasRPort = it.Value, true
		}
	}
	if it.crowded(seen&viaReceived != 0) {
		return false
	}
	if !validOr(v.TTL, 255) || (v.MAddr != nil && !validHost(v.MAddr)) {
		v.TTL, v.MAddr = nil, nil
		return false
	}
	return !it.Err
}

// viaParam is one of the parameters that are told apart, a bit each.
type viaParam uint8

const (
	viaBranch viaParam = 1 << iota
	viaRPort
	viaReceived
	viaMAddr
	viaTTL
)

// viaParamOf is the parameter of that name, 0 for one that is not ours.
func viaParamOf(name []byte) viaParam {
	switch {
	case len(name) == 6 && equalFold(name, "branch"):
		return viaBranch
	case len(name) == 5 && equalFold(name, "rport"):
		return viaRPort
	case len(name) == 8 && equalFold(name, "received"):
		return viaReceived
	case len(name) == 5 && equalFold(name, "maddr"):
		return viaMAddr
	case len(name) == 3 && equalFold(name, "ttl"):
		return viaTTL
	}
	return 0
}

// orNil is value, nil when it is empty.
func orNil(value []byte) []byte {
	if len(value) == 0 {
		return nil
	}
	return value
}

// validOr reports whether s is empty or a number up to max.
func validOr(s []byte, max uint64) bool {
	if len(s) == 0 {
		return true
	}
	_, ok := number(s, max)
	return ok
}
