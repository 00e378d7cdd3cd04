package proxy

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/location"
	"viaduct/internal/policy"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

// register is the end of a rule that takes a REGISTER: RFC 3261 §10.3. Who sends
// it is settled by then (steps 3 and 4 are the rule's). The 200 leaves when the
// change is durable (safety.md rule 14); until then the request waits.
func (c *Core) register(now clock.Instant, rq *request, end *policy.End, fx *effect.List) {
	if rq.m.Method() != sip.REGISTER {
		c.reject(now, rq, rq.refuse(405, "").with([]byte("Allow: REGISTER\r\n")), fx)
		return
	}
	if !rq.own || rq.snap.Directory == nil { // step 1: a domain that is not ours to register in
		c.reject(now, rq, rq.refuse(404, "Domain Not Served"), fx)
		return
	}
	c.registrar.Use(rq.snap.GRUUs)
	s := settingsOf(&end.Register, rq.snap)
	switch c.registrar.Begin(rq.m, rq.from, &s, rq.snap.Domains) {
	case registrar.Refused:
		c.refuseRegister(now, rq, c.registrar.Refusal(), fx)
	case registrar.Query:
		c.confirm(now, rq, &s, fx)
	default:
		c.change(now, rq, &s, fx)
	}
}

// change works a REGISTER into the directory.
func (c *Core) change(now clock.Instant, rq *request, s *registrar.Settings, fx *effect.List) {
	w := c.newWait()
	switch c.registrar.Commit(now, s, rq.snap.Directory, uint64(c.expect(w))) {
	case location.Done:
		c.endWait(w)
		c.counts.Registers++
		c.confirm(now, rq, s, fx)
	case location.Pending:
		rc := c.holdContext(now, rq)
		c.startWait(now, rc)
		rc.rule, rc.end, rc.wait = rq.rule, rq.end, w.slot+1
		w.context = rc.slot()
	default:
		c.endWait(w)
		c.refuseRegister(now, rq, c.registrar.Refusal(), fx)
	}
}

// Stored tells that the change with this handle is durable, or why it was undone.
func (c *Core) Stored(now clock.Instant, h effect.Handle, err error, fx *effect.List) {
	w := c.waitOf(h)
	if w == nil {
		c.counts.LateAnswers++
		return
	}
	rc := c.contexts.At(w.context)
	c.endWait(w)
	rc.wait = 0
	server := c.table.Server(rc.server)
	if server == nil { // the store took so long that nobody waits for an answer
		c.counts.LateAnswers++
		c.settle(rc)
		c.closeIfOver(rc)
		return
	}
	c.signer.use(rc.snap.Keys)
	c.registrar.Use(rc.snap.GRUUs)
	m := c.keptRequest(rc)
	rq := &c.rq
	*rq = request{m: m, from: server.Flow, snap: rc.snap, server: server, method: sip.REGISTER, context: rc}
	s := settingsOf(&rc.end.Register, rc.snap)
	if err != nil {
		c.refuseRegister(now, rq, c.registrar.Failed(err), fx)
		return
	}
	c.counts.Registers++
	c.registrar.Begin(m, rq.from, &s, rq.snap.Domains) // it reads as before: what it said then is known again
	c.confirm(now, rq, &s, fx)
}

// confirm is step 8: the 200 with all bindings that there are now, for the request that
// the registrar has read last.
func (c *Core) confirm(now clock.Instant, rq *request, s *registrar.Settings, fx *effect.List) {
	rq.snap.Directory.Lookup(now, c.registrar.AOR(), &c.found)
	c.lines = c.registrar.AppendOK(c.lines[:0], now, s, c.found.Bindings)
	c.respond(now, rq, &rejection{status: 200, headers: c.lines}, fx)
}

// refuseRegister passes on what the registrar says instead of 200.
func (c *Core) refuseRegister(now clock.Instant, rq *request, refusal *registrar.Refusal, fx *effect.List) {
	r := rq.refuse(refusal.Status, refusal.Reason).with(refusal.Headers)
	if refusal.Status == 503 {
		r = c.unavailable(rq.m, refusal.Reason)
	}
	c.reject(now, rq, r, fx)
}

// flowTimer is told to clients with outbound: they ping their flow within it (RFC
// 5626 §5.4, §4.4.1), and a NAT forgets no later.
const flowTimer = 120 * time.Second

// settingsOf are the settings of a register block in the terms of the registrar.
func settingsOf(r *policy.Register, s *Snapshot) registrar.Settings {
	settings := registrar.Settings{
		MaxContacts: r.MaxContacts, MinExpires: r.MinExpires, MaxExpires: r.MaxExpires, Expires: r.MaxExpires,
		FlowTimer: flowTimer, ServiceRoute: r.ServiceRoute, AnyPath: r.AnyPath, NoGRUU: r.NoGRUU,
	}
	if r.OnDisconnect == policy.RemoveBinding {
		settings.OnDisconnect = registrar.Remove
	}
	switch r.Keepalive {
	case policy.KeepaliveOptions:
		settings.Keepalive = registrar.KeepaliveOptions
	case policy.NoKeepalive:
		settings.Keepalive = registrar.KeepaliveNone
	}
	settings.Prepare()
	return settings
}
