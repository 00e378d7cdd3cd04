package policy

import (
	"strconv"
	"strings"

	"viaduct/sip"
)

// EditOp is what an edit does to a header field.
type EditOp uint8

const (
	SetHeader    EditOp = iota // one line with this value, instead of all there are
	AddHeader                  // one line more, below those there are
	RemoveHeader               // no line
)

// Edit is one `header` or `response_header` of a rule.
type Edit struct {
	Op    EditOp
	ID    sip.HeaderID // OtherHeader: by Name
	Name  string       // long form
	Value Text         // SetHeader, AddHeader
	When  Bool         // nil: always
}

// HeaderEdit is an Edit as it came out for a message. Value is one line without
// control characters; it is valid until the next decision begins.
type HeaderEdit struct {
	Op    EditOp
	ID    sip.HeaderID
	Name  string
	Value []byte
}

// SetDest is `set`: the parts of the Request-URI that change. What is nil stays;
// URI goes alone.
type SetDest struct {
	User, Domain, Params Text // as they may stand in a URI: AsUser, AsHost; Params with their semicolons
	Port                 Number
	URI                  Text
}

// edit makes the edits of r.
func (r *Rule) edit(f *Facts) {
	if r.Set != nil {
		f.move(r.Set)
	}
	f.evaluate(r.Headers, &f.Edits)
	f.evaluate(r.ResponseHeaders, &f.ResponseEdits)
}

// EditInDialog fills f.Edits and f.ResponseEdits for a request in a dialog that r
// let in: its header edits hold there too, and nobody is asked again (auth.user is
// empty). The Request-URI of such a request is the peer's and stays.
func (r *Rule) EditInDialog(f *Facts) {
	f.begin()
	f.let(r)
	f.evaluate(r.Headers, &f.Edits)
	f.evaluate(r.ResponseHeaders, &f.ResponseEdits)
}

// evaluate appends what list comes to. Each edit reads what the ones before it
// have made of the request.
func (f *Facts) evaluate(list []Edit, to *[]HeaderEdit) {
	for i := range list {
		e := &list[i]
		if e.When != nil && !e.When(f) {
			continue
		}
		out := HeaderEdit{Op: e.Op, ID: e.ID, Name: e.Name}
		if e.Value != nil {
			out.Value = f.oneLine(e.Value(f))
		}
		*to = append(*to, out)
	}
}

// header is the first line of a header field as the edits have left it.
func (f *Facts) header(id sip.HeaderID, name string) (value []byte, ok bool) {
	value, ok = f.Msg.Get(name)
	for i := range f.Edits {
		e := &f.Edits[i]
		switch {
		case e.ID != id || id == sip.OtherHeader && !strings.EqualFold(e.Name, name):
		case e.Op == RemoveHeader:
			value, ok = nil, false
		case e.Op == SetHeader || !ok:
			value, ok = e.Value, true
		}
	}
	return value, ok
}

// move changes the Request-URI. What comes out as no URI changes nothing.
func (f *Facts) move(s *SetDest) {
	text := f.movedURI(s)
	if u, err := sip.ParseURI(text); err == nil && (u.Scheme == sip.TEL || u.IsSIP() && len(u.Host) > 0) {
		f.edited, f.moved = u, true
		return
	}
	f.BadSets++
}

// movedURI writes the Request-URI with the parts of s. All are computed from what
// it was, before any of them is written.
func (f *Facts) movedURI(s *SetDest) []byte {
	if s.URI != nil {
		return s.URI(f)
	}
	u := f.dest()
	user, domain, params, port := u.User, u.Host, []byte(u.Params), int64(u.Port)
	password := u.Password
	if s.User != nil {
		user, password = s.User(f), nil
	}
	if s.Domain != nil {
		domain = s.Domain(f)
	}
	if s.Port != nil {
		port = s.Port(f)
	}
	if s.Params != nil {
		params = s.Params(f)
	}
	scheme := u.SchemeName
	if u.Scheme == sip.TEL && s.Domain != nil {
		scheme = sipScheme // a number and a domain: what was a tel URI becomes a place to call (RFC 3261 §19.1.6)
	}
	if len(domain) == 0 && (u.IsSIP() || s.Domain != nil) {
		return nil // else the user part would be read as the host
	}
	mark := len(f.Scratch)
	f.Scratch = append(append(f.Scratch, scheme...), ':')
	f.Scratch = append(f.Scratch, user...)
	if len(password) > 0 {
		f.Scratch = append(append(f.Scratch, ':'), password...)
	}
	if len(user) > 0 && len(domain) > 0 {
		f.Scratch = append(f.Scratch, '@')
	}
	f.Scratch = append(f.Scratch, domain...)
	if port != 0 {
		f.Scratch = strconv.AppendInt(append(f.Scratch, ':'), port, 10)
	}
	f.Scratch = append(f.Scratch, params...)
	return f.keep(mark)
}

var sipScheme = []byte("sip")

// oneLine is b with a space for each control character: what a message says must
// not begin a header field of its own.
func (f *Facts) oneLine(b []byte) []byte {
	i := 0
	for i < len(b) && !control(b[i]) {
		i++
	}
	if i == len(b) {
		return b
	}
	mark := len(f.Scratch)
	for _, c := range b {
		if control(c) {
			c = ' '
		}
		f.Scratch = append(f.Scratch, c)
	}
	return f.keep(mark)
}

func control(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }
