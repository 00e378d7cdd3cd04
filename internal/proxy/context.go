package proxy

import (
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/registrar"
	"viaduct/internal/transaction"
	"viaduct/internal/wheel"
)

// phase is where a response context stands.
type phase uint8

const (
	searching phase = iota // targets are tried
	cancelled              // §16.10, or the ringing limit: no new target, the branches run out
	declined               // §16.7 step 5: a 6xx came; no new target, the branches run out
	answered               // a final response went upstream
)

// ResponseContext is what a proxy keeps of one forwarded request: RFC 3261 §16.7.
// It lives until a final response went upstream and every client transaction has
// ended, so that a late 2xx still finds its way.
type ResponseContext struct {
	// set at construction, then constant
	server effect.Handle
	snap   *Snapshot
	index  uint32 // its slot
	invite bool

	// guarded by the shard
	phase    phase
	pending  int32  // branches without a final response
	branches uint32 // first Branch, +1
	*open           // nil once a final response went upstream
}

// open is what a context has as long as it searches: the larger part of it, which
// is released with the final response.
type open struct {
	// set at construction, then constant
	index  uint32       // its slot
	rule   *policy.Rule // that let the request in; nil inside a dialog
	at     policy.Cursor
	start  clock.Instant
	way    way
	loop   [4]byte
	most   int    // branches that it may have in all
	dialog cookie // inside a dialog: the cookie it came with
	own    bool   // the original Request-URI is a resource of this proxy (§16.5)

	// guarded by the shard
	request []byte      // the request as received
	edits   []byte      // of the header fields of each copy
	end     *policy.End // that is being carried out; nil inside a dialog
	path    registrar.EdgePath
	proven  proofs
	set     uint32 // first Target of the set, in the order of trial, +1
	group   group  // the targets being called
	rounds  uint16 // redirections and further ends that made targets
	added   uint16 // round of what the running group was redirected to, 0: none yet
	waiting int    // targets whose name is being looked up
	wait    uint32 // what the request as a whole waits for, +1
	started int    // branches in all
	breadth int    // Max-Breadth that may still be given out (RFC 5393 §5.3.3)
	best    best
	lines   []byte       // challenges of the 401 and 407 that were not chosen (§16.7 step 7)
	class   policy.Class // why the end failed, where no response says it
	rang    bool         // a 1xx other than 100 went upstream
	full    bool         // a branch was refused at the bound of transactions
	trying  wheel.Timer
	ring    wheel.Timer
	patient wheel.Timer // as long as the end may ring
	watch   wheel.Timer // when the location service is looked at again
	seen    uint64      // highest ID of the bindings that were there
	watched bool        // watch runs
}

// group is a set of targets that are called at once: those of one round with the
// same q. Round 0 are the request's own targets; what the branches of a group
// were redirected to is a round of its own.
type group struct{ round, q uint16 }

// Target is a candidate of the target set: RFC 3261 §16.5.
type Target struct {
	uri   []byte // Request-URI of the forwarded request; nil: the received one
	hop   []byte // URI to send to instead of uri (§16.6 step 7: policy), nil: uri itself
	path  []byte // Route values to go by (RFC 3327 §5.1); nil: none
	flow  flow.Hop
	group group
	next  uint32 // in the set, +1
	// search is the wait that walks through the hops of its name, +1; 0: it has one hop
	search uint32
	domain flow.Domain // that a TLS peer must prove to speak for
	spare  uint32      // to be tried when this one cannot be reached (RFC 5626 §7), +1
	from   flow.Listener
	mark   uint16 // of the policy.Group it comes from, for the Route cookie
	// hasFrom: send from the listener from. direct: flow is the hop; nothing is located.
	hasFrom, direct, tried bool
	// outbound: the flow is the only way to it (RFC 5626), whose end is a 430.
	outbound   bool
	instance   bool       // of a binding that GRUUs lead to (RFC 5627)
	registered netip.Addr // has registered itself from there, and so may be spoken to; else zero
}

// Branch is one forwarded copy: one hop of a target, one client transaction.
type Branch struct {
	client  effect.Handle
	context uint32      // its ResponseContext
	target  uint32      // its Target, as long as the context searches
	next    uint32      // of the same context, +1
	large   uint32      // what it keeps of a large request, +1
	flow    follow      // its place among those that wait on a flow
	breadth int         // its share of Max-Breadth
	c       wheel.Timer // timer C, or until there is a 1xx the wait for a sign of life
	final   bool        // it has had a final response, or stands for one
}

// way is what §16.4 found out about a request. It is kept, because every branch
// is built from the request as it was received (§16.6 step 1).
type way struct {
	uri     []byte // the Request-URI to go on with; nil: as received
	pops    uint8  // Route values to remove from the top
	popLast bool   // and the last one: it has become the Request-URI
}

