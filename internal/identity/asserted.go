package identity

import (
	"bytes"
	"strings"

	"viaduct/sip"
)

// Policy is what was agreed in the trust domain (RFC 3325: Spec(T)). The zero
// Policy asserts its own users inside the domain, and withholds on demand only.
type Policy struct {
	// Assert says who is told the users that were authenticated here.
	Assert Assert
	// Withhold removes P-Asserted-Identity for nodes that are not trusted even
	// when the message does not ask for privacy (RFC 3325 §7 recommends not to).
	Withhold bool
	// Service makes this server the privacy service for id (RFC 3323 §5): what is
	// done is crossed off the Privacy header, and Proxy-Require: privacy is served.
	Service bool
}

// Assert says to whom P-Asserted-Identity is added for a user of ours.
type Assert uint8

// To the trust domain, for whom it is meant (RFC 3325 §5); to others too, as long
// as nobody asks for privacy; or to nobody.
const (
	ToTrusted Assert = iota
	ToAll
	ToNobody
)

// to reports whether a node is told.
func (a Assert) to(trusted bool) bool { return a == ToAll || a == ToTrusted && trusted }

// Facts are what Edit has to know of a message and of where it goes.
type Facts struct {
	FromTrusted bool    // the node that the message came from is in the trust domain
	ToTrusted   bool    // the node that it goes to is
	Privacy     Privacy // that the message asks for: PrivacyOf, and what else is known
	// Identity is the value to assert, for a user who was authenticated: see
	// AppendURI. nil: nobody was.
	Identity []byte
}

// Edit enters in rw what a proxy has to change in m before it forwards it. It
// tells whether the node that it goes to must not see an identity, whoever adds it.
func (p *Policy) Edit(rw *sip.Rewriter, m *sip.Message, f Facts) (withheld bool) {
	withheld = !f.ToTrusted && p.withheld(f.Privacy)
	// RFC 3325 §6, §9.2: a hint for the proxy that authenticates, which is here.
	rw.RemoveAll(sip.PPreferredIdentity)
	asserted := f.FromTrusted && m.Has(sip.PAssertedIdentity)
	switch {
	case !f.FromTrusted || withheld: // §5: a stranger's word is none; §7
		rw.RemoveAll(sip.PAssertedIdentity)
	case asserted:
		keepTwo(rw, m)
	}
	if f.Identity != nil && p.Assert.to(f.ToTrusted) && !asserted && !withheld && carries(m) {
		rw.Add(sip.HeaderName(sip.PAssertedIdentity), f.Identity)
	}
	if p.Service && withheld && f.Privacy.has(ID) {
		crossOff(rw, m)
	}
	return withheld
}

// withheld tells whether nodes that are not trusted may not see the identity
// (RFC 3325 §7). "none" beside other values is no "none": who says both is
// understood as wanting privacy.
func (p *Policy) withheld(privacy Privacy) bool {
	return privacy.has(ID) || p.Withhold && !privacy.only(None)
}

// carries reports whether a message may get P-Asserted-Identity: RFC 3325 §9.1
// excludes ACK, CANCEL and REGISTER, which name no originator of anything new.
func carries(m *sip.Message) bool {
	switch m.Method() {
	case sip.ACK, sip.CANCEL, sip.REGISTER:
		return false
	}
	return true
}

// keepTwo leaves one sip or sips URI and one tel URI, the first of each (§9.1).
func keepTwo(rw *sip.Rewriter, m *sip.Message) {
	var sipSeen, telSeen bool
	for it := m.Values(sip.PAssertedIdentity); it.Next(); {
		seen := &sipSeen
		uri, ok := uriOf(it.Value.Text)
		if ok && uri.Scheme == sip.TEL {
			seen = &telSeen
		}
		if !ok || *seen {
			rw.RemoveValue(sip.PAssertedIdentity, it.Value)
			continue
		}
		*seen = true
	}
}

// uriOf reads the URI of an identity; ok is false for one that cannot be asserted.
func uriOf(value []byte) (uri sip.URI, ok bool) {
	a, err := sip.ParseAddress(value)
	if err != nil {
		return sip.URI{}, false
	}
	uri, err = sip.ParseURI(a.URI)
	return uri, err == nil && (uri.IsSIP() || uri.Scheme == sip.TEL)
}

// crossOff takes id out of Privacy. When nothing but critical is left the header
// goes, and with it the demand for a privacy service (RFC 3323 §5).
func crossOff(rw *sip.Rewriter, m *sip.Message) {
	if (PrivacyOf(m) &^ (ID | Critical)) == 0 {
		rw.RemoveAll(sip.Privacy)
		for it := m.Values(sip.ProxyRequire); it.Next(); {
			if isPrivacy(it.Value.Text) {
				rw.RemoveValue(sip.ProxyRequire, it.Value)
			}
		}
		return
	}
	var buf [128]byte
	left := buf[:0]
	for it := m.Values(sip.Privacy); it.Next(); {
		for rest := it.Value.Text; len(rest) > 0; {
			var word []byte
			word, rest = nextWord(rest)
			if len(word) == 0 || privacyOf(word) == ID {
				continue
			}
			if len(left) > 0 {
				left = append(left, ';')
			}
			left = append(left, word...)
		}
	}
	rw.Set(sip.Privacy, left)
}

// Serves reports whether a proxy with this policy has what Proxy-Require asks of
// it by an option tag (RFC 3323 §4.3).
func (p *Policy) Serves(option []byte) bool { return p.Service && isPrivacy(option) }

func isPrivacy(option []byte) bool { return bytes.EqualFold(option, []byte("privacy")) }

// Refuse tells whether a request has to be refused because the privacy that it
// insists on is not to be had: the status and reason phrase, 0 when it may go on.
// RFC 3323 §5: critical is for privacy services; others relay the header.
func (p *Policy) Refuse(m *sip.Message) (status int, reason string) {
	privacy := PrivacyOf(m)
	missing := privacy &^ (None | ID | Critical)
	if !p.Service || !privacy.has(Critical) || missing == 0 {
		return 0, ""
	}
	return 500, "Privacy Failure: " + missing.String() + " Not Supported"
}

// AppendURI appends the identity of an authenticated user as it is asserted:
// <sip:user@domain>. A user name that names its domain keeps it. ok is false, and
// dst as it was, when the two do not make a URI.
func AppendURI(dst, user, domain []byte) (value []byte, ok bool) {
	if at := bytes.LastIndexByte(user, '@'); at >= 0 {
		user, domain = user[:at], user[at+1:]
	}
	value = append(dst, "<sip:"...)
	start := len(value) - len("sip:")
	for _, b := range user {
		if unreserved(b) {
			value = append(value, b)
			continue
		}
		const digits = "0123456789ABCDEF"
		value = append(value, '%', digits[b>>4], digits[b&15])
	}
	value = append(append(value, '@'), domain...)
	uri, err := sip.ParseURI(value[start:])
	if err != nil || len(uri.Host) != len(domain) {
		return dst, false
	}
	return append(value, '>'), true
}

// unreserved tells what stands for itself in a user part (RFC 3261 §25.1).
func unreserved(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("-_.!~*'()&=+$,;?/", b) >= 0
}
