package transaction

import (
	"net/netip"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// Server is a server transaction (RFC 3261 §17.2).
type Server struct {
	// for the layer above
	Reply  flow.Hop // where responses go (§18.2.2): back to where the request came from until the layer above sets it
	User   uint32   // the layer above's own, 0 when new
	Status uint16   // last status sent, 0: none

	// SentByPort, when not 0, is the port at which the sender of the request
	// listens. On streams responses go there, to the address that the request came
	// from, once its connection is gone (§18.2.2).
	SentByPort uint16
	Method     sip.Method
	Moved      uint8 // addresses of its sent-by that have been tried (RFC 3263 §5)

	// the table's
	state      state
	old        bool   // matched by the rules of RFC 2543
	name       uint32 // identity.name
	requestTag uint32 // identity.toTag of the request
	sentTag    uint32 // the same of the non-2xx final response, for its ACK
	handle     effect.Handle
	key        Key
	kept       []byte      // last response, while it may have to be sent again
	life       wheel.Timer // H, I, J, L
	*running
}

// running is what a server needs until nothing but its end is waited for. By far
// most of those that are held are beyond that, for 64*T1, and share one that is empty.
type running struct {
	// for the layer above: where the request came from
	Flow flow.Flow

	// the table's
	slot     uint32        // of its own
	interval time.Duration // of timer G, 0 before the first
	resend   wheel.Timer   // G
}

// Handle names this life of the slot; Table.Server finds it again.
func (s *Server) Handle() effect.Handle { return s.handle }

// Final reports whether a final response has been sent.
func (s *Server) Final() bool { return s.Status >= 200 }

func (s *Server) kind() Kind {
	if s.Method == sip.INVITE {
		return InviteServer
	}
	return NonInviteServer
}

func (s *Server) machine() *machine {
	if s.Method == sip.INVITE {
		return &inviteServer
	}
	return &nonInviteServer
}

// live reports whether the slot holds a transaction.
func (s *Server) live() bool { return s.state != none && s.state != terminated }

// Server finds a server transaction by handle; nil when it is over.
func (t *Table) Server(h effect.Handle) *Server {
	if !t.servers.Has(h.Slot()) {
		return nil
	}
	s := t.servers.At(h.Slot())
	if s.handle != h || !s.live() {
		return nil
	}
	return s
}

// newServer takes a slot for a new request. Generations of servers are even, those
// of clients odd, so that a handle of one kind never finds the other.
func (t *Table) newServer(now clock.Instant, id *identity, from flow.Flow) *Server {
	s, slot := t.servers.Take()
	generation := s.handle.Generation() + 2
	if generation == 0 {
		generation = 2
	}
	r, place := t.running.Take()
	*r = running{Flow: from, slot: place, resend: wheel.Timer{Kind: kindServerResend, Slot: slot}}
	*s = Server{
		Reply: from.Hop(), Method: id.method,
		state: idle, old: id.old, name: id.name, requestTag: id.toTag,
		handle:  effect.MakeHandle(t.shard, slot, generation),
		key:     id.key,
		life:    wheel.Timer{Kind: kindServerLife, Slot: slot},
		running: r,
	}
	t.index.insert(tagOf(id.key), slot)
	t.kinds[s.kind()].Started++
	t.kinds[s.kind()].Live++
	t.open++
	t.runServer(now, s, evStart, nil, nil)
	return s
}

// moved keeps count of the transactions under way.
func (t *Table) moved(from, to state) {
	if from.underWay() && !to.underWay() {
		t.open--
	}
}

// tagOf is the part of a key that the index goes by; the shard was chosen by Lo.
func tagOf(k Key) uint32 { return uint32(k.Hi) }

// runServer lets e happen to s and performs what the machine asks for, in the
// order of the do-bits. wire is the response at hand, if any.
func (t *Table) runServer(now clock.Instant, s *Server, e event, wire []byte, fx *effect.List) do {
	next, d := s.machine().step(s.state, e)
	t.moved(s.state, next)
	s.state = next
	if d&doStopResend != 0 {
		t.wheel.Stop(&s.resend)
	}
	if d&doSend != 0 {
		s.send(wire, fx)
	}
	if d&(doKeep|doForget) != 0 {
		t.bytes.Give(s.kept)
		s.kept = nil
	}
	if d&doKeep != 0 {
		s.kept = t.bytes.Copy(wire)
	}
	if d&doResend != 0 && s.kept != nil {
		s.send(fx.Copy(s.kept), fx)
		t.kinds[s.kind()].Retransmitted++
	}
	reliable := s.Reply.Protocol.Reliable()
	if d&resends != 0 && !reliable {
		s.interval = t.timers.resend(d, s.interval)
		t.wheel.Arm(&s.resend, now.Add(s.interval))
	}
	if span, ok := t.timers.life(d, reliable); ok {
		t.wheel.Arm(&s.life, now.Add(span))
	}
	if d&doInform != 0 {
		t.kinds[s.kind()].TimedOut++
	}
	if d&doRest != 0 {
		t.rest(s)
	}
	if d&doFree != 0 {
		t.freeServer(s)
	}
	return d
}

// rest gives back what s does not need any more.
func (t *Table) rest(s *Server) {
	if r := s.running; r != &t.resting {
		t.wheel.Stop(&r.resend)
		s.running = &t.resting
		t.running.Give(r.slot)
	}
}

// send sends a response.
func (s *Server) send(wire []byte, fx *effect.List) {
	fx.Send(s.Reply, wire, 0)
	if s.SentByPort != 0 {
		fx.Sends[len(fx.Sends)-1].Fallback = netip.AddrPortFrom(s.Reply.Remote.Addr(), s.SentByPort)
	}
}

// Answered finds the transaction that sent the response m, or the beginning of it, that
// goes by a key of RFC 3261; nil when it is over.
func (t *Table) Answered(m *sip.Message, key Key) *Server {
	id := identify(m, key)
	seq, err := m.Sequence() // a response has its method there
	if err != nil || id.old {
		return nil
	}
	if id.method, id.name = seq.Method, 0; id.method == sip.OtherMethod {
		id.name = short(seq.Name)
	}
	return t.same(&id)
}

// Move has the responses of s go to another hop from now on. The last one is sent
// there at once; false when it is not kept.
func (t *Table) Move(s *Server, hop flow.Hop, fx *effect.List) bool {
	s.Reply, s.SentByPort = hop, 0
	if s.kept == nil {
		return false
	}
	s.send(fx.Copy(s.kept), fx)
	return true
}

// fireServer lets a timer happen to the server in slot.
func (t *Table) fireServer(now clock.Instant, slot uint32, e event, fx *effect.List) (*Client, *Server, Verdict) {
	s := t.servers.At(slot)
	switch d := t.runServer(now, s, e, nil, fx); {
	case d&doInform != 0:
		return nil, s, ServerTimedOut
	case d&doEnd != 0:
		return nil, s, ServerEnded
	}
	return nil, nil, Absorbed
}

// Forget drops a server as if its request had not come: the layer above forwards
// that without a transaction (RFC 3261 §16.10), and its copies too.
func (t *Table) Forget(s *Server) {
	if s.live() {
		t.moved(s.state, terminated)
		s.state = terminated
		t.freeServer(s)
	}
}

// freeServer gives the slot back. Its fields stay readable until it is taken again.
func (t *Table) freeServer(s *Server) {
	t.rest(s)
	t.wheel.Stop(&s.life)
	t.bytes.Give(s.kept)
	s.kept = nil
	t.index.remove(tagOf(s.key), s.handle.Slot())
	t.kinds[s.kind()].Live--
	t.servers.Give(s.handle.Slot())
}
