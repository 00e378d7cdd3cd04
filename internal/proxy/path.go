package proxy

import (
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

// pushPath adds our Path value to a copy of a REGISTER.
func (c *Core) pushPath(rc *ResponseContext, arrival flow.Flow) {
	if !rc.path.Add {
		return
	}
	l := &rc.snap.Listeners[arrival.Listener]
	k := cookie{listener: l.Hash, flow: arrival.Remote, path: true}
	token := c.signer.appendCookie(c.text[:0], &k, nil)
	n := len(token)
	token = l.appendSentBy(token, arrival.Local)
	transport := ""
	switch l.Protocol {
	case flow.TCP:
		transport = "tcp"
	case flow.WS, flow.WSS:
		transport = "ws"
	}
	c.text = token
	c.lines = registrar.AppendPathValue(c.lines[:0], token[:n], token[n:], transport, rc.path.OB)
	c.rewriter.PushPath(c.lines)
	c.rewriter.Add("Require", []byte("path"))
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
