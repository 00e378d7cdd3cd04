package policy

import (
	"viaduct/internal/flow"
	"viaduct/sip"
)

// Facts are all that an expression can read. One Facts is reused per core;
// nothing in it outlives a Decide.
type Facts struct {
	Msg      *sip.Message
	Method   sip.Method // as decided: INVITE for an ACK or CANCEL that is routed like its INVITE
	Follows  bool       // an ACK or CANCEL that is routed like its INVITE
	Dest     *sip.URI   // the Request-URI after preprocessing (RFC 3261 §16.4)
	From     flow.Flow  // where the message came from
	Listener string     // name of the listener
	Scratch  []byte     // strings are built here; Decide resets it

	// read at first use and kept until the next Decide
	from, to, contact party
}

// party is the address of a From, To or Contact header field with its URI.
type party struct {
	read    bool
	address sip.Address
	uri     sip.URI
}

// noURI is what an absent or unreadable URI reads as.
var noURI sip.URI

// reset forgets what was read of the last message.
func (f *Facts) reset() {
	f.Scratch = f.Scratch[:0]
	f.from.read, f.to.read, f.contact.read = false, false, false
}

// dest is the Request-URI; never nil.
func (f *Facts) dest() *sip.URI {
	if f.Dest == nil {
		return &noURI
	}
	return f.Dest
}

// fromParty is the From header field. Never nil; empty when there is none.
func (f *Facts) fromParty() *party {
	if !f.from.read {
		f.from.set(f.Msg.FromAddress())
	}
	return &f.from
}

// toParty is the To header field. Never nil; empty when there is none.
func (f *Facts) toParty() *party {
	if !f.to.read {
		f.to.set(f.Msg.ToAddress())
	}
	return &f.to
}

// contactParty is the first Contact. Never nil; empty when there is none, and
// for the "*" of a REGISTER.
func (f *Facts) contactParty() *party {
	if !f.contact.read {
		v, _ := f.Msg.First(sip.Contact)
		a, err := sip.ParseAddress(v.Text)
		f.contact.set(&a, err)
	}
	return &f.contact
}

// set keeps a, or nothing when it could not be read.
func (p *party) set(a *sip.Address, err error) {
	*p = party{read: true}
	if err != nil || a == nil {
		return
	}
	p.address = *a
	if u, err := sip.ParseURI(a.URI); err == nil {
		p.uri = u
	}
}

// keep returns what was appended to the scratch since mark, clipped so that
// nobody appends into what follows it.
func (f *Facts) keep(mark int) []byte { return f.Scratch[mark:len(f.Scratch):len(f.Scratch)] }
