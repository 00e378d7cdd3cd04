package auth

import (
	"net/netip"

	"viaduct/sip"
)

// Credentials are the answer to a challenge: what a client wrote in Authorization
// or Proxy-Authorization (RFC 7616 §3.4). Verifier.Find fills them. They point
// into the message and are valid as long as it stands: a request that had to
// wait is read again.
type Credentials struct {
	User      []byte    // the name as the user knows it: unescaped
	Algorithm Algorithm // of the digest
	URI       []byte    // that the digest is over, as written
	Fault     string    // with Malformed: what is wrong, constant text for a reason phrase

	// as written
	username, realm, nonce, cnonce, response, nc, qop quoted
	extended                                          []byte // username*, RFC 8187
	userhash                                          bool
	seen                                              parameter // those that were there

	// set by Find
	owner  *Realm
	source netip.Addr
	state  nonce
	ours   bool // the nonce is
	fresh  bool // and it is not too old
	count  uint32
	user   []byte // room for User when it is not as written
}

// quoted is the text of a parameter without the quotes around it.
type quoted struct {
	raw     []byte
	escapes bool // there are backslashes in it
}

// append writes the text without its backslashes.
func (q *quoted) append(dst []byte) []byte {
	if !q.escapes {
		return append(dst, q.raw...)
	}
	for i := 0; i < len(q.raw); i++ {
		if q.raw[i] == '\\' {
			i++
		}
		dst = append(dst, q.raw[i])
	}
	return dst
}

// equal compares the text without its backslashes.
func (q *quoted) equal(s []byte) bool {
	n := 0
	for i := 0; i < len(q.raw); i++ {
		if q.escapes && q.raw[i] == '\\' {
			i++
		}
		if n == len(s) || s[n] != q.raw[i] {
			return false
		}
		n++
	}
	return n == len(s)
}

// Texts of Credentials.Fault.
const (
	badCredentials     = "Bad Credentials"
	doubledParameter   = "Doubled Digest Parameter"
	missingParameter   = "Missing Digest Parameter"
	badParameter       = "Bad Digest Parameter"
	tooManyParameters  = "Too Many Digest Parameters"
	doubledUsername    = "Both username And username*"
	uriOfSomethingElse = "Digest URI Is Not The Request-URI"
)

// maxText bounds names, nonces and the like, in bytes.
const maxText = 256

// parameter is a known one, as a bit of Credentials.seen.
type parameter uint16

const (
	pUsername parameter = 1 << iota
	pExtended
	pRealm
	pNonce
	pURI
	pResponse
	pAlgorithm
	pCnonce
	pOpaque
	pQop
	pNC
	pUserhash
	pOther parameter = 0
)

func parameterOf(name []byte) parameter {
	switch len(name) {
	case 2:
		return when(fold(name, "nc"), pNC)
	case 3:
		return when(fold(name, "uri"), pURI) | when(fold(name, "qop"), pQop)
	case 5:
		return when(fold(name, "realm"), pRealm) | when(fold(name, "nonce"), pNonce)
	case 6:
		return when(fold(name, "cnonce"), pCnonce) | when(fold(name, "opaque"), pOpaque)
	case 8:
		return when(fold(name, "username"), pUsername) | when(fold(name, "response"), pResponse) |
			when(fold(name, "userhash"), pUserhash)
	case 9:
		return when(fold(name, "username*"), pExtended) | when(fold(name, "algorithm"), pAlgorithm)
	}
	return pOther
}

func when(is bool, p parameter) parameter {
	if is {
		return p
	}
	return pOther
}

// parse reads one value of the header: RFC 3261 §25.1 credentials. digest is
// false for another scheme, which is none of our business. With a fault what can
// be read is kept, so that the realm may still be known.
func (c *Credentials) parse(s []byte) (digest bool, fault string) {
	i := span(s, 0, isToken)
	if !fold(s[:i], "digest") {
		return false, ""
	}
	start := i
	if i = skipSpace(s, i); i == start {
		return true, badCredentials
	}
	for n := 0; ; n++ {
		if n == sip.MaxParams {
			return true, tooManyParameters
		}
		if i, fault = c.parameter(s, i); fault != "" {
			return true, fault
		}
		if i == len(s) {
			return true, c.Fault
		}
		if s[i] != ',' {
			return true, badCredentials
		}
		i = skipSpace(s, i+1)
	}
}

