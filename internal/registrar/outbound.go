package registrar

import (
	"bytes"

	"viaduct/sip"
)

// outbound is RFC 5626 §6: whether a reg-id counts, and what becomes of the request
// when it may not.
func (r *Registrar) outbound() *Refusal {
	asked, live := false, 0
	for i := range r.contacts {
		asked = asked || r.contacts[i].regID != 0
		if r.contacts[i].expires > 0 {
			live++
		}
	}
	if !asked {
		return nil
	}
	if !r.firstHop && !r.obPath {
		if r.supports&tagOutbound != 0 {
			return r.refuse(439, "")
		}
		r.ignoreRegIDs() // §11.6: no 439 for those who have not asked for outbound
		return nil
	}
	for i := range r.contacts {
		c := &r.contacts[i]
		switch {
		case c.regID == 0:
		case c.instance == nil:
			c.regID = 0 // a flow of nobody: a plain binding
		default:
			r.flows = true
		}
	}
	// One request registers one flow; it may take any number of contacts away.
	if r.flows && live > 1 {
		return r.refuse(400, "One Flow At A Time")
	}
	return nil
}

func (r *Registrar) ignoreRegIDs() {
	for i := range r.contacts {
		r.contacts[i].regID = 0
	}
}

// readPath judges the Path values (RFC 3327 §5.3) and looks whether the first hop
// knows outbound. The values stand from the registrar to the client, so that the
// first hop's is the last: every proxy puts its own on top (RFC 3327 §5.2). RFC
// 5626 §6 says "the first URI" and means the one that its §5.1 has marked.
func (r *Registrar) readPath(s *Settings) *Refusal {
	it := r.m.Values(sip.Via)
	r.firstHop = it.Next() && !it.Next()
	if !r.m.Has(sip.Path) {
		return nil
	}
	if r.supports&tagPath == 0 && !s.AnyPath {
		return r.refuse(420, "").with(unsupportedPath)
	}
	size := 0
	for it := r.m.Values(sip.Path); it.Next(); {
		a, err := sip.ParseAddress(it.Value.Text)
		if err != nil || !a.Angle {
			return r.refuse(400, "Bad Path")
		}
		u, err := sip.ParseURI(a.URI)
		if err != nil || !u.IsSIP() {
			return r.refuse(400, "Bad Path")
		}
		r.obPath = u.Params.Has("ob")
		r.pathInsecure = r.pathInsecure || u.Scheme != sip.SIPS
		size += len(it.Value.Text) + len(", ")
	}
	if size > maxPath {
		return r.refuse(513, "Path Too Long")
	}
	return nil
}

var unsupportedPath = []byte("Unsupported: path\r\n")

// tags are option tags that mean something here.
type tags uint8

const (
	tagPath tags = 1 << iota
	tagOutbound
	tagGRUU
)

func tagOf(name []byte) tags {
	switch {
	case bytes.EqualFold(name, []byte("path")):
		return tagPath
	case bytes.EqualFold(name, []byte("outbound")):
		return tagOutbound
	case bytes.EqualFold(name, []byte("gruu")):
		return tagGRUU
	}
	return 0
}

// readTags is RFC 3261 §10.3 step 2 with §8.2.2.3. Who requires an extension
// supports it, too.
func (r *Registrar) readTags() *Refusal {
	for it := r.m.Values(sip.Supported); it.Next(); {
		r.supports |= tagOf(it.Value.Text)
	}
	r.lines = append(r.lines[:0], "Unsupported: "...)
	none := len(r.lines)
	for it := r.m.Values(sip.Require); it.Next(); {
		if tag := tagOf(it.Value.Text); tag != 0 {
			r.supports |= tag
			continue
		}
		if len(r.lines) > none {
			r.lines = append(r.lines, ", "...)
		}
		r.lines = append(r.lines, it.Value.Text...)
	}
	if len(r.lines) > none {
		r.lines = append(r.lines, "\r\n"...)
		return r.refuse(420, "").with(r.lines)
	}
	return nil
}
