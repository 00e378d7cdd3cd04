package auth

import "viaduct/internal/clock"

// Users is where the users of one realm are found.
type Users interface {
	// Find looks a user up by the name in the credentials, byte by byte. It is
	// a leaf read: it never waits and takes at most a lock of its own for a
	// moment. The HA1 is immutable; it is nil unless the answer is Known.
	Find(now clock.Instant, user []byte) (*HA1, Answer)
}

// Answer is what Users says.
type Answer uint8

// The answers.
const (
	Unknown Answer = iota // there is no such user: go on to Check with nil
	Known                 // there is
	Ask                   // not known here: ask who knows, and wait
	Failed                // who knows could not be asked: 503, the user is not to blame
)
