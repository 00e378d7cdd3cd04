package policy

import (
	"time"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// Facts are all that an expression can read. One Facts is reused per core;
// nothing in it outlives a decision.
type Facts struct {
	// given by the caller
	Msg      *sip.Message
	Method   sip.Method // as decided: INVITE for an ACK or CANCEL that is routed like its INVITE
	Follows  bool       // an ACK or CANCEL that is routed like its INVITE
	Dest     *sip.URI   // the Request-URI after preprocessing (RFC 3261 §16.4)
	From     flow.Flow  // where the message came from
	Listener string     // name of the listener
	Users    []Identity // who has been authenticated, one for each realm; empty when a decision begins
	Time     time.Time  // by the clock on the wall; only for programs that read it
	Scratch  []byte     // strings are built here; a new decision resets it

	// what the rules have changed so far, in the order of the changes
	Edits         []HeaderEdit // of the request
	ResponseEdits []HeaderEdit // of the responses that go upstream
	BadSets       int          // `set`s that made no valid Request-URI, and so changed nothing

	// read at first use and kept until the next decision
	from, to, contact party

	user   []byte // that auth.user reads
	who    int    // whose name it is, in Users, +1; 0: nobody's
	lets   [MaxLets]letValue
	edited sip.URI // the Request-URI as the rules have changed it …
	moved  bool    // … if they have
}

// party is the address of a From, To or Contact header field with its URI.
type party struct {
	read    bool
	address sip.Address
	uri     sip.URI
}

// noURI is what an absent or unreadable URI reads as.
var noURI sip.URI

// begin forgets what was read, built and changed for the last message.
func (f *Facts) begin() {
	f.Scratch, f.Edits, f.ResponseEdits = f.Scratch[:0], f.Edits[:0], f.ResponseEdits[:0]
	f.from.read, f.to.read, f.contact.read = false, false, false
	f.user, f.who, f.moved, f.BadSets = nil, 0, false, 0
}

// NewURI is the Request-URI as the rules have changed it, nil when they have not.
// It is valid until the next decision begins.
func (f *Facts) NewURI() *sip.URI {
	if !f.moved {
		return nil
	}
	return &f.edited
}

// dest is the Request-URI as it is by now; never nil.
func (f *Facts) dest() *sip.URI {
	if f.moved {
		return &f.edited
	}
	return f.received()
}

// received is the Request-URI before any edit; never nil.
func (f *Facts) received() *sip.URI {
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
