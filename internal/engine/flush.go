package engine

import (
	"bytes"
	"net/netip"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
)

// loss is a message that did not get through: its transaction is named by the
// handle or, when ICMP told it, by the branch. That of a response is found by the
// message itself.
type loss struct {
	handle effect.Handle
	shard  int
	length int // of branch; 0: by handle
	branch [maxBranch]byte

	response []byte // a copy, nil: it is a request
	to       netip.AddrPort
	whole    bool // not the beginning alone, which is what ICMP quotes
}

// maxBranch is more than a branch of ours has; longer ones are others'.
const maxBranch = 64

// maxRounds bounds how often a turn goes on because what it sent failed: each
// failure may move a request to its next target, and there are at most 30
// (safety.md rule 12).
const maxRounds = 32

// finish carries out the effects, and those of the failures that this meets.
func (w *worker) finish() {
	for range maxRounds {
		w.flush()
		if len(w.losses) == 0 {
			return
		}
		for i := range w.losses {
			w.tell(&w.losses[i])
		}
		w.losses = w.losses[:0]
	}
	w.flush()
	w.e.counts.untold.Add(uint64(len(w.losses))) // their timers will tell
	w.losses = w.losses[:0]
}

// flush carries out the effects collected so far. No lock is held.
func (w *worker) flush() {
	if len(w.fx.Sends) > 0 {
		w.transmit()
	}
	if len(w.fx.Asks) > 0 {
		w.inquire()
	}
	if len(w.fx.Notes) > 0 {
		w.report()
	}
	w.fx.Reset()
}

// transmit sends by listener; the order of messages on one listener, and so to
// one destination, is that in which the core asked for them.
func (w *worker) transmit() {
	defer w.contain("send", mark{notes: len(w.fx.Notes), asks: len(w.fx.Asks)})
	sends := w.fx.Sends
	if w.tracer != nil {
		at := clock.Wall(w.now)
		for i := range sends {
			w.tracer.Message(at, false, sends[i].Hop, sends[i].Wire)
		}
	}
	for i := range sends {
		m := &sends[i]
		if m.Wire == nil { // went with an earlier one
			continue
		}
		if to := w.socket(&m.Hop); to != nil {
			w.sender.Send(to, sends[i:], &w.trouble)
			continue
		}
		if to := w.connections(&m.Hop); to != nil {
			if w.stream == nil {
				w.stream = to.NewSender()
			}
			w.stream.Send(to, sends[i:], &w.trouble)
			continue
		}
		m.Wire = nil
		w.e.counts.unroutable.Add(1)
		w.lose(m.For)
	}
	w.collect(&w.trouble)
	w.trouble.Reset()
}

// socket is the one that this worker uses for hop, or nil: its listener is not
// there any more, or its place was given to another one since the hop was chosen.
func (w *worker) socket(hop *flow.Hop) *transport.Socket {
	list := w.inForce.listeners
	if hop.Protocol != flow.UDP || int(hop.Listener) >= len(list) || list[hop.Listener].udp == nil {
		return nil
	}
	u := list[hop.Listener].udp
	if at := u.Addr(); at != hop.Local && hop.Local.IsValid() && (at.Port() != hop.Local.Port() || !at.Addr().IsUnspecified()) {
		return nil
	}
	all := u.Sockets()
	return all[w.index%len(all)]
}

// connections are those by which w sends to hop, or nil. A new one is made in
// the name of the listener whose address hop shows; a number finds the one that
// is there, or none.
func (w *worker) connections(hop *flow.Hop) *transport.TCP {
	list := w.inForce.listeners
	if int(hop.Listener) >= len(list) || list[hop.Listener].tcp == nil || list[hop.Listener].tcp.Protocol() != hop.Protocol {
		return nil
	}
	t := list[hop.Listener].tcp
	if at := t.Addr(); hop.Conn == 0 && at != hop.Local && hop.Local.IsValid() && (at.Port() != hop.Local.Port() || !at.Addr().IsUnspecified()) {
		return nil
	}
	return t
}

// report gives the notes away.
func (w *worker) report() {
	defer w.contain("notes", mark{sends: len(w.fx.Sends), asks: len(w.fx.Asks)})
	if w.e.notes == nil {
		return
	}
	for _, n := range w.fx.Notes {
		w.e.notes.Note(n)
	}
}

// collect turns trouble into losses to be told.
func (w *worker) collect(t *transport.Trouble) {
	for i := range t.Failed {
		f := &t.Failed[i]
		if f.For == 0 && f.Wire != nil {
			w.loseResponse(f.Wire, f.Hop.Remote, true)
		}
		w.lose(f.For)
	}
	for i := range t.Reports {
		w.loseQuoted(&t.Reports[i])
	}
}

func (w *worker) lose(h effect.Handle) {
	if h != 0 && int(h.Shard()) < len(w.e.shards) {
		w.losses = append(w.losses, loss{handle: h, shard: int(h.Shard())})
	}
}

// loseQuoted finds the transaction of the datagram that ICMP quotes, cut off
// somewhere: by its top Via, which is ours if it was a request. The top Via of
// a response is the previous hop's.
func (w *worker) loseQuoted(r *transport.Report) {
	defer w.contain("icmp", w.mark())
	_ = w.m.Parse(r.Quoted) // incomplete as a rule; what was read is indexed
	if !w.m.IsRequest() {
		w.loseResponse(r.Quoted, r.To, false)
		return
	}
	v, err := w.m.TopVia()
	if err != nil || len(v.Branch) > maxBranch {
		return
	}
	if shard, ok := proxy.BranchShard(v.Branch); ok && shard < len(w.e.shards) {
		l := loss{shard: shard, length: len(v.Branch)}
		copy(l.branch[:], v.Branch)
		w.losses = append(w.losses, l)
		return
	}
	if h, ok := proxy.UnreachedOf(&w.m, len(w.e.shards)); ok {
		w.lose(h)
	}
}

// loseResponse is about a response: it goes another way, as far as there is one
// (RFC 3261 §18.2.2), and is dropped otherwise (§16.9).
func (w *worker) loseResponse(wire []byte, to netip.AddrPort, whole bool) {
	if !bytes.HasPrefix(wire, []byte("SIP/")) {
		return // the ACK of a 2xx, or something else that nobody repeats
	}
	_ = w.m.Parse(wire)
	at := proxy.PlaceOfResponse(&w.m, len(w.e.shards))
	w.losses = append(w.losses, loss{shard: at.Shard, response: bytes.Clone(wire), to: to, whole: whole})
}

// tell gives the core the news of one loss (RFC 3261 §16.9, §18.4).
func (w *worker) tell(l *loss) {
	defer w.contain("failure", w.mark())
	c := w.lock(l.shard)
	switch {
	case l.response != nil:
		_ = w.m.Parse(l.response)
		w.at = proxy.PlaceOfResponse(&w.m, len(w.e.shards))
		c.Undelivered(w.now, &w.m, &w.at, l.to, l.whole, w.inForce.snapshot, &w.fx)
	case l.length > 0:
		c.BrokenBranch(w.now, l.branch[:l.length], &w.fx)
	default:
		c.Broken(w.now, l.handle, &w.fx)
	}
	w.unlock()
}
