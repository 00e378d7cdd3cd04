package proxy_test

import (
	"fmt"
	"testing"

	"viaduct/internal/flow"
)

// RFC 7118 §7: rules read the session that a WebSocket was opened with, and decide by it.
// Proves: WS-13
func TestRulesReadTheSession(t *testing.T) {
	t.Parallel()
	s := overWebSocket(t, flow.WSS, `
table "session" {
  key  = "id"
  rows = [{ id = "abc", user = "alice" }, { id = "xyz", user = "mallory" }]
}
rule "no session" {
  when  = transport == "wss" && !has(session)
  reply = "403 No Session"
}
rule "another's name" {
  when  = has(session) && (!has(table.session[session]) || table.session[session].user != from.user)
  reply = "403 Not Yours"
}
rule "all" { send = "sip:203.0.113.7" }
`)
	for i, c := range []struct {
		session string
		status  int
	}{{"", 403}, {"abc", 0}, {"ABC", 403}, {"xyz", 403}, {"unknown", 403}} {
		wire := s.compose("INVITE sip:bob@example.org SIP/2.0", fmt.Sprintf("Via: SIP/2.0/WSS a.invalid;branch=z9hG4bK%d", i), "Contact: <sip:alice@a.invalid;transport=ws>")
		s.fx.Reset()
		s.Receive(s.now, []byte(wire), flow.Flow{
			Local: s.on[0].Addr, Remote: s.on[1].Addr, Conn: 7, Protocol: flow.WSS, Session: flow.MakeSession(c.session),
		}, &s.fx)
		if list := s.sends(); c.status == 0 {
			s.relayed(list, bobAt)
		} else {
			s.refused(list, c.status)
		}
	}
}
