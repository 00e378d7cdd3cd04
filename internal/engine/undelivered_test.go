package engine_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"viaduct/internal/engine"
	"viaduct/internal/transport"
)

// RFC 3261 §18.2.2, RFC 3263 §5: the caller's socket, or its connection and the port
// where it listened, is gone when the answer comes; that goes to its sent-by.
//
// Proves: NH-15
func TestAResponseGoesToTheSentBy(t *testing.T) {
	for _, protocol := range []string{"UDP", "TCP"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			o := openOffice(t, everywhere, engine.Config{})
			other, bob := o.party(t, strings.ToLower(protocol)), o.party(t, "udp")
			at := other.addr.String()
			if protocol == "TCP" { // another of its addresses, so that the source with this port is not it
				l, err := net.Listen("tcp4", "127.0.0.2:0")
				if err != nil {
					t.Skip(err)
				}
				at = l.Addr().String()
				t.Cleanup(func() { _ = l.Close() }) // the test has read what it waits for
				other.group.Go(func() {
					if c, err := l.Accept(); err == nil {
						other.listen(c)
					}
				})
			}
			to := o.udp
			if protocol == "TCP" {
				to = o.tcp
			}
			c, err := net.Dial(strings.ToLower(protocol)+"4", to.String())
			if err != nil {
				t.Fatal(err)
			}
			invite := fmt.Sprintf("INVITE %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bK-moves\r\nMax-Forwards: 70\r\n"+
				"From: <sip:alice@example.net>;tag=a\r\nTo: <sip:bob@example.org>\r\nCall-ID: moves\r\nCSeq: 1 INVITE\r\n"+
				"Contact: <sip:alice@%s>\r\nContent-Length: 0\r\n\r\n", bob.uri(), protocol, at, at)
			if _, err := c.Write([]byte(invite)); err != nil {
				t.Fatal(err)
			}
			got := bob.hear("INVITE")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if protocol == "TCP" {
				waitFor(t, func() bool { return o.Stats().Listeners[1].Streams[0].Ended[transport.EndPeer] == 1 })
			}
			bob.reply(got, "486 Busy Here")
			if m := other.hear("SIP/2.0 486"); m.Status != 486 {
				t.Errorf("got %s", m.Wire)
			}
			if n := o.Stats().Proxy.RepliesMoved; n != 1 {
				t.Errorf("%d moved", n)
			}
		})
	}
}
