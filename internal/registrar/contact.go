package registrar

import (
	"time"

	"viaduct/sip"
)

// contact is one Contact value of a REGISTER as it was read. All slices point
// into the message.
type contact struct {
	text     []byte // the URI as written
	uri      sip.URI
	params   sip.Params
	instance []byte        // the URN of +sip.instance, nil without
	regID    uint32        // of reg-id, 0 without or when it is ignored
	q        int16         // thousandths, 1000 without
	expires  time.Duration // granted; 0 takes the binding away
}

// defaultQ stands for a Contact without q: the most preferred, as RFC 3261 leaves
// it open and most others take it.
const defaultQ = 1000

// malformedExpires is what a value that cannot be read counts as (RFC 3261 §10.2).
const malformedExpires = 3600

// maxSeconds is as long as an interval can be: 2^32-1 seconds (RFC 3261 §20.19).
const maxSeconds = 1<<32 - 1

// readContacts is the first half of RFC 3261 §10.3 steps 6 and 7: what the request
// asks for, judged without a look at the bindings.
func (r *Registrar) readContacts(s *Settings) *Refusal {
	for it := r.m.Values(sip.Contact); it.Next(); {
		switch {
		case string(it.Value.Text) == "*":
			r.all = true
			continue
		case len(r.contacts) == maxValues:
			return r.refuse(403, "Too Many Contacts At Once")
		}
		r.contacts = append(r.contacts, contact{})
		c := &r.contacts[len(r.contacts)-1]
		if refused := r.readContact(c, it.Value.Text, s); refused != nil {
			return refused
		}
	}
	return nil
}

func (r *Registrar) readContact(c *contact, text []byte, s *Settings) *Refusal {
	a, err := sip.ParseAddress(text)
	if err != nil {
		return r.refuse(400, "Bad Contact")
	}
	c.text, c.params = a.URI, a.Params
	if c.uri, err = sip.ParseURI(a.URI); err != nil {
		return r.refuse(400, "Bad Contact")
	}
	if len(text) > maxContact {
		return r.refuse(513, "Contact Too Long")
	}
	c.q = defaultQ
	if a.Params.Has("q") { // RFC 3261 §20.10
		if c.q = int16(a.Q(-1)); c.q < 0 {
			return r.refuse(400, "Bad q")
		}
	}
	if v, ok := a.Params.Get("+sip.instance"); ok {
		c.instance = Instance(v) // one that is no URN in brackets names no instance, and is kept as it is
	}
	if v, ok := a.Params.Get("reg-id"); ok { // RFC 5626 §4.2.1: 1 to 2^31-1
		n, ok := sip.ParseNumber(v, 1<<31-1)
		if !ok || n == 0 {
			return r.refuse(400, "Bad reg-id")
		}
		c.regID = uint32(n)
	}
	return r.grant(c, s)
}

// grant works out the interval. RFC 3261 §10.3 step 7: the parameter, else the
// header field, else our default; it may be shortened and is never made longer.
// Only what is below our minimum and below an hour may be refused for its length.
func (r *Registrar) grant(c *contact, s *Settings) *Refusal {
	var asked time.Duration
	if v, ok := c.params.Get("expires"); ok {
		asked = seconds(v)
	} else if v, ok := r.m.First(sip.Expires); ok {
		asked = seconds(v.Text)
	} else {
		c.expires = min(s.Expires, s.MaxExpires)
		return nil
	}
	if asked > 0 && asked < s.MinExpires && asked < time.Hour {
		return r.tooBrief(s)
	}
	c.expires = min(asked, s.MaxExpires)
	return nil
}

// tooBrief is the 423, with the interval that would do (RFC 3261 §20.23).
func (r *Registrar) tooBrief(s *Settings) *Refusal {
	r.lines = append(r.lines[:0], "Min-Expires: "...)
	r.lines = append(appendSeconds(r.lines, s.MinExpires), "\r\n"...)
	return r.refuse(423, "").with(r.lines)
}

// seconds reads delta-seconds as RFC 3261 §10.2 wants it: what is too large is the
// largest, what cannot be read an hour.
func seconds(v []byte) time.Duration {
	n := uint64(0)
	for _, c := range v {
		if c < '0' || c > '9' {
			return malformedExpires * time.Second
		}
		n = min(n*10+uint64(c-'0'), maxSeconds)
	}
	if len(v) == 0 {
		return malformedExpires * time.Second
	}
	return time.Duration(n) * time.Second
}
