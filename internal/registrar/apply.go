package registrar

import (
	"bytes"

	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/sip"
)

// maxUserAgent is how much of User-Agent is kept, for people who look at the list.
const maxUserAgent = 120

// mark says what happened to an entry of the list during Apply.
type mark uint8

const (
	kept    mark = iota // as it was
	moved               // another series of temporary GRUUs, all else as it was
	touched             // added or replaced by this request
	removed
)

// Apply is RFC 3261 §10.3 steps 6 and 7: it works the request, of which Begin said
// Change, into the bindings of its AOR, those that are not yet stored included.
// With false the edit is to be given up, as location.Directory does: nothing has
// happened then, and Refusal tells the answer.
func (r *Registrar) Apply(now clock.Instant, s *Settings, e *location.Edit) bool {
	r.list, r.marks, r.texts, r.path = append(r.list[:0], e.Bindings()...), r.marks[:0], r.texts[:0], r.path[:0]
	for range r.list {
		r.marks = append(r.marks, kept)
	}
	before := len(r.list)
	if refused := r.change(now, s); refused != nil {
		return false
	}
	after := 0
	for _, m := range r.marks {
		if m != removed {
			after++
		}
	}
	// RG-28: at the bound nobody's binding makes room. An AOR above it, because the
	// setting was lowered, may refresh what it has.
	if after > s.MaxContacts && after > before {
		r.refuse(403, "Too Many Contacts")
		return false
	}
	if err := r.edit(e, before); err != nil {
		r.refuseError(err)
		return false
	}
	return true
}

