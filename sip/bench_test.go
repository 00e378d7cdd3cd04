package sip

import (
	"net/netip"
	"strings"
	"testing"
)

// invite800 is an INVITE of 800 bytes as a trunk sends it.
var invite800 = []byte(strings.ReplaceAll(`INVITE sip:+15551230001@proxy.example.com:5060;user=phone SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK776asdhds9f8s7d;rport
Max-Forwards: 70
From: "Alice Liddell" <sip:alice@example.com>;tag=1928301774
To: <sip:+15551230001@proxy.example.com;user=phone>
Call-ID: a84b4c76e66710-3848276298220188511@192.0.2.10
CSeq: 314159 INVITE
Contact: <sip:alice@192.0.2.10:5060;transport=udp>
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, UPDATE
Supported: replaces, timer, 100rel
User-Agent: Phone/1.2.34
Session-Expires: 1800
Content-Type: application/sdp
Content-Length: 197

v=0
o=alice 2890844526 2890844526 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
m=audio 49172 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
`, "\n", "\r\n"))

var benchSource = netip.MustParseAddrPort("192.0.2.10:5060")

func BenchmarkParse(b *testing.B) {
	b.Run("invite-800B", func(b *testing.B) {
		var m Message
		b.ReportAllocs()
		b.SetBytes(int64(len(invite800)))
		for b.Loop() {
			if err := m.Parse(invite800); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		_ = m.Parse(invite800)
		if err := m.Check(); err != nil {
			b.Fatal(err)
		}
	}
}

func forwardEdits(r *Rewriter, m *Message) {
	r.Reset(m)
	r.StampVia(benchSource)
	r.SetRequestURI([]byte("sip:+15551230001@192.0.2.20:5070"))
	r.SetMaxForwards(69)
	r.PushRecordRoute([]byte("<sip:AbCdEfGhIjKlMnOpQrStUvWxYz@192.0.2.1;lr>"))
	r.PushVia([]byte("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA;rport"))
}

func BenchmarkRewrite(b *testing.B) {
	b.Run("forward", func(b *testing.B) {
		var m Message
		var r Rewriter
		dst := make([]byte, 0, 4096)
		_ = m.Parse(invite800)
		b.ReportAllocs()
		for b.Loop() {
			forwardEdits(&r, &m)
			dst = r.AppendTo(dst[:0])
		}
	})
}

func BenchmarkAppendResponse(b *testing.B) {
	var m Message
	_ = m.Parse(invite800)
	dst := make([]byte, 0, 4096)
	resp := Response{Status: 404, Tag: []byte("abcdef"), Source: benchSource}
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendResponse(dst[:0], &m, &resp)
	}
}

func BenchmarkParseURI(b *testing.B) {
	u := []byte("sip:+15551230001@proxy.example.com:5060;user=phone;transport=udp")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseURI(u); err != nil {
			b.Fatal(err)
		}
	}
}
