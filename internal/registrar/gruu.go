package registrar

import (
	"bytes"
	"encoding/binary"

	"viaduct/internal/location"
	"viaduct/sip"
)

// This file is RFC 5627 without storage.
//
//	public     sip:bob@example.com;gr=urn:uuid:…       the AOR and the instance, as they are
//	temporary  sip:tgruu.<108 characters>@example.com;gr
//	              └─ sealed: since 6 | mark 6 | instance 6 | length 1 | user of the AOR 45
//
// since is Binding.Since, the series that the GRUU belongs to; mark is a digest of
// Call-ID and CSeq of the REGISTER that it was made for, so that each has its own
// (§5.1) and a fetch gives the latest again (§5.2); instance is a digest of the
// URN. All are of one length: two of them show nothing of whose they are. It is
// valid as long as the instance has a binding of that series, and so ends with
// the last of them or with a new Call-ID (§5.1, §5.3), without a list.

const (
	tgruu = "tgruu." // the prefix that RFC 5627 §A.2 uses

	digestLen = 6
	sinceLen  = 6
	sealedAt  = sinceLen + 2*digestLen // where the length of the user stands
	// maxSealedUser bounds the user part of an AOR that gets temporary GRUUs. All
	// tokens have the room, so that their length tells nothing. A longer one has its
	// public GRUU only: temporary ones are a SHOULD (§5.1).
	maxSealedUser = sealedLen - sealedAt - 1
)

// GRUU is what a GRUU of ours says. Its slices are valid until the next call of
// ParseGRUU.
type GRUU struct {
	AOR       []byte // canonical
	Temporary bool

	since    int64
	urn      []byte // of a public one: the instance, canonical
	instance [digestLen]byte
	key      *keyed
}

// GRUUVerdict is what ParseGRUU finds.
type GRUUVerdict uint8

// The verdicts of ParseGRUU.
const (
	NoGRUU      GRUUVerdict = iota // an ordinary URI: no gr parameter
	UnknownGRUU                    // a gr parameter, but nothing that we gave out: 404 (RFC 5627 §6.1)
	ValidGRUU                      // look its AOR up and Narrow what is found
)

// ParseGRUU reads a URI of a domain of ours, such as a Request-URI.
func (r *Registrar) ParseGRUU(u *sip.URI) (g GRUU, v GRUUVerdict) {
	value, ok := u.Params.Get("gr")
	if !ok || !u.IsSIP() {
		return g, NoGRUU
	}
	r.gruuAOR, _ = location.AppendAOR(r.gruuAOR[:0], u)
	if len(value) == 0 {
		if !r.openTemporary(&g) {
			return g, UnknownGRUU
		}
		return g, ValidGRUU
	}
	r.urn = sip.AppendUnescaped(r.urn[:0], value)
	r.canonical = appendCanonicalURN(r.canonical[:0], r.urn)
	if !bytes.HasPrefix(r.canonical, []byte("urn:")) {
		return g, UnknownGRUU
	}
	return GRUU{AOR: r.gruuAOR, urn: r.canonical}, ValidGRUU
}

// openTemporary opens the token in the user part of r.gruuAOR and puts the real
// AOR in its place.
func (r *Registrar) openTemporary(g *GRUU) bool {
	user, host := splitAOR(r.gruuAOR)
	if len(user) < len(tgruu) || string(user[:len(tgruu)]) != tgruu {
		return false
	}
	s := &r.signer
	k, ok := s.open(user[len(tgruu):], host)
	if !ok {
		return false
	}
	n := int(s.plain[sealedAt])
	if n > maxSealedUser {
		return false
	}
	*g = GRUU{Temporary: true, since: getSince(s.plain[:]), key: k}
	copy(g.instance[:], s.plain[sinceLen+digestLen:])
	r.hostOf = append(r.hostOf[:0], host...)
	r.gruuAOR = appendAOR(r.gruuAOR[:0], s.plain[sealedAt+1:][:n], r.hostOf)
	g.AOR = r.gruuAOR
	return true
}

// Narrow leaves of the bindings of g.AOR those that g leads to, the most recently
// refreshed first: they are tried one after the other, and the next only after a
// 408 or 430 (RFC 5627 §6.1, RFC 5626 §7). Without one it tells the response:
// 404 for a GRUU that is not valid any more, 480 for one without a contact.
func (r *Registrar) Narrow(g *GRUU, found []location.Binding) (left []location.Binding, status int) {
	left = found[:0]
	for i := range found {
		if r.leads(g, &found[i]) {
			left = append(left, found[i])
		}
	}
	sortRecent(left)
	switch {
	case g.Temporary && (len(left) == 0 || left[0].Since != g.since):
		return left[:0], 404 // §5.3: it ended with its last contact, or with the Call-ID
	case len(left) == 0:
		return left, 480
	}
	return left, 0
}

