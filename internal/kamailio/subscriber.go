package kamailio

import (
	"encoding/hex"
	"strings"

	"viaduct/internal/auth"
	"viaduct/internal/users"
)

// Reason is why a row is left behind, or less of it is taken than there is; "" is
// that all is well.
type Reason string

// The reasons for subscribers.
const (
	NoSecret   Reason = "no password and no ha1"
	NoDomain   Reason = "no domain: name a realm"
	OtherRealm Reason = "no password, and ha1 is of another realm: it works in that one only"
	Disagree   Reason = "password and ha1 disagree: ha1 is of another realm, or one of them is out of date"
	BadHA1     Reason = "ha1 is no digest"
	BadName    Reason = "the name cannot be one of a user here"
	OnlyMD5    Reason = "taken with MD5 alone, for want of a password"
	Twice      Reason = "the same user and realm once more"
)

// SubscriberTable is the name of the table.
const SubscriberTable = "subscriber"

// Realms say which realm a subscriber is of. Each field that is empty means the
// domain of the subscriber, as kamctl does it.
type Realms struct {
	Here  string // of the users that are made
	Dumps string // that ha1 was made with
}

// User is the subscriber of a row. The Reason is OnlyMD5 or "" when ok.
func (r Realms) User(row *Row) (u users.User, why Reason, ok bool) {
	name, domain := row.Get("username"), row.Get("domain")
	u.Name, u.Realm = name, first(r.Here, domain)
	made := first(r.Dumps, domain)
	switch {
	case u.Realm == "":
		return u, NoDomain, false
	case users.CheckNames(u.Name, u.Realm) != nil:
		return u, BadName, false
	}
	password, sum := row.Get("password"), strings.TrimSpace(row.Get("ha1"))
	a := algorithmOf(sum)
	switch {
	case sum != "" && a == auth.NoAlgorithm:
		return u, BadHA1, false
	case password == "" && sum == "":
		return u, NoSecret, false
	case password != "":
		if sum != "" && !agrees(name, made, password, a, sum) {
			return u, Disagree, false
		}
		u.HA1 = auth.NewHA1(u.Name, u.Realm, password, auth.SHA256, auth.SHA512256, auth.MD5)
		return u, "", true
	case made != u.Realm:
		return u, OtherRealm, false
	}
	u.HA1.SetHex(a, sum)
	if a == auth.MD5 {
		return u, OnlyMD5, true
	}
	return u, "", true
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// algorithmOf tells an algorithm by the length of its digest.
func algorithmOf(sum string) auth.Algorithm {
	if _, err := hex.DecodeString(sum); err != nil {
		return auth.NoAlgorithm
	}
	for _, a := range []auth.Algorithm{auth.MD5, auth.SHA256} {
		if len(sum) == 2*a.Size() {
			return a
		}
	}
	return auth.NoAlgorithm
}

func agrees(name, realm, password string, a auth.Algorithm, sum string) bool {
	h := auth.NewHA1(name, realm, password, a)
	return strings.EqualFold(hex.EncodeToString(h.Get(a)), sum)
}
