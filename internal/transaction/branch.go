package transaction

import (
	"encoding/base64"
	"encoding/binary"

	"viaduct/internal/effect"
)

// cookie marks branches that are unique (RFC 3261 §8.1.1.7).
const cookie = "z9hG4bK"

// A branch is 22 bytes, so 30 characters of base64url without padding.
const (
	branchBytes = 8 + 4 + 4 + 6
	branchText  = (branchBytes*8 + 5) / 6
)

// strict refuses the texts that only differ in bits beyond the last byte, so that
// a branch has one spelling.
var strict = base64.RawURLEncoding.Strict()

// Branch is the branch parameter of our own Via: the cookie and base64url of its
// fields in this order.
type Branch struct {
	Handle effect.Handle // finds the client, proves nothing
	Boot   [4]byte       // drawn at start: unique over restarts and nodes
	Loop   [4]byte       // the hash of RFC 5393 §4.2.2, the caller's
	Nonce  [6]byte       // random for each branch: cannot be guessed
}

// AppendTo appends the branch with its cookie: 37 bytes.
func (b *Branch) AppendTo(dst []byte) []byte {
	var raw [branchBytes]byte
	binary.BigEndian.PutUint64(raw[:], uint64(b.Handle))
	copy(raw[8:], b.Boot[:])
	copy(raw[12:], b.Loop[:])
	copy(raw[16:], b.Nonce[:])
	dst = append(dst, cookie...)
	return strict.AppendEncode(dst, raw[:])
}

// ParseBranch reads a branch as AppendTo writes it, letter for letter: ok is
// false for anything else. It does not tell whether the branch is ours.
func ParseBranch(branch []byte) (b Branch, ok bool) {
	if len(branch) != len(cookie)+branchText || string(branch[:len(cookie)]) != cookie {
		return Branch{}, false
	}
	var raw [branchBytes]byte
	// The decoder skips line ends; then fewer bytes come out.
	n, err := strict.Decode(raw[:], branch[len(cookie):])
	if err != nil || n != branchBytes {
		return Branch{}, false
	}
	b.Handle = effect.Handle(binary.BigEndian.Uint64(raw[:]))
	copy(b.Boot[:], raw[8:])
	copy(b.Loop[:], raw[12:])
	copy(b.Nonce[:], raw[16:])
	return b, true
}

// proves reports whether a response with branch b was caused by the request that
// carried c. The loop hash is the caller's and proves nothing.
func (b *Branch) proves(c *Branch) bool {
	return b.Handle == c.Handle && b.Boot == c.Boot && b.Nonce == c.Nonce
}
