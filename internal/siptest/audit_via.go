package siptest

import (
	"net/netip"
	"strconv"
	"strings"

	"viaduct/internal/flow"
)

// wellFormed: what leaves is framed, and from a listener of the element.
func (s *story) wellFormed() {
	for _, e := range s.events {
		if !e.leaves() {
			continue
		}
		for _, fault := range e.Message().Faults {
			s.report("%s", e, fault)
		}
		if e.From == "?" {
			s.report("sent from %v on listener %d, which do not fit", e, e.Hop.Local, e.Hop.Listener)
		}
	}
}

// madeHere reports whether an event is a CANCEL or ACK that the element made itself:
// it has one Via (RFC 3261 §9.1, §17.1.1.3).
func (s *story) madeHere(e *Event) bool {
	m := e.Message()
	return e.leaves() && (m.Method == "CANCEL" || m.Method == "ACK") && len(m.Vias()) == 1
}

// viaPush: a request leaves with one own Via on top of those it came with.
func (s *story) viaPush() {
	for i, e := range s.events {
		m := e.Message()
		if !e.leaves() || !m.IsRequest() {
			continue
		}
		top := m.TopVia()
		switch {
		case !s.own(top):
			s.report("top Via %q is not the element's", e, top.Text)
		case !strings.EqualFold(top.Transport, e.Hop.Protocol.String()):
			s.report("top Via says %s, the hop is %s", e, top.Transport, e.Hop.Protocol)
		case s.madeHere(e):
			if s.inviteOf(i) == nil {
				s.report("made here, but no INVITE left with branch %s", e, top.Branch())
			}
		case s.origin(i) == nil:
			s.report("no request was received with the Vias below the top one", e)
		}
	}
}

// viaPop: a response leaves with the Vias of the request it answers.
func (s *story) viaPop() {
	for i, e := range s.events {
		m := e.Message()
		if !e.leaves() || m.IsRequest() || s.requestOf(i) != nil {
			continue
		}
		if s.origin(i) == nil || s.viasOfRequest(m) {
			s.report("its Vias are not those of a request received", e)
		}
	}
}

// viasOfRequest reports whether a request was received for the transaction of a
// response at all: strays that are forwarded by Via alone have none.
func (s *story) viasOfRequest(response *Message) bool {
	for _, e := range s.events {
		if m := e.Message(); e.arrives() && m.IsRequest() && sameCSeq(m, response) {
			return true
		}
	}
	return false
}

// responseHop: a response goes where RFC 3261 §18.2.2 and RFC 3581 §4 say.
func (s *story) responseHop() {
	for i, e := range s.events {
		if !e.leaves() || e.Message().IsRequest() {
			continue
		}
		req := s.requestOf(i)
		if req == nil {
			continue
		}
		if want, exact := replyTo(req); exact && want != e.Hop.Remote {
			s.report("sent to %s, the request's Via and source say %s", e, e.Hop.Remote, want)
		}
		_, rport := req.Message().TopVia().Param("rport")
		if local := e.Hop.Local; rport && local.IsValid() && local != req.Flow.Local {
			s.report("sent from %s, the request came to %s (RFC 3581 §4)", e, local, req.Flow.Local)
		}
	}
}

// replyTo finds where the responses to a request go; exact is false when a new
// connection is legal.
func replyTo(req *Event) (to netip.AddrPort, exact bool) {
	via := req.Message().TopVia()
	if req.Flow.Protocol != flow.UDP {
		return req.Flow.Remote, req.Flow.Conn != 0
	}
	port := via.Port
	if port == 0 {
		port = 5060
	}
	if maddr, ok := via.Param("maddr"); ok {
		a, err := netip.ParseAddr(maddr)
		return netip.AddrPortFrom(a, port), err == nil
	}
	if _, ok := via.Param("rport"); ok {
		return req.Flow.Remote, true
	}
	return netip.AddrPortFrom(req.Flow.Remote.Addr(), port), true
}

// branch: a branch names one client transaction, and a CANCEL or ACK that
// belongs to an INVITE has the INVITE's.
func (s *story) branch() {
	first := map[string]*Event{}
	for i, e := range s.events {
		m := e.Message()
		if !e.leaves() || !m.IsRequest() {
			continue
		}
		branch := m.Branch()
		if len(branch) <= len("z9hG4bK") || !strings.HasPrefix(branch, "z9hG4bK") {
			s.report("branch %q has no magic cookie", e, branch)
		}
		old := first[branch+" "+m.Method]
		if old == nil {
			first[branch+" "+m.Method] = e
			s.branchOfMethods(i, e, first)
			continue
		}
		if old.Message().Wire != m.Wire && old.Hop.Protocol == e.Hop.Protocol && !(m.Method == "ACK" && s.madeHere(e)) {
			s.report("the branch was used before for another %s", e, m.Method)
		}
	}
}

