package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// Algorithm is a digest algorithm of RFC 7616 §6.1 that this server speaks.
type Algorithm uint8

// The algorithms, the one with most support first. NoAlgorithm is one that is not
// known.
const (
	NoAlgorithm Algorithm = iota
	SHA256
	SHA512256
	MD5 // RFC 8760 §2.2: for phones that know nothing else
	numAlgorithms
)

var algorithmNames = [numAlgorithms]string{SHA256: "SHA-256", SHA512256: "SHA-512-256", MD5: "MD5"}

// String is the token of RFC 7616 §6.1, "" for NoAlgorithm.
func (a Algorithm) String() string {
	if a < numAlgorithms {
		return algorithmNames[a]
	}
	return ""
}

// ParseAlgorithm reads a token without regard to case; NoAlgorithm for any that
// is not known, -sess variants among them.
func ParseAlgorithm[T string | []byte](token T) Algorithm {
	for a := SHA256; a < numAlgorithms; a++ {
		if len(token) == len(algorithmNames[a]) && strings.EqualFold(string(token), algorithmNames[a]) {
			return a
		}
	}
	return NoAlgorithm
}

// Size is the length of a digest in bytes.
func (a Algorithm) Size() int {
	switch a {
	case SHA256, SHA512256:
		return sha256.Size
	case MD5:
		return md5.Size
	}
	return 0
}

// New returns a hash of the algorithm, nil for NoAlgorithm.
func (a Algorithm) New() hash.Hash {
	switch a {
	case SHA256:
		return sha256.New()
	case SHA512256:
		return sha512.New512_256()
	case MD5:
		return md5.New()
	}
	return nil
}

// maxSum is the longest digest, in bytes.
const maxSum = sha256.Size

// HA1 is H(user:realm:password) of one user in one realm, by algorithm (RFC 7616
// §3.4.2). It is as good as the password for that realm: keep it out of logs.
// The zero HA1 has none.
type HA1 struct {
	sums [numAlgorithms][maxSum]byte
	has  uint8
}

// NewHA1 computes the HA1 for each of the algorithms. Names and password are
// taken as the UTF-8 that they are.
func NewHA1(user, realm, password string, algorithms ...Algorithm) HA1 {
	var h HA1
	for _, a := range algorithms {
		if f := a.New(); f != nil {
			_, _ = f.Write([]byte(user + ":" + realm + ":" + password)) // a hash never fails
			h.Set(a, f.Sum(nil))
		}
	}
	return h
}

// Set keeps a digest. It reports whether its length is that of the algorithm.
func (h *HA1) Set(a Algorithm, sum []byte) bool {
	if len(sum) == 0 || len(sum) != a.Size() {
		return false
	}
	copy(h.sums[a][:], sum)
	h.has |= 1 << a
	return true
}

// SetHex is Set for a digest in hexadecimal, as files and HTTP have it.
func (h *HA1) SetHex(a Algorithm, text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && h.Set(a, sum)
}

// Get returns the digest of an algorithm, nil when there is none. It points into h.
func (h *HA1) Get(a Algorithm) []byte {
	if a >= numAlgorithms || h.has>>a&1 == 0 {
		return nil
	}
	return h.sums[a][:a.Size()]
}

// Empty reports whether h has no digest at all.
func (h *HA1) Empty() bool { return h.has == 0 }

// String keeps the digests out of logs.
func (h HA1) String() string { return "HA1" }

// GoString keeps the digests out of logs.
func (h HA1) GoString() string { return "HA1" }