// parameter reads one name and value from s[i:] and the white space after it.
// What is wrong with the value alone is left in c.Fault.
func (c *Credentials) parameter(s []byte, i int) (end int, fault string) {
	end = span(s, i, isToken)
	name := s[i:end]
	i = skipSpace(s, end)
	if len(name) == 0 || i == len(s) || s[i] != '=' {
		return i, badCredentials
	}
	var value quoted
	i = skipSpace(s, i+1)
	if i < len(s) && s[i] == '"' {
		value, end = takeQuoted(s, i)
	} else {
		end = span(s, i, isToken)
		value.raw = s[i:end:end]
	}
	if end <= i {
		return i, badCredentials
	}
	switch p := parameterOf(name); {
	case c.seen&p != 0: // two readings of one parameter are an attack or a fault
		c.Fault = doubledParameter
	case !c.take(p, value) && c.Fault == "":
		c.Fault = badParameter
	default:
		c.seen |= p
	}
	return skipSpace(s, end), ""
}

// take keeps the value of a parameter. Of quoted and bare values both are taken
// for each (RFC 7616 §3.4 tells which to write; receivers should not mind).
func (c *Credentials) take(p parameter, v quoted) bool {
	if len(v.raw) > maxText && p != pURI && p != pOther {
		return false
	}
	switch p {
	case pUsername:
		c.username = v
	case pExtended:
		c.extended = v.raw
		return !v.escapes
	case pRealm:
		c.realm = v
	case pNonce:
		c.nonce = v
	case pURI:
		c.URI = v.raw
		return !v.escapes && len(v.raw) <= sip.MaxURI // no URI has a backslash
	case pResponse:
		c.response = v
	case pAlgorithm:
		c.Algorithm = ParseAlgorithm(v.raw)
	case pCnonce:
		c.cnonce = v
	case pQop:
		c.qop = v
	case pNC:
		return c.takeCount(v)
	case pUserhash:
		c.userhash = fold(v.raw, "true")
		return c.userhash || fold(v.raw, "false")
	}
	return true
}

// takeCount reads nc-value = 8LHEX. It counts from 1.
func (c *Credentials) takeCount(v quoted) bool {
	c.nc = v
	for _, b := range v.raw {
		d, ok := unhex(b)
		if !ok {
			return false
		}
		c.count = c.count<<4 | uint32(d)
	}
	return len(v.raw) == 8 && c.count != 0
}

// complete tells what a value that was read without fault lacks.
func (c *Credentials) complete() (fault string) {
	has := func(p parameter) bool { return c.seen&p == p }
	switch {
	case has(pUsername | pExtended): // RFC 7616 §3.4
		return doubledUsername
	case !has(pUsername) && !has(pExtended), !has(pRealm | pNonce | pURI | pResponse):
		return missingParameter
	case has(pQop) && !has(pCnonce|pNC):
		return missingParameter
	case !has(pAlgorithm):
		c.Algorithm = MD5 // RFC 7616 §3.4
	}
	return ""
}

// takeQuoted reads the quoted-string at s[i]; end is i when it is not one.
func takeQuoted(s []byte, i int) (q quoted, end int) {
	for j := i + 1; j < len(s); j++ {
		switch b := s[j]; {
		case b == '"':
			q.raw = s[i+1 : j : j]
			return q, j + 1
		case b == '\\':
			q.escapes = true
			if j++; j == len(s) || s[j] == '\r' || s[j] == '\n' || s[j] > 0x7e {
				return quoted{}, i
			}
		case b < ' ' && !isSpace(b) || b == 0x7f:
			return quoted{}, i
		}
	}
	return quoted{}, i
}

// isSpace tells white space; CR and LF stand in a header value as folds only.
func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

func skipSpace(s []byte, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

// isToken tells the characters of a token (RFC 3261 §25.1).
func isToken(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	switch b {
	case '-', '.', '!', '%', '*', '_', '+', '`', '\'', '~':
		return true
	}
	return false
}

func span(s []byte, i int, is func(byte) bool) int {
	for i < len(s) && is(s[i]) {
		i++
	}
	return i
}

// fold compares with a text in lower case, without regard to case.
func fold(s []byte, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i, b := range s {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

func unhex(b byte) (byte, bool) {
	switch {
	case '0' <= b && b <= '9':
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}
