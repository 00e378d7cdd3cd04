package auth

import (
	"hash"
	"slices"
	"strings"
	"testing"
)

// counted is a hash that counts what it is given.
type counted struct {
	hash.Hash
	work *[]int
}

func (c counted) Write(b []byte) (int, error) {
	*c.work = append(*c.work, len(b))
	return c.Hash.Write(b)
}

func (c counted) Sum(b []byte) []byte {
	*c.work = append(*c.work, -1)
	return c.Hash.Sum(b)
}

// What is computed for a user who does not exist is, hash by hash and byte by byte,
// what is computed for a wrong password, and for a user who has no HA1 of the
// algorithm; and so is the challenge that follows.
// Proves: AU-4
func TestAnUnknownUserIsTheSameWorkAsAWrongPassword(t *testing.T) {
	t.Parallel()
	other := NewHA1("alice", realm, "another", SHA256, SHA512256, MD5)
	partial := NewHA1("alice", realm, "secret", MD5)
	for _, algorithm := range []Algorithm{SHA256, SHA512256, MD5} {
		for _, qop := range []string{"auth", "auth-int"} {
			var works [][]int
			var challenges []string
			for name, h := range map[string]*HA1{"unknown": nil, "wrong password": &other, "no such algorithm": &partial} {
				if name == "no such algorithm" && algorithm == MD5 {
					continue
				}
				b := newBench(t, func(c *RealmConfig) { c.AuthInt = true })
				b.h = h
				a := b.answer()
				a.algorithm, a.qop = algorithm, qop
				b.v.signer.use(b.realm.keys)
				var work []int
				for i := SHA256; i < numAlgorithms; i++ {
					b.v.hashes[i] = counted{b.v.hashes[i], &work}
				}
				b.v.signer.unknown = counted{b.v.signer.unknown, &work}
				for i := range b.v.signer.nonces {
					b.v.signer.nonces[i].mac = counted{b.v.signer.nonces[i].mac, &work}
				}
				b.want(b.give(a), Wrong)
				challenges = append(challenges, nonceText.ReplaceAllString(b.challenge(false), ""))
				works = append(works, work)
			}
			for i := range works {
				if len(works[i]) == 0 || !slices.Equal(works[i], works[0]) {
					t.Errorf("%v %s: one is %v, another %v", algorithm, qop, works[0], works[i])
				}
				if challenges[i] != challenges[0] || strings.Contains(challenges[i], "stale") {
					t.Errorf("%v %s: one is told %q, another %q", algorithm, qop, challenges[0], challenges[i])
				}
			}
		}
	}
}
