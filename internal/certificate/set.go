package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// MaxFile is the largest file read, in bytes.
const MaxFile = 1 << 20

// Files are where a pair comes from: a chain in PEM, the own certificate first,
// and its key.
type Files struct {
	Certificate string
	Key         string
}

// Error is a pair that does not fit.
type Error struct {
	File   string
	Key    bool // File is that of the key
	Reason string
}

func (e *Error) Error() string { return e.File + ": " + e.Reason }

// Disk is where files are. The zero Disk is that of the machine.
type Disk struct {
	ReadFile func(path string) ([]byte, error)
	Stat     func(path string) (fs.FileInfo, error)
}

func (d Disk) read(path string) ([]byte, error) {
	if d.ReadFile == nil {
		return os.ReadFile(path)
	}
	return d.ReadFile(path)
}

func (d Disk) stat(path string) (fs.FileInfo, error) {
	if d.Stat == nil {
		return os.Stat(path)
	}
	return d.Stat(path)
}

// Set is the pairs of one listener: immutable.
type Set struct {
	files []Files
	fits  Fits
	pairs []pair
}

// Fits says which certificates may be shown.
type Fits struct {
	Domains   []string // of which each must name one (RFC 5922 §6); none: it may name any
	Wildcards bool     // "*.example.com" will do for a.example.com: browsers take it, SIP peers do not
}

type pair struct {
	tls        tls.Certificate
	identities []string
	key        fs.FileInfo // as it was before it was read
	chain      fs.FileInfo
}

// Load reads pairs and holds them against now and fits. The error is an *Error.
func Load(d Disk, files []Files, fits Fits, now time.Time) (*Set, error) {
	s := &Set{files: files, fits: fits}
	for _, f := range files {
		p, err := load(d, f, &fits, now)
		if err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, p)
	}
	return s, nil
}

func load(d Disk, f Files, fits *Fits, now time.Time) (p pair, err error) {
	var chain, key []byte
	if p.chain, chain, err = fetch(d, f.Certificate); err != nil {
		return p, &Error{File: f.Certificate, Reason: reason(err)}
	}
	if p.key, key, err = fetch(d, f.Key); err != nil {
		return p, &Error{File: f.Key, Key: true, Reason: reason(err)}
	}
	if p.tls, err = tls.X509KeyPair(chain, key); err != nil {
		return p, blame(f, chain, err)
	}
	if p.tls.Leaf == nil { // it is kept by default; a debug setting turns that off
		if p.tls.Leaf, err = x509.ParseCertificate(p.tls.Certificate[0]); err != nil {
			return p, &Error{File: f.Certificate, Reason: err.Error()}
		}
	}
	p.identities = Identities(p.tls.Leaf)
	if why := unfit(&p, fits, now); why != "" {
		return p, &Error{File: f.Certificate, Reason: why}
	}
	return p, nil
}

// fetch looks before it reads: a file that changes in between is read again at
// the next look.
func fetch(d Disk, path string) (fs.FileInfo, []byte, error) {
	info, err := d.stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > MaxFile {
		return nil, nil, errors.New("the file has more than 1 MiB")
	}
	b, err := d.read(path)
	return info, b, err
}

// reason is the reason of a file error without the path, which stands beside it.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return "cannot be read: " + p.Err.Error()
	}
	return err.Error()
}

// blame finds out which of the two files is wrong.
func blame(f Files, chain []byte, err error) *Error {
	if p := x509.NewCertPool(); !p.AppendCertsFromPEM(chain) {
		return &Error{File: f.Certificate, Reason: "there is no certificate in it"}
	}
	text := strings.TrimPrefix(err.Error(), "tls: ")
	switch {
	case strings.Contains(text, "does not match"):
		text = "is not the key of " + f.Certificate
	case strings.Contains(text, "in key input"), strings.Contains(text, "for the private key"), strings.Contains(text, "failed to parse private key"):
		text = "there is no private key in it that can be read"
	}
	return &Error{File: f.Key, Key: true, Reason: text}
}

// unfit tells why a pair cannot be used, "" when it can.
func unfit(p *pair, fits *Fits, now time.Time) string {
	leaf := p.tls.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return "the certificate has expired on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	case now.Before(leaf.NotBefore):
		return "the certificate is not valid before " + leaf.NotBefore.UTC().Format(time.DateTime) + " UTC"
	case len(fits.Domains) == 0:
		return ""
	}
	for _, d := range fits.Domains {
		if Names(p.identities, d) || fits.Wildcards && leaf.VerifyHostname(d) == nil {
			return ""
		}
	}
	if len(p.identities) == 0 {
		return fmt.Sprintf("the certificate names no SIP domain, want %s", quoted(fits.Domains))
	}
	return fmt.Sprintf("the certificate is for %s, want one of %s", quoted(p.identities), quoted(fits.Domains))
}

// Len is how many pairs there are.
func (s *Set) Len() int { return len(s.pairs) }

// Identities are the SIP domains that the pairs speak for.
func (s *Set) Identities() (all []string) {
	for i := range s.pairs {
		all = append(all, s.pairs[i].identities...)
	}
	return all
}

// First is the pair shown by clients, and to clients that name nobody known.
func (s *Set) First() *tls.Certificate { return &s.pairs[0].tls }

// For chooses the pair for a client: the first that names the server that the
// client has asked for and whose key suits it (RFC 6066 §3, RFC 5922 §7.8); else
// the first of all. Browsers take wildcards, SIP peers do not: what is shown has
// to be refused by those who look.
func (s *Set) For(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	asked := Canonical(hello.ServerName)
	bare := *hello
	bare.ServerName = "" // the name is ours to compare: Go knows no sip: URIs
	var named *tls.Certificate
	for i := range s.pairs {
		p := &s.pairs[i]
		if !Names(p.identities, asked) && (asked == "" || p.tls.Leaf.VerifyHostname(asked) != nil) {
			continue
		}
		if bare.SupportsCertificate(&p.tls) == nil {
			return &p.tls, nil
		}
		if named == nil {
			named = &p.tls
		}
	}
	if named != nil {
		return named, nil // the handshake will say what does not suit
	}
	return s.First(), nil
}

// Expiry is when a certificate ends.
type Expiry struct {
	File string
	End  time.Time
}

// Expiries are those of all pairs, in their order.
func (s *Set) Expiries() []Expiry {
	list := make([]Expiry, 0, len(s.pairs))
	for i := range s.pairs {
		list = append(list, Expiry{s.files[i].Certificate, s.pairs[i].tls.Leaf.NotAfter})
	}
	return list
}
