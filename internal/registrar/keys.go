package registrar

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
)

// MinSecret is the least length of a server secret, in bytes.
const MinSecret = 16

// ErrShortSecret is returned by NewKeys for a secret that could be guessed.
var ErrShortSecret = errors.New("registrar: a secret needs at least 16 bytes")

// Keys are what temporary GRUUs are made with, derived from the server secret by
// HKDF with labels of their own. The first secret seals, all open: a rotation
// leaves the GRUUs in use valid as long as the old secret is listed.
type Keys struct {
	ring []key
}

type key struct {
	id           byte // names the key in a GRUU; derived, so that all nodes agree
	seal         cipher.Block
	sign, digest []byte
}

// NewKeys derives keys from one or more secrets.
func NewKeys(secrets ...[]byte) (*Keys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("registrar: no secret")
	}
	k := &Keys{}
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("secret %d: %w", i+1, ErrShortSecret)
		}
		derive := func(label string, size int) []byte {
			b, err := hkdf.Key(sha256.New, secret, nil, "viaduct temporary gruu "+label, size)
			if err != nil { // only an absurd size can fail
				panic(err)
			}
			return b
		}
		block, err := aes.NewCipher(derive("seal", 32))
		if err != nil { // only an odd size can fail
			panic(err)
		}
		k.ring = append(k.ring, key{
			id: derive("key id", 1)[0], seal: block, sign: derive("sign", 32), digest: derive("digest", 32),
		})
	}
	return k, nil
}

// signer holds the keys ready for use, so that sealing allocates nothing.
type signer struct {
	keys  *Keys
	ring  []keyed
	plain [sealedLen]byte
	token [tokenLen]byte
	block [aes.BlockSize]byte
	sum   [sha256.Size]byte
	num   [4]byte
}

type keyed struct {
	id           byte
	seal         cipher.Block
	sign, digest hash.Hash
}

const (
	sealedLen = 4 * aes.BlockSize             // what a token hides
	tokenLen  = 1 + aes.BlockSize + sealedLen // key id, synthetic IV, the sealed
)

var base64url = base64.RawURLEncoding.Strict()

// Use makes the Registrar work with k, the keys of the snapshot in use. Without
// keys there are no temporary GRUUs.
func (r *Registrar) Use(k *Keys) {
	s := &r.signer
	if s.keys == k {
		return
	}
	s.keys, s.ring = k, s.ring[:0]
	if k == nil {
		return
	}
	for _, key := range k.ring {
		s.ring = append(s.ring, keyed{
			id: key.id, seal: key.seal, sign: hmac.New(sha256.New, key.sign), digest: hmac.New(sha256.New, key.digest),
		})
	}
}

// mac returns the MAC over the parts, each closed by its length so that no two
// lists of parts read alike. The result is valid until the next call.
func (s *signer) mac(h hash.Hash, parts ...[]byte) []byte {
	h.Reset()
	for _, p := range parts {
		_, _ = h.Write(p) // a hash never fails
		n := len(p)
		s.num = [4]byte{byte(n), byte(n >> 8), byte(n >> 16)}
		_, _ = h.Write(s.num[:])
	}
	return h.Sum(s.sum[:0])
}

// appendSealed appends s.plain, sealed for host, as characters of a user part.
//
// The IV is a MAC over what is sealed, and proves it, too (the construction of
// RFC 5297, with HMAC): no random number is needed, the same text always gives
// the same token, and two texts give tokens that have nothing in common.
func (s *signer) appendSealed(dst, host []byte) []byte {
	k := &s.ring[0]
	s.token[0] = k.id
	iv, sealed := s.token[1:1+aes.BlockSize], s.token[1+aes.BlockSize:]
	copy(iv, s.mac(k.sign, s.plain[:], host))
	s.xor(k.seal, iv, sealed, s.plain[:])
	return base64url.AppendEncode(dst, s.token[:])
}

// open reads what appendSealed wrote into s.plain, and which key it was.
func (s *signer) open(text, host []byte) (k *keyed, ok bool) {
	if len(text) != base64url.EncodedLen(tokenLen) {
		return nil, false
	}
	if n, err := base64url.Decode(s.token[:], text); err != nil || n != tokenLen {
		return nil, false
	}
	iv, sealed := s.token[1:1+aes.BlockSize], s.token[1+aes.BlockSize:]
	for i := range s.ring {
		k := &s.ring[i]
		if k.id != s.token[0] {
			continue
		}
		s.xor(k.seal, iv, s.plain[:], sealed)
		if subtle.ConstantTimeCompare(iv, s.mac(k.sign, s.plain[:], host)[:aes.BlockSize]) == 1 {
			return k, true
		}
	}
	return nil, false
}

// xor is AES in counter mode over four blocks.
func (s *signer) xor(block cipher.Block, iv, dst, src []byte) {
	for i := 0; i < len(src); i += aes.BlockSize {
		copy(s.block[:], iv)
		s.block[aes.BlockSize-1] ^= byte(i / aes.BlockSize)
		block.Encrypt(s.block[:], s.block[:])
		subtle.XORBytes(dst[i:i+aes.BlockSize], src[i:i+aes.BlockSize], s.block[:])
	}
}
