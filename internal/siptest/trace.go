package siptest

import (
	"fmt"
	"strings"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// Kind tells what happened to a message, seen from the element.
type Kind uint8

// The kinds.
const (
	Received Kind = iota
	Sent
	Failed // sent to someone who is down
)

// Event is one message that passed the element's edge.
type Event struct {
	At   clock.Instant
	Kind Kind
	From string    // name of the sender
	To   string    // name of the receiver, or its address
	Flow flow.Flow // of a received message
	Hop  flow.Hop  // of a sent message
	Wire []byte

	msg   *Message
	about effect.Handle // of a sent message: who hears that it failed
	actor *Actor        // the actor that a sent message reaches, or nil
	loops bool          // a sent message that leads to the element itself; Flow is how it arrives
}

// Message reads the event's bytes.
func (e *Event) Message() *Message {
	if e.msg == nil {
		e.msg = ReadMessage(e.Wire)
	}
	return e.msg
}

// Trace is everything that passed the element's edge, in order.
type Trace struct {
	Listeners []Listener
	Start     clock.Instant
	End       clock.Instant // up to when time was run
	Events    []*Event
}

// String is for people: one line a message.
func (t *Trace) String() string {
	var b strings.Builder
	for _, e := range t.Events {
		fmt.Fprintln(&b, t.line(e))
	}
	return b.String()
}

func (t *Trace) line(e *Event) string {
	m := e.Message()
	arrow := "->"
	if e.Kind == Failed {
		arrow = "-x"
	}
	what := fmt.Sprintf("%s %s", m.Method, m.URI)
	if !m.IsRequest() {
		_, method := m.CSeq()
		what = fmt.Sprintf("%d (%s)", m.Status, method)
	}
	return fmt.Sprintf("%9s  %-8s %s %-8s %s  branch=%s", since(t.Start, e.At), e.From, arrow, e.To, what, m.Branch())
}

// since prints the time from a to b to the millisecond: "+0.5s".
func since(a, b clock.Instant) string {
	seconds := fmt.Sprintf("%.3f", b.Sub(a).Round(time.Millisecond).Seconds())
	return "+" + strings.TrimSuffix(strings.TrimRight(seconds, "0"), ".") + "s"
}
