package auth

import (
	"hash"
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/sip"
)

// Verdict is what is known of a request's credentials.
type Verdict uint8

// The verdicts, with what the request is answered.
const (
	Absent    Verdict = iota // none for this realm: a challenge
	Refused                  // in a way that was not offered: a challenge
	Malformed                // 400 with Credentials.Fault
	Throttled                // too many wrong guesses: 503 with Retry-After
	Ready                    // Find only: look Credentials.User up, then Check
	Wrong                    // Check only: a challenge
	Stale                    // Check only: right, but the nonce cannot be used: a challenge with stale=true
	Good                     // Check only: go on
	NumVerdicts
)

var verdictNames = [NumVerdicts]string{"absent", "refused", "malformed", "throttled", "ready", "wrong", "stale", "good"}

// String is a word for logs and metrics.
func (v Verdict) String() string { return verdictNames[min(v, NumVerdicts-1)] }

// Verifier makes and judges challenges for one shard; it keeps the hashes that it
// works with, so that nothing is allocated.
type Verifier struct {
	guard  *Guard
	random func([]byte)
	signer signer
	hashes [numAlgorithms]hash.Hash

	nonce  [nonceSize]byte
	text   []byte // what is being hashed
	sum    [maxSum]byte
	hex    [2 * maxSum]byte
	other  Credentials // the candidate that is being read
	counts [NumVerdicts]uint64
}

// NewVerifier returns a Verifier that shares guard with those of other shards.
// random fills its argument with unguessable bytes.
func NewVerifier(guard *Guard, random func([]byte)) *Verifier {
	v := &Verifier{guard: guard, random: random}
	for a := SHA256; a < numAlgorithms; a++ {
		v.hashes[a] = a.New()
	}
	return v
}

// Counts are the verdicts so far; the slot of Ready stays 0.
func (v *Verifier) Counts() [NumVerdicts]uint64 { return v.counts }

// maxCandidates is how many credentials for one realm are looked at. There may be
// several: proxies in a row may share a realm (RFC 3261 §22.3).
const maxCandidates = 4

// Find picks the credentials for r out of a request and judges what can be judged
// without the user's key. source is where the request came from. On Ready c.User
// is to be looked up and the result given to Check; all else is final.
//
// Of several it picks by the message alone and not by the time, so that a request
// that is read again, after it had to wait, gives the same user.
func (v *Verifier) Find(now clock.Instant, m *sip.Message, role Role, r *Realm, source netip.Addr, c *Credentials) Verdict {
	verdict := v.pick(now, m, role, r, c)
	c.source = source
	if verdict == Ready && v.guard.blocked(now, c) {
		verdict = Throttled
	}
	if verdict != Ready {
		v.counts[verdict]++
	}
	return verdict
}

// Reread is Find for a request whose credentials were found Good before: it fills
// c with the same ones, and judges and counts nothing.
func (v *Verifier) Reread(m *sip.Message, role Role, r *Realm, c *Credentials) {
	v.pick(0, m, role, r, c)
}

// pick chooses among the credentials for r.
func (v *Verifier) pick(now clock.Instant, m *sip.Message, role Role, r *Realm, c *Credentials) Verdict {
	v.signer.use(r.keys)
	verdict, candidates := Absent, 0
	c.clear()
	for it := m.Values(role.Credentials()); it.Next() && candidates < maxCandidates; {
		o := &v.other
		o.clear()
		digest, fault := o.parse(it.Value.Text)
		if !digest || !o.realm.equal(r.name) {
			continue // RFC 3261 §22.3: somebody else's
		}
		candidates++
		o.owner, o.Fault = r, fault
		// The best is the one with the latest nonce of ours; else the first.
		if judged := v.judge(now, m, o); better(judged, o, verdict, c) {
			verdict = judged
			*c, *o = *o, *c
		}
	}
	return verdict
}

// clear empties c but keeps its room.
func (c *Credentials) clear() { *c = Credentials{user: c.user[:0]} }

func better(a Verdict, ac *Credentials, b Verdict, bc *Credentials) bool {
	if a == Ready && b == Ready {
		return ac.ours && (!bc.ours || ac.state.made.since(bc.state.made) > 0)
	}
	return a == Ready || b == Absent
}

// judge tells Ready from Malformed and Refused.
func (v *Verifier) judge(now clock.Instant, m *sip.Message, c *Credentials) Verdict {
	r := c.owner
	if c.Fault == "" {
		c.Fault = c.complete()
	}
	if c.Fault != "" {
		return Malformed
	}
	auth, body := fold(c.qop.raw, "auth"), fold(c.qop.raw, "auth-int")
	switch {
	case !r.offers(c.Algorithm), // RFC 8760: also one that this server knows but does not want
		c.userhash, // never offered
		c.qop.raw == nil && !r.noQop,
		c.qop.raw != nil && !auth && !(body && r.authInt):
		return Refused
	case len(c.response.raw) != 2*c.Algorithm.Size(), !c.setUser():
		c.Fault = badParameter
		return Malformed
	case m.Method() != sip.ACK && !r.sameResource(m, c.URI): // that of an ACK is of its INVITE
		c.Fault = uriOfSomethingElse // RFC 7616 §3.4.6
		return Malformed
	}
	if n, ok := v.openNonce(c.nonce.raw, r); ok {
		c.state, c.ours, c.fresh = n, true, n.fresh(now)
	}
	return Ready
}

// Check compares the digest with the one that h gives; h is nil for an unknown
// user. m and c are those of Find, and stand as they did.
func (v *Verifier) Check(now clock.Instant, m *sip.Message, c *Credentials, h *HA1) Verdict {
	v.signer.use(c.owner.keys)
	verdict := v.check(now, m, c, h)
	v.counts[verdict]++
	return verdict
}

func (v *Verifier) check(now clock.Instant, m *sip.Message, c *Credentials, h *HA1) Verdict {
	if v.guard.blocked(now, c) { // meanwhile others may have guessed
		return Throttled
	}
	if !v.matches(m.MethodName(), m, c, h) {
		v.guard.failed(now, c)
		return Wrong
	}
	// RFC 7616 §3.3: stale=true only when the digest is right.
	if !c.fresh || !v.guard.use(now, c) {
		return Stale
	}
	v.guard.succeeded(now, c)
	return Good
}

var invite = []byte("INVITE")

// Acknowledge reports whether the credentials of an ACK, for which Find said Ready,
// are those of an INVITE that were found Good (RFC 3261 §22.1: a client copies
// them, and has to be let through). They are over the INVITE, and used up. Such
// over the body of the INVITE (auth-int) cannot be told from others any more.
func (v *Verifier) Acknowledge(now clock.Instant, m *sip.Message, c *Credentials, h *HA1) bool {
	v.signer.use(c.owner.keys)
	switch {
	case !c.ours || !v.guard.used(c) || v.guard.blocked(now, c):
		return false
	case !v.matches(invite, m, c, h):
		v.guard.failed(now, c)
		return false
	}
	return true
}
