package proxy_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// What passes inside a dialog by its cookie, what is refused, answered here or
// relayed without a transaction allocates nothing either, and neither does a
// caller behind a NAT, whose call takes two values of Record-Route.
func TestOtherStepsAllocateNothing(t *testing.T) {
	p := newPlayer(t)
	nat := strings.NewReplacer("Contact: <sip:alice@127.0.0.1:5080>", "Contact: <sip:alice@10.0.0.9:5080>", ";branch", ";rport;branch")
	p.step(p.request("INVITE", 1, "", sdp), p.caller)
	p.step(response(bytes.Clone(p.sent()), "200 OK"), p.callee)
	route := p.routeOf(p.sent())
	natPlayer := func(method string, seq int, extra string) []byte {
		return []byte(nat.Replace(string(p.request(method, seq, extra, ""))))
	}
	cases := []struct {
		name string
		wire func() []byte
	}{
		{"ACK", func() []byte { return p.request("ACK", 1, route, "") }},
		{"BYE", func() []byte { return p.request("BYE", 2, route, "") }},
		{"re-INVITE", func() []byte { return p.request("INVITE", 2, route, sdp) }},
		{"INVITE behind NAT", func() []byte { return natPlayer("INVITE", 1, "") }},
		{"OPTIONS", func() []byte {
			return bytes.Replace(p.request("OPTIONS", 1, "", ""), []byte("sip:bob@127.0.0.1:5070 SIP"), []byte("sip:127.0.0.1:5060 SIP"), 1)
		}},
		{"CANCEL of nothing", func() []byte { return p.request("CANCEL", 1, "", "") }},
		{"a Route that is refused", func() []byte { return p.request("INVITE", 1, "Route: <sip:127.0.0.3;lr>\r\n", "") }},
		{"Proxy-Require", func() []byte { return p.request("INVITE", 1, "Proxy-Require: a, b\r\n", "") }},
		{"a strict router's form", func() []byte {
			uri := strings.Trim(strings.TrimPrefix(strings.TrimSpace(route), "Route: "), "<>")
			wire := p.request("BYE", 2, "Route: <sip:bob@127.0.0.1:5070>\r\n", "")
			return bytes.Replace(wire, []byte("sip:bob@127.0.0.1:5070 SIP"), []byte(uri+" SIP"), 1)
		}},
		{"our maddr", func() []byte {
			return bytes.Replace(p.request("INVITE", 1, "", ""), []byte("sip:bob@127.0.0.1:5070 SIP"), []byte("sip:bob@127.0.0.1:5060;maddr=127.0.0.1;x SIP"), 1)
		}},
	}
	call := p.n
	for _, c := range cases {
		branch := 0
		play := func(n int) float64 {
			var messages [][]byte
			for range n {
				branch++
				p.n = call // the cookie is of this call
				mark := fmt.Sprintf("z9hG4bK%s%d", strings.ToLower(c.name[:1]), branch)
				wire := string(c.wire())
				at := strings.Index(wire, "z9hG4bK")
				end := at + strings.Index(wire[at:], "\r\n")
				messages = append(messages, []byte(wire[:at]+mark+wire[end:]))
			}
			i := 0
			allocs := testing.AllocsPerRun(n-1, func() { p.step(messages[i], p.caller); i++ })
			if len(p.fx.Sends) == 0 {
				t.Errorf("%s: nothing was sent", c.name)
			}
			p.rest()
			return allocs
		}
		play(150) // slabs and free lists get the size that the traffic needs
		if allocs := play(100); allocs != 0 {
			t.Errorf("%s: %v allocations", c.name, allocs)
		}
	}
}

// In stateless mode nothing allocates: a request, what follows it, a refusal, a
// caller behind a NAT, and the responses to all of these.
func TestStatelessStepsAllocateNothing(t *testing.T) {
	p := newPlayerOf(t, statelessBenchConfig)
	nat := strings.NewReplacer("127.0.0.1:5080;branch", "127.0.0.9;rport;branch")
	old := strings.NewReplacer(";branch=z9hG4bK", ";x=")
	for name, wire := range map[string][]byte{
		"INVITE":     bytes.Clone(p.request("INVITE", 1, "", sdp)),
		"CANCEL":     bytes.Clone(p.request("CANCEL", 1, "", "")),
		"behind NAT": []byte(nat.Replace(string(p.request("INVITE", 1, "", sdp)))),
		"RFC 2543":   []byte(old.Replace(string(p.request("INVITE", 1, "", sdp)))),
		"refused":    bytes.Clone(p.request("INVITE", 1, "Proxy-Require: a, b\r\n", "")),
	} {
		if allocs := testing.AllocsPerRun(200, func() { p.step(wire, p.caller) }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
		if name == "refused" {
			continue
		}
		back := response(bytes.Clone(p.sent()), "200 OK")
		if allocs := testing.AllocsPerRun(200, func() { p.step(back, p.callee) }); allocs != 0 || len(p.fx.Sends) != 1 {
			t.Errorf("response to %s: %v allocations, %d sent", name, allocs, len(p.fx.Sends))
		}
	}
}
