package registrar

import (
	"errors"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/sip"
)

// Verdict is what Begin makes of a request.
type Verdict uint8

// The verdicts.
const (
	Refused Verdict = iota // answer as Refusal says
	Query                  // nothing changes: answer from the list as it is (§10.2.3)
	Change                 // go on with Commit
)

// Refusal is an answer other than 200. Its header lines are whole and lie in the
// Registrar until its next Begin.
type Refusal struct {
	Status  int
	Reason  string // "" for the RFC's phrase
	Headers []byte
}

// Domains tells of which hosts the AORs are kept here.
type Domains interface {
	Contains(host []byte) bool
}

// Registrar reads one REGISTER at a time. It keeps its buffers and allocates
// nothing in steady state.
type Registrar struct {
	signer signer // of GRUUs

	// of the request that is being read, until the next Begin
	m            *sip.Message
	from         flow.Flow
	aor          []byte
	contacts     []contact
	all          bool // Contact: *
	flows        bool // a reg-id counts: outbound is applied
	firstHop     bool // it came from the client itself
	obPath       bool // the first hop knows outbound
	pathInsecure bool // a Path URI is not sips
	supports     tags

	lines   []byte
	refusal Refusal
	date    dateLine // of answers

	// of GRUUs: texts of the last one that was read
	gruuAOR, hostOf, urn, canonical []byte

	// of Apply
	list  []location.Binding
	marks []mark // of the list, entry by entry
	texts []byte // instances and parameters of what is new
	path  []byte // the Path vector
}

// Begin is RFC 3261 §10.3 up to the point where the bindings matter. m passed
// sip.Message.Check and stays untouched until Commit; from is where it came from.
// The steps 1 (domain of the Request-URI), 3 (authentication) and 4 (entitlement)
// are the caller's, before; AOR tells whose bindings are meant.
func (r *Registrar) Begin(m *sip.Message, from flow.Flow, s *Settings, d Domains) Verdict {
	if refused := r.read(m, from, s, d); refused != nil {
		return Refused
	}
	if !r.all && len(r.contacts) == 0 {
		return Query
	}
	return Change
}

// AOR is the canonical address-of-record of the request that Begin has read, by
// which its bindings are found; valid until the next Begin.
func (r *Registrar) AOR() []byte { return r.aor }

// Refusal is what ended the request, after Refused; valid until the next Begin.
func (r *Registrar) Refusal() *Refusal { return &r.refusal }

// Commit works a request, of which Begin said Change, into the directory. Done: answer
// now. Pending: answer when the directory's Sink hears the token, because a 200
// says that the bindings are safe. Refused: Refusal tells the answer, a 503 without
// its Retry-After.
func (r *Registrar) Commit(now clock.Instant, s *Settings, d *location.Directory, token uint64) location.Outcome {
	r.refusal = Refusal{}
	outcome, err := d.Update(now, r.aor, token, func(e *location.Edit) bool { return r.Apply(now, s, e) })
	if err != nil {
		r.refuseError(err)
	}
	return outcome
}

// refuseError turns an error of the directory, also one that its Sink has told,
// into an answer. RFC 3261 §10.3 step 7: what could not be stored is a 500.
func (r *Registrar) refuseError(err error) *Refusal {
	switch {
	case errors.Is(err, location.ErrTooMany):
		return r.refuse(403, "Too Many Contacts")
	case errors.Is(err, location.ErrTooLarge):
		return r.refuse(513, "Binding Too Large")
	case errors.Is(err, location.ErrFull):
		return r.refuse(503, "Directory Full")
	case errors.Is(err, location.ErrBusy), errors.Is(err, location.ErrStopped):
		return r.refuse(503, "Store Busy")
	}
	return r.refuse(500, "Bindings Not Stored")
}

// Failed is the answer to a request whose change was undone, as the directory's
// Sink has told; valid until the next Begin.
func (r *Registrar) Failed(err error) *Refusal { return r.refuseError(err) }

// read judges a request and takes from it what it says.
func (r *Registrar) read(m *sip.Message, from flow.Flow, s *Settings, d Domains) *Refusal {
	r.m, r.from = m, from
	r.aor, r.contacts = r.aor[:0], r.contacts[:0]
	r.all, r.flows, r.obPath, r.pathInsecure, r.supports = false, false, false, false, 0

	if refused := r.readTags(); refused != nil { // step 2
		return refused
	}
	if refused := r.readAOR(d); refused != nil { // step 5
		return refused
	}
	if refused := r.readPath(s); refused != nil {
		return refused
	}
	if refused := r.readContacts(s); refused != nil { // steps 6 and 7
		return refused
	}
	if r.all {
		return r.judgeAll()
	}
	if refused := r.outbound(); refused != nil {
		return refused
	}
	return r.judgeContacts()
}

// readAOR is §10.3 step 5. The AOR is that of To alone. A Request-URI that names
// another of our domains asks for bindings that are not there; one that names an
// address of this server names no domain.
func (r *Registrar) readAOR(d Domains) *Refusal {
	to, err := r.m.ToAddress()
	if err != nil {
		return r.refuse(400, "Bad To")
	}
	u, err := sip.ParseURI(to.URI)
	if err != nil || !u.IsSIP() { // §10.2: a sip or sips URI
		return r.refuse(400, "Bad To")
	}
	if !d.Contains(u.Host) {
		return r.refuse(404, "")
	}
	at, err := r.m.URI()
	if err != nil {
		return r.refuse(400, "Bad Request-URI")
	}
	if _, literal := at.Addr(); !literal && d.Contains(at.Host) && !sip.EqualHost(at.Host, u.Host) {
		return r.refuse(404, "")
	}
	r.aor, _ = location.AppendAOR(r.aor, &u)
	return nil
}

// judgeAll is §10.3 step 6: the wildcard stands alone, with Expires: 0.
func (r *Registrar) judgeAll() *Refusal {
	values := 0
	for it := r.m.Values(sip.Contact); it.Next(); {
		values++
	}
	expires, ok := r.m.First(sip.Expires)
	if values != 1 || !ok || seconds(expires.Text) != 0 {
		return r.refuse(400, "Bad Wildcard")
	}
	return nil
}

// judgeContacts holds the rules that are about several values, and those of GRUU.
func (r *Registrar) judgeContacts() *Refusal {
	uri, err := r.m.URI()
	if err != nil {
		return r.refuse(400, "Bad Request-URI")
	}
	secure, insecure := false, uri.Scheme != sip.SIPS || r.pathInsecure
	for i := range r.contacts {
		c := &r.contacts[i]
		if c.expires == 0 {
			continue
		}
		secure = secure || c.uri.Scheme == sip.SIPS
		insecure = insecure || c.uri.Scheme != sip.SIPS
		if c.instance != nil && r.loops(c) {
			return r.refuse(403, "Contact Leads Back Here")
		}
	}
	// RFC 5630 §5.2: nothing that is not sips may stand on the way to a sips Contact.
	if secure && insecure {
		return r.refuse(400, "Contact Needs sips Throughout")
	}
	return nil
}

// refuse ends the request; reason "" stands for the RFC's phrase.
func (r *Registrar) refuse(status int, reason string) *Refusal {
	r.refusal = Refusal{Status: status, Reason: reason}
	return &r.refusal
}

// with adds header lines.
func (f *Refusal) with(lines []byte) *Refusal {
	f.Headers = lines
	return f
}
