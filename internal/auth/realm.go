package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/sip"
)

// DefaultLifetime is how long a nonce may be used unless configured otherwise.
const DefaultLifetime = 5 * time.Minute

// maxLifetime bounds it: a nonce is kept in seconds, and what was used of it has
// to be remembered as long as it lives.
const maxLifetime = 24 * time.Hour

// Hosts is a set of host names and addresses, as written in a URI.
type Hosts interface {
	Contains(host []byte) bool
}

// RealmConfig is a realm as it is configured.
type RealmConfig struct {
	Name       string        // the realm, a host name by preference (RFC 3261 §22.1)
	Algorithms []Algorithm   // offered, the most preferred first (RFC 8760 §2.4), each once; none: SHA-256
	AuthInt    bool          // offer qop auth-int too, as the last choice: the body is part of the digest
	NoQop      bool          // accept answers without qop (RFC 2069), each nonce once
	ExactURI   bool          // the uri of the credentials must equal the Request-URI
	Lifetime   time.Duration // of a nonce, 10s to 24h; 0: DefaultLifetime

	// Own are the domains that this server answers for.
	Own Hosts
	// Domains are those of Own whose users this realm holds; nil: all of them.
	// Where several realms hold users, one that is named like a domain should
	// have that domain only: else its alice passes for the alice of another.
	Domains Hosts
}

// Realm is a realm ready for use: immutable, shared by all shards.
type Realm struct {
	name       []byte
	algorithms []Algorithm
	offered    uint8 // bits of algorithms
	authInt    bool
	noQop      bool
	exactURI   bool
	lifetime   time.Duration
	own        Hosts
	domains    Hosts
	keys       *Keys

	// written once: a challenge is head, nonce, middle, algorithm, tail
	head, middle, tail string
}

// NewRealm checks and prepares a realm.
func NewRealm(c RealmConfig, k *Keys) (*Realm, error) {
	if err := checkRealmName(c.Name); err != nil {
		return nil, err
	}
	r := &Realm{
		name: []byte(c.Name), authInt: c.AuthInt, noQop: c.NoQop, exactURI: c.ExactURI,
		lifetime: c.Lifetime, own: c.Own, domains: c.Domains, keys: k,
	}
	if r.lifetime == 0 {
		r.lifetime = DefaultLifetime
	}
	if r.lifetime < 10*time.Second || r.lifetime > maxLifetime {
		return nil, fmt.Errorf("auth: a nonce lives 10s to 24h, not %s", r.lifetime)
	}
	if r.domains == nil {
		r.domains = r.own
	}
	if err := r.offer(c.Algorithms); err != nil {
		return nil, err
	}
	// RFC 7616 §3.3, RFC 3261 §22.4: realm, nonce, opaque and qop are quoted,
	// algorithm and stale are not.
	qop := `"auth"`
	if r.authInt {
		qop = `"auth,auth-int"`
	}
	r.head = ": Digest realm=" + quote(c.Name) + `, nonce="`
	r.middle = `", opaque="` + k.opaqueOf(c.Name) + `", `
	r.tail = ", qop=" + qop + ", charset=UTF-8\r\n"
	return r, nil
}

// offer sets the algorithms.
func (r *Realm) offer(algorithms []Algorithm) error {
	if len(algorithms) == 0 {
		algorithms = []Algorithm{SHA256}
	}
	for _, a := range algorithms {
		if a == NoAlgorithm || a >= numAlgorithms {
			return errors.New("auth: unknown algorithm")
		}
		if r.offers(a) { // RFC 7616 §3.7: each challenge has another algorithm
			return fmt.Errorf("auth: %s is offered twice", a)
		}
		r.offered |= 1 << a
	}
	r.algorithms = slices.Clone(algorithms)
	return nil
}

// checkRealmName refuses what cannot stand in a quoted string or would not
// survive a file of users, where ':' separates.
func checkRealmName(name string) error {
	if name == "" || len(name) > sip.MaxUser {
		return errors.New("auth: a realm has 1 to 256 bytes")
	}
	for _, c := range []byte(name) {
		if c < ' ' || c == 0x7f || c == ':' {
			return errors.New("auth: a realm holds no control characters and no colon")
		}
	}
	return nil
}

// quote makes a quoted-string (RFC 3261 §25.1).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Name is the realm.
func (r *Realm) Name() string { return string(r.name) }

// Algorithms are those offered, in order.
func (r *Realm) Algorithms() []Algorithm { return slices.Clone(r.algorithms) }

func (r *Realm) offers(a Algorithm) bool { return a != NoAlgorithm && r.offered>>a&1 != 0 }

// Ours reports whether a value of Authorization or Proxy-Authorization is for
// one of these realms. Such values are removed before a request is forwarded, so
// that nobody behind us gets something to try passwords on; those for other realms
// pass byte for byte (RFC 3261 §22.3). The value is read once, however many realms
// there are: nobody has to have proven anything to send many.
func Ours(realms []*Realm, value []byte) bool {
	var c Credentials
	if digest, _ := c.parse(value); !digest {
		return false
	}
	for _, r := range realms {
		if c.realm.equal(r.name) {
			return true
		}
	}
	return false
}
