package users

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/authority"
)

// channel is a Sink for one answer.
type channel chan auth.Answer

func (c channel) Found(_ uint64, _ *auth.HA1, a auth.Answer) { c <- a }

// A service is believed when its certificate is for its name and of an authority
// that counts; what it says then is worth a password.
func TestOnlyTheServiceItselfIsBelieved(t *testing.T) {
	t.Parallel()
	ours, others := authority.New(t), authority.New(t)
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }
	for name, c := range map[string]struct {
		ca      string
		by      *authority.Authority
		host    string
		edit    func(*x509.Certificate)
		version uint16
		want    auth.Answer
	}{
		"the service":             {string(ours.PEM), ours, "users.example.com", nil, 0, auth.Known},
		"somebody else":           {string(ours.PEM), ours, "evil.example.com", nil, 0, auth.Failed},
		"of another authority":    {string(ours.PEM), others, "users.example.com", nil, 0, auth.Failed},
		"of none that the system": {"", ours, "users.example.com", nil, 0, auth.Failed},
		"expired":                 {string(ours.PEM), ours, "users.example.com", expired, 0, auth.Failed},
		"by an old TLS":           {string(ours.PEM), ours, "users.example.com", nil, tls.VersionTLS11, auth.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain, key := c.by.Issue([]string{c.host}, c.edit)
			pair, err := tls.X509KeyPair(chain, key)
			if err != nil {
				t.Fatal(err)
			}
			answers := make(channel, 1)
			h, err := NewHTTP(HTTPConfig{URL: "https://users.example.com/ha1", Realm: realm, CA: c.ca, Limits: Limits{Timeout: time.Minute}}, answers)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: c.version}
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail on purpose
			server.StartTLS()
			defer server.Close()
			h.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
			}
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { h.Run(ctx) })
			if err := h.Ask([]byte("alice"), 1); err != nil {
				t.Fatal(err)
			}
			if got := <-answers; got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			stop()
			running.Wait()
		})
	}
	if _, err := NewHTTP(HTTPConfig{URL: "https://users.example.com", CA: "nothing"}, nil); err == nil {
		t.Error("an authority that is none was taken")
	}
}
