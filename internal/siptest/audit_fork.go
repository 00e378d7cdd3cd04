package siptest

// hopByHop: CANCEL and ACK made by the element repeat what they must of the
// INVITE, have nothing else, and go the same way (RFC 3261 §9.1, §17.1.1.3).
func (s *story) hopByHop() {
	for i, e := range s.events {
		if !s.madeHere(e) {
			continue
		}
		invite := s.inviteOf(i)
		if invite == nil {
			continue // viaPush reports it
		}
		m, of := e.Message(), invite.Message()
		if m.URI != of.URI {
			s.report("Request-URI %s, the INVITE had %s", e, m.URI, of.URI)
		}
		for _, name := range []string{"Via", "Route", "From", "Call-ID"} {
			if !equal(m.All(name), of.All(name)[:min(len(of.All(name)), limitOf(name))]) {
				s.report("%s is %q, the INVITE had %q", e, name, m.All(name), of.All(name))
			}
		}
		if !s.toOfInvite(e, invite) {
			s.report("To is %q", e, m.Get("To"))
		}
		if e.Hop.Remote != invite.Hop.Remote {
			s.report("sent to %s, the INVITE went to %s", e, e.Hop, invite.Hop)
		}
		if m.Body != "" {
			s.report("it has a body", e)
		}
		s.onlyFields(e, madeFields[m.Method])
	}
}

// limitOf is how many values of a header field are repeated from the INVITE:
// only the top Via.
func limitOf(name string) int {
	if name == "Via" {
		return 1
	}
	return 1 << 20
}

// toOfInvite: a CANCEL has the To of the INVITE, an ACK that of a response.
func (s *story) toOfInvite(e, invite *Event) bool {
	to := e.Message().Get("To")
	if e.Message().Method == "CANCEL" {
		return to == invite.Message().Get("To")
	}
	for _, heard := range s.events {
		m := heard.Message()
		if heard.arrives() && m.Status >= 300 && m.Branch() == e.Message().Branch() && m.Get("To") == to {
			return true
		}
	}
	return false
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// earlyCancel: no CANCEL before a provisional, nor after a final (RFC 3261 §9.1).
func (s *story) earlyCancel() {
	for _, c := range s.clients() {
		if len(c.cancel) == 0 {
			continue
		}
		first := c.cancel[0]
		if p := c.first(100, 200); p == nil || c.at[p] > c.at[first] {
			s.report("a CANCEL before any provisional response", first)
		}
		if f := c.first(200, 700); f != nil && c.at[f] < c.at[first] {
			s.report("a CANCEL after the final response %d", first, f.Message().Status)
		}
	}
}

// cancelled: once a 2xx or 6xx has come, or the caller's CANCEL, every other
// branch that rings is cancelled at once, and one that rings later then.
func (s *story) cancelled() {
	byOrigin := map[string][]*client{}
	var order []string
	for _, c := range s.clients() {
		if c.method == "INVITE" && c.origin != nil {
			key := c.origin.Message().Branch()
			if byOrigin[key] == nil {
				order = append(order, key)
			}
			byOrigin[key] = append(byOrigin[key], c)
		}
	}
	for _, key := range order {
		for _, c := range byOrigin[key] {
			for _, why := range s.endings(byOrigin[key], c) {
				s.mustCancel(c, why)
			}
		}
	}
}

// endings finds the events that end the search for all branches but c.
func (s *story) endings(all []*client, c *client) []*Event {
	var list []*Event
	final := s.finalUpstream(c)
	for _, other := range all {
		if other == c {
			continue
		}
		if ok := other.first(200, 300); ok != nil && s.passedUp(ok) {
			list = append(list, ok)
		}
		if no := other.first(200, 700); no != nil && no.Message().Status >= 600 && other.aliveAt(no.At, s.rules.T1) && !s.after(no, final) {
			list = append(list, no)
		}
	}
	for _, e := range s.events {
		m := e.Message()
		if e.arrives() && m.Method == "CANCEL" && m.Branch() == c.origin.Message().Branch() && !s.after(e, final) && !s.after(c.sent[0], e) {
			list = append(list, e)
			break
		}
	}
	return list
}

// mustCancel reports when c rings after the event why, or rang then, and no
// CANCEL followed.
func (s *story) mustCancel(c *client, why *Event) {
	ringing, final := c.first(100, 200), c.first(200, 700)
	if ringing == nil || !c.aliveAt(ringing.At, s.rules.T1) {
		return
	}
	owed := why
	if s.after(ringing, why) {
		owed = ringing
	}
	if s.after(c.sent[0], owed) || final != nil && s.after(owed, final) || !c.aliveAt(owed.At, s.rules.T1) {
		return
	}
	if len(c.cancel) == 0 || c.cancel[0].At > owed.At.Add(late) {
		s.report("this branch rings and is not cancelled, although %s", c.sent[0], s.trace.line(why))
	}
}

func (s *story) index(e *Event) int {
	for i, x := range s.events {
		if x == e {
			return i
		}
	}
	return -1
}

// after reports whether a came after b; false when b is nil.
func (s *story) after(a, b *Event) bool { return b != nil && s.index(a) > s.index(b) }

// finalUpstream finds the first final response that left for the request c was
// made from.
func (s *story) finalUpstream(c *client) *Event {
	for _, e := range s.events {
		m := e.Message()
		if e.leaves() && m.Status >= 200 && sameCSeq(m, c.origin.Message()) && sameVias(m.Vias(), c.origin.Message().Vias()) {
			return e
		}
	}
	return nil
}

// passedUp reports whether a response that was received left again at once: a
// stray one ends nothing.
func (s *story) passedUp(heard *Event) bool {
	vias := heard.Message().Vias()
	for _, e := range s.events {
		m := e.Message()
		if e.leaves() && e.At == heard.At && m.Status == heard.Message().Status && len(vias) > 0 && sameVias(m.Vias(), vias[1:]) {
			return true
		}
	}
	return false
}
