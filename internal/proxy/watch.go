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

// RFC 3261 §16.5: who fills the target set from a registrar watches that while the
// request is pending, and adds what becomes known. So a phone that is switched on
// while the others ring rings too.
//
//	addLocation ─▶ rings … look … look ─▶ a binding made since ─▶ a target of its q
//
// The location service is looked at each two seconds; nothing of a call is kept
// there. Other requests than INVITE are over before anybody has registered.

// watchEvery is how often: sooner than somebody wonders why the new phone is silent.
const watchEvery = 2 * time.Second

// startWatch has the location service watched, if the end in force leads there.
func (c *Core) startWatch(now clock.Instant, rc *ResponseContext) {
	if !rc.invite || rc.end == nil || rc.snap.Directory == nil {
		return
	}
	for i := range rc.end.Targets {
		if rc.end.Targets[i].Kind == policy.ToLocation {
			rc.watched = true
			c.wheel.Arm(&rc.watch, now.Add(watchEvery))
			return
		}
	}
}

// saw notes which bindings were there: one that is made later has a higher ID, and
// one that is refreshed keeps its own.
func (rc *ResponseContext) saw(found []location.Binding) {
	for i := range found {
		rc.seen = max(rc.seen, found[i].ID)
	}
}

// look adds the phones that have registered since the last look.
func (c *Core) look(now clock.Instant, rc *ResponseContext, fx *effect.List) {
	if rc.phase != searching || rc.end == nil || c.table.Server(rc.server) == nil {
		return
	}
	c.signer.use(rc.snap.Keys)
	rq, seen, added := c.retake(now, rc), rc.seen, false
	for i := range rc.end.Targets {
		if p := &rc.end.Targets[i]; p.Kind == policy.ToLocation {
			added = c.addNewcomers(now, rc, rq, p, seen) || added
		}
	}
	c.wheel.Arm(&rc.watch, now.Add(watchEvery))
	if added {
		c.counts.Newcomers++
		c.advance(now, rc, nil, fx)
	}
}

// addNewcomers adds the bindings above an ID. Another flow of a phone that is called
// already is none (RFC 5626 §7: never two of one instance at a time).
func (c *Core) addNewcomers(now clock.Instant, rc *ResponseContext, rq *request, p *policy.Target, above uint64) bool {
	uri := rq.uri
	if p.URI != nil {
		u, err := sip.ParseURI(p.URI(&c.facts))
		if err != nil {
			return false
		}
		uri = u
	} else if uri.MAddr() != nil { // as in addLocation
		return false
	}
	found, _ := c.bindings(now, rc.snap, &uri)
	rc.saw(found)
	added := false
	for i := range found {
		b := &found[i]
		if b.ID <= above || calledAlready(found, b, above) {
			continue
		}
		t := Target{from: rc.end.From, hasFrom: rc.end.HasFrom, group: group{round: rc.rounds, q: uint16(p.Q)}}
		added = c.addInstance(rc, &t, &uri, b, nil) || added
	}
	return added
}

// calledAlready reports whether found has another binding of the instance of b that
// was there before, or a later one that is called instead.
func calledAlready(found []location.Binding, b *location.Binding, above uint64) bool {
	for i := range found {
		if o := &found[i]; o.ID != b.ID && registrar.SameInstance(o, b) && (o.ID <= above || o.ID > b.ID) {
			return true
		}
	}
	return false
}
