package sip

import (
	"bytes"
	"net/netip"
)

// Scheme of a URI.
type Scheme uint8

// The schemes that are told apart; any other is OtherScheme.
const (
	OtherScheme Scheme = iota
	SIP
	SIPS
	TEL
)

// URI is a view of a URI; all slices point into Text. Of a tel: URI the number
// is User and the parameters are Params; of other schemes only Text, SchemeName
// and Scheme are set.
type URI struct {
	Text        []byte
	SchemeName  []byte
	Scheme      Scheme
	User        []byte // as written, escapes kept
	Password    []byte
	HasUser     bool
	HasPassword bool
	Host        []byte // as written, IPv6 with brackets
	Port        uint16 // 0: none written
	HasPort     bool
	Params      Params
	Headers     []byte // after '?', nil when there is none
}

// ParseURI reads sip: and sips: URIs whole (RFC 3261 §25.1, RFC 5954) and others
// as scheme and rest. A headers part is no error. The error is a *SyntaxError
// with the offset in text: 414 above MaxURI, else 400.
func ParseURI(text []byte) (URI, error) {
	var u URI
	f := u.parse(text)
	if f.what == uriTooLong {
		return u, &SyntaxError{Status: 414, Offset: f.pos, What: f.what}
	}
	return u, f.export()
}

// IsSIP reports whether the scheme is sip or sips.
func (u *URI) IsSIP() bool { return u.Scheme == SIP || u.Scheme == SIPS }

// Addr is the host as literal address; false for a name.
func (u *URI) Addr() (netip.Addr, bool) { return HostAddr(u.Host) }

// LooseRouter reports whether there is an lr parameter, in any case, with any
// value (RFC 3261 §19.1.1).
func (u *URI) LooseRouter() bool { _, ok := u.param("lr"); return ok }

// MAddr is the maddr parameter as written, nil when absent.
func (u *URI) MAddr() []byte { v, _ := u.param("maddr"); return v }

// Transport is the transport parameter as written, nil when absent.
func (u *URI) Transport() []byte { v, _ := u.param("transport"); return v }

// param finds a URI parameter by name without regard to case and to escapes
// (RFC 4475 §3.1.1.3 has lr as %6C%72); nil when absent or without value.
func (u *URI) param(name string) ([]byte, bool) {
	if !u.IsSIP() {
		return nil, false
	}
	for it := u.Params.Each(); it.Next(); {
		if equalEscaped(it.Name, name, true) {
			if len(it.Value) == 0 {
				return nil, true
			}
			return it.Value, true
		}
	}
	return nil, false
}

// AppendRequestURI appends u as it may stand in a Request-URI: without method
// parameter and headers part (RFC 3261 §19.1.1 Table 1), all else as written.
func (u *URI) AppendRequestURI(dst []byte) []byte {
	if !u.IsSIP() {
		return append(dst, u.Text...)
	}
	head := len(u.Text) - len(u.Params)
	if u.Headers != nil {
		head -= len(u.Headers) + 1
	}
	dst = append(dst, u.Text[:head]...)
	for it := u.Params.Each(); it.Next(); {
		if !equalEscaped(it.Name, "method", true) {
			dst = append(dst, it.p[it.start:it.pos]...)
		}
	}
	return dst
}

const (
	badURI     = "Bad URI"
	uriTooLong = "Request-URI Too Long"
)

func (u *URI) parse(s []byte) fault {
	*u = URI{Text: s}
	if len(s) > MaxURI {
		return fault{uriTooLong, MaxURI}
	}
	colon := bytes.IndexByte(s, ':')
	if colon < 1 {
		return fault{badURI, 0}
	}
	u.SchemeName = s[:colon:colon]
	switch {
	case equalFold(u.SchemeName, "sip"):
		u.Scheme = SIP
	case equalFold(u.SchemeName, "sips"):
		u.Scheme = SIPS
	default:
		if !validAbsolute(s) {
			return fault{badURI, 0}
		}
		if equalFold(u.SchemeName, "tel") {
			u.parseTel(colon + 1)
		}
		return fault{}
	}
	return u.parseSIP(colon + 1)
}

