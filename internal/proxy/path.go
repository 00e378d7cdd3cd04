package proxy

import (
	"bytes"
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

// This file is this proxy as the edge between phones and a registrar elsewhere:
// RFC 3327 and RFC 5626 §5.1. A REGISTER that goes on gets a Path value of ours
// with the flow that it came by, signed; a request that comes back by it is sent
// into that flow.

// edge decides about the Path of a REGISTER whose rule says `path`.
func (c *Core) edge(rq *request) *rejection {
	if rq.m.Method() != sip.REGISTER || !rq.end.Path {
		return nil
	}
	path, refusal := c.registrar.Edge(rq.m, callerFlow(rq.m, rq.from).IsValid())
	if refusal != nil {
		return rq.refuse(refusal.Status, refusal.Reason).with(refusal.Headers)
	}
	rq.path = path
	return nil
}

// pathSuits is edge for a request that its rule sends on; false when it was refused.
func (c *Core) pathSuits(now clock.Instant, rq *request, fx *effect.List) bool {
	refused := c.edge(rq)
	if refused != nil {
		c.reject(now, rq, refused, fx)
	}
	return refused == nil
}

// pushPath adds our Path value to a copy of a REGISTER that leaves by hop: one with
// the flow to the client, or two when the two sides do not look alike, as in
// Record-Route (RFC 5658 §6.2). The upper one is then for whoever sends to the
// client. RFC 3327 §5.2: a registrar that ignored it could not reach the client, so
// that path is required of it.
func (c *Core) pushPath(rc *ResponseContext, e *edits, hop flow.Hop) {
	if !rc.path.Add {
		return
	}
	s, arrival := rc.snap, e.arrival
	k := cookie{flow: arrival.Remote, path: true}
	alike := arrival.Listener == hop.Listener && s.Listeners[hop.Listener].looksAlike(arrival.Hop(), hop)
	k.paired, k.downstream = !alike, !alike
	c.pushPathValue(rc, e, &k, arrival.Hop())
	if !alike {
		k.downstream, k.flow = false, netip.AddrPort{}
		c.pushPathValue(rc, e, &k, hop)
	}
	for it := e.m.Values(sip.Require); it.Next(); {
		if bytes.EqualFold(it.Value.Text, pathTag) {
			return
		}
	}
	c.rewriter.Add("Require", pathTag)
}

var pathTag = []byte("path")

// pushPathValue writes one value for one side. Where the client asks for sips, only
// sips may stand on the way to it (RFC 5630 §5.2).
func (c *Core) pushPathValue(rc *ResponseContext, e *edits, k *cookie, side flow.Hop) {
	l := &rc.snap.Listeners[side.Listener]
	k.listener = l.Hash
	token := c.signer.appendCookie(c.text[:0], k, nil)
	n := len(token)
	token = l.appendSentBy(token, side)
	c.text = token
	scheme, transport := "sip", ""
	switch l.Protocol {
	case flow.TCP:
		transport = "tcp"
	case flow.TLS:
		scheme = "sips"
	case flow.WSS:
		transport = "ws"
		if e.showsSIPS() {
			scheme = "sips"
		}
	case flow.WS:
		transport = "ws"
	}
	c.lines = registrar.AppendPathValue(c.lines[:0], scheme, token[:n], token[n:], transport, rc.path.OB)
	c.rewriter.PushPath(c.lines)
}

// routeByPath makes a copy follow the Path of a binding (RFC 3327 §5.1): a Route
// that is put in front, the first value of which is where it goes. A status other
// than 0 is what the target counts as having answered.
func (e *edits) routeByPath(path []byte) int {
	if len(path) == 0 {
		return 0
	}
	a, err := sip.ParseAddress(sip.FirstOf(path))
	if err != nil {
		return 500
	}
	if e.route, err = sip.ParseURI(a.URI); err != nil {
		return 500
	}
	e.path, e.hasRoute = path, true
	return 0
}

// afterFirst is a Path vector without its first value.
func afterFirst(path []byte) []byte {
	first := sip.FirstOf(path)
	at := bytes.Index(path, first) + len(first)
	return bytes.TrimLeft(path[at:], ", \t")
}
