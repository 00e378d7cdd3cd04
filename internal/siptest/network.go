package siptest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// Link is how packets travel. The zero value delivers all at once, in order.
type Link struct {
	Delay     time.Duration
	Jitter    time.Duration // up to this much more, evenly
	Loss      float64       // probabilities, 0 to 1
	Duplicate float64
	Reorder   float64 // of being held back until some later packets have passed
}

// Network is an element and parties around it, joined by links, in given time.
// It speaks UDP. The same seed and the same calls give the same trace.
type Network struct {
	Setup Setup

	seed  uint64
	rng   *rand.Rand
	loop  loop
	edge  *edge
	link  Link
	links map[netip.AddrPort]Link
	peers map[netip.AddrPort]peer
	calls []*Call

	// toElement hands a packet to the element: at once, or by the Sim's channel.
	toElement func(from string, f flow.Flow, wire []byte)
	// toBreaker tells the element of a failed send.
	toBreaker func(h effect.Handle)
}

// peer is a party that takes packets.
type peer interface {
	receive(m *Message, from netip.AddrPort)
}

// NewNetwork returns a network with one UDP listener "proxy" at 127.0.0.1:5060.
// Parties are added next, then the element by Attach.
func NewNetwork(t testing.TB, seed uint64, link Link) *Network {
	n := &Network{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 0x51b7e57)), link: link,
		links: map[netip.AddrPort]Link{}, peers: map[netip.AddrPort]peer{},
	}
	n.loop.now = start
	n.Setup = Setup{
		TB: t, Name: fmt.Sprintf("seed %d", seed), Start: start,
		Listeners: []Listener{{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:5060")}},
	}
	return n
}

// Attach builds the element, after all parties are there.
func (n *Network) Attach(newElement func(*Setup) Element) {
	n.edge = newEdge(&n.Setup, newElement(&n.Setup))
	n.direct()
}

// direct lets the element work within the event loop.
func (n *Network) direct() {
	n.toElement = func(from string, f flow.Flow, wire []byte) {
		n.carry(n.edge.receive(n.loop.now, from, f, wire))
	}
	n.toBreaker = func(h effect.Handle) { n.carry(n.edge.broken(n.loop.now, h)) }
}

// place adds an actor at an address, given as "host:port".
func (n *Network) place(name, addr string) *Actor {
	a := &Actor{Name: name, Protocol: flow.UDP, Addr: netip.MustParseAddrPort(addr)}
	a.place(len(n.Setup.Actors))
	n.Setup.Actors = append(n.Setup.Actors, a)
	return a
}

// Dead adds a target that takes packets and never answers.
func (n *Network) Dead(name, addr string) { n.place(name, addr) }

// Unreachable adds a target where sends fail: the element hears it by Broken.
func (n *Network) Unreachable(name, addr string) { n.place(name, addr).Down = true }

// LinkTo sets the link of one party, both ways.
func (n *Network) LinkTo(addr string, link Link) { n.links[netip.MustParseAddrPort(addr)] = link }

// proxy is where parties send what has no other place.
func (n *Network) proxy() netip.AddrPort { return n.Setup.Listeners[0].Addr }

// send puts a packet of a party on its link.
func (n *Network) send(from *Actor, to netip.AddrPort, wire []byte) {
	if l, ok := n.Setup.self(flow.Hop{Protocol: flow.UDP, Remote: to}); ok {
		f := from.flow(l, to)
		n.travel(from.Addr, func() { n.toElement(from.Name, f, wire) })
		return
	}
	n.travel(from.Addr, func() { n.arrive(from.Addr, to, wire) })
}

func (n *Network) arrive(from, to netip.AddrPort, wire []byte) {
	if p := n.peers[to]; p != nil {
		p.receive(ReadMessage(wire), from)
	}
}

// carry puts what the element sent on the links of those it is for.
func (n *Network) carry(sent []*Event) {
	for _, ev := range sent {
		switch {
		case ev.Kind == Failed && ev.about != 0:
			n.loop.after(time.Millisecond, func() { n.toBreaker(ev.about) })
		case ev.Kind == Failed:
		case ev.loops:
			n.loop.after(0, func() { n.toElement(ev.From, ev.Flow, ev.Wire) })
		default:
			n.travel(ev.Hop.Remote, func() { n.arrive(ev.Hop.Local, ev.Hop.Remote, ev.Wire) })
		}
	}
}

// travel lets a packet arrive as the link of a party has it: never, late, twice.
func (n *Network) travel(party netip.AddrPort, arrive func()) {
	link, ok := n.links[party]
	if !ok {
		link = n.link
	}
	copies := 1
	if n.rng.Float64() < link.Duplicate {
		copies = 2
	}
	for range copies {
		if n.rng.Float64() < link.Loss {
			continue
		}
		delay := link.Delay
		if link.Jitter > 0 {
			delay += time.Duration(n.rng.Int64N(int64(link.Jitter)))
		}
		if n.rng.Float64() < link.Reorder {
			delay += 3*(link.Delay+link.Jitter) + time.Millisecond
		}
		n.loop.after(delay, arrive)
	}
}

// Run runs the simulation for d of its own time.
func (n *Network) Run(d time.Duration) {
	until := n.loop.now.Add(d)
	stuck := 0
	for {
		timer, armed := n.edge.element.Next()
		task, waiting := n.loop.next()
		switch {
		case armed && timer <= until && (!waiting || timer < task):
			if stuck++; timer > n.loop.now {
				stuck = 0
			}
			if stuck > 10_000 {
				panic(fmt.Sprintf("siptest: the element's timers fire without end at %s", since(start, n.loop.now)))
			}
			n.loop.now = max(n.loop.now, timer)
			n.carry(n.edge.expire(n.loop.now))
		case waiting && task <= until:
			n.loop.step()
		default:
			n.loop.now = until
			return
		}
	}
}

// Finish runs the simulation to its end and fails the test when a call has not
// ended, the audit finds something, or the element holds anything 64*T1 after
// the last message. It returns the trace.
func (n *Network) Finish() *Trace {
	t := n.Setup.TB
	t.Helper()
	rules := n.Setup.Rules.filled()
	limit := n.loop.now.Add(rules.Ring + 4*64*rules.T1)
	for n.busy() && n.loop.now < limit {
		n.Run(10 * time.Second)
	}
	err := n.edge.rest()
	if at, armed := n.edge.element.Next(); armed {
		err = fmt.Errorf("a timer is still armed at %s, for %s", since(start, n.loop.now), since(start, at))
	}
	if err != nil {
		t.Errorf("%s: idle: %v", n.Setup.Name, err)
	}
	n.edge.trace.End = n.loop.now
	n.verdict()
	return n.edge.trace
}

// busy reports whether anything can still happen.
func (n *Network) busy() bool {
	_, waiting := n.loop.next()
	_, armed := n.edge.element.Next()
	return waiting || armed
}

// verdict checks calls and trace.
func (n *Network) verdict() {
	t := n.Setup.TB
	t.Helper()
	for _, c := range n.calls {
		if !c.Ended() {
			t.Errorf("%s: call %s has not ended:\n%s", n.Setup.Name, c.callID, n.storyOf(c))
			break
		}
	}
	bad := Audit(n.edge.trace, n.Setup.Rules)
	if len(bad) == 0 {
		return
	}
	t.Errorf("%s: the audit found %d violations:\n%s", n.Setup.Name, len(bad), describe(bad[:min(len(bad), 10)]))
	for _, c := range n.calls {
		if bad[0].Event != nil && c.callID == bad[0].Event.Message().CallID() {
			t.Errorf("the call of the first:\n%s", n.storyOf(c))
		}
	}
}

// storyOf is the trace of one call.
func (n *Network) storyOf(c *Call) *Trace {
	t := &Trace{Listeners: n.Setup.Listeners, Start: n.Setup.Start}
	for _, e := range n.edge.trace.Events {
		if e.Message().CallID() == c.callID {
			t.Events = append(t.Events, e)
		}
	}
	return t
}

// Outcomes counts the calls by the final response that the caller saw; 0 stands
// for none.
func (n *Network) Outcomes() map[int]int {
	count := map[int]int{}
	for _, c := range n.calls {
		count[c.Status]++
	}
	return count
}
