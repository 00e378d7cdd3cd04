package admin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"viaduct/internal/engine"
	"viaduct/internal/location"
)

// onNetwork runs a server on loopback until the test ends.
func onNetwork(t *testing.T, token string, parts []Part) (get func(path, authorization string) (int, string)) {
	t.Helper()
	l, err := ListenLoopback(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(Config{
		Status: func() Status { return Status{} }, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Ready: func() []Part { return parts }, Token: token,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.RunNetwork(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return func(path, authorization string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
}

func TestTheTokenIsAskedFor(t *testing.T) {
	t.Parallel()
	get := onNetwork(t, "let me in", nil)
	for authorization, want := range map[string]int{
		"Bearer let me in": 200, "": 401, "Bearer ": 401, "Bearer let me i": 401, "Bearer let me in!": 401, "let me in": 401, "Basic let me in": 401,
	} {
		if got, _ := get("/status", authorization); got != want {
			t.Errorf("%q: got %d, want %d", authorization, got, want)
		}
	}
	if got, _ := get("/livez", ""); got != 200 {
		t.Errorf("/livez: got %d", got)
	}
	if got, _ := onNetwork(t, "", nil)("/status", "Bearer "); got != 401 {
		t.Errorf("without a token: got %d", got)
	}
}

func TestReadyTellsWhichPartIsNot(t *testing.T) {
	t.Parallel()
	open := []engine.Address{{Name: "a"}}
	for _, x := range []struct {
		addresses []engine.Address
		engine    engine.Stats
		location  location.Stats
		status    int
		text      string
	}{
		{open, engine.Stats{}, location.Stats{}, 200, "engine: ok\nlisteners: ok\nstore: ok\n"},
		{open, engine.Stats{Draining: true}, location.Stats{}, 503, "engine: draining\n"},
		{open, engine.Stats{}, location.Stats{Failing: true}, 503, "store: the last transaction failed\n"},
		{[]engine.Address{{Name: "a", Gone: true}}, engine.Stats{}, location.Stats{}, 503, "listeners: none is open\n"},
	} {
		got, text := onNetwork(t, "", PartsOf(x.addresses, x.engine, x.location))("/readyz", "")
		if got != x.status || !strings.Contains(text, x.text) {
			t.Errorf("got %d %q, want %d %q", got, text, x.status, x.text)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	if l, err := ListenLoopback(netip.MustParseAddrPort("0.0.0.0:0")); err == nil {
		t.Errorf("listens on %v", l.Addr())
	}
}
