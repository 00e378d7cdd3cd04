package transport

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"slices"
	"time"

	"viaduct/internal/certificate"
	"viaduct/internal/clock"
)

// TLSConfig is what a TLS is made of.
type TLSConfig struct {
	Disk  certificate.Disk
	Files []certificate.Files // one pair at least
	Fits  certificate.Fits

	Clients *certificate.Trust // whose client certificates count; nil: none is asked for
	Require bool               // a client without a valid one is refused
	Servers *certificate.Trust // whose certificates count of servers that are connected to; nil: what the system trusts
}

// TLS is how the connections of a listener are secured: immutable. What the
// files hold later is another TLS.
type TLS struct {
	cfg    TLSConfig
	set    *certificate.Set
	server *tls.Config
}

// NewTLS reads the pairs. The error is a *certificate.Error.
func NewTLS(cfg TLSConfig) (*TLS, error) {
	set, err := certificate.Load(cfg.Disk, cfg.Files, cfg.Fits, wall())
	if err != nil {
		return nil, err
	}
	if cfg.Servers == nil {
		cfg.Servers = new(certificate.Trust)
	}
	return newTLS(cfg, set), nil
}

func wall() time.Time { return clock.Wall(clock.Now()) }

// suites are those of TLS 1.2 with AEAD and forward secrecy (RFC 9325 §4.2);
// what RFC 3261 §26.2.1 asks for has neither. Those of TLS 1.3 are not for us to
// choose.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

func newTLS(cfg TLSConfig, set *certificate.Set) *TLS {
	t := &TLS{cfg: cfg, set: set}
	t.server = &tls.Config{
		MinVersion:     tls.VersionTLS12, // RFC 8996
		CipherSuites:   suites,
		GetCertificate: set.For,
		// One record for each message: the small first records that Go would make
		// are for pages that are drawn while they come.
		DynamicRecordSizingDisabled: true,
	}
	switch {
	case cfg.Clients == nil:
	case cfg.Require:
		t.server.ClientAuth, t.server.ClientCAs = tls.RequestClientCert, cfg.Clients.Roots()
		t.server.VerifyConnection = func(s tls.ConnectionState) error {
			_, err := cfg.Clients.VerifyClient(s.PeerCertificates, wall())
			return err
		}
	default: // RFC 5922 §7.4: without a valid one it is not authenticated, and that is all
		t.server.ClientAuth, t.server.ClientCAs = tls.RequestClientCert, cfg.Clients.Roots()
	}
	return t
}

// client is the configuration of a connection to the server of a domain. The
// chain, the usage and the name are checked as RFC 5922 §7.3 has it, which is
// not what Go does by itself.
func (t *TLS) client(domain string) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		CipherSuites:                suites,
		DynamicRecordSizingDisabled: true,
		ServerName:                  domain, // RFC 5922 §7.8
		InsecureSkipVerify:          true,   // VerifyConnection does it
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return t.set.First(), nil
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			identities, err := t.cfg.Servers.VerifyServer(s.PeerCertificates, wall())
			if err != nil {
				return err
			}
			return certificate.CheckDomain(identities, domain)
		},
	}
}

// accepted are the SIP domains that a client has proven to speak for: none, and
// the reason, without a valid certificate. An empty chain is no mistake.
func (t *TLS) accepted(chain []*x509.Certificate) ([]string, error) {
	switch {
	case t.cfg.Clients == nil || len(chain) == 0:
		return nil, nil
	case t.cfg.Require: // it was verified during the handshake
		return certificate.Identities(chain[0]), nil
	}
	return t.cfg.Clients.VerifyClient(chain, wall())
}

// Expiries tells when the certificates end.
func (t *TLS) Expiries() []certificate.Expiry { return t.set.Expiries() }

// Identities are the SIP domains that the certificates speak for.
func (t *TLS) Identities() []string { return t.set.Identities() }

// Settings are what can be changed of a listener of streams while it runs. They
// hold for connections that begin from now on.
type Settings struct {
	TLS       *TLS       // of TLS and WSS
	WebSocket *WebSocket // of WS and WSS
	// Proxies are the sources whose connections begin with a PROXY header, which
	// tells whose connection it is. From all others it would be a lie.
	Proxies []netip.Prefix
}

func (s *Settings) isProxy(a netip.Addr) bool {
	return slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
