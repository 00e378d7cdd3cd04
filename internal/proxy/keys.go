package proxy

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// MinSecret is the least length of a server secret, in bytes.
const MinSecret = 16

// ErrShortSecret is returned by NewKeys for a secret that could be guessed.
var ErrShortSecret = errors.New("proxy: a secret needs at least 16 bytes")

// Keys are what the server secret signs with (seams.md §2). Each use has a key
// of its own, derived by HKDF with a label, so that a signature made for one
// purpose is worth nothing for another. The first secret signs, all verify.
type Keys struct {
	ring []key
	shed []byte // begins the To tags of what Shed refuses
}

type key struct {
	id      byte // names the key in a cookie; derived, so that all nodes agree
	cookie  []byte
	tag     []byte
	branch  []byte
	arrival []byte
}

// NewKeys derives keys from one or more secrets.
func NewKeys(secrets ...[]byte) (*Keys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("proxy: no secret")
	}
	k := &Keys{}
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("secret %d: %w", i+1, ErrShortSecret)
		}
		derive := func(label string, size int) []byte {
			b, err := hkdf.Key(sha256.New, secret, nil, "viaduct "+label, size)
			if err != nil { // only an absurd size can fail
				panic(err)
			}
			return b
		}
		k.ring = append(k.ring, key{
			id:      derive("key id", 1)[0],
			cookie:  derive("route cookie", 32),
			tag:     derive("stateless tag", 32),
			branch:  derive("stateless branch", 32),
			arrival: derive("stateless arrival", 32),
		})
	}
	first, err := hkdf.Key(sha256.New, secrets[0], nil, "viaduct shed tag", shedLen*6/8)
	if err != nil { // only an absurd size can fail
		panic(err)
	}
	k.shed = base64url.AppendEncode(nil, first)
	return k, nil
}

// ShedTag begins the To tag of every request that was refused because the server
// was behind, and so of the ACK that follows, which is worth no more than a look
// then (RFC 3261 §8.2.7). It is not to be written to.
func (k *Keys) ShedTag() []byte { return k.shed }

// shedLen is its length.
const shedLen = 8

// signer holds keyed hashes ready for use, so that signing allocates nothing. It
// belongs to a core and follows the keys of the snapshot that is in use.
type signer struct {
	keys    *Keys
	ring    []keyedHashes
	scratch [cookieMax]byte // what is being signed or opened
	sum     [sha256.Size]byte
	text    []byte             // what is being signed, in one piece: a hash is slow to be fed
	uri     [statelessURI]byte // MAC over the Request-URI of an RFC 2543 request
}

type keyedHashes struct {
	id                           byte
	cookie, tag, branch, arrival hash.Hash
}

// use makes the signer work with k.
func (s *signer) use(k *Keys) {
	if s.keys == k {
		return
	}
	s.keys, s.ring = k, s.ring[:0]
	for _, key := range k.ring {
		s.ring = append(s.ring, keyedHashes{
			id:      key.id,
			cookie:  hmac.New(sha256.New, key.cookie),
			tag:     hmac.New(sha256.New, key.tag),
			branch:  hmac.New(sha256.New, key.branch),
			arrival: hmac.New(sha256.New, key.arrival),
		})
	}
}

// sign returns the MAC over the parts, each closed by its length so that no two
// lists of parts read alike. The result is valid until the next call.
func (s *signer) sign(h hash.Hash, parts ...[]byte) []byte {
	text := s.text[:0]
	for _, p := range parts {
		text = binary.LittleEndian.AppendUint32(append(text, p...), uint32(len(p)))
	}
	s.text = text
	h.Reset()
	_, _ = h.Write(text) // a hash never fails
	return h.Sum(s.sum[:0])
}
