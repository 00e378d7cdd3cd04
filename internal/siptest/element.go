package siptest

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// Element is what is tested: anything that takes packets and time, and answers
// with effects. It must not keep wire nor look into fx after the call.
type Element interface {
	// Receive takes one packet. It may be garbage.
	Receive(now clock.Instant, wire []byte, from flow.Flow, fx *effect.List)
	// Expire runs the timers that are due at now.
	Expire(now clock.Instant, fx *effect.List)
	// Next is when Expire has something to do; false when no timer is armed.
	Next() (clock.Instant, bool)
}

// Breaker is an Element that wants to hear that a send failed. It is told for
// sends with a Handle to an actor that is down.
type Breaker interface {
	Broken(now clock.Instant, h effect.Handle, fx *effect.List)
}

// FlowCloser is an Element that wants to hear that a connection has ended.
type FlowCloser interface {
	FlowGone(now clock.Instant, f flow.Flow, fx *effect.List)
}

// Idler is an Element that can tell that it holds nothing any more.
type Idler interface {
	Idle() bool
}

// Doer is an Element with actions of its own: the ladder line "do drain now"
// calls Do with the words "drain" and "now".
type Doer interface {
	Do(now clock.Instant, words []string, fx *effect.List) error
}

// Listener is one address of the element. Its index is its flow.Listener.
type Listener struct {
	Name      string // what ladders call it; several listeners may share a name
	Protocol  flow.Protocol
	Addr      netip.AddrPort
	Advertise string // host[:port] that it may write instead of Addr, or ""
}

// Setup is what a test builds its Element from.
type Setup struct {
	TB        testing.TB
	Name      string        // of the ladder or the simulation
	Config    string        // text of the ladder's config block, or the name that stands there
	Start     clock.Instant // time of the first step
	Listeners []Listener    // index is flow.Listener
	Actors    []*Actor      // the parties around the element
	Rules     Rules         // what the audit is told
}

// start is the first moment of a ladder or simulation: not zero, which means
// "never", and on the tick of every wheel.
const start = clock.Instant(100 * time.Second)

// Actor finds an actor by name, or nil.
func (s *Setup) Actor(name string) *Actor {
	for _, a := range s.Actors {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Expand replaces ${name} by the address and port of that actor or listener.
// What names neither stays as it is.
func (s *Setup) Expand(text string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	var pairs []string
	for _, a := range s.Actors {
		pairs = append(pairs, "${"+a.Name+"}", a.Addr.String())
	}
	for i := range s.Listeners {
		pairs = append(pairs, "${"+s.Listeners[i].Name+"}", s.Listeners[i].Addr.String())
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// listener finds the listener that an actor reaches under a name: that of its
// transport and address family.
func (s *Setup) listener(name string, a *Actor) (flow.Listener, bool) {
	for i, l := range s.Listeners {
		if l.Name == name && l.Protocol == a.Protocol && l.Addr.Addr().Is4() == a.Source.Addr().Is4() {
			return flow.Listener(i), true
		}
	}
	return 0, false
}

func (s *Setup) isListener(name string) bool {
	for i := range s.Listeners {
		if s.Listeners[i].Name == name {
			return true
		}
	}
	return false
}

// self finds the listener that a hop leads to when the element sends to itself.
func (s *Setup) self(hop flow.Hop) (flow.Listener, bool) {
	for i, l := range s.Listeners {
		if l.Protocol == hop.Protocol && l.Addr == hop.Remote {
			return flow.Listener(i), true
		}
	}
	return 0, false
}

// reached finds the actor that a hop leads to, or nil.
func (s *Setup) reached(hop flow.Hop) *Actor {
	for _, a := range s.Actors {
		if a.Protocol != hop.Protocol {
			continue
		}
		if hop.Conn != 0 && hop.Conn == a.Conn || hop.Remote == a.Source || hop.Remote == a.Addr && !a.NAT {
			return a
		}
	}
	return nil
}

// loop turns a hop that leads to the element itself into the flow that arrives.
func (s *Setup) loop(hop flow.Hop, to flow.Listener) flow.Flow {
	f := flow.Flow{Local: hop.Remote, Remote: hop.Local, Listener: to, Protocol: hop.Protocol}
	if !f.Remote.IsValid() && int(hop.Listener) < len(s.Listeners) {
		f.Remote = s.Listeners[hop.Listener].Addr
	}
	return f
}
