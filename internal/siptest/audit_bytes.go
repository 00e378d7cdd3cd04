package siptest

import (
	"slices"
	"strings"
)

// madeFields are the header fields that an ACK or CANCEL made here may have.
var madeFields = map[string][]string{
	"ACK":    {"via", "max-forwards", "route", "from", "to", "call-id", "cseq", "content-length", "max-breadth", "authorization", "proxy-authorization"},
	"CANCEL": {"via", "max-forwards", "route", "from", "to", "call-id", "cseq", "content-length", "max-breadth", "reason"},
}

// ownResponse are the header fields that a response made here may have: those of
// RFC 3261 §8.2.6 and those that a status or method asks for.
var ownResponse = []string{
	"via", "from", "to", "call-id", "cseq", "content-length", "timestamp", "server", "date", "retry-after", "warning",
	"unsupported", "allow", "accept", "accept-encoding", "accept-language", "supported", "proxy-authenticate", "www-authenticate",
	"contact", "min-expires", "path", "service-route", "require", "reason", "expires", "record-route", "flow-timer",
}

// edited are the header fields of a request that a proxy edits by RFC 3261 §16.6
// and RFC 5393; each has a check of its own.
var edited = []string{"via", "route", "record-route", "max-forwards", "max-breadth", "authorization", "proxy-authorization"}

// bytes: no message leaves with bytes that were not received, configured or the
// element's own by RFC.
func (s *story) bytes() {
	for i, e := range s.events {
		if !e.leaves() || s.madeHere(e) {
			continue
		}
		origin := s.origin(i)
		switch {
		case origin == nil && e.Message().IsRequest(): // viaPush reports it
		case origin == nil:
			s.onlyFields(e, ownResponse)
			if e.Message().Body != "" {
				s.report("a response of its own has a body", e)
			}
		case e.Message().IsRequest():
			s.requestBytes(e, origin.Message())
		default:
			s.responseBytes(e, origin.Message())
		}
	}
}

// onlyFields reports header fields that are not in the list.
func (s *story) onlyFields(e *Event, list []string) {
	for i := range e.Message().Lines {
		if l := &e.Message().Lines[i]; !slices.Contains(list, l.Key) && !s.rules.edits(l.Key) {
			s.report("header field %q does not belong here", e, l.Name)
		}
	}
}

func (s *story) requestBytes(e *Event, in *Message) {
	out := e.Message()
	s.sameLines(e, in, edited)
	s.sameBody(e, in)
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		if !within(out.All(name), in.All(name)) && !s.rules.edits(keyOf(name)) {
			s.report("%s has values that were not received", e, name)
		}
	}
	// RFC 3261 §16.6 step 6: towards a strict router the Request-URI ends the Route.
	if !s.rules.edits("route") && !within(out.All("Route"), append(in.All("Route"), "<"+in.URI+">")) {
		s.report("Route is %q, received %q", e, out.All("Route"), in.All("Route"))
	}
	added := len(out.All("Record-Route")) - len(in.All("Record-Route"))
	if added < 0 || added > 2 || !equal(out.All("Record-Route")[added:], in.All("Record-Route")) {
		s.report("Record-Route is %q, received %q", e, out.All("Record-Route"), in.All("Record-Route"))
		return
	}
	for _, value := range out.All("Record-Route")[:added] {
		if !s.trace.ownURI(value) {
			s.report("Record-Route value %q is not the element's", e, value)
		}
	}
}

func (s *story) responseBytes(e *Event, in *Message) {
	out := e.Message()
	except := []string{"via", "record-route"}
	if out.Status == 401 || out.Status == 407 { // RFC 3261 §16.7 step 7 aggregates them
		except = append(except, "www-authenticate", "proxy-authenticate")
		s.challenges(e)
	}
	if out.Status/100 == 3 { // step 4: Contacts that were tried are taken out
		except = append(except, "contact")
	}
	if out.Status >= 300 { // step 6: the To tag of an aggregated response is free
		except = append(except, "to")
	}
	s.sameLines(e, in, except)
	s.sameBody(e, in)
	if out.Reason != in.Reason {
		s.report("reason phrase %q, received %q", e, out.Reason, in.Reason)
	}
	if !s.rules.edits("record-route") && len(out.All("Record-Route")) != len(in.All("Record-Route")) {
		s.report("Record-Route is %q, received %q", e, out.All("Record-Route"), in.All("Record-Route"))
	}
}

// challenges: those of a 401 or 407 were all received in this call.
func (s *story) challenges(e *Event) {
	for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
		for _, value := range e.Message().All(name) {
			if !slices.ContainsFunc(s.events, func(x *Event) bool { return x.arrives() && slices.Contains(x.Message().All(name), value) }) {
				s.report("%s %q was not received", e, name, value)
			}
		}
	}
}

// sameLines: the header lines that nobody edits are those received, byte for
// byte and in their order. A missing Content-Length may be added.
func (s *story) sameLines(e *Event, in *Message, except []string) {
	except = slices.Clone(except)
	if !in.Has("Content-Length") {
		except = append(except, "content-length")
	}
	pick := func(m *Message) (raw []string) {
		for i := range m.Lines {
			if l := &m.Lines[i]; !slices.Contains(except, l.Key) && !s.rules.edits(l.Key) {
				raw = append(raw, l.Raw)
			}
		}
		return raw
	}
	is, was := pick(e.Message()), pick(in)
	if equal(is, was) {
		return
	}
	for _, row := range is {
		if !slices.Contains(was, row) {
			s.report("header line %q was not received", e, row)
			return
		}
	}
	for _, row := range was {
		if !slices.Contains(is, row) {
			s.report("header line %q got lost", e, row)
			return
		}
	}
	s.report("header lines changed their order: %s", e, strings.Join(is, " | "))
}

func (s *story) sameBody(e *Event, in *Message) {
	if !s.rules.edits("body") && e.Message().Body != in.Body {
		s.report("the body of %d bytes is not that received, of %d", e, len(e.Message().Body), len(in.Body))
	}
}

// within reports whether part is a subsequence of whole.
func within(part, whole []string) bool {
	for _, value := range whole {
		if len(part) > 0 && part[0] == value {
			part = part[1:]
		}
	}
	return len(part) == 0
}
