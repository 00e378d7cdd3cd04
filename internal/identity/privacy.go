package identity

import (
	"bytes"
	"strings"

	"viaduct/sip"
)

// Privacy is the set of priv-values of a message (RFC 3323 §4.2, RFC 3325 §9.3),
// of all its Privacy lines. 0 is a message without.
type Privacy uint8

// The priv-values.
const (
	None     Privacy = 1 << iota // no privacy, whatever a profile says
	ID                           // RFC 3325: no asserted identity outside the trust domain
	Header                       // Via, Record-Route, Contact
	Session                      // the addresses of the media
	User                         // From, Call-ID and the like
	Critical                     // rather no call than no privacy
	Other                        // any that is not known here
)

var words = []struct {
	name  string
	value Privacy
}{{"none", None}, {"id", ID}, {"header", Header}, {"session", Session}, {"user", User}, {"critical", Critical}}

func privacyOf(word []byte) Privacy {
	for _, w := range words {
		if len(word) == len(w.name) && bytes.EqualFold(word, []byte(w.name)) {
			return w.value
		}
	}
	return Other
}

// PrivacyOf reads the Privacy lines of m.
func PrivacyOf(m *sip.Message) (p Privacy) {
	for it := m.Values(sip.Privacy); it.Next(); {
		p |= ParsePrivacy(it.Value.Text)
	}
	return p
}

// ParsePrivacy reads the value of a Privacy line.
func ParsePrivacy(value []byte) (p Privacy) {
	for len(value) > 0 {
		var word []byte
		if word, value = nextWord(value); len(word) > 0 {
			p |= privacyOf(word)
		}
	}
	return p
}

// nextWord cuts a priv-value off. They are separated by ';' (RFC 3323 §4.2); a
// comma is what those write who know other headers better.
func nextWord(s []byte) (word, rest []byte) {
	if i := bytes.IndexAny(s, ";,"); i >= 0 {
		s, rest = s[:i], s[i+1:]
	}
	return bytes.TrimSpace(s), rest
}

// String names the values, for people: "header, user".
func (p Privacy) String() string {
	var b strings.Builder
	for v := None; v <= Other && v != 0; v <<= 1 {
		if !p.has(v) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(wordOf(v))
	}
	return b.String()
}

func wordOf(v Privacy) string {
	for _, w := range words {
		if w.value == v {
			return w.name
		}
	}
	return "an unknown priv-value"
}

// only reports whether there is nothing in p but v.
func (p Privacy) only(v Privacy) bool { return p == v }

// has reports whether any of v is in p.
func (p Privacy) has(v Privacy) bool { return p&v != 0 }

// Anonymous reports whether uri is what a user who wants privacy puts in From
// (RFC 3323 §4.1.1.3): it claims to be nobody.
func Anonymous(uri *sip.URI) bool {
	return uri.IsSIP() && sip.EqualHost(uri.Host, []byte("anonymous.invalid"))
}
