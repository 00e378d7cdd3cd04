package policy

import "viaduct/sip"

// Realm is a `users` block: whom a rule can ask for. Its passwords are elsewhere,
// found by ID.
type Realm struct {
	Name       string   // of the block
	Realm      string   // what a challenge shows (RFC 7616 §3.3)
	Algorithms []string // offered, most wanted first: "SHA-256", "SHA-512-256", "MD5"
	ID         int      // index in Program.Realms
}

// Authenticate is what a rule says of it.
type Authenticate struct {
	Realm  *Realm
	Caller Bool // whether the user is the caller; nil: any user will do (identity = "any")
	// Registers: a register{} may follow, so that a REGISTER is challenged as a
	// registrar does (401), not as a proxy (RFC 3261 §22.1).
	Registers bool
}

// Identity is somebody who has been authenticated.
type Identity struct {
	Realm *Realm
	Name  []byte // the username of the credentials, without quotes
}

// recall makes the user of realm the one that auth.user reads.
func (f *Facts) recall(realm *Realm) bool {
	for i := range f.Users {
		if f.Users[i].Realm == realm {
			f.user = f.Users[i].Name
			return true
		}
	}
	f.user = nil
	return false
}

// AuthUser is the user that the last `authenticate` on the way has found.
func AuthUser() Text { return func(f *Facts) []byte { return f.user } }

// IsCaller reports whether the authenticated user is who the request claims to
// come from: To of a REGISTER, From of any other (RFC 3261 §10.3 step 4, §22). A
// username with an @ must be the whole address, any other its user part, in one of
// our domains or in a domain named like the realm.
func IsCaller(realm *Realm, ours *Domains) Bool {
	named := NewDomains(realm.Realm)
	return func(f *Facts) bool {
		p := From
		if f.Method == sip.REGISTER {
			p = To
		}
		uri, name := p.uri(f), f.user
		if at := lastAt(name); at >= 0 {
			return uri.IsSIP() && equalBytes(f.plainEscapes(uri.User), f.plainEscapes(name[:at])) && sip.EqualHost(uri.Host, name[at+1:])
		}
		if len(name) == 0 || !equalBytes(User(p)(f), f.plainEscapes(name)) {
			return false
		}
		return uri.Scheme == sip.TEL || ours.Contains(uri.Host) || named.Contains(uri.Host)
	}
}

func lastAt(name []byte) int {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '@' {
			return i
		}
	}
	return -1
}

func equalBytes(a, b []byte) bool { return string(a) == string(b) }
