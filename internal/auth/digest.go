package auth

import (
	"crypto/subtle"
	"encoding/hex"

	"viaduct/sip"
)

// matches reports whether the response of c is the one that h gives for a request
// with this method and the body of m. Known user
// or not, the same is computed (product rule AU-4): the key of an unknown one is
// a MAC over its name.
func (v *Verifier) matches(method []byte, m *sip.Message, c *Credentials, h *HA1) bool {
	stand := v.signer.sign(v.signer.unknown, c.User, c.owner.name)[:c.Algorithm.Size()]
	ha1, known := stand, false
	if h != nil {
		if sum := h.Get(c.Algorithm); sum != nil {
			ha1, known = sum, true
		}
	}
	want := v.response(method, m.Body(), c, ha1)
	same := subtle.ConstantTimeCompare(want, v.lower(c.response.raw)) == 1
	return same && known
}

// lower puts the digits of a response, which should be in lower case, into it.
func (v *Verifier) lower(digits []byte) []byte {
	n := copy(v.hex[:], digits)
	for i, b := range v.hex[:n] {
		if 'A' <= b && b <= 'F' {
			v.hex[i] = b + 'a' - 'A'
		}
	}
	return v.hex[:n]
}

// response computes the digest in hexadecimal (RFC 7616 §3.4.1), valid until the
// next use of v.text.
func (v *Verifier) response(method, body []byte, c *Credentials, ha1 []byte) []byte {
	v.text = append(append(append(v.text[:0], method...), ':'), c.URI...)
	if fold(c.qop.raw, "auth-int") { // §3.4.3
		v.text = append(v.text, ':')
		v.text = v.appendHash(v.text, c.Algorithm, body)
	}
	a2 := v.hash(c.Algorithm, v.text)

	v.text = append(hex.AppendEncode(v.text[:0], ha1), ':')
	v.text = append(c.nonce.append(v.text), ':')
	if c.qop.raw != nil {
		v.text = append(append(v.text, c.nc.raw...), ':')
		v.text = append(c.cnonce.append(v.text), ':')
		v.text = append(append(v.text, c.qop.raw...), ':')
	}
	v.text = hex.AppendEncode(v.text, a2)
	a := v.hash(c.Algorithm, v.text)
	v.text = hex.AppendEncode(v.text[:0], a)
	return v.text
}

// hash returns the digest of text, valid until the next call.
func (v *Verifier) hash(a Algorithm, text []byte) []byte {
	h := v.hashes[a]
	h.Reset()
	_, _ = h.Write(text) // a hash never fails
	return h.Sum(v.sum[:0])
}

func (v *Verifier) appendHash(dst []byte, a Algorithm, text []byte) []byte {
	return hex.AppendEncode(dst, v.hash(a, text))
}
