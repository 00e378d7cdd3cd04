package e2e

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/icholy/digest"

	"viaduct/sip"
)

const identityHCL = `
listen "udp" {
  address = "%[1]s:5060"
  name    = "outside"
}
listen "udp" {
  address = "%[1]s:5070"
  name    = "inside"
}
server {
  domains = ["office.example"]
  trust   = listen.inside
}
users "staff" {
  realm      = "office.example"
  file       = "%[2]s"
  algorithms = ["SHA-256", "MD5"]
  qop        = ["auth", "auth-int"]
}
users "line" {
  realm      = "line.example"
  algorithms = ["MD5"]
  http {
    url     = "%[3]s"
    token   = "t0k3n"
    timeout = "5s"
  }
}
rule "who" {
  authenticate = users.staff
  next         = true
}
rule "inward" {
  when         = dest.user == "inside"
  authenticate = users.line
  identity     = "any"
  send         = "sip:inside@%[4]s:5060"
  from         = listen.inside
}
rule "outward" { send = "sip:outside@%[4]s:5060" }
`

// An independent client answers the challenges of two realms, of which one is a
// file and one a service that has to be asked; next hops on the trusted listener
// are told who it is, others are not.
//
// Proves: AU-2, AU-14, AU-21, AU-22, PV-1, PV-3, PV-8
func TestCallersAreAuthenticatedAndTold(t *testing.T) {
	t.Parallel()
	at := network(t)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("realm") != "line.example" || q.Get("user") != "line-7" || r.Header.Get("Authorization") != "Bearer t0k3n" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `{"ha1": {"MD5": "%x"}}`, md5.Sum([]byte("line-7:line.example:hello")))
	}))
	defer service.Close()
	users := filepath.Join(t.TempDir(), "users")
	add := exec.Command(binary, "user", "add", users, "alice", "--realm", "office.example", "--stdin")
	add.Stdin = strings.NewReader("secret\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("viaduct user add: %v\n%s", err, out)
	}
	start(t, configure(t, identityHCL, at(1), users, service.URL, at(3)))
	c := &digestClient{t: t, conn: listen(t, at(2)+":5060"), to: at(1) + ":5060", passwords: map[string]string{
		"office.example": "alice:secret", "line.example": "line-7:hello",
	}}
	callee := listen(t, at(3)+":5060")
	for user, realms := range map[string][]string{
		"inside":  {"office.example SHA-256", "line.example MD5"},
		"outside": {"office.example SHA-256"},
	} {
		got := make(chan string, 1)
		go func() {
			buf := make([]byte, 64<<10)
			_ = callee.SetReadDeadline(deadline())
			n, from, err := callee.ReadFromUDP(buf)
			if err != nil {
				got <- err.Error()
				return
			}
			_, _ = callee.WriteToUDP(answerTo(string(buf[:n]), 200, at(3)), from) // the client says so when it is lost
			got <- string(buf[:n])
		}()
		if met := c.message(user); !slices.Equal(met, realms) {
			t.Errorf("%s: the client met %q, want %q", user, met, realms)
		}
		request := &sip.Message{}
		text := <-got
		if err := request.Parse([]byte(text)); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		asserted, _ := request.Get("P-Asserted-Identity")
		// Of the line's account no domain of ours speaks: it is line-7 in the first.
		if want := map[string]string{"inside": "<sip:line-7@office.example>", "outside": ""}[user]; string(asserted) != want {
			t.Errorf("%s is told %q, want %q", user, asserted, want)
		}
		for _, id := range []sip.HeaderID{sip.ProxyAuthorization, sip.PPreferredIdentity} {
			if request.Has(id) {
				t.Errorf("%s reads %s", user, sip.HeaderName(id))
			}
		}
	}
}

// digestClient sends requests and answers what is asked of it.
type digestClient struct {
	t         *testing.T
	conn      *net.UDPConn
	to        string
	passwords map[string]string // user:password by realm
	n         int
}

// message brings a MESSAGE to its 200 and returns whom the client answered on the
// way, with the algorithm that it took: the first that it was offered.
func (c *digestClient) message(user string) (met []string) {
	c.t.Helper()
	uri := "sip:" + user + "@office.example"
	var challenges []*digest.Challenge
	for range 5 {
		c.n++
		var credentials strings.Builder
		for i, challenge := range challenges {
			name, password, _ := strings.Cut(c.passwords[challenge.Realm], ":")
			answer, err := digest.Digest(challenge, digest.Options{
				Method: "MESSAGE", URI: uri, Username: name, Password: password, Count: len(challenges) - i, // RFC 7616 §3.4: requests with this nonce
			})
			if err != nil {
				c.t.Fatal(err)
			}
			credentials.WriteString("Proxy-Authorization: " + answer.String() + "\r\n")
		}
		response := c.send(fmt.Sprintf("MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKid%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:alice@office.example>;tag=a\r\nTo: <%s>\r\nCall-ID: id-%d\r\nCSeq: 1 MESSAGE\r\n"+
			"P-Asserted-Identity: <sip:boss@office.example>\r\nP-Preferred-Identity: <sip:boss@office.example>\r\n%sContent-Length: 0\r\n\r\n",
			uri, c.conn.LocalAddr(), c.n, uri, c.n, credentials.String()))
		if response.Status() == 200 {
			return met
		}
		value, ok := response.First(sip.ProxyAuthenticate)
		if response.Status() != 407 || !ok {
			c.t.Fatalf("got %s", response.Wire())
		}
		challenge, err := digest.ParseChallenge(string(value.Text))
		if err != nil {
			c.t.Fatal(err)
		}
		challenges = append(challenges, challenge)
		met = append(met, challenge.Realm+" "+challenge.Algorithm)
	}
	c.t.Fatalf("still challenged after %q", met)
	return nil
}

// send sends a request and returns its final response; on loopback nothing is lost.
func (c *digestClient) send(wire string) *sip.Message {
	c.t.Helper()
	if _, err := c.conn.WriteToUDP([]byte(wire), udpAddr(c.to)); err != nil {
		c.t.Fatal(err)
	}
	if err := c.conn.SetReadDeadline(deadline()); err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := c.conn.ReadFromUDP(buf)
		if err != nil {
			c.t.Fatalf("%v: no answer to\n%s", err, wire)
		}
		m := &sip.Message{}
		if m.Parse(bytes.Clone(buf[:n])) == nil && m.Status() >= 200 && string(m.CallIDValue()) == fmt.Sprintf("id-%d", c.n) {
			return m
		}
	}
}
