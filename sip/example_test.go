package sip_test

import (
	"fmt"
	"net/netip"
	"strings"

	"viaduct/sip"
)

// A proxy's step on a request: check it, edit what has to change, copy the rest.
func Example() {
	wire := []byte(strings.ReplaceAll(`OPTIONS sip:bob@example.com SIP/2.0
v: SIP/2.0/UDP pc33.example.org;rport;branch=z9hG4bKnashds8
Max-Forwards: 70
f: Alice <sip:alice@example.org>;tag=88sja8x
t: Bob <sip:bob@example.com>
i: 987asjd97y7atg
CSeq: 986759 OPTIONS
X-Unknown: as it came
l: 0

`, "\n", "\r\n"))
	var m sip.Message
	if err := m.Parse(wire); err != nil || m.Check() != nil {
		fmt.Println("refuse it", err)
		return
	}
	var r sip.Rewriter
	r.Reset(&m)
	r.StampVia(netip.MustParseAddrPort("192.0.2.33:5062"))
	r.SetRequestURI([]byte("sip:bob@192.0.2.4"))
	r.SetMaxForwards(69)
	r.PushVia([]byte("SIP/2.0/UDP proxy.example.com;branch=z9hG4bK87asdks7"))
	fmt.Print(strings.ReplaceAll(string(r.AppendTo(nil)), "\r\n", "\n"))
	// Output:
	// OPTIONS sip:bob@192.0.2.4 SIP/2.0
	// Via: SIP/2.0/UDP proxy.example.com;branch=z9hG4bK87asdks7
	// v: SIP/2.0/UDP pc33.example.org;branch=z9hG4bKnashds8;received=192.0.2.33;rport=5062
	// Max-Forwards: 69
	// f: Alice <sip:alice@example.org>;tag=88sja8x
	// t: Bob <sip:bob@example.com>
	// i: 987asjd97y7atg
	// CSeq: 986759 OPTIONS
	// X-Unknown: as it came
	// l: 0
	//
}
