package policy

import "viaduct/internal/auth"

// Realm is a `users` block: whom a rule can ask for. Its passwords are elsewhere,
// found by ID.
type Realm struct {
	Name       string           // of the block
	Realm      string           // what a challenge shows (RFC 7616 §3.3)
	Algorithms []auth.Algorithm // offered, the most preferred first
	AuthInt    bool             // qop auth-int is offered, too
	NoQop      bool             // answers without qop are accepted
	Domains    *Domains         // whose users it holds: the domain that it is named like, else all of ours
	Home       []byte           // that of them which a user is asserted in who claims none (RFC 3325); nil for none
	ID         int              // index in Program.Realms
}

// Authenticate is what a rule says of it.
type Authenticate struct {
	Realm *Realm
	Any   bool // identity = "any": the user need not be the caller
	// Registers: a register{} may follow, so that a REGISTER is challenged as a
	// registrar does (401), not as a proxy (RFC 3261 §22.1).
	Registers bool
}

// Identity is somebody who has been authenticated.
type Identity struct {
	Realm  *Realm
	User   []byte // the username of the credentials
	Caller bool   // it is who the request claims to come from (RFC 3261 §10.3 step 4, §22; auth.Realm.Speaks)
}

// recall finds who was authenticated by realm, nil when nobody was. From then on
// that is whom auth.user reads.
func (f *Facts) recall(realm *Realm) *Identity {
	for i := range f.Users {
		if x := &f.Users[i]; x.Realm == realm {
			f.user, f.who = x.User, i+1
			return x
		}
	}
	f.user, f.who = nil, 0
	return nil
}

// Authenticated is whom the last `authenticate` on the way has found: nil when the
// way had none. It is valid until the next decision begins.
func (f *Facts) Authenticated() *Identity {
	if f.who == 0 {
		return nil
	}
	return &f.Users[f.who-1]
}

// AuthUser is the user that the last `authenticate` on the way has found.
func AuthUser() Text { return func(f *Facts) []byte { return f.user } }
