package proxy

import (
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/registrar"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// inviteMethod is the method whose transactions ring (§17.1.1, §17.2.1).
const inviteMethod = sip.INVITE

// request is a request on its way through §16.3 to §16.5. One belongs to a core
// and is filled anew for each; what outlives the step goes into a context.
type request struct {
	m      *sip.Message
	from   flow.Flow
	snap   *Snapshot
	server *transaction.Server // nil: forwarded without a transaction
	method sip.Method          // INVITE for an ACK or a CANCEL that is routed like its INVITE
	// follows: in stateless mode, an ACK or a CANCEL. It goes where its INVITE went;
	// where that went nowhere, it is dropped.
	follows bool

	// §16.3
	loop    [4]byte
	spiral  bool // it has been here before
	breadth int

	// §16.4
	way      way
	uri      sip.URI     // the Request-URI to go on with
	route    sip.Address // the first Route value that is left
	routeURI sip.URI     // its URI
	hasRoute bool
	cookie   cookie     // of the topmost own Route value that is signed
	partner  cookie     // of the other value of the pair
	beside   netip.Addr // the address in the value of the one of them that tells the flow to follow
	signed   bool       // cookie is valid
	paired   bool       // partner is valid too
	inDialog bool       // seams.md §3: routed by its cookie, not by the rules
	// toInstance: inside a dialog, to a GRUU of ours (RFC 5627 §6.1)
	toInstance bool
	byPath     bool // to a phone, by the Path value that it registered with (RFC 5626 §5.3)

	// §16.5
	own  bool               // the Request-URI is a resource of this proxy
	path registrar.EdgePath // of a REGISTER that goes on
	rule *policy.Rule
	end  *policy.End // of the rule, or of an otherwise
	at   policy.Cursor

	// of a request that has waited as a whole
	context *ResponseContext // that holds it
	proven  proofs
	asked   realms // whose source of users has been asked

	refusal rejection // where it ends, if it does: refusing costs no allocation
}

// rejection is a refusal that knows its SIP consequence.
type rejection struct {
	status  int
	reason  string // "" for the RFC's phrase
	headers []byte // whole header lines, in the scratch of the step
}

// refuse ends a request; reason "" stands for the RFC's phrase.
func (rq *request) refuse(status int, reason string) *rejection {
	rq.refusal = rejection{status: status, reason: reason}
	return &rq.refusal
}

// with adds header lines.
func (r *rejection) with(headers []byte) *rejection {
	r.headers = headers
	return r
}

// begin takes a new request through §16.3 to §16.6.
func (c *Core) begin(now clock.Instant, s *transaction.Server, m *sip.Message, from flow.Flow, snap *Snapshot, fx *effect.List) {
	s.Reply, s.SentByPort = c.replyHop(m, from, snap), sentByPortOf(m, from, snap)
	rq := &c.rq
	*rq = request{m: m, from: from, snap: snap, server: s, method: m.Method()}
	if c.admit(now, rq, fx) {
		c.decide(now, rq, fx)
	}
}

// admit takes a request through §16.3 and §16.4, and tells whether it is still to
// be decided where it goes.
func (c *Core) admit(now clock.Instant, rq *request, fx *effect.List) bool {
	refused := c.validate(rq)
	if refused == nil {
		refused = c.preprocess(rq)
	}
	switch {
	case refused != nil:
	case c.answersItself(now, rq, fx):
		return false
	case rq.follows: // it ends or confirms what began before
	case c.draining && !rq.ofDialog(): // what goes on in a dialog may still end it
		refused = c.unavailable(rq.m, "Shutting Down")
	case rq.snap.Listeners[rq.from.Listener].Gone: // seams.md §8: nothing begins on it, in a dialog or out of one
		refused = c.unavailable(rq.m, "Listener Removed")
	}
	if refused != nil {
		c.reject(now, rq, refused, fx)
	}
	return refused == nil
}

// ofDialog reports whether a request came with a cookie of its dialog, however it
// is routed. That of a Path value belongs to no dialog, whatever To tag is made up.
func (rq *request) ofDialog() bool { return rq.signed && !rq.cookie.path && rq.m.ToTag() != nil }
