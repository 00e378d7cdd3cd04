package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"

	"viaduct/internal/certificate"
	"viaduct/internal/flow"
)

// Refusal is why a connection was not made: by the handshake of TLS, by that of
// a WebSocket, or by its PROXY header.
type Refusal uint8

// The reasons.
const (
	RefusedTimeout     Refusal = iota // not done in StreamLimits.Handshake, or nobody waits any more
	RefusedClosed                     // the peer went away
	RefusedBusy                       // it found no place to compute
	RefusedProtocol                   // no version or suite in common, or no TLS at all
	RefusedCertificate                // the peer's: none, unsound, or for another domain
	RefusedByPeer                     // an alert: the peer takes ours for unfit, as a rule
	RefusedProxy                      // the PROXY header is missing or malformed
	RefusedRequest                    // of HTTP: malformed, too large, not for a WebSocket
	RefusedOrigin                     // of HTTP: the page is not one of ours
	RefusedSubprotocol                // of HTTP: "sip" is not among those offered
	RefusedSession                    // of HTTP: no session cookie
	Refusals                          // how many there are
)

var refusals = [Refusals]string{
	"timeout", "closed", "busy", "protocol", "certificate", "refused_by_peer", "proxy_header", "request", "origin", "subprotocol", "session",
}

// String is the label of the metric.
func (r Refusal) String() string { return refusals[r] }

// Notice is something that an operator may want to read: a connection that was
// not made, or certificates that have changed on the disk. It is rare, or the
// reader limits its rate.
type Notice struct {
	What     string // a constant text
	Listener flow.Listener
	Remote   netip.AddrPort     // the zero value when it is about no connection
	Err      error              // nil when all is well
	Renewed  certificate.Expiry // of a certificate that has taken the place of another
}

// refusal wraps an error that knows its reason.
type refusal struct {
	why Refusal
	err error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// refusalOf finds the reason of a failed handshake.
func refusalOf(err error) Refusal {
	var (
		own     *refusal
		alert   tls.AlertError
		remote  *net.OpError
		domain  *certificate.DomainError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		checked *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &own):
		return own.why
	case errors.Is(err, errBusy):
		return RefusedBusy
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return RefusedTimeout
	case errors.As(err, &domain), errors.As(err, &invalid), errors.As(err, &unknown), errors.As(err, &checked),
		errors.Is(err, certificate.ErrNone), errors.Is(err, certificate.ErrUsage):
		return RefusedCertificate
	case errors.As(err, &remote) && remote.Op == "remote error", errors.As(err, &alert):
		return RefusedByPeer
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &remote):
		return RefusedClosed
	}
	return RefusedProtocol
}
