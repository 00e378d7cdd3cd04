package certificate

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func isSubjectAltName(e pkix.Extension) bool { return e.Id.Equal(subjectAltName) }

// forSIP is the extended key usage of RFC 5924.
var forSIP = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20}

// Trust says whose signatures count.
type Trust struct {
	roots *x509.CertPool // nil: those of the system
}

// NewTrust reads the anchors of a PEM file. Without text they are the system's.
func NewTrust(pem []byte) (*Trust, error) {
	if pem == nil {
		return &Trust{}, nil
	}
	t := &Trust{roots: x509.NewCertPool()}
	if !t.roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in it")
	}
	return t, nil
}

// Roots are the anchors, nil for those of the system: what a server tells its
// clients in a CertificateRequest.
func (t *Trust) Roots() *x509.CertPool { return t.roots }

// Errors of Verify and CheckDomain.
var (
	ErrNone  = errors.New("no certificate was presented")
	ErrUsage = errors.New("the certificate is not for SIP: its extended key usage excludes it")
)

// DomainError is a certificate that is sound and speaks for somebody else.
type DomainError struct {
	Domain     string
	Identities []string
}

func (e *DomainError) Error() string {
	if len(e.Identities) == 0 {
		return fmt.Sprintf("the certificate names no SIP domain, want %q", e.Domain)
	}
	return fmt.Sprintf("the certificate is for %s, want %q", quoted(e.Identities), e.Domain)
}

func quoted(names []string) string {
	const most = 4
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", n)
	}
	return b.String()
}

// VerifyServer is RFC 5922 §7.1 for what a server has presented: the chain leads to
// an anchor, dates and usage fit. It returns the SIP domains of the first
// certificate.
func (t *Trust) VerifyServer(chain []*x509.Certificate, now time.Time) ([]string, error) {
	return t.verify(chain, now, x509.ExtKeyUsageServerAuth)
}

// VerifyClient is VerifyServer for a client. One that has a certificate for servers
// only may show it: a SIP server is the client of its next hop, and public
// authorities do not write both usages into a certificate any more.
func (t *Trust) VerifyClient(chain []*x509.Certificate, now time.Time) ([]string, error) {
	return t.verify(chain, now, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)
}

func (t *Trust) verify(chain []*x509.Certificate, now time.Time, these ...x509.ExtKeyUsage) ([]string, error) {
	if len(chain) == 0 {
		return nil, ErrNone
	}
	leaf := chain[0]
	usages, ok := usage(leaf, these)
	if !ok {
		return nil, ErrUsage
	}
	opts := x509.VerifyOptions{Roots: t.roots, Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: usages}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(opts); err != nil {
		return nil, err
	}
	return Identities(leaf), nil
}

// usage tells what the chain of a certificate is to be checked for: one of these,
// unless it says that it is for SIP (RFC 5924) or for anything. RFC 5280 §4.2.1.12:
// it is for no use that it does not name.
func usage(c *x509.Certificate, these []x509.ExtKeyUsage) ([]x509.ExtKeyUsage, bool) {
	named := func(u x509.ExtKeyUsage) bool { return slices.Contains(these, u) }
	switch {
	case len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0, slices.ContainsFunc(c.ExtKeyUsage, named):
		return these, true
	case slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny), slices.ContainsFunc(c.UnknownExtKeyUsage, forSIP.Equal):
		return []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, true
	}
	return nil, false
}

// CheckDomain returns a *DomainError unless one of the identities is domain
// (RFC 5922 §7.3).
func CheckDomain(identities []string, domain string) error {
	if Names(identities, domain) {
		return nil
	}
	return &DomainError{Domain: domain, Identities: identities}
}
