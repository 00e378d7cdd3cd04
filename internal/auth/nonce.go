package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"

	"viaduct/internal/clock"
)

// A nonce as it is before base64url:
//
//	key id 1 │ Unix time 4 │ random 7 │ MAC 12, over all before it and the realm
//
// It is not bound to a source: phones change theirs, and one nonce serves the
// REGISTER and the INVITE of a phone (RFC 3261 §22.4). Nor to an algorithm: the
// challenges of one response share it, as in RFC 7616 §3.9.1.
const (
	nonceRandom = 7
	nonceSigned = 1 + 4 + nonceRandom
	nonceMAC    = 12
	nonceSize   = nonceSigned + nonceMAC
	nonceLen    = nonceSize * 4 / 3
)

// maxAhead is how far in the future a nonce may have been made: the clocks of
// servers that share a secret differ.
const maxAhead = 60 * time.Second

var base64url = base64.RawURLEncoding

// nonce is what is read from one that is ours.
type nonce struct {
	id         uint64 // of its MAC, so that nobody can choose it
	made, till seconds
}

// seconds is Unix time; differences are signed, so that 2106 is a day like any.
type seconds uint32

func wallSeconds(now clock.Instant) seconds { return seconds(clock.Wall(now).Unix()) }

func (s seconds) since(t seconds) time.Duration { return time.Duration(int32(s-t)) * time.Second }

// appendNonce makes a nonce for r.
func (v *Verifier) appendNonce(dst []byte, now clock.Instant, r *Realm) []byte {
	k := v.signer.nonces[0]
	b := v.nonce[:nonceSigned]
	b[0] = k.id
	binary.BigEndian.PutUint32(b[1:], uint32(wallSeconds(now)))
	v.random(b[5:nonceSigned])
	mac := v.signer.sign(k.mac, b, r.name)
	copy(v.nonce[nonceSigned:], mac[:nonceMAC])
	return base64url.AppendEncode(dst, v.nonce[:])
}

// openNonce reads a nonce that was made for r with one of our keys.
func (v *Verifier) openNonce(text []byte, r *Realm) (n nonce, ok bool) {
	if len(text) != nonceLen {
		return nonce{}, false
	}
	if size, err := base64url.Decode(v.nonce[:], text); err != nil || size != nonceSize {
		return nonce{}, false
	}
	signed, mac := v.nonce[:nonceSigned], v.nonce[nonceSigned:]
	for _, k := range v.signer.nonces {
		if k.id == signed[0] && subtle.ConstantTimeCompare(v.signer.sign(k.mac, signed, r.name)[:nonceMAC], mac) == 1 {
			made := seconds(binary.BigEndian.Uint32(signed[1:]))
			return nonce{binary.BigEndian.Uint64(mac), made, made + seconds(r.lifetime/time.Second)}, true
		}
	}
	return nonce{}, false
}

// fresh reports whether a nonce may still be used.
func (n nonce) fresh(now clock.Instant) bool {
	t := wallSeconds(now)
	return t.since(n.made) >= -maxAhead && n.till.since(t) >= 0
}
