package proxy

import (
	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/identity"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// realms is a set of realms, a bit each (policy.Realm.ID).
type realms uint64

func (r realms) has(id int) bool { return r>>id&1 != 0 }

func (r *realms) add(id int) { *r |= 1 << id }

// proofs are the realms that a request has been authenticated for, by the role in
// which they asked: its credentials stand in a header field of each role.
type proofs [auth.NumRoles]realms

func (p *proofs) has(role auth.Role, id int) bool { return p[role].has(id) }

// authenticate finds out who sends a request that a rule asks it of: RFC 3261
// §22. True means that it is known; else the request has been answered, or waits.
//
//	request ─▶ credentials ─▶ user ─▶ check ─▶ facts.Users
//	              │ none, wrong    │ not in memory
//	              ▼                ▼
//	           challenge         the context waits, and begins anew
func (c *Core) authenticate(now clock.Instant, rq *request, a *policy.Authenticate, fx *effect.List) bool {
	if rq.follows || rq.server == nil { // §22.1: neither an ACK nor a CANCEL is ever challenged
		c.counts.drop(dropOf(rq.m))
		return false
	}
	id, realm, role := a.Realm.ID, rq.snap.Realms[a.Realm.ID], auth.Proxy
	if a.Registers && rq.m.Method() == sip.REGISTER {
		role = auth.UAS
	}
	if rq.proven.has(role, id) { // it has waited since; neither its user nor its nonce is looked at twice
		c.verifier.Reread(rq.m, role, realm, &c.credentials)
		c.identified(rq.m, a.Realm, realm)
		return true
	}
	verdict := c.verifier.Find(now, rq.m, role, realm, rq.from.Remote.Addr(), &c.credentials)
	if verdict == auth.Ready {
		ha1, answer := rq.snap.Users[id].Find(now, c.credentials.User)
		switch {
		case answer == auth.Ask && !rq.asked.has(id):
			c.askUser(now, rq, id, fx)
			return false
		case answer == auth.Ask || answer == auth.Failed:
			c.refuseUnheld(now, rq, c.unavailable(rq.m, "User Database Unavailable"), fx)
			return false
		}
		verdict = c.verifier.Check(now, rq.m, &c.credentials, ha1)
	}
	switch verdict {
	case auth.Good:
		rq.proven[role].add(id)
		c.identified(rq.m, a.Realm, realm)
		return true
	case auth.Malformed:
		c.refuseUnheld(now, rq, rq.refuse(400, c.credentials.Fault), fx)
	case auth.Throttled:
		c.refuseUnheld(now, rq, c.unavailable(rq.m, "Too Many Attempts"), fx)
	default:
		c.lines = c.verifier.AppendChallenge(c.lines[:0], now, role, realm, verdict == auth.Stale)
		c.refuseUnheld(now, rq, rq.refuse(role.Status(), "").with(c.lines), fx)
	}
	return false
}

// acknowledged finds out who sends an ACK: the credentials that were accepted in
// its INVITE are accepted in it, and others drop it (RFC 3261 §22.1: nothing is
// asked of an ACK). A CANCEL has none.
func (c *Core) acknowledged(now clock.Instant, rq *request, a *policy.Authenticate) bool {
	realm := rq.snap.Realms[a.Realm.ID]
	if rq.m.Method() != sip.ACK || c.verifier.Find(now, rq.m, auth.Proxy, realm, rq.from.Remote.Addr(), &c.credentials) != auth.Ready {
		return false
	}
	ha1, answer := rq.snap.Users[a.Realm.ID].Find(now, c.credentials.User)
	if answer != auth.Known || !c.verifier.Acknowledge(now, rq.m, &c.credentials, ha1) {
		return false
	}
	c.identified(rq.m, a.Realm, realm)
	return true
}

// identified notes the owner of c.credentials among the facts, and whether it is
// the caller: From, or To of a REGISTER (RFC 3261 §10.3 step 4, §22).
func (c *Core) identified(m *sip.Message, r *policy.Realm, realm *auth.Realm) {
	read := m.FromAddress
	if m.Method() == sip.REGISTER {
		read = m.ToAddress
	}
	who := policy.Identity{Realm: r, User: c.credentials.User}
	if a, err := read(); err == nil {
		if u, err := sip.ParseURI(a.URI); err == nil {
			// RFC 3323 §4.1.1.3: who writes that it is nobody claims to be nobody else.
			who.Caller = realm.Speaks(c.credentials.User, &u) || m.Method() != sip.REGISTER && identity.Anonymous(&u)
		}
	}
	f := &c.facts
	at := len(f.Scratch) // credentials lie in the verifier's room, which the next realm uses
	f.Scratch = append(f.Scratch, who.User...)
	who.User = f.Scratch[at:len(f.Scratch):len(f.Scratch)]
	f.Users = append(f.Users, who)
}

// recognise notes again who was authenticated when the request came: for texts of
// its rule that are evaluated later. What other credentials claim was never
// proven, and is not read, in whichever header field they stand.
func (c *Core) recognise(rq *request) {
	c.facts.Users = c.facts.Users[:0]
	for id, realm := range rq.snap.Realms {
		for role := auth.Proxy; role < auth.NumRoles; role++ {
			if rq.proven.has(role, id) {
				c.verifier.Reread(rq.m, role, realm, &c.credentials)
				c.identified(rq.m, rq.snap.Program.Realms[id], realm)
			}
		}
	}
}

// refuseUnheld refuses a request without keeping anything of it: a stranger's
// requests cost no memory, and a copy is refused again (RFC 3261 §8.2.7, §26.3.2.4).
// One that was told 100 while it waited is refused through its transaction: no copy
// of it comes any more that would draw a lost answer again.
func (c *Core) refuseUnheld(now clock.Instant, rq *request, r *rejection, fx *effect.List) {
	if rq.server == nil || rq.server.Status != 0 {
		c.reject(now, rq, r, fx)
		return
	}
	c.counts.reject(r.status)
	c.stateless(rq.m, r, rq.from, rq.snap, fx)
	if rc := rq.context; rc != nil { // the request was read from it
		c.settle(rc)
		c.closeIfOver(rc)
	}
	c.table.Forget(rq.server)
}

// askUser lets a request wait until it is known who its credentials name. Each
// realm is asked once: what it does not know by then, it cannot tell.
func (c *Core) askUser(now clock.Instant, rq *request, realm int, fx *effect.List) {
	rq.asked.add(realm)
	w := c.holdRequest(now, rq)
	c.query = append(append(c.query[:0], rq.snap.Realms[realm].Name()...), 0)
	c.query = append(c.query, c.credentials.User...)
	c.question(w, effect.AskUser, fx)
}

// holdRequest makes a request as a whole wait. Its 100 is due at once if it is an
// INVITE: nobody knows how long it takes.
func (c *Core) holdRequest(now clock.Instant, rq *request) *wait {
	rc := rq.context
	if rc == nil {
		rc = c.holdContext(now, rq)
		c.startWait(now, rc)
		if rc.invite {
			c.wheel.Arm(&rc.trying, now)
		}
	}
	w := c.newWait()
	w.context, w.proven, w.asked = rc.slot(), rq.proven, rq.asked
	rc.wait = w.slot + 1
	return w
}

// resume takes a request up again that has waited as a whole: from the beginning,
// with what it was waiting for now known. What it has proven it need not again.
func (c *Core) resume(now clock.Instant, w *wait, fx *effect.List) {
	rc := c.contexts.At(w.context)
	proven, asked := w.proven, w.asked
	c.endWait(w)
	rc.wait = 0
	if !rc.invite {
		c.wheel.Stop(&rc.ring)
	}
	server := c.table.Server(rc.server)
	switch {
	case rc.phase != searching: // cancelled, and answered for that
		return
	case server == nil: // it took so long that nobody waits for an answer
		c.settle(rc)
		c.closeIfOver(rc)
		return
	}
	c.signer.use(rc.snap.Keys)
	m := c.keptRequest(rc)
	rq := &c.rq
	*rq = request{m: m, from: server.Flow, snap: rc.snap, server: server, method: m.Method(), context: rc, proven: proven, asked: asked}
	if refused := c.validate(rq); refused != nil { // it passed before
		c.reject(now, rq, refused, fx)
		return
	}
	if refused := c.preprocess(rq); refused != nil {
		c.reject(now, rq, refused, fx)
		return
	}
	c.decide(now, rq, fx)
}

// UserKnown takes the answer to a question about a user: the source knows it now,
// or knows that it cannot.
func (c *Core) UserKnown(now clock.Instant, h effect.Handle, fx *effect.List) {
	w := c.waitOf(h)
	if w == nil {
		c.counts.LateAnswers++
		return
	}
	c.resume(now, w, fx)
}

// stripCredentials takes out of the copy what was meant for this proxy; what is
// for other realms passes (RFC 3261 §22.3).
func (c *Core) stripCredentials(s *Snapshot, m *sip.Message) {
	for _, id := range [...]sip.HeaderID{sip.ProxyAuthorization, sip.Authorization} {
		if len(s.Realms) == 0 || !m.Has(id) {
			continue
		}
		for it := m.Values(id); it.Next(); {
			if auth.Ours(s.Realms, it.Value.Text) {
				c.rewriter.RemoveValue(id, it.Value)
			}
		}
	}
}