// branchOfMethods compares the branch of the first message of a method with
// those of the other methods.
func (s *story) branchOfMethods(i int, e *Event, first map[string]*Event) {
	m := e.Message()
	if s.madeHere(e) {
		return // viaPush wants the INVITE to be there
	}
	if m.Method == "CANCEL" || m.Method == "ACK" {
		if s.relayedLikeInvite(i) {
			if s.rules.Stateless && s.inviteOf(i) == nil {
				s.report("%s has not the branch of its INVITE (RFC 3261 §16.11)", e, m.Method)
			}
			return
		}
	}
	for other, old := range first {
		branch, method, _ := strings.Cut(other, " ")
		if branch == m.Branch() && method != m.Method && !s.madeHere(old) {
			s.report("the branch was used before for a %s", e, method)
		}
	}
}

// relayedLikeInvite reports whether a relayed CANCEL or ACK came in with the
// branch of an INVITE that was relayed.
func (s *story) relayedLikeInvite(i int) bool {
	origin := s.origin(i)
	if origin == nil {
		return false
	}
	for _, e := range s.events[:i] {
		m := e.Message()
		if e.arrives() && m.Method == "INVITE" && m.Branch() == origin.Message().Branch() && m.Branch() != "" {
			return true
		}
	}
	return false
}

// maxForwards: it falls by one at each hop, and is there (RFC 3261 §16.6 step 3).
func (s *story) maxForwards() {
	for i, e := range s.events {
		if !e.leaves() || !e.Message().IsRequest() {
			continue
		}
		got := e.Message().MaxForwards()
		if got < 0 {
			s.report("Max-Forwards is missing or bad", e)
			continue
		}
		origin := s.origin(i)
		if origin == nil {
			continue
		}
		// A value above 255 may be taken for absent; an absent one becomes 70.
		if was := origin.Message().MaxForwards(); was >= 0 && was <= 255 && got != was-1 {
			s.report("Max-Forwards went from %d to %d", e, was, got)
		}
	}
}

// maxBreadth: a request has at most one value, and no copy more than came
// (RFC 5393 §5.3.3).
func (s *story) maxBreadth() {
	for i, e := range s.events {
		values := e.Message().All("Max-Breadth")
		if !e.leaves() || len(values) == 0 {
			continue
		}
		got, err := strconv.Atoi(values[0])
		if err != nil || len(values) > 1 || got < 1 {
			s.report("Max-Breadth is %q", e, values)
			continue
		}
		origin := s.origin(i)
		if origin == nil {
			continue
		}
		if was, err := strconv.Atoi(origin.Message().Get("Max-Breadth")); err == nil && got > was {
			s.report("Max-Breadth went from %d to %d", e, was, got)
		}
	}
}

// unchanged: CSeq, Call-ID, From and To stay as they came.
func (s *story) unchanged() {
	for i, e := range s.events {
		m := e.Message()
		if !e.leaves() {
			continue
		}
		origin := s.origin(i)
		fields := []string{"From", "To", "CSeq", "Call-ID"}
		if !m.IsRequest() {
			s.toOfResponse(i, origin)
			origin, fields = s.requestOf(i), []string{"From", "CSeq", "Call-ID"}
		}
		if origin == nil {
			continue
		}
		for _, name := range fields {
			if was, is := origin.Message().Get(name), m.Get(name); was != is {
				s.report("%s was %q and is %q", e, name, was, is)
			}
		}
	}
}

// toOfResponse: the To of a request is kept with its tag; a 1xx or 2xx keeps the
// tag of the callee; a 100 of our own gets none (RFC 3261 §8.2.6.2, §16.7 step 6).
func (s *story) toOfResponse(i int, origin *Event) {
	e := s.events[i]
	m := e.Message()
	to := m.Get("To")
	if origin != nil && m.Status < 300 && origin.Message().Get("To") != to {
		s.report("To was %q in the response received and is %q", e, origin.Message().Get("To"), to)
	}
	req := s.requestOf(i)
	if req == nil {
		return
	}
	was := req.Message().Get("To")
	switch {
	case req.Message().Tag("To") != "" && to != was && origin == nil:
		s.report("To was %q in the request and is %q", e, was, to)
	case req.Message().Tag("To") == "" && m.Status == 100 && origin == nil && m.Tag("To") != "":
		s.report("a 100 of its own has a To tag", e)
	case req.Message().Tag("To") == "" && m.Status > 100 && origin == nil && was != "" && m.Tag("To") == "":
		s.report("a response of its own has no To tag", e)
	}
}
