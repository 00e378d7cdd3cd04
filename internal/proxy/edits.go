package proxy

import (
	"encoding/binary"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// What rules change in a message, beyond what RFC 3261 §16.6 does: header fields
// as configured, credentials that were for us. It is worked out once, when the
// rule decides, and done to every copy.

// What an edit in the kept form is of.
const (
	ofRequest  byte = iota
	ofResponse      // of those that go upstream
	ofCaller        // no edit: its value is who is calling (identity.go). It comes first
)

// appendEdits appends the edits of the last decision.
//
//	of 1 | op 1 | name 2 + … | value 2 + …
func (c *Core) appendEdits(dst []byte, rq *request) []byte {
	const head = 6
	f, mark := &c.facts, len(dst)
	dst = c.appendCaller(append(dst, ofCaller, 0, 0, 0, 0, 0), rq)
	if n := len(dst) - mark - head; n > 0 {
		binary.BigEndian.PutUint16(dst[mark+head-2:], uint16(n))
	} else {
		dst = dst[:mark]
	}
	for i := range f.Edits {
		dst = appendEdit(dst, ofRequest, &f.Edits[i])
	}
	for i := range f.ResponseEdits {
		dst = appendEdit(dst, ofResponse, &f.ResponseEdits[i])
	}
	return dst
}

func appendEdit(dst []byte, of byte, e *policy.HeaderEdit) []byte {
	dst = append(dst, of, byte(e.Op))
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(e.Name))), e.Name...)
	value := e.Value[:min(len(e.Value), sip.MaxHeaderPart)]
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(value))), value...)
}

// keptEdit is one edit in the kept form.
type keptEdit struct {
	of          byte
	op          policy.EditOp
	name, value []byte
}

// nextEdit cuts an edit off those kept, of which there must be one.
func nextEdit(edits []byte) (e keptEdit, rest []byte) {
	e.of, e.op = edits[0], policy.EditOp(edits[1])
	n := int(binary.BigEndian.Uint16(edits[2:]))
	e.name, edits = edits[4:4+n], edits[4+n:]
	n = int(binary.BigEndian.Uint16(edits))
	e.value = edits[2 : 2+n]
	return e, edits[2+n:]
}

// is reports whether e is of a header field.
func (e *keptEdit) is(id sip.HeaderID) bool { return string(e.name) == sip.HeaderName(id) }

// applyEdits does kept edits to the message in the rewriter: those of requests or
// of responses. Where an identity is withheld, the configuration does not tell it
// either (RFC 3325 §7).
func (c *Core) applyEdits(edits []byte, of byte, withheld bool) {
	for len(edits) > 0 {
		var e keptEdit
		if e, edits = nextEdit(edits); e.of != of || withheld && e.is(sip.PAssertedIdentity) {
			continue
		}
		switch e.op {
		case policy.SetHeader:
			c.rewriter.SetNamed(string(e.name), e.value)
		case policy.AddHeader:
			c.rewriter.Add(string(e.name), e.value)
		case policy.RemoveHeader:
			c.rewriter.RemoveNamed(string(e.name))
		}
	}
}

// editHeaders makes the changes of policy in a copy of a request.
func (c *Core) editHeaders(rc *ResponseContext, m *sip.Message, arrival flow.Flow, hop flow.Hop) {
	c.stripCredentials(rc.snap, m)
	from := rc.snap.trusts(arrival.Listener, arrival.Remote)
	withheld := c.tellIdentity(rc.snap, m, rc.edits, ofRequest, from, rc.snap.trusts(hop.Listener, hop.Remote))
	c.applyEdits(rc.edits, ofRequest, withheld)
}

// editResponse makes the changes of policy in a response that goes upstream.
func (c *Core) editResponse(rc *ResponseContext, m *sip.Message, to flow.Hop) {
	var edits []byte
	if rc.open != nil {
		edits = rc.edits
	}
	from := rc.snap.trusts(c.heard.Listener, c.heard.Remote)
	withheld := c.tellIdentity(rc.snap, m, edits, ofResponse, from, rc.snap.trusts(to.Listener, to.Remote))
	c.applyEdits(edits, ofResponse, withheld)
}
