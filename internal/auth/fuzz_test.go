package auth

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzCredentials holds the parser against a slow one that splits the value
// first, and looks for panics behind it.
func FuzzCredentials(f *testing.F) {
	b := newBench(f, nil)
	good := b.answer().String()
	f.Add([]byte(good))
	f.Add([]byte("dIGEST realm=\"a\\\"b\",\r\n nc = 00000001 , username*=UTF-8''%41"))
	f.Add([]byte(`Digest realm="example.com", realm=x, uri="sip:a@b", response="", nonce=`))
	f.Add([]byte("Digest \t x=\"\\\\\""))
	f.Fuzz(func(t *testing.T, value []byte) {
		if bytes.ContainsAny(value, "\r\n\x00") && !bytes.Contains(value, []byte("\r\n ")) {
			return // cannot be the value of a header
		}
		var c Credentials
		digest, fault := c.parse(value)
		want, ok := slowParse(string(value))
		if digest && fault == "" != ok {
			t.Fatalf("%q: fault %q, the slow reading %v", value, fault, ok)
		}
		if digest && ok {
			for name, got := range map[string]*quoted{
				"username": &c.username, "realm": &c.realm, "nonce": &c.nonce, "cnonce": &c.cnonce,
				"response": &c.response, "nc": &c.nc, "qop": &c.qop,
			} {
				if text := string(got.append(nil)); text != want[name] || !got.equal([]byte(text)) || got.equal([]byte(text+"x")) {
					t.Fatalf("%q: %s is %q, want %q", value, name, text, want[name])
				}
			}
		}
		if c.setUser() && len(c.User) > maxText {
			t.Fatalf("user of %d bytes", len(c.User))
		}
		if digest && fault == "" && c.complete() == "" && b.realm.offers(c.Algorithm) {
			c.owner = b.realm
			b.v.openNonce(c.nonce.raw, b.realm)
			b.v.matches(invite, request(t, "INVITE", "sip:bob@example.com"), &c, nil)
		}
	})
}

// slowParse reads credentials in two steps: cut at commas outside of quotes, then
// each element. The values come without quotes and backslashes.
func slowParse(s string) (map[string]string, bool) {
	const space = " \t\r\n"
	scheme := strings.IndexAny(s, space)
	if scheme < 0 || !strings.EqualFold(s[:scheme], "digest") {
		return nil, false
	}
	var elements []string
	open, escaped, start := false, false, scheme
	for i := scheme; i < len(s); i++ {
		switch {
		case escaped:
			escaped = false
		case open && s[i] == '\\':
			escaped = true
		case s[i] == '"':
			open = !open
		case s[i] == ',' && !open:
			elements, start = append(elements, s[start:i]), i+1
		}
	}
	elements = append(elements, s[start:])
	if len(elements) > 32 {
		return nil, false
	}
	found := map[string]string{}
	for _, e := range elements {
		name, value, ok := strings.Cut(e, "=")
		name, value = strings.ToLower(strings.Trim(name, space)), strings.Trim(value, space)
		if !ok || !slowToken(name) {
			return nil, false
		}
		text, quotes, ok := slowValue(value)
		if _, twice := found[name]; !ok || twice && known(name) || !slowFits(name, text, value, quotes) {
			return nil, false
		}
		found[name] = text
	}
	return found, true
}

func known(name string) bool { return parameterOf([]byte(name)) != pOther }

func slowToken(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~") == ""
}

func slowValue(s string) (text string, quotes, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, false, slowToken(s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), true, i == len(s)-1
		case c == '\\':
			i++
			if i == len(s) || s[i] == '\r' || s[i] == '\n' || s[i] >= 0x7f {
				return "", true, false
			}
			b.WriteByte(s[i])
		case c < ' ' && c != '\t' && c != '\r' && c != '\n', c == 0x7f:
			return "", true, false
		default:
			b.WriteByte(c)
		}
	}
	return "", true, false
}

// slowFits judges values that have a form of their own.
func slowFits(name, text, written string, quotes bool) bool {
	size := len(written)
	if quotes {
		size -= 2
	}
	switch {
	case name == "uri":
		return size <= 2048 && !strings.Contains(written, `\`)
	case known(name) && size > maxText:
		return false
	case name == "username*":
		return !strings.Contains(written, `\`)
	case name == "nc":
		return len(text) == 8 && strings.Trim(text, "0123456789abcdefABCDEF") == "" && text != "00000000" && !strings.Contains(written, `\`)
	case name == "userhash":
		return !strings.Contains(written, `\`) && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false"))
	}
	return true
}
