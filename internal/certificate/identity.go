package certificate

import (
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"
)

var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// Identities are the SIP domains that a certificate speaks for, in lower case
// (RFC 5922 §7.1): its URIs of the form sip:domain; without any of these its DNS
// names; without a subjectAltName the common name. Addresses count for nothing.
func Identities(c *x509.Certificate) []string {
	var names []string
	add := func(name string) {
		if name = Canonical(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, u := range c.URIs {
		if strings.EqualFold(u.Scheme, "sip") {
			add(hostPart(u.Opaque))
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, name := range c.DNSNames {
		add(name)
	}
	if !slices.ContainsFunc(c.Extensions, isSubjectAltName) && isDomain(c.Subject.CommonName) {
		add(c.Subject.CommonName)
	}
	return names
}

// hostPart is the host of what stands behind "sip:", or "" when there is a user
// part: such a URI names a person, not a domain.
func hostPart(s string) string {
	if strings.Contains(s, "@") {
		return ""
	}
	if at := strings.IndexAny(s, ";?"); at >= 0 {
		s = s[:at]
	}
	host, _, _ := strings.Cut(s, ":")
	return host
}

// isDomain tells a DNS name in a common name from the name of a person or an
// address.
func isDomain(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil || !strings.Contains(s, ".") {
		return false
	}
	for _, r := range s {
		if r != '.' && r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') {
			return false
		}
	}
	return true
}

// Canonical is the form in which domains are compared: lower case, without the
// final dot of a fully qualified name.
func Canonical(domain string) string {
	return strings.TrimSuffix(strings.ToLower(domain), ".")
}

// Names reports whether one of the identities is domain: as a whole and without
// regard to case. "*.example.com" is the name of nobody (RFC 5922 §7.2).
func Names(identities []string, domain string) bool {
	domain = Canonical(domain)
	return domain != "" && !strings.Contains(domain, "*") && slices.Contains(identities, domain)
}
