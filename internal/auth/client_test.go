package auth

import (
	"strings"
	"testing"

	"github.com/icholy/digest"

	"viaduct/sip"
)

// Proves: AU-2, AU-3, AU-8
func TestAnIndependentClientIsServed(t *testing.T) {
	t.Parallel()
	for _, role := range []Role{Proxy, UAS} {
		b := newBench(t, nil)
		lines := strings.Split(string(b.v.AppendChallenge(nil, b.now, role, b.realm, false)), "\r\n")
		for _, line := range lines[:len(lines)-1] {
			_, value, _ := strings.Cut(line, ": ")
			challenge, err := digest.ParseChallenge(value)
			if err != nil {
				t.Fatalf("%v: %s", err, value)
			}
			if challenge.Realm != realm || !challenge.SupportsQOP("auth") || challenge.Charset != "UTF-8" || challenge.Stale {
				t.Errorf("read as %+v", challenge)
			}
			for count := 1; count <= 3; count++ {
				credentials, err := digest.Digest(challenge, digest.Options{
					Method: "REGISTER", URI: "sip:example.com", Username: "alice", Password: "secret",
					// the algorithms share the nonce
					Count: count + 10*int(ParseAlgorithm(challenge.Algorithm)),
				})
				if err != nil {
					t.Fatal(err)
				}
				header := sip.HeaderName(role.Credentials()) + ": " + credentials.String()
				if got := b.judge(request(t, "REGISTER", "sip:example.com", header), role); got != Good {
					t.Errorf("%s, answer %d: %v (%s)\n%s", challenge.Algorithm, count, got, b.c.Fault, header)
				}
			}
		}
	}
}
