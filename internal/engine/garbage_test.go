package engine_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"viaduct/internal/engine"
)

// noise is n bytes that are the same in each run and look like nothing.
func noise(n int) string {
	var b strings.Builder
	sum := sha256.Sum256([]byte("noise"))
	for b.Len() < n {
		b.Write(sum[:])
		sum = sha256.Sum256(sum[:])
	}
	return b.String()[:n]
}

// Datagrams of nothing, of all sizes and of other protocols: each is answered once at
// most or counted, none panics, and the next request of the same source is served.
//
// Proves: RB-2, RB-3
func TestGarbageByUDP(t *testing.T) {
	t.Parallel()
	s := serve(t, "127.0.0.1:0", everywhere, engine.Config{})
	const stun = "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"
	options := "OPTIONS sip:" + s.addr.String() + " SIP/2.0\r\n"
	for name, datagram := range map[string]string{
		"nothing":                       "",
		"a NUL":                         "\x00",
		"a CR":                          "\r",
		"spaces":                        strings.Repeat(" ", 2000),
		"NULs, 64 KiB":                  strings.Repeat("\x00", 65_507),
		"line ends, 64 KiB":             strings.Repeat("\r\n", 32_000),
		"noise, 64 KiB":                 noise(65_507),
		"noise behind a start line":     options + noise(60_000),
		"one header field of 60 KiB":    options + "X: " + strings.Repeat("x", 60_000) + "\r\n\r\n",
		"30,000 empty header fields":    options + strings.Repeat(":\r\n", 20_000) + "\r\n",
		"a start line of 64 KiB":        "OPTIONS sip:" + strings.Repeat("a", 65_000),
		"a status line and no more":     "SIP/2.0 200 OK\r\n\r\n",
		"a status of none":              "SIP/2.0 999999999999 OK\r\n\r\n",
		"STUN, short":                   stun[:19],
		"STUN with a length of others":  "\x00\x01\xff\xff" + stun[4:],
		"STUN with bytes behind it":     stun + "x",
		"STUN, a response":              "\x01\x01" + stun[2:],
		"STUN, an indication":           "\x00\x11" + stun[2:],
		"STUN, an attribute of 64 KiB":  "\x00\x01\x00\x08" + stun[4:] + "\x00\x06\xff\xff\x00\x00\x00\x00",
		"STUN, no cookie":               "\x00\x01\x00\x00\x00\x00\x00\x00abcdefghijkl",
		"DNS":                           "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00\x00\x01\x00\x01",
		"RTP":                           "\x80\x00\x00\x01" + noise(160),
		"a hello of DTLS":               "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x30" + noise(48),
		"HTTP":                          "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"a datagram that ends too soon": options + "Via: SIP/2.0/UDP 127.0.0.1",
		"a length beyond it":            options + "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKl\r\nContent-Length: 4294967295\r\n\r\n",
	} {
		p := newPhone(t, "127.0.0.1")
		if _, err := p.conn.WriteToUDPAddrPort([]byte(datagram), s.addr); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.send(s.addr, p.request("OPTIONS", "sip:"+s.addr.String(), "next", 1)...) // behind it, in order
		answers := 0
		b := make([]byte, 1<<16)
		for {
			n, _, err := p.conn.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatalf("%s: the next one has no answer: %v", name, err)
			}
			if strings.Contains(string(b[:n]), "Call-ID: next@") {
				break
			}
			answers++
		}
		if answers > 1 {
			t.Errorf("%s: %d answers", name, answers)
		}
	}
	st := s.Stats()
	var keepalives, bad uint64
	for _, c := range st.Listeners[0].Sockets {
		keepalives += c.Keepalives
		bad += c.BadBindings
	}
	if keepalives != 6 || bad != 5 || st.Panics != 0 {
		t.Errorf("%d keepalives, %d STUN messages refused, %d panics", keepalives, bad, st.Panics)
	}
}
