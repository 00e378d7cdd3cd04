package siptest

import (
	"net/netip"
	"strings"
	"time"
)

// Manner is how a callee takes calls.
type Manner struct {
	Ring    time.Duration // sends 180 after this; 0: does not ring
	Answer  time.Duration // sends the final response after this
	Status  int           // the final response, 0 for 200
	Contact string        // of a 3xx
	HangUp  time.Duration // after a 2xx; 0: the caller does
	Silent  bool          // never answers an INVITE, but takes all else
}

// Callee is a user agent that is called.
type Callee struct {
	endpoint
	Manner Manner
	calls  map[string]*ends // by Call-ID and own tag
}

// Callee adds a callee to the network.
func (n *Network) Callee(name, addr string, manner Manner) *Callee {
	c := &Callee{endpoint: newEndpoint(n, n.place(name, addr)), Manner: manner, calls: map[string]*ends{}}
	n.peers[c.actor.Addr] = c
	return c
}

func (u *Callee) receive(m *Message, from netip.AddrPort) {
	if !m.IsRequest() {
		u.response(m)
		return
	}
	if m.Method == "ACK" {
		u.ack(m)
		return
	}
	if m.Method == "INVITE" && u.Manner.Silent {
		return
	}
	s, isNew := u.serve(m)
	if !isNew {
		return
	}
	switch m.Method {
	case "INVITE":
		u.invited(s)
	case "CANCEL":
		u.cancelled(s)
	case "BYE":
		e := u.calls[m.CallID()+" "+m.Tag("To")]
		if e == nil {
			s.respond(481, nil)
			return
		}
		e.over = true
		s.respond(200, nil)
	default:
		s.respond(200, nil)
	}
}

func (u *Callee) invited(s *serverTransaction) {
	if u.Manner.Ring > 0 {
		u.net.loop.after(u.Manner.Ring, func() {
			if s.status == 0 {
				s.respond(180, nil)
			}
		})
	}
	u.net.loop.after(u.Manner.Answer, func() {
		if s.status < 200 {
			u.decide(s)
		}
	})
}

// decide gives the final response.
func (u *Callee) decide(s *serverTransaction) {
	status := u.Manner.Status
	if status == 0 {
		status = 200
	}
	if status >= 300 {
		s.respond(status, func(d *draft) {
			if u.Manner.Contact != "" {
				d.add("Contact", "<"+u.Manner.Contact+">")
			}
		})
		return
	}
	e := asCallee(s.req, s.tag)
	u.calls[s.req.CallID()+" "+s.tag] = e
	s.expired = func() { u.bye(e, nil) } // RFC 3261 §13.3.1.4: no ACK came
	s.respond(status, nil)
	if u.Manner.HangUp > 0 {
		u.net.loop.after(u.Manner.HangUp, func() { u.bye(e, nil) })
	}
}

// cancelled answers a CANCEL, and its INVITE with 487 when that still waits.
func (u *Callee) cancelled(s *serverTransaction) {
	invite := u.servers[s.req.Branch()+" INVITE"]
	if invite == nil {
		s.respond(481, nil)
		return
	}
	s.tag = invite.tag // RFC 3261 §9.2: the same To tag
	s.respond(200, nil)
	if invite.status < 200 {
		invite.respond(487, nil)
	}
}

// readRow cuts a header line in two.
func readRow(line string) row {
	name, value, _ := strings.Cut(line, ":")
	return row{name, strings.TrimSpace(value)}
}
