// Package auth is the server's half of digest authentication: RFC 3261 §22 with
// the algorithms of RFC 7616 and RFC 8760. It knows messages, keys and the time;
// where users come from, and what a challenge is sent with, is for others.
//
//	request ──▶ Verifier.Find ──▶ Absent, Refused ────────────────▶ challenge
//	                │             Malformed: 400  Throttled: 503
//	                │ Ready: Credentials.User
//	                ▼
//	            Users.Find ──▶ Known, Unknown; Ask: wait, then Find again
//	                │ HA1 or nil
//	                ▼
//	            Verifier.Check ──▶ Good ──▶ Realm.Speaks, Ours: strip, go on
//	                               Wrong, Stale ──────────────────▶ challenge
//	challenge ──▶ Verifier.AppendChallenge: one line for each algorithm
//
// A nonce is the time, seven random bytes and a MAC over both and the realm, so
// challenging keeps nothing and any server with the same secret knows it again.
// What has been used of a nonce is kept in the Guard, and only of nonces that
// right credentials came with: a stranger cannot fill it. In the Guard too are
// the throttles of guessing. It is shared by all shards, since a phone's
// REGISTER and INVITE meet different ones; each of its buckets has a lock of its
// own, a leaf, held for a look at eight entries.
//
// What is refused: Basic (§22), -sess algorithms and userhash (never offered),
// algorithms and qop values that the realm does not offer, answers without qop
// unless NoQop is set, and a uri that is neither the Request-URI nor of a domain
// of ours. An unknown user is judged with a key that nobody knows, by the same
// steps as a wrong password, and reads the same.
//
// A guesser is told 503 with Retry-After, whether the account exists or not: it
// says only that there were too many guesses. A challenge would say as little,
// but makes an honest phone ask its owner for another password.
//
// # Interoperation
//
// stale=true comes with a right answer to any nonce that cannot be used: too old,
// used with that nc, or not ours, as after a change of keys. The phone then
// repeats by itself. With a wrong answer the challenge is a plain one.
package auth
