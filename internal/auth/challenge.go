package auth

import (
	"viaduct/internal/clock"
	"viaduct/sip"
)

// Role says as what the server asks for credentials (RFC 3261 §22.2, §22.3).
type Role uint8

// The roles. A registrar is a UAS; whoever forwards is a proxy, and a proxy
// never makes a 401 (§22.1), not even for a REGISTER that it passes on.
const (
	Proxy Role = iota // 407, Proxy-Authenticate, Proxy-Authorization
	UAS               // 401, WWW-Authenticate, Authorization
	NumRoles
)

// Status is the code of a response with a challenge.
func (r Role) Status() int {
	if r == UAS {
		return 401
	}
	return 407
}

// Credentials is the header in which the client answers.
func (r Role) Credentials() sip.HeaderID {
	if r == UAS {
		return sip.Authorization
	}
	return sip.ProxyAuthorization
}

// challenge is the header in which the server asks.
func (r Role) challenge() sip.HeaderID {
	if r == UAS {
		return sip.WWWAuthenticate
	}
	return sip.ProxyAuthenticate
}

// AppendChallenge appends whole header lines, CRLF included: one for each
// algorithm of the realm, in order of preference (RFC 7616 §3.7: a client takes
// the first that it can). They are never joined to a list (RFC 3261 §7.3.1).
// stale tells the client to repeat by itself: set it when Check said Stale.
func (v *Verifier) AppendChallenge(dst []byte, now clock.Instant, role Role, r *Realm, stale bool) []byte {
	v.signer.use(r.keys)
	var buf [nonceLen]byte
	text := v.appendNonce(buf[:0], now, r)
	for _, a := range r.algorithms {
		dst = append(dst, sip.HeaderName(role.challenge())...)
		dst = append(dst, r.head...)
		dst = append(dst, text...)
		dst = append(dst, r.middle...)
		if stale {
			dst = append(dst, "stale=true, "...)
		}
		dst = append(dst, "algorithm="...)
		dst = append(dst, algorithmNames[a]...)
		dst = append(dst, r.tail...)
	}
	return dst
}