// newContext opens the response context of a request, or takes up again the one
// in which it has waited. The request is kept.
func (c *Core) newContext(now clock.Instant, rq *request) *ResponseContext {
	rc := rq.context
	if rc == nil {
		rc = c.holdContext(now, rq)
	}
	rc.rule, rc.end, rc.at, rc.way, rc.loop = rq.rule, rq.end, rq.at, rq.way, rq.loop
	rc.dialog, rc.own, rc.breadth = rq.cookie, rq.own, rq.breadth
	rc.path, rc.proven = rq.path, rq.proven
	c.edits = c.appendEdits(c.edits[:0], rq)
	rc.edits = c.bytes.Copy(c.edits)
	if rq.way.uri != nil { // it lives in the scratch of this step, which is needed again
		rc.way.uri = c.bytes.Copy(rq.way.uri)
		rq.way.uri = rc.way.uri
		rq.readURI()
	}
	return rc
}

// holdContext opens a context that only holds a request.
func (c *Core) holdContext(now clock.Instant, rq *request) *ResponseContext {
	rc, slot := c.contexts.Take()
	o, place := c.opens.Take()
	*o = open{
		index: place, start: now, request: c.bytes.Copy(rq.m.Wire()), most: rq.most(),
		trying:  wheel.Timer{Kind: kindTrying, Slot: slot},
		ring:    wheel.Timer{Kind: kindRing, Slot: slot},
		patient: wheel.Timer{Kind: kindPatience, Slot: slot},
		watch:   wheel.Timer{Kind: kindWatch, Slot: slot},
	}
	*rc = ResponseContext{server: rq.server.Handle(), snap: rq.snap, index: slot, invite: rq.server.Method == inviteMethod, open: o}
	rq.server.User = slot + 1
	c.inSetup++
	return rc
}

// slot is the index of rc.
func (rc *ResponseContext) slot() uint32 { return rc.index }

// newBranch adds the branch of a client transaction to rc.
func (c *Core) newBranch(rc *ResponseContext, client *transaction.Client, target uint32, breadth int) *Branch {
	b, slot := c.branches.Take()
	*b = Branch{
		client: client.Handle(), context: rc.slot(), target: target, next: rc.branches, breadth: breadth,
		c: wheel.Timer{Kind: kindC, Slot: slot},
	}
	rc.branches = slot + 1
	rc.pending++
	rc.started++
	rc.breadth -= breadth
	client.User = slot + 1
	return b
}

// concluded notes that b has its final response, or what counts as one.
func (c *Core) concluded(rc *ResponseContext, b *Branch) {
	if b.final {
		return
	}
	b.final = true
	c.landed(b)
	c.unfollow(b)
	c.wheel.Stop(&b.c)
	rc.pending--
	if rc.phase != answered {
		rc.breadth += b.breadth // RFC 5393 §5.3.3.1: ready for the next target
	}
}

// closeBranch takes b, whose client transaction has ended, out of its context
// and ends the context when it was the last.
func (c *Core) closeBranch(b *Branch) {
	rc := c.contexts.At(b.context)
	slot := b.c.Slot
	for at := &rc.branches; *at != 0; at = &c.branches.At(*at - 1).next {
		if *at == slot+1 {
			*at = b.next
			break
		}
	}
	c.wheel.Stop(&b.c)
	c.branches.Give(slot)
	c.closeIfOver(rc)
}

// closeIfOver ends a context that was answered and has no branch any more (FK-9).
func (c *Core) closeIfOver(rc *ResponseContext) {
	if rc.phase != answered || rc.branches != 0 {
		return
	}
	if s := c.table.Server(rc.server); s != nil {
		s.User = 0
	}
	slot := rc.slot()
	*rc = ResponseContext{}
	c.contexts.Give(slot)
}

// settle marks rc as answered and releases all that only an open search needs.
func (c *Core) settle(rc *ResponseContext) {
	if rc.phase == answered {
		return
	}
	rc.phase = answered
	c.inSetup--
	c.dropTargets(rc)
	if rc.wait != 0 {
		c.endWait(c.waits.At(rc.wait - 1))
	}
	o := rc.open
	rc.open = nil
	c.wheel.Stop(&o.trying)
	c.wheel.Stop(&o.ring)
	c.wheel.Stop(&o.patient)
	c.wheel.Stop(&o.watch)
	for _, b := range [...][]byte{o.request, o.best.wire, o.way.uri, o.edits} {
		c.bytes.Give(b)
	}
	place := o.index
	*o = open{}
	c.opens.Give(place)
}

// endSearch releases the search of t, with the question that may be open.
func (c *Core) endSearch(t *Target) {
	if t.search != 0 {
		c.endWait(c.waits.At(t.search - 1))
		t.search = 0
	}
}

// dropTargets empties the target set.
func (c *Core) dropTargets(rc *ResponseContext) {
	for rc.set != 0 {
		slot := rc.set - 1
		rc.set = c.targets.At(slot).next
		c.dropTarget(slot)
	}
}

// dropTarget releases a target and its spares.
func (c *Core) dropTarget(slot uint32) {
	for more := true; more; {
		t := c.targets.At(slot)
		next := t.spare
		for _, b := range [...][]byte{t.uri, t.hop, t.path} {
			c.bytes.Give(b)
		}
		c.endSearch(t)
		*t = Target{}
		c.targets.Give(slot)
		slot, more = next-1, next != 0
	}
}
