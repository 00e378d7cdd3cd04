package engine_test

import (
	"net"
	"net/netip"
	"testing"

	"viaduct/internal/clock"
	"viaduct/internal/engine"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
)

// oneName is what is known of every name.
type oneName struct{ hops resolve.Hops }

func (n oneName) Get(clock.Instant, resolve.Query) (resolve.Hops, resolve.State) {
	return n.hops, resolve.Hit
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // that is the point
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// The first address of a name refuses by ICMP. A stateful server sends the same request
// to the second at once; a stateless one has not kept it, and takes the client's next
// copy over (RFC 3263 §4.3, §4.4).
//
// Proves: NH-8, NH-22, NH-7
func TestFailoverByICMP(t *testing.T) {
	for _, mode := range []string{"stateful", "stateless"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			bob, alice := newPhone(t, "127.0.0.1"), newPhone(t, "127.0.0.1")
			known := &proxy.Snapshot{Known: oneName{resolve.Fixed(flow.UDP, nobody(t), bob.addr)}}
			s := serveText(t, "127.0.0.1:0", `
listen "udp" {
  address = "127.0.0.1:5060"
  mode    = "`+mode+`"
}
destinations { allow = ["127.0.0.0/8"] }
rule "all" { send = "sip:bob@pool.example" }
`, engine.Config{Snapshot: known})
			invite := alice.request("INVITE", "sip:bob@example.org", "dead", 1)
			alice.send(s.addr, invite...)
			if mode == "stateless" {
				waitFor(t, func() bool { return s.Stats().Proxy.Unreached == 1 })
				alice.send(s.addr, invite...)
			}
			got := bob.expect("INVITE")
			bob.answer(s.addr, got, "486 Busy Here")
			if m := alice.expect("SIP/2.0 486"); len(m.Vias()) != 1 {
				t.Errorf("got %s", m.Wire)
			}
			bob.expect("ACK")
			st := s.Stats().Proxy
			if st.Failovers != 1 || (st.TakenOver == 1) != (mode == "stateless") {
				t.Errorf("%d failovers, %d taken over", st.Failovers, st.TakenOver)
			}
		})
	}
}
