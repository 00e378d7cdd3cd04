package certificate_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/internal/authority"
	"viaduct/internal/certificate"
)

func leaf(t *testing.T, chain []byte) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode(chain)
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func common(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: name} }
}

// Whom a certificate speaks for is told by its URIs first, then its DNS names,
// and by its common name only without any of them.
//
// Proves: SE-17
func TestIdentities(t *testing.T) {
	t.Parallel()
	a := authority.New(t)
	for name, c := range map[string]struct {
		names []string
		edit  func(*x509.Certificate)
		want  string
	}{
		"a URI hides DNS names":          {[]string{"sip:Example.com", "other.example"}, nil, "example.com"},
		"a URI with port and parameters": {[]string{"sip:example.com:5061;transport=tcp"}, nil, "example.com"},
		"several":                        {[]string{"sip:a.example", "sip:b.example"}, nil, "a.example b.example"},
		"a user is no domain":            {[]string{"sip:alice@example.com", "example.net"}, nil, "example.net"},
		"another scheme":                 {[]string{"sips:example.com", "https://example.com/", "example.net"}, nil, "example.net"},
		"DNS names":                      {[]string{"a.example", "B.example"}, common("c.example"), "a.example b.example"},
		"a common name alone":            {nil, common("old.example.com"), "old.example.com"},
		"a person":                       {nil, common("Alice Example"), ""},
		"an address as a common name":    {nil, common("192.0.2.1"), ""},
		"an address is none": {nil, func(c *x509.Certificate) {
			c.IPAddresses, c.Subject.CommonName = []net.IP{{192, 0, 2, 1}}, "example.com"
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain, _ := a.Issue(c.names, c.edit)
			if got := strings.Join(certificate.Identities(leaf(t, chain)), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Proves: SE-16
func TestNames(t *testing.T) {
	t.Parallel()
	all := []string{"example.com", "*.example.net"}
	for domain, want := range map[string]bool{
		"example.com": true, "EXAMPLE.com": true, "example.com.": true,
		"a.example.com": false, "com": false, "a.example.net": false, "*.example.net": false, "": false,
	} {
		if got := certificate.Names(all, domain); got != want {
			t.Errorf("%q: got %v", domain, got)
		}
	}
	var wrong *certificate.DomainError
	if err := certificate.CheckDomain(all, "b.example"); !errors.As(err, &wrong) || !strings.Contains(err.Error(), `"example.com"`) || !strings.Contains(err.Error(), `"b.example"`) {
		t.Errorf("got %v", err)
	}
	if err := certificate.CheckDomain(nil, "b.example"); err == nil || !strings.Contains(err.Error(), "no SIP domain") {
		t.Errorf("got %v", err)
	}
}

// Proves: SE-17
func TestVerify(t *testing.T) {
	t.Parallel()
	a, other := authority.New(t), authority.New(t)
	trust, err := certificate.NewTrust(a.PEM)
	if err != nil {
		t.Fatal(err)
	}
	usage := func(known []x509.ExtKeyUsage, unknown ...asn1.ObjectIdentifier) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage, c.UnknownExtKeyUsage = known, unknown }
	}
	for name, c := range map[string]struct {
		by   *authority.Authority
		edit func(*x509.Certificate)
		ok   string // for which side of a connection
	}{
		"for servers and clients": {a, nil, "both"},
		"for anything":            {a, usage(nil), "both"},
		"for any by name":         {a, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageAny}), "both"},
		"for SIP (RFC 5924)":      {a, usage(nil, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20}), "both"},
		"for servers":             {a, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}), "both"},
		"for clients":             {a, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}), "client"},
		"for mail":                {a, usage([]x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}), ""},
		"for something unknown":   {a, usage(nil, asn1.ObjectIdentifier{1, 2, 3}), ""},
		"by somebody else":        {other, nil, ""},
		"expired": {a, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}, ""},
		"not valid yet": {a, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain, _ := c.by.Issue([]string{"sip:example.com"}, c.edit)
			for _, side := range []struct {
				verify func([]*x509.Certificate, time.Time) ([]string, error)
				ok     bool
			}{{trust.VerifyServer, c.ok == "both"}, {trust.VerifyClient, c.ok != ""}} {
				got, err := side.verify([]*x509.Certificate{leaf(t, chain)}, time.Now())
				if (err == nil) != side.ok || side.ok && (len(got) != 1 || got[0] != "example.com") {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	if _, err := trust.VerifyServer(nil, time.Now()); err != certificate.ErrNone {
		t.Error(err)
	}
	if _, err := certificate.NewTrust([]byte("nothing")); err == nil {
		t.Error("anchors of nothing")
	}
}

// Proves: SE-2
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	a, dir := authority.New(t), t.TempDir()
	good, goodKey := a.Write(dir, "good", nil, "sip:example.com")
	other, otherKey := a.Write(dir, "other", nil, "*.example.com")
	old, oldKey := a.Write(dir, "old", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}, "sip:example.com")
	early, earlyKey := a.Write(dir, "early", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	}, "sip:example.com")
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		chain, key string
		fits       certificate.Fits
		want       string // in the error, "" for none
		blamed     string
	}{
		"all is well":           {good, goodKey, certificate.Fits{Domains: []string{"example.com"}}, "", ""},
		"any domain":            {other, otherKey, certificate.Fits{}, "", ""},
		"a missing certificate": {filepath.Join(dir, "none"), goodKey, certificate.Fits{}, "no such file", filepath.Join(dir, "none")},
		"a missing key":         {good, filepath.Join(dir, "none"), certificate.Fits{}, "no such file", filepath.Join(dir, "none")},
		"the key of another":    {good, otherKey, certificate.Fits{}, "is not the key of", otherKey},
		"no certificate":        {junk, goodKey, certificate.Fits{}, "no certificate", junk},
		"no key":                {good, junk, certificate.Fits{}, "no private key", junk},
		"a certificate as key":  {good, good, certificate.Fits{}, "no private key", good},
		"expired":               {old, oldKey, certificate.Fits{}, "has expired", old},
		"not valid yet":         {early, earlyKey, certificate.Fits{}, "not valid before", early},
		"another domain":        {good, goodKey, certificate.Fits{Domains: []string{"example.net"}}, `is for "example.com", want one of "example.net"`, good},
		"a wildcard":            {other, otherKey, certificate.Fits{Domains: []string{"a.example.com"}}, "*.example.com", other},
		"a wildcard for a page": {other, otherKey, certificate.Fits{Domains: []string{"a.example.com"}, Wildcards: true}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := certificate.Load(certificate.Disk{}, []certificate.Files{{Certificate: c.chain, Key: c.key}}, c.fits, time.Now())
			var e *certificate.Error
			switch {
			case c.want == "":
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &e) || !strings.Contains(e.Reason, c.want) || e.File != c.blamed || e.Key != (c.blamed == c.key):
				t.Errorf("got %+v, want %q of %s", err, c.want, c.blamed)
			}
		})
	}
}

