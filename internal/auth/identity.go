package auth

import (
	"bytes"

	"viaduct/sip"
)

// Speaks reports whether the owner of credentials for r is the user that uri
// names: that of To in a REGISTER, of From in any other request (RFC 3261 §10.3
// step 4, §22). The user parts are compared with escapes decoded, the domain must
// be one of this realm's users; port and parameters do not count, and sip and
// sips are one. A name that holds '@' names the domain too. A tel URI belongs to
// nobody here.
func (r *Realm) Speaks(user []byte, uri *sip.URI) bool {
	if !uri.IsSIP() || !uri.HasUser || r.domains == nil || !r.domains.Contains(uri.Host) {
		return false
	}
	if at := bytes.LastIndexByte(user, '@'); at >= 0 {
		if !sip.EqualHost(user[at+1:], uri.Host) {
			return false
		}
		user = user[:at]
	}
	var buf [sip.MaxUser]byte
	return bytes.Equal(sip.AppendUnescaped(buf[:0], uri.User), user)
}

// sameResource compares the uri of credentials with the Request-URI. RFC 7616
// §3.4.6 wants them to name the same resource; RFC 3261 §22.4 item 6 lets a proxy
// on the way have changed the Request-URI, and asks only that the uri is of a
// user whom this server would serve: here, of the same host or a domain of ours.
func (r *Realm) sameResource(m *sip.Message, text []byte) bool {
	if bytes.Equal(text, m.RequestURI()) {
		return true
	}
	asked, err := m.URI()
	if err != nil {
		return false
	}
	uri, err := sip.ParseURI(text)
	if err != nil {
		return false
	}
	if r.exactURI || !uri.IsSIP() {
		return uri.Equal(asked)
	}
	return sip.EqualHost(uri.Host, asked.Host) || r.own != nil && r.own.Contains(uri.Host)
}
