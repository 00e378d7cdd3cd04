package flow

import (
	"bytes"
	"strings"
	"unique"
)

// MakeProven is the Domain of a Flow: all the names that the certificate at its far
// end has proven (RFC 5922 §7.1), in lower case. No name holds the space that stands
// between them.
func MakeProven(identities []string) Domain {
	if len(identities) == 0 {
		return Domain{}
	}
	return Domain{unique.Make(strings.Join(identities, " "))}
}

// Proves reports whether host is one of the names: as a whole, without regard to
// case and to a final dot (RFC 5922 §7.2).
func (d Domain) Proves(host []byte) bool {
	host = bytes.TrimSuffix(host, []byte("."))
	if len(host) == 0 || bytes.IndexByte(host, '*') >= 0 {
		return false
	}
	for rest := d.String(); rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, " ")
		if len(name) == len(host) && strings.EqualFold(name, string(host)) {
			return true
		}
	}
	return false
}
