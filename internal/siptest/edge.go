package siptest

import (
	"bytes"
	"fmt"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// edge is the element and what passes in and out of it. Ladders, the network
// and the simulation all go through it, so that all of them leave a trace.
type edge struct {
	setup   *Setup
	element Element
	trace   *Trace
	fx      effect.List
	fired   clock.Instant // when a timer ran last
}

func newEdge(s *Setup, element Element) *edge {
	return &edge{setup: s, element: element, trace: &Trace{Listeners: s.Listeners, Start: s.Start, End: s.Start}}
}

// receive hands one packet to the element and returns what it sent.
func (e *edge) receive(now clock.Instant, from string, f flow.Flow, wire []byte) []*Event {
	to := "?"
	if int(f.Listener) < len(e.setup.Listeners) {
		to = e.setup.Listeners[f.Listener].Name
	}
	e.record(&Event{At: now, Kind: Received, From: from, To: to, Flow: f, Wire: wire})
	// The element gets a copy that is spoilt afterwards: who kept it is found out.
	lent := bytes.Clone(wire)
	e.element.Receive(now, lent, f, &e.fx)
	sent := e.collect(now)
	for i := range lent {
		lent[i] = '#'
	}
	return sent
}

// expire runs the element's timers that are due at now.
func (e *edge) expire(now clock.Instant) []*Event {
	e.fired = now
	e.element.Expire(now, &e.fx)
	return e.collect(now)
}

// broken tells the element that a send failed, if it wants to know.
func (e *edge) broken(now clock.Instant, h effect.Handle) []*Event {
	if b, ok := e.element.(Breaker); ok {
		b.Broken(now, h, &e.fx)
	}
	return e.collect(now)
}

// collect turns the sends of the effect list into events.
func (e *edge) collect(now clock.Instant) []*Event {
	var sent []*Event
	for i := range e.fx.Sends {
		s := &e.fx.Sends[i]
		ev := &Event{At: now, Kind: Sent, From: e.sender(s.Hop), To: s.Hop.Remote.String(), Hop: s.Hop, Wire: bytes.Clone(s.Wire), about: s.For}
		if a := e.setup.reached(s.Hop); a != nil {
			ev.To, ev.actor = a.Name, a
			if a.Down {
				ev.Kind = Failed
			}
		} else if l, ok := e.setup.self(s.Hop); ok {
			ev.To, ev.loops, ev.Flow = e.setup.Listeners[l].Name, true, e.setup.loop(s.Hop, l)
		}
		e.record(ev)
		sent = append(sent, ev)
	}
	e.fx.Reset()
	return sent
}

// sender names the listener that a message leaves from; one that does not fit
// its hop shows as "?".
func (e *edge) sender(hop flow.Hop) string {
	if int(hop.Listener) >= len(e.setup.Listeners) {
		return "?"
	}
	l := &e.setup.Listeners[hop.Listener]
	local := hop.Local.Addr()
	if l.Protocol != hop.Protocol || local.IsValid() && local != l.Addr.Addr() && !l.Addr.Addr().IsUnspecified() {
		return "?"
	}
	return l.Name
}

func (e *edge) record(ev *Event) {
	e.trace.Events = append(e.trace.Events, ev)
	e.trace.End = max(e.trace.End, ev.At)
}

// drain runs time on with nobody answering until no timer is left. deliver takes
// what is sent meanwhile. It returns an error when the element never comes to rest.
func (e *edge) drain(now clock.Instant, deliver func(clock.Instant, []*Event)) (clock.Instant, error) {
	rules := e.setup.Rules.filled()
	limit := now.Add(rules.Ring + 4*64*rules.T1)
	for range 1_000_000 {
		next, armed := e.element.Next()
		if !armed {
			return now, e.rest()
		}
		if next > limit {
			return now, fmt.Errorf("a timer is armed for %s after the last step", next.Sub(now).Round(time.Millisecond))
		}
		now = max(now, next)
		deliver(now, e.expire(now))
	}
	return now, fmt.Errorf("timers fire without end; the last at %s", since(e.trace.Start, now))
}

// rest checks what must hold when no timer is left, which is at most 64*T1 after
// the last message.
func (e *edge) rest() error {
	rules := e.setup.Rules.filled()
	events := e.trace.Events
	if len(events) == 0 {
		return nil
	}
	if late := e.fired.Sub(events[len(events)-1].At); late > 64*rules.T1+slack {
		return fmt.Errorf("a timer ran %s after the last message; 64*T1 is %s", late, 64*rules.T1)
	}
	if i, ok := e.element.(Idler); ok && !i.Idle() {
		return fmt.Errorf("no timer is left, but the element holds something")
	}
	return nil
}
