package e2e

import (
	"fmt"
	"testing"
)

// bothTransports calls one address by a transport, whoever calls.
const bothTransports = `
listen "udp" { address = "%[1]s:5060" }
listen "tcp" { address = "%[1]s:5060" }
rule "all" { send = "sip:bob@%[2]s:5070;transport=%[3]s" }
`

// Calls between all pairs of transports, with one connection for all calls (t1)
// and with one for each (tn): ended by the caller; and changed by both sides and
// ended by the callee.
//
// Proves: TP-1, TP-3, TP-6, TV-7, RR-7
func TestCallsOverTCP(t *testing.T) {
	t.Parallel()
	const calls = 50
	for _, pair := range []struct{ caller, callee, transport string }{
		{"u1", "t1", "tcp"}, {"t1", "u1", "udp"}, {"t1", "t1", "tcp"}, {"tn", "t1", "tcp"}, {"tn", "u1", "udp"},
	} {
		for _, call := range []struct{ name, caller, callee string }{
			{"short", callerXML, calleeXML}, {"long", longCallerXML, longCalleeXML},
		} {
			t.Run(fmt.Sprintf("%s calls from %s to %s", call.name, pair.caller, pair.callee), func(t *testing.T) {
				t.Parallel()
				at := network(t)
				s := start(t, configure(t, bothTransports, at(1), at(3), pair.transport))
				uas := callee(t, call.callee, at(3), calls, "-t", pair.callee, "-max_socket", "1000")
				uac := caller(t, call.caller, at(2), at(1)+":5060", at(3)+":5070", calls, rate, "-t", pair.caller, "-max_socket", "1000")
				uac.succeed(t, calls)
				uas.succeed(t, calls)
				if n := s.status(t).Panics; n != 0 {
					t.Errorf("%d panics", n)
				}
			})
		}
	}
}
