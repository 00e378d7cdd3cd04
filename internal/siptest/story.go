package siptest

import "strings"

// story is the events of one Call-ID, with the questions that expectations and
// audit rules ask of them.
type story struct {
	trace  *Trace
	rules  Rules
	events []*Event
	report func(format string, e *Event, args ...any)
}

// own reports whether a Via value is one that the element writes.
func (s *story) own(v *ViaValue) bool {
	for i := range s.trace.Listeners {
		l := &s.trace.Listeners[i]
		if v.SentBy() == strings.ToLower(l.Addr.String()) || l.Advertise != "" && v.SentBy() == withPort(l.Advertise) {
			return true
		}
	}
	return false
}

// ownURI reports whether a URI or a header value with one names the element.
func (t *Trace) ownURI(value string) bool {
	uri, _ := splitAddress(value)
	addr, literal := hostPort(uri)
	for i := range t.Listeners {
		l := &t.Listeners[i]
		if literal && addr == l.Addr || l.Advertise != "" && hostOf(uri) == withPort(l.Advertise) {
			return true
		}
	}
	return false
}

// sameVias compares two Via stacks. The received one may have been stamped with
// received and rport at its top (RFC 3261 §18.2.1).
func sameVias(out, in []ViaValue) bool {
	if len(out) != len(in) {
		return false
	}
	for i := range out {
		if out[i].Text != in[i].Text && (i > 0 || out[i].unstamped() != in[i].unstamped()) {
			return false
		}
	}
	return true
}

// sameCSeq reports whether two messages belong to transactions of one CSeq.
func sameCSeq(a, b *Message) bool {
	an, am := a.CSeq()
	bn, bm := b.CSeq()
	return an == bn && am == bm
}

// origin finds the received message that a sent one was made from: for a request
// the one with its Vias less the top, for a response the one with one Via more.
// nil for what the element made itself.
func (s *story) origin(i int) *Event {
	out := s.events[i].Message()
	vias := out.Vias()
	var found *Event
	for _, e := range s.events[:i] {
		if !e.arrives() {
			continue
		}
		in := e.Message()
		if in.IsRequest() != out.IsRequest() || !sameCSeq(in, out) {
			continue
		}
		if out.IsRequest() {
			if in.Method == out.Method && len(vias) > 0 && sameVias(vias[1:], in.Vias()) {
				found = e
			}
			continue
		}
		if in.Status == out.Status && len(in.Vias()) == len(vias)+1 && sameVias(in.Vias()[1:], vias) {
			if found == nil || in.Tag("To") == out.Tag("To") || found.Message().Tag("To") != out.Tag("To") {
				found = e
			}
		}
	}
	return found
}

// requestOf finds the received request that a sent response answers.
func (s *story) requestOf(i int) *Event {
	out := s.events[i].Message()
	for k := i - 1; k >= 0; k-- {
		e := s.events[k]
		if in := e.Message(); e.arrives() && in.IsRequest() && sameCSeq(in, out) && sameVias(out.Vias(), in.Vias()) {
			return e
		}
	}
	return nil
}

// arrives reports whether the element received the event's message.
func (e *Event) arrives() bool { return e.Kind == Received }

// leaves reports whether the element sent the event's message.
func (e *Event) leaves() bool { return e.Kind != Received }

// inviteOf finds the INVITE that left with the branch of event i, before it.
func (s *story) inviteOf(i int) (invite *Event) {
	out := s.events[i].Message()
	number, _ := out.CSeq()
	for _, e := range s.events[:i] {
		m := e.Message()
		if n, _ := m.CSeq(); !e.leaves() || m.Method != "INVITE" || m.Branch() != out.Branch() || n != number {
			continue
		}
		// A large one may have been sent by TCP, and then by UDP (RFC 3261 §18.1.1).
		if invite == nil || invite.Hop.Protocol != s.events[i].Hop.Protocol {
			invite = e
		}
	}
	return invite
}

// storyAt is the story of an event's call within a whole trace, up to and with
// the event; its index is the last.
func (t *Trace) storyAt(ev *Event) *story {
	s := &story{trace: t}
	id := ev.Message().CallID()
	for _, e := range t.Events {
		if e.Message().CallID() == id {
			s.events = append(s.events, e)
		}
		if e == ev {
			break
		}
	}
	return s
}

// withPort completes a host[:port] by the default port, in lower case.
func withPort(host string) string {
	v := readVia("SIP/2.0/UDP " + host)
	return v.SentBy()
}

// hostOf is host and port of a SIP URI, completed like withPort.
func hostOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if i := strings.IndexAny(rest, ";?>"); i >= 0 {
		rest = rest[:i]
	}
	return withPort(rest)
}
