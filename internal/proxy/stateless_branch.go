package proxy

import (
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// The branch of what is forwarded statelessly: the cookie, a mark that no branch
// of a transaction begins with, and a keyed MAC. It is the same for every copy,
// for the CANCEL and the ACK of an INVITE, after a restart and on every node with
// the same secret (RFC 3261 §16.11).
//
//	z9hG4bK-│ MAC over branch and sent-by of the Via below │
//	z9hG4bK-│ MAC over the Request-URI │ MAC over sent-by, tag, Call-ID, CSeq and that │   RFC 2543
//
// §16.11 recommends other fields for RFC 2543 requests, among them the
// Request-URI, which a response does not have: so its own MAC stands in the open.
const (
	statelessMark = "z9hG4bK-"
	statelessMAC  = 15 // bytes, 20 characters
	statelessURI  = 4  // of them, in RFC 2543 requests
	statelessLen  = len(statelessMark) + statelessMAC*4/3
)

func (c *Core) appendStatelessBranch(dst []byte, m *sip.Message) []byte {
	return base64url.AppendEncode(append(dst, statelessMark...), c.statelessSum(m))
}

// statelessSum is the MAC in the branch of a request.
func (c *Core) statelessSum(m *sip.Message) []byte {
	k := &c.signer.ring[0]
	v, err := m.TopVia()
	if err != nil {
		v = &noVia
	}
	if !v.HasCookie() {
		copy(c.signer.uri[:], c.signer.sign(k.branch, m.RequestURI()))
	}
	return c.transactionMAC(k.branch, m, v)
}

// noVia is what a message without one has.
var noVia sip.ViaValue

// transactionMAC tells the transaction of m apart whose Via at the sender is v;
// of an RFC 2543 request with the MAC over its Request-URI in the signer.
func (c *Core) transactionMAC(h hash.Hash, m *sip.Message, v *sip.ViaValue) []byte {
	if v.HasCookie() {
		return c.signer.sign(h, v.Branch, v.SentBy)[:statelessMAC]
	}
	seq, _ := m.First(sip.CSeq)
	number := seq.Text
	for i, ch := range number {
		if ch < '0' || ch > '9' {
			number = number[:i]
			break
		}
	}
	uri := c.signer.uri[:]
	sum := c.signer.sign(h, v.Branch, v.SentBy, m.FromTag(), m.CallIDValue(), number, uri)
	copy(sum[statelessURI:], sum[:statelessMAC-statelessURI])
	copy(sum, uri)
	return sum[:statelessMAC]
}

// ownStateless reports whether the top Via v of a response was made by
// appendStatelessBranch: the MAC is computed again from the Via below it.
func (c *Core) ownStateless(m *sip.Message, v *sip.ViaValue) bool {
	if len(v.Branch) != statelessLen || string(v.Branch[:len(statelessMark)]) != statelessMark {
		return false
	}
	below, ok := belowTop(m)
	if !ok {
		return false
	}
	var mac [statelessMAC]byte
	if _, err := base64url.Decode(mac[:], v.Branch[len(statelessMark):]); err != nil {
		return false
	}
	copy(c.signer.uri[:], mac[:])
	for i := range c.signer.ring { // the first signs, all verify
		if subtle.ConstantTimeCompare(mac[:], c.transactionMAC(c.signer.ring[i].branch, m, &below)) == 1 {
			return true
		}
	}
	return false
}

// belowTop is the second Via of m.
func belowTop(m *sip.Message) (sip.ViaValue, bool) {
	it := m.Values(sip.Via)
	it.Next()
	if !it.Next() {
		return sip.ViaValue{}, false
	}
	v, err := sip.ParseVia(it.Value.Text)
	return v, err == nil
}

// The parameter of our Via that says where a request came from, where the Via
// below it does not show that: of a connection, behind a NAT, in a network that
// only its own requests open, or at a listener that the response would not leave
// by. It is signed, so that nobody on the way of the response can have it sent to
// a place from which no request came.
//
//	;flow= listener 4 | address 4 or 16 | port 2 | MAC 9
const (
	arrivalParam = "flow"
	arrivalMAC   = 9
	arrivalMax   = 4 + 16 + 2 + arrivalMAC
)

// appendArrival appends the parameter to our Via, which ends with the branch,
// where it is needed.
func (c *Core) appendArrival(via []byte, rq *request) []byte {
	v, err := rq.m.TopVia()
	if err != nil || c.shows(v, rq) {
		return via
	}
	branch := via[len(via)-statelessLen:]
	out := binary.BigEndian.AppendUint32(c.signer.scratch[:0], rq.snap.Listeners[rq.from.Listener].Hash)
	if a := rq.from.Remote.Addr(); a.Is4() {
		four := a.As4()
		out = append(out, four[:]...)
	} else {
		six := a.As16()
		out = append(out, six[:]...)
	}
	out = binary.BigEndian.AppendUint16(out, rq.from.Remote.Port())
	out = append(out, c.signer.sign(c.signer.ring[0].arrival, out, branch)[:arrivalMAC]...)
	via = append(append(append(via, ';'), arrivalParam...), '=')
	return base64url.AppendEncode(via, out)
}

// shows reports whether a response finds its way back to the source of rq by the
// Via v of its sender alone.
func (c *Core) shows(v *sip.ViaValue, rq *request) bool {
	from := &rq.from
	sentBy, literal := sip.HostAddr(v.Host)
	if from.Protocol.Reliable() || v.MAddr != nil || !literal || sentBy.Unmap() != from.Remote.Addr() {
		return false
	}
	if v.HasRPort && sentByPort(v) != from.Remote.Port() || !rq.snap.mayReach(netip.AddrPortFrom(from.Remote.Addr(), sentByPort(v))) {
		return false
	}
	listener, ok := c.listenerFor(rq.snap, from.Protocol, from.Remote.Addr(), flow.Flow{}, nil)
	return ok && listener == from.Listener
}

// arrivalHop is where the request of a response came from, if our Via says so,
// and where the response goes when that was a connection that has ended (RFC 3261
// §18.2.2). below is the Via that it is about.
func (c *Core) arrivalHop(m *sip.Message, below *sip.ViaValue, s *Snapshot) (hop flow.Hop, fallback netip.AddrPort) {
	v, err := m.TopVia()
	if err != nil {
		return hop, fallback
	}
	text, ok := v.Params.Get(arrivalParam)
	if !ok || len(text) > base64url.EncodedLen(arrivalMax) {
		return hop, fallback
	}
	b := c.signer.scratch[:]
	n, err := base64url.Decode(b, text)
	n -= arrivalMAC
	if err != nil || n != 4+4+2 && n != 4+16+2 || !c.arrivalSigned(b[:n], v.Branch, b[n:n+arrivalMAC]) {
		return hop, fallback
	}
	listener, ok := s.listenerByHash(binary.BigEndian.Uint32(b))
	if !ok {
		return hop, fallback
	}
	addr, _ := netip.AddrFromSlice(b[4 : n-2])
	source := netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[n-2:]))
	shown := netip.AddrPortFrom(addr, sentByPort(below))
	hop = c.hopBy(s, listener, source)
	switch {
	case hop.Protocol.Reliable():
		hop.Conn, fallback = flow.Existing, shown
	case !below.HasRPort:
		hop.Remote = shown
	}
	return hop, fallback
}

func (c *Core) arrivalSigned(body, branch, mac []byte) bool {
	for i := range c.signer.ring {
		if subtle.ConstantTimeCompare(mac, c.signer.sign(c.signer.ring[i].arrival, body, branch)[:arrivalMAC]) == 1 {
			return true
		}
	}
	return false
}
