package proxy

import (
	"encoding/binary"
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/internal/identity"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// What rules change in a message, beyond what RFC 3261 §16.6 does: header fields
// as configured, credentials that were for us, who is calling (RFC 3325). It is
// worked out once, when the rule decides, and done to every copy.

// appendEdits appends the edits of the last decision: first those of the request,
// then those of responses.
//
//	responses 1 | op 1 | name 2 + … | value 2 + …
func (c *Core) appendEdits(dst []byte) []byte {
	f := &c.facts
	for i := range f.Edits {
		dst = appendEdit(dst, 0, &f.Edits[i])
	}
	for i := range f.ResponseEdits {
		dst = appendEdit(dst, 1, &f.ResponseEdits[i])
	}
	return dst
}

func appendEdit(dst []byte, responses byte, e *policy.HeaderEdit) []byte {
	dst = append(dst, responses, byte(e.Op))
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(e.Name))), e.Name...)
	value := e.Value[:min(len(e.Value), sip.MaxHeaderPart)]
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(value))), value...)
}

// applyEdits does kept edits to the message in the rewriter: those of responses
// (1) or of the request (0).
func (c *Core) applyEdits(edits []byte, responses byte) {
	for len(edits) > 0 {
		of, op := edits[0], policy.EditOp(edits[1])
		n := int(binary.BigEndian.Uint16(edits[2:]))
		name := edits[4 : 4+n]
		edits = edits[4+n:]
		n = int(binary.BigEndian.Uint16(edits))
		value := edits[2 : 2+n]
		edits = edits[2+n:]
		if of != responses {
			continue
		}
		switch op {
		case policy.SetHeader:
			c.rewriter.SetNamed(string(name), value)
		case policy.AddHeader:
			c.rewriter.Add(string(name), value)
		case policy.RemoveHeader:
			c.rewriter.RemoveNamed(string(name))
		}
	}
}

// editHeaders makes the changes of policy in a copy of a request.
func (c *Core) editHeaders(rc *ResponseContext, m *sip.Message, arrival flow.Flow, hop flow.Hop) {
	c.stripCredentials(rc.snap, m)
	c.tellIdentity(rc.snap, m, arrival.Remote, hop.Remote)
	c.applyEdits(rc.edits, 0)
}

// editResponse makes the changes of policy in a response that goes upstream.
func (c *Core) editResponse(rc *ResponseContext, m *sip.Message, to flow.Hop) {
	c.tellIdentity(rc.snap, m, c.heard, to.Remote)
	if rc.open != nil {
		c.applyEdits(rc.edits, 1)
	}
}

// tellIdentity does for one copy or response what RFC 3325 and RFC 3323 want of a
// proxy, whose trust domain is server.trust.
func (c *Core) tellIdentity(s *Snapshot, m *sip.Message, from, to netip.AddrPort) {
	c.identity.Edit(&c.rewriter, m, identity.Facts{
		FromTrusted: s.Trust.Contains(from.Addr()), ToTrusted: s.Trust.Contains(to.Addr()),
	})
}