// parseTel splits a tel URI (RFC 3966) that is a sound absoluteURI.
func (u *URI) parseTel(i int) {
	s := u.Text
	u.Scheme, u.HasUser = TEL, true
	end := len(s)
	if j := bytes.IndexByte(s[i:], ';'); j >= 0 {
		end = i + j
	}
	u.User, u.Params = s[i:end:end], Params(s[end:])
}

// parseSIP reads [ userinfo ] hostport uri-parameters [ headers ].
func (u *URI) parseSIP(i int) fault {
	s := u.Text
	// RFC 3261 §19.1.2: a raw '@' is legal nowhere but after the userinfo, so the
	// only one ends it; a second one falls through to the host and fails there.
	if at := bytes.IndexByte(s[i:], '@'); at >= 0 {
		if !u.userinfo(s[i : i+at]) {
			return fault{badURI, i}
		}
		i += at + 1
	}
	end := hostEnd(s, i)
	u.Host = s[i:end:end]
	if !validHost(u.Host) {
		return fault{badURI, i}
	}
	i = end
	if i < len(s) && s[i] == ':' {
		n, end, ok := port(s, i+1)
		if !ok {
			return fault{badURI, i}
		}
		u.Port, u.HasPort, i = n, true, end
	}
	end = len(s)
	if q := bytes.IndexByte(s[i:], '?'); q >= 0 {
		end = i + q
		u.Headers = s[end+1:]
		if !validHeaders(u.Headers) {
			return fault{badURI, end}
		}
	}
	u.Params = Params(s[i:end:end])
	if !validParams(s[i:end]) {
		return fault{badURI, i}
	}
	return fault{}
}

// userinfo reads user [ ":" password ]; the user may not be empty (§19.1.1).
func (u *URI) userinfo(s []byte) bool {
	u.HasUser = true
	u.User = s
	if c := bytes.IndexByte(s, ':'); c >= 0 {
		u.User, u.Password, u.HasPassword = s[:c:c], s[c+1:], true
	}
	return len(u.User) > 0 && len(u.User) <= MaxUser &&
		escapedRun(u.User, clUser) && escapedRun(u.Password, clPass)
}

// escapedRun reports whether s is made of bytes of a class and %HH.
func escapedRun(s []byte, bits uint16) bool {
	for i := 0; i < len(s); i++ {
		if is(s[i], bits) {
			continue
		}
		if s[i] != '%' || i+2 >= len(s) || unhex(s[i+1]) == 255 || unhex(s[i+2]) == 255 {
			return false
		}
		i += 2
	}
	return true
}

// validParams judges uri-parameters: *( ";" pname [ "=" pvalue ] ).
func validParams(s []byte) bool {
	for n := 0; len(s) > 0; n++ {
		if s[0] != ';' || n == MaxParams {
			return false
		}
		s = s[1:]
		end := bytes.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		if end == 0 || s[0] == '=' || !escapedRun(s[:end], clParam) {
			return false
		}
		s = s[end:]
	}
	return true
}

// validHeaders judges header *( "&" header ), not empty.
func validHeaders(s []byte) bool {
	return len(s) > 0 && bytes.Count(s, ampersand) < MaxParams && escapedRun(s, clHeader)
}

var ampersand = []byte("&")

// validAbsolute judges an absoluteURI: scheme ":" and at least one more
// character of a URI. RFC 3261 §25.1.
func validAbsolute(s []byte) bool {
	if len(s) == 0 || len(s) > MaxURI || (s[0]|0x20)-'a' > 25 {
		return false
	}
	i := span(s, 1, clScheme)
	return i+1 < len(s) && s[i] == ':' && escapedRun(s[i+1:], clURIC)
}