// edit carries the list over: what leaves makes room for what comes.
func (r *Registrar) edit(e *location.Edit, before int) error {
	for i := before - 1; i >= 0; i-- {
		switch r.marks[i] {
		case removed:
			e.Remove(i)
		case moved, touched:
			if err := e.Replace(i, r.list[i]); err != nil {
				return err
			}
		}
	}
	for i := before; i < len(r.list); i++ {
		if r.marks[i] != removed {
			if err := e.Add(r.list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Registrar) change(now clock.Instant, s *Settings) *Refusal {
	sequence, err := r.m.Sequence()
	if err != nil {
		return r.refuse(400, "Bad CSeq")
	}
	seq := sequence.Number
	if r.all {
		for i := range r.list {
			if !r.remove(i, seq) {
				return r.outOfOrder()
			}
		}
		return nil
	}
	r.path = appendPath(r.path, r.m)
	for i := range r.contacts {
		if !r.place(now, &r.contacts[i], seq, s) {
			return r.outOfOrder()
		}
	}
	return nil
}

// outOfOrder ends a request that was overtaken by a later one of its client.
func (r *Registrar) outOfOrder() *Refusal { return r.refuse(500, "Out Of Order") }

// newer reports whether the request may change a binding: one with its Call-ID
// only if its CSeq is higher. What this request has written itself it may write
// again, as when a Contact comes twice: the last one counts.
func (r *Registrar) newer(i int, seq uint32) bool {
	b := &r.list[i]
	return r.marks[i] == touched || seq > b.CSeq || !bytes.Equal(b.CallID, r.m.CallIDValue())
}

// remove takes a binding out; false when a later request wrote it.
func (r *Registrar) remove(i int, seq uint32) bool {
	if !r.newer(i, seq) {
		return false
	}
	r.marks[i] = removed
	return true
}

// place adds, replaces or removes the binding of one contact; false when a later
// request wrote it.
func (r *Registrar) place(now clock.Instant, c *contact, seq uint32, s *Settings) bool {
	b := r.binding(now, c, seq, s)
	i := r.match(c, &b)
	switch {
	case i < 0 && c.expires == 0:
		return c.regID != 0 || r.removeFlows(c, seq)
	case i < 0:
		r.list, r.marks = append(r.list, b), append(r.marks, touched)
	case c.expires == 0:
		return r.remove(i, seq)
	case !r.newer(i, seq):
		return false
	default:
		r.list[i], r.marks[i] = b, touched
	}
	r.moveSeries(&b)
	return true
}

// match finds the binding of a contact, -1 for none. RFC 5626 §6: one with outbound
// is that of the same instance and reg-id, whatever its URI. Any other is found by
// URI comparison (RFC 3261 §10.3 step 7) among those without: a client may well
// have one flow with outbound and another, by a proxy that lacks it, under one URI.
func (r *Registrar) match(c *contact, b *location.Binding) int {
	for i := range r.list {
		o := &r.list[i]
		switch {
		case r.marks[i] == removed || o.RegID != c.regID:
		case c.regID != 0 && bytes.Equal(o.Instance, b.Instance),
			c.regID == 0 && equalContact(&c.uri, o.Contact):
			return i
		}
	}
	return -1
}

// removeFlows takes out the bindings with outbound that have the URI of c, which no
// plain binding has: who takes a Contact away by what the list shows of it, without
// being the client itself, means them.
func (r *Registrar) removeFlows(c *contact, seq uint32) bool {
	for i := range r.list {
		if r.marks[i] != removed && equalContact(&c.uri, r.list[i].Contact) && !r.remove(i, seq) {
			return false
		}
	}
	return true
}

// equalContact compares by RFC 3261 §19.1.4; nearly always a client writes its URI
// as before.
func equalContact(u *sip.URI, stored []byte) bool {
	if bytes.Equal(u.Text, stored) {
		return true
	}
	v, err := sip.ParseURI(stored)
	return err == nil && u.Equal(&v)
}

// binding is what a contact becomes.
func (r *Registrar) binding(now clock.Instant, c *contact, seq uint32, s *Settings) location.Binding {
	b := location.Binding{
		Contact: c.text, CallID: r.m.CallIDValue(), Path: r.path,
		Expires: now.Add(c.expires), Updated: now,
		CSeq: seq, RegID: c.regID, Q: uint16(c.q),
	}
	if c.instance != nil {
		n := len(r.texts)
		r.texts = appendCanonicalURN(r.texts, c.instance)
		b.Instance = r.texts[n:len(r.texts):len(r.texts)]
		b.Since = r.since(now, c, b.Instance)
	}
	n := len(r.texts)
	r.texts = appendParams(r.texts, c)
	b.Params = r.texts[n:len(r.texts):len(r.texts)]
	b.Flow, b.Flags = r.reach(c, s)
	if v, ok := r.m.First(sip.UserAgent); ok {
		n := len(r.texts)
		r.texts = appendUnfolded(r.texts, v.Text[:min(len(v.Text), maxUserAgent)])
		b.UserAgent = r.texts[n:len(r.texts):len(r.texts)]
	}
	return b
}

// since is the series of temporary GRUUs that the binding of c belongs to. RFC 5627
// §5.1: it goes on unless the latest contact of the instance, of a flow also of
// the reg-id, came with another Call-ID; and it begins with the first contact.
func (r *Registrar) since(now clock.Instant, c *contact, instance []byte) int64 {
	var latest *location.Binding
	since := int64(0)
	for i := range r.list {
		o := &r.list[i]
		if r.marks[i] == removed || !bytes.Equal(o.Instance, instance) {
			continue
		}
		since = o.Since // of all of them alike
		if (c.regID == 0 || o.RegID == c.regID) && (latest == nil || moreRecent(o, latest)) {
			latest = o
		}
	}
	if since == 0 || latest != nil && !bytes.Equal(latest.CallID, r.m.CallIDValue()) {
		return max(clock.Wall(now).UnixMilli(), since+1)
	}
	return since
}

// moveSeries has the other bindings of the instance of b follow into its series, so
// that an old one does not come back when b goes before them.
func (r *Registrar) moveSeries(b *location.Binding) {
	for i := range r.list {
		o := &r.list[i]
		if r.marks[i] == removed || o.Since == b.Since || !SameInstance(o, b) {
			continue
		}
		o.Since = b.Since
		r.marks[i] = max(r.marks[i], moved)
	}
}

// appendParams appends the Contact's parameters but for those that the registrar
// sets anew: q and expires, GRUUs, which a client cannot choose (RFC 5627 §5.1),
// and a reg-id that was ignored.
func appendParams(dst []byte, c *contact) []byte {
	for it := c.params.Each(); it.Next(); {
		switch {
		case is(it.Name, "q"), is(it.Name, "expires"), is(it.Name, "pub-gruu"), is(it.Name, "temp-gruu"):
			continue
		case c.regID == 0 && is(it.Name, "reg-id"):
			continue
		}
		dst = append(append(dst, ';'), it.Name...)
		if it.HasValue {
			dst = appendUnfolded(append(dst, '='), it.Value)
		}
	}
	return dst
}

// is compares a name without regard to case.
func is(name []byte, s string) bool {
	if len(name) != len(s) {
		return false
	}
	for i := range name {
		if lower(name[i]) != s[i] {
			return false
		}
	}
	return true
}

// appendPath appends the Path values in their order, joined by commas.
func appendPath(dst []byte, m *sip.Message) []byte {
	for it := m.Values(sip.Path); it.Next(); {
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendUnfolded(dst, it.Value.Text)
	}
	return dst
}

// appendUnfolded appends a text of one line or more as one: what is kept may come
// to stand anywhere. The white space of a fold stays.
func appendUnfolded(dst, text []byte) []byte {
	for _, c := range text {
		if c != '\r' && c != '\n' {
			dst = append(dst, c)
		}
	}
	return dst
}