// leads reports whether b is a binding of the instance of g.
func (r *Registrar) leads(g *GRUU, b *location.Binding) bool {
	if len(b.Instance) == 0 {
		return false
	}
	if !g.Temporary {
		return bytes.Equal(b.Instance, g.urn)
	}
	return bytes.Equal(g.instance[:], r.signer.mac(g.key.digest, b.Instance)[:digestLen])
}

// sortRecent puts the most recently refreshed first: there are few of them.
func sortRecent(b []location.Binding) {
	for i := 1; i < len(b); i++ {
		for j := i; j > 0 && moreRecent(&b[j], &b[j-1]); j-- {
			b[j], b[j-1] = b[j-1], b[j]
		}
	}
}

func moreRecent(a, b *location.Binding) bool {
	return a.Updated > b.Updated || a.Updated == b.Updated && a.ID > b.ID
}

// appendTemporary appends, as a Contact parameter, the temporary GRUU that the
// last REGISTER of b made; dst as it was when there is none.
func (r *Registrar) appendTemporary(dst []byte, scheme string, b *location.Binding) []byte {
	user, host := splitAOR(r.aor)
	s := &r.signer
	if len(s.ring) == 0 || len(user) > maxSealedUser {
		return dst
	}
	k := &s.ring[0]
	p := s.plain[:]
	clear(p)
	putSince(p, b.Since)
	binary.BigEndian.PutUint32(s.token[:4], b.CSeq)
	copy(p[sinceLen:], s.mac(k.digest, b.CallID, s.token[:4])[:digestLen])
	copy(p[sinceLen+digestLen:], s.mac(k.digest, b.Instance)[:digestLen])
	p[sealedAt] = byte(len(user))
	copy(p[sealedAt+1:], user)
	dst = append(append(append(dst, `;temp-gruu="`...), scheme...), tgruu...)
	dst = append(s.appendSealed(dst, host), '@')
	return append(append(dst, host...), `;gr"`...)
}

// appendPublic appends the public GRUU of b, without its scheme: always the same
// for an AOR and an instance, and valid as long as the AOR is (RFC 5627 §5.4).
func appendPublic(dst, aor []byte, b *location.Binding) []byte {
	dst = append(dst, aor[len("sip:"):]...)
	dst = append(dst, ";gr="...)
	for _, c := range b.Instance {
		if paramByte(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// paramByte reports whether c may stand in the value of a URI parameter as it is
// (RFC 3261 §25.1 paramchar).
func paramByte(c byte) bool {
	switch c {
	case '-', '_', '.', '!', '~', '*', '\'', '(', ')', '[', ']', '/', ':', '&', '+', '$':
		return true
	}
	return c-'0' < 10 || (c|0x20)-'a' < 26
}

// loops reports whether c, a contact with an instance, would lead back to its own
// AOR, or is no SIP URI: 403 (RFC 5627 §5.1).
func (r *Registrar) loops(c *contact) bool {
	if !c.uri.IsSIP() {
		return true
	}
	g, v := r.ParseGRUU(&c.uri)
	if v == ValidGRUU {
		return bytes.Equal(g.AOR, r.aor)
	}
	r.gruuAOR, _ = location.AppendAOR(r.gruuAOR[:0], &c.uri)
	if !bytes.Equal(r.gruuAOR, r.aor) || c.uri.Headers != nil {
		return false
	}
	for _, name := range [...]string{"transport", "maddr", "user", "ttl", "method"} { // §19.1.4: these make it another URI
		if c.uri.Params.Has(name) {
			return false
		}
	}
	return true
}

// splitAOR parts a canonical AOR: sip:user@host. user is empty when there is none.
func splitAOR(aor []byte) (user, host []byte) {
	rest := aor[len("sip:"):]
	if at := bytes.IndexByte(rest, '@'); at >= 0 {
		return rest[:at], rest[at+1:]
	}
	return nil, rest
}

func appendAOR(dst, user, host []byte) []byte {
	dst = append(dst, "sip:"...)
	if len(user) > 0 {
		dst = append(append(dst, user...), '@')
	}
	return append(dst, host...)
}

func putSince(p []byte, since int64) {
	for i := range sinceLen {
		p[i] = byte(since >> (8 * (sinceLen - 1 - i)))
	}
}

func getSince(p []byte) (since int64) {
	for i := range sinceLen {
		since = since<<8 | int64(p[i])
	}
	return since
}
