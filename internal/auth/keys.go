package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
)

// MinSecret is the least length of a server secret, in bytes.
const MinSecret = 16

// ErrShortSecret is returned by NewKeys for a secret that could be guessed.
var ErrShortSecret = errors.New("auth: a secret needs at least 16 bytes")

// Keys are what nonces are signed with, derived from the server secret by labels
// of their own. The first secret signs, all verify.
type Keys struct {
	ring []key
}

type key struct {
	id      byte // names the key in a nonce; derived, so that all nodes agree
	nonce   []byte
	opaque  []byte
	unknown []byte // makes the HA1 that an unknown user is judged by
}

// NewKeys derives keys from one or more secrets.
func NewKeys(secrets ...[]byte) (*Keys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("auth: no secret")
	}
	k := &Keys{}
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("secret %d: %w", i+1, ErrShortSecret)
		}
		derive := func(label string, size int) []byte {
			b, err := hkdf.Key(sha256.New, secret, nil, "viaduct digest "+label, size)
			if err != nil { // only an absurd size can fail
				panic(err)
			}
			return b
		}
		k.ring = append(k.ring, key{
			id:      derive("key id", 1)[0],
			nonce:   derive("nonce", 32),
			opaque:  derive("opaque", 32),
			unknown: derive("unknown user", 32),
		})
	}
	return k, nil
}

// opaqueOf is the opaque value of a realm: it means nothing to us, but phones
// expect one that stays the same.
func (k *Keys) opaqueOf(realm string) string {
	h := hmac.New(sha256.New, k.ring[0].opaque)
	_, _ = h.Write([]byte(realm))
	return base64url.EncodeToString(h.Sum(nil)[:9])
}

// signer holds the keyed hashes ready for use, so that signing allocates nothing.
type signer struct {
	keys    *Keys
	nonces  []keyedHash
	unknown hash.Hash
	sum     [sha256.Size]byte
}

type keyedHash struct {
	id  byte
	mac hash.Hash
}

// use makes the signer work with k.
func (s *signer) use(k *Keys) {
	if s.keys == k {
		return
	}
	s.keys, s.nonces = k, s.nonces[:0]
	for _, key := range k.ring {
		s.nonces = append(s.nonces, keyedHash{key.id, hmac.New(sha256.New, key.nonce)})
	}
	s.unknown = hmac.New(sha256.New, k.ring[0].unknown)
}

// sign returns the MAC over a and b, of which a has a fixed length or none that
// matters. The result is valid until the next call.
func (s *signer) sign(h hash.Hash, a, b []byte) []byte {
	h.Reset()
	_, _ = h.Write(a) // a hash never fails
	_, _ = h.Write(b)
	return h.Sum(s.sum[:0])
}
