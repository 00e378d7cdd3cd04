package users

import "crypto/rand"

// letters are those that nobody takes for another when they are read out or typed
// from paper.
const letters = "abcdefghjkmnpqrstuvwxyz23456789"

// passwordLen letters of 31 are 79 bits: as HA1 with MD5 in a file that was lost,
// too many to try.
const passwordLen = 16

// Password makes a password by chance.
func Password() string {
	// Bytes from here on up would favour the first letters.
	const limit = 256 - 256%len(letters)
	out := make([]byte, 0, passwordLen)
	for len(out) < passwordLen {
		var b [2 * passwordLen]byte
		_, _ = rand.Read(b[:]) // never fails: the program ends instead
		for _, c := range b {
			if int(c) < limit && len(out) < passwordLen {
				out = append(out, letters[int(c)%len(letters)])
			}
		}
	}
	return string(out)
}