func shown(t *testing.T, s *certificate.Set, asked string) string {
	t.Helper()
	p, err := s.For(&tls.ClientHelloInfo{
		ServerName: asked, SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.X25519},
	})
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Identities(p.Leaf)[0]
}

func TestChoiceByName(t *testing.T) {
	t.Parallel()
	a, dir := authority.New(t), t.TempDir()
	var files []certificate.Files
	for _, n := range []string{"sip:example.com", "example.net", "*.example.org"} {
		c, k := a.Write(dir, strings.Trim(n, "sip:*."), nil, n)
		files = append(files, certificate.Files{Certificate: c, Key: k})
	}
	s, err := certificate.Load(certificate.Disk{}, files, certificate.Fits{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{
		"": "example.com", "EXAMPLE.com": "example.com", "example.net": "example.net", "a.example.org": "*.example.org",
		"a.example.net": "example.com", "nobody.example": "example.com",
	} {
		if got := shown(t, s, asked); got != want {
			t.Errorf("%q: got %s, want %s", asked, got, want)
		}
	}
	if e := s.Expiries(); len(e) != 3 || e[1].File != files[1].Certificate || time.Until(e[1].End) > time.Hour {
		t.Errorf("got %v", e)
	}
}

// A renewal is seen, half of one is refused and seen when it is whole, and what
// does not fit changes nothing and is told once.
//
// Proves: SE-12
func TestWatch(t *testing.T) {
	t.Parallel()
	a, dir := authority.New(t), t.TempDir()
	chain, key := a.Write(dir, "own", nil, "sip:one.example")
	fits := certificate.Fits{}
	s, err := certificate.Load(certificate.Disk{}, []certificate.Files{{Certificate: chain, Key: key}}, fits, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var w certificate.Watch
	look := func(changed bool, refused int) {
		t.Helper()
		next, errs := w.Look(certificate.Disk{}, s, time.Now())
		if (next != s) != changed || len(errs) != refused {
			t.Fatalf("changed %v, refused %v, want %v, %d", next != s, errs, changed, refused)
		}
		if changed && (len(certificate.Changed(s, next)) != 1 || len(certificate.Changed(next, next)) != 0) {
			t.Error("the change is not told")
		}
		s = next
	}
	look(false, 0)
	a.Write(dir, "own", nil, "sip:two.example")
	look(true, 0)
	if got := shown(t, s, ""); got != "two.example" {
		t.Errorf("got %s", got)
	}
	look(false, 0)

	half, halfKey := a.Write(dir, "half", nil, "sip:three.example")
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(half, chain)
	look(false, 1)
	look(false, 0)
	rename(halfKey, key)
	look(true, 0)
	if got := shown(t, s, ""); got != "three.example" {
		t.Errorf("got %s", got)
	}
	a.Write(dir, "own", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}, "sip:four.example")
	look(false, 1)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	look(false, 1)
	look(false, 0)
	if got := shown(t, s, ""); got != "three.example" {
		t.Errorf("got %s", got)
	}
}
