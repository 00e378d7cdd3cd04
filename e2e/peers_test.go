package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/internal/authority"
)

// Between domains: who calls over mutual TLS in the name of a domain that its
// certificate is not for is refused, and so is who has none that counts.
//
// Proves: SE-1, SE-8, SE-22
func TestACallerIsHeldToItsCertificate(t *testing.T) {
	t.Parallel()
	at, ca, dir := network(t), authority.New(t), t.TempDir()
	trusted := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(trusted, ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	chain, key := ca.Write(dir, "own", nil, "sip:own.example")
	start(t, configure(t, `
server { domains = ["own.example"] }
listen "tls" {
  address     = "%[1]s:5061"
  certificate = "%[2]s"
  key         = "%[3]s"
  client_ca   = "%[4]s"
}
rule "partners" {
  when  = tls.peer == from.domain
  reply = "480 Known"
}
rule "others" { reply = "403 Not Your Name" }
`, at(1), chain, key, trusted))
	for i, c := range []struct {
		by       *authority.Authority
		names    []string
		from     string
		answered string
	}{
		{ca, []string{"sip:a.example", "sip:b.example"}, "B.example", "480 Known"},
		{ca, []string{"a.example"}, "a.example", "480 Known"},
		{ca, []string{"sip:a.example", "b.example"}, "b.example", "403 Not Your Name"},
		{ca, []string{"*.example"}, "a.example", "403 Not Your Name"},
		{ca, nil, "a.example", "403 Not Your Name"},
		{authority.New(t), []string{"sip:a.example"}, "a.example", "403 Not Your Name"},
	} {
		mine := &tls.Config{RootCAs: ca.Pool, ServerName: "own.example", InsecureSkipVerify: true} // a sip: URI is no DNS name
		if c.names != nil {
			mine.Certificates = []tls.Certificate{c.by.Pair(c.names...)}
		}
		conn, err := tls.Dial("tcp4", at(1)+":5061", mine)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(deadline()); err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "MESSAGE sip:bob@own.example SIP/2.0\r\nVia: SIP/2.0/TLS %s:5061;branch=z9hG4bK-peer%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:alice@%s>;tag=1\r\nTo: <sip:bob@own.example>\r\nCall-ID: peer%d\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n", at(2), i, c.from, i)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if got := strings.TrimSpace(line); err != nil || got != "SIP/2.0 "+c.answered {
			t.Errorf("%q from %s: got %q, %v, want %s", c.names, c.from, got, err, c.answered)
		}
		_ = conn.Close() // it has been answered
	}
}
