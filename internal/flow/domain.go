package flow

import (
	"strings"
	"unique"
)

// Domain is the name that the far end of a TLS connection must prove: that of
// the URI before anything was looked up (RFC 5922 §7.3). It is one word and
// comparable; equal names are equal Domains. The zero Domain is none.
type Domain struct{ name unique.Handle[string] }

// MakeDomain is the Domain of a host as it stands in a URI; case and a final dot
// do not count.
func MakeDomain(host []byte) Domain {
	if len(host) == 0 {
		return Domain{}
	}
	return Domain{unique.Make(strings.TrimSuffix(strings.ToLower(string(host)), "."))}
}

// IsZero reports whether d is none.
func (d Domain) IsZero() bool { return d == Domain{} }

// String is the name, "" for none.
func (d Domain) String() string {
	if d.IsZero() {
		return ""
	}
	return d.name.Value()
}
