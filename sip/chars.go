package sip

// Character classes of RFC 3261 §25.1, one bit each.
const (
	clToken   uint16 = 1 << iota // token
	clAlnum                      // alphanum
	clHost                       // host name: alphanum - . and, tolerated, _
	clUser                       // user without escapes: unreserved, user-unreserved and, tolerated, #
	clPass                       // password without escapes
	clParam                      // paramchar without escapes and, tolerated, =
	clHeader                     // hname, hvalue and their separators, without escapes
	clURIC                       // uric and, tolerated, #[]: any absoluteURI
	clName                       // name of a parameter: token or paramchar
	clValue                      // unquoted value of a parameter: visible or 8-bit, no separator of values
	clDisplay                    // unquoted display name, white space apart
	clScheme                     // scheme after its first letter
	clVisible                    // neither white space nor control
	clInAngle                    // visible, but no '>'
	clPlain                      // no comma, quote or angle bracket: what does not matter to a list
)

var class = buildClasses()

func buildClasses() (t [256]uint16) {
	set := func(bit uint16, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= bit
		}
	}
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	const unreserved = alnum + "-_.!~*'()"
	const token = alnum + "-.!%*_+`'~"
	set(clToken, token)
	set(clAlnum, alnum)
	set(clHost, alnum+"-._")
	set(clUser, unreserved+"&=+$,;?/#")
	set(clPass, unreserved+"&=+$,")
	set(clParam, unreserved+"[]/:&+$=")
	set(clHeader, unreserved+"[]/?:+$=&")
	set(clURIC, unreserved+";/?:@&=+$,#[]")
	set(clName, token+unreserved+"[]/:&+$")
	set(clScheme, alnum+"+-.")
	for c := 0x21; c < 0x100; c++ {
		if c == 0x7F {
			continue
		}
		t[c] |= clVisible | clInAngle | clValue | clDisplay
	}
	for c := range t {
		t[c] |= clPlain
	}
	for _, c := range []byte(`,"<>`) {
		t[c] &^= clPlain
	}
	t['>'] &^= clInAngle
	for _, c := range []byte(`;,"<>\`) {
		t[c] &^= clValue | clDisplay
	}
	return t
}

func is(c byte, bits uint16) bool { return class[c]&bits != 0 }

// span returns the end of the run of bytes of a class that starts at i.
func span(s []byte, i int, bits uint16) int {
	for i < len(s) && class[s[i]]&bits != 0 {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' < 10 }

// unhex returns the value of a hexadecimal digit, 255 for any other byte.
func unhex(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case (c|0x20)-'a' < 6:
		return (c | 0x20) - 'a' + 10
	}
	return 255
}

// lower returns an ASCII letter in lower case and any other byte as it is.
func lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}

// equalFold compares without regard to the case of ASCII letters.
func equalFold[T string | []byte](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
