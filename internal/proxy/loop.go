package proxy

import (
	"encoding/binary"
	"hash/maphash"

	"viaduct/internal/transaction"
	"viaduct/sip"
)

// loopSeed keys the loop hash. All cores of a process share it, because a copy
// of a request that comes back has another branch and so another shard.
var loopSeed = maphash.MakeSeed()

// looped is RFC 5393 §4.2.2: a Via of ours whose loop part equals what this
// request would get means that it was here before with the same routing input.
// Any other return is a spiral and goes on. The hash is kept for our own branch.
func (c *Core) looped(rq *request) bool {
	rq.loop = c.loopHash(rq)
	if v, err := rq.m.TopVia(); err == nil && rq.wasHere(v) {
		return true
	}
	it := rq.m.Values(sip.Via)
	for it.Next(); it.Next(); {
		// §4.2.4: the odd Vias of others do not matter.
		if v, err := sip.ParseVia(it.Value.Text); err == nil && rq.wasHere(&v) {
			return true
		}
	}
	return false
}

// wasHere reports whether v is a Via of ours with the loop part of this request, and
// notes that it is a spiral if it is a Via of ours at all.
func (rq *request) wasHere(v *sip.ViaValue) bool {
	b, ok := transaction.ParseBranch(v.Branch)
	if !ok || !rq.snap.ownSentBy(v) {
		return false
	}
	rq.spiral = true
	return b.Loop == rq.loop
}

// most is how many branches a request may have in all. One that has been here before
// gets no more than the breadth that came with it, instead of as many at a time:
// else ten users who register each other's addresses make of one call ten million, one
// after the other, without any of them being a loop (RFC 5393 §3).
func (rq *request) most() int {
	n := rq.snap.Limits.Branches
	if rq.spiral {
		n = min(n, rq.breadth)
	}
	return n
}

// loopHash covers what decides where the request goes (seams.md §1), and what
// tells transactions apart (RFC 5393 §4.2.4). The method is left out, so that
// CANCEL and ACK carry the branch of their INVITE (§4.2.1).
func (c *Core) loopHash(rq *request) [4]byte {
	text := c.text[:0] // nothing of this request is in there yet
	m := rq.m
	part := func(b []byte) { text = append(append(text, b...), 0) }
	part(m.RequestURI())
	part(m.CallIDValue())
	part(m.FromTag())
	part(m.ToTag())
	if seq, err := m.Sequence(); err == nil {
		text = append(binary.BigEndian.AppendUint32(text, seq.Number), 0)
	}
	all := func(id sip.HeaderID) {
		for it := m.Values(id); it.Next(); {
			part(it.Value.Text)
		}
		text = append(text, 1)
	}
	all(sip.Route)
	all(sip.ProxyRequire)
	all(sip.ProxyAuthorization)
	if uri, err := m.URI(); err == nil && uri.MAddr() != nil {
		// §16.4: whether an maddr of ours is taken off depends on where it came in.
		text = append(text, byte(rq.from.Listener))
	}
	reads := &rq.snap.Program.Reads
	for _, id := range reads.Headers {
		all(id)
	}
	for _, name := range reads.Names {
		value, _ := m.Get(name)
		part(value)
	}
	if reads.Source {
		addr := rq.from.Remote.Addr().As16()
		text = append(append(text, addr[:]...), byte(rq.from.Listener))
	}
	c.text = text
	var loop [4]byte
	binary.BigEndian.PutUint32(loop[:], uint32(maphash.Bytes(loopSeed, text)))
	return loop
}
