package proxy_test

import (
	"slices"
	"testing"

	"viaduct/internal/siptest"
)

// talk is a dialog that was made through a stage, as its ends know it.
type talk struct {
	callID      string
	invite      sent     // as it reached the callee
	ok          sent     // the 200 as it reached the caller
	callerRoute []string // in the order in which the caller writes it
	calleeRoute []string
	cseq        int
}

// establish plays INVITE and 200 between two addresses.
func (s *stage) establish(caller, callee, uri string, lines ...string) *talk {
	s.t.Helper()
	return s.establishOn(0, 0, caller, callee, uri, lines...)
}

// establishOn is establish for ends at two listeners.
func (s *stage) establishOn(in, out int, caller, callee, uri string, lines ...string) *talk {
	s.t.Helper()
	c := &talk{callID: s.call, cseq: 1}
	contact := "Contact: <sip:alice@" + caller + ">"
	if slices.ContainsFunc(lines, func(l string) bool { return l[:8] == "Contact:" }) {
		contact = "Subject: x"
	}
	list := s.receiveOn(in, caller, s.compose("INVITE "+uri+" SIP/2.0", append([]string{contact, "Via: SIP/2.0/UDP " + caller + ";branch=z9hG4bK-d" + s.call + ";rport"}, lines...)...))
	c.invite = s.relayed(list, callee)
	c.calleeRoute = c.invite.All("Record-Route")
	c.ok = s.refused(s.receiveOn(out, callee, answer(c.invite, "200 OK", "Contact: <sip:bob@"+callee+">")), 200)
	c.callerRoute = c.ok.All("Record-Route")
	slices.Reverse(c.callerRoute)
	return c
}

// to writes a request of the caller in the dialog, to any Request-URI.
func (c *talk) to(s *stage, method, uri string, lines ...string) string {
	c.cseq++
	head := []string{"Call-ID: " + c.callID, "To: " + c.ok.Get("To"), "From: " + c.ok.Get("From")}
	for _, r := range c.callerRoute {
		head = append(head, "Route: "+r)
	}
	return s.compose(method+" "+uri+" SIP/2.0", append(head, lines...)...)
}

// within is to for the callee's Contact.
func (c *talk) within(s *stage, method string, lines ...string) string {
	return c.to(s, method, contactOf(c.ok.Message), lines...)
}

func (c *talk) ack(s *stage) string { return c.within(s, "ACK") }

// back writes a request of the callee.
func (c *talk) back(s *stage, method string, lines ...string) string {
	head := []string{"Call-ID: " + c.callID, "From: " + c.ok.Get("To"), "To: " + c.ok.Get("From"), "Via: SIP/2.0/UDP " + bobAt + ";branch=z9hG4bK-back" + method}
	for _, r := range c.calleeRoute {
		head = append(head, "Route: "+r)
	}
	return s.compose(method+" "+contactOf(c.invite.Message)+" SIP/2.0", append(head, lines...)...)
}

// contactOf is the URI of a Contact that is written in <>.
func contactOf(m *siptest.Message) string {
	v := m.Get("Contact")
	return v[1 : len(v)-1]
}

// own are the user parts of Route values: cookies.
func cookieOf(t testing.TB, route string) string {
	t.Helper()
	for i := range route {
		if route[i] == '@' {
			return route[len("<sip:"):i]
		}
	}
	t.Fatalf("no user part in %s", route)
	return ""
}
