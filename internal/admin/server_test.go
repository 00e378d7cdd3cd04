package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"viaduct/internal/engine"
	"viaduct/internal/flow"
	"viaduct/internal/host"
	"viaduct/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serving runs a server with one metric until the test ends.
func serving(t *testing.T) (client *Client, level *slog.LevelVar, stop func()) {
	t.Helper()
	registry, level := prometheus.NewRegistry(), new(slog.LevelVar)
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "viaduct_things_total", Help: "Things."}, []string{"kind"})
	registry.MustRegister(c)
	c.WithLabelValues("round").Add(3)
	s := NewServer(Config{
		Status:  func() Status { return Status{State: "running", LogLevel: level.Level().String()} },
		Metrics: registry, Level: level, Log: slog.New(slog.DiscardHandler),
	})
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return NewClient(path), level, stop
}

func TestStatusIsTold(t *testing.T) {
	t.Parallel()
	client, _, _ := serving(t)
	got, err := client.Status(t.Context())
	if err != nil || got.State != "running" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMetricsAsTextAndAsSamples(t *testing.T) {
	t.Parallel()
	client, _, _ := serving(t)
	text, err := client.Exposition(t.Context())
	if want := `viaduct_things_total{kind="round"} 3`; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("no %s in %q, %v", want, text, err)
	}
	samples, err := client.Samples(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := WriteSamples(&out, samples); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "viaduct_things_total{kind=\"round\"}  3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLogLevelIsTurned(t *testing.T) {
	t.Parallel()
	client, level, _ := serving(t)
	if now, err := client.SetLevel(t.Context(), "warn"); err != nil || now != "WARN" {
		t.Errorf("SetLevel(warn) = %q, %v", now, err)
	}
	for _, bad := range []string{"loud", "", "../status", "a b"} {
		if now, err := client.SetLevel(t.Context(), bad); err == nil {
			t.Errorf("SetLevel(%q) = %q, want an error", bad, now)
		}
	}
	if level.Level() != slog.LevelWarn {
		t.Errorf("the level is %v, want WARN", level.Level())
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), SocketName)
	if _, err := NewClient(path).Status(t.Context()); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want ErrNotRunning with the path", err)
	}
}

// A client that connects and says nothing must not keep the server from ending.
func TestASilentClientDoesNotHoldTheServer(t *testing.T) {
	t.Parallel()
	client, _, stop := serving(t)
	conn, err := net.Dial("unix", client.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Errorf("another client: %v", err)
	}
	stop()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the silent connection read %v, want EOF", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestStatusOfAnEngine(t *testing.T) {
	t.Parallel()
	started := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	s := StatusOf(About{Version: "v1", PID: 7, Config: "a.hcl", Started: started, Limits: host.Limits{Memory: 512 << 20, Descriptors: 1024}}, "INFO", started.Add(90*time.Second),
		[]engine.Address{{Name: "inside", Listener: 2, Protocol: flow.UDP, Bind: netip.MustParseAddrPort("192.0.2.1:5060")}},
		engine.Stats{InSetup: 4, Draining: true, Reloads: 3, Listeners: []engine.ListenerStats{
			{Name: "gone", Listener: 1, Sockets: []transport.Counters{{Received: 99}}},
			{Name: "inside", Listener: 2, Sockets: []transport.Counters{{Received: 1, Sent: 2, KernelDrops: 3}, {Received: 10, DroppedFull: 20}}},
		}})
	var out strings.Builder
	if err := s.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	want := `state         draining
version       v1
pid           7
config        a.hcl
started       2026-11-24T12:00:00Z, 1m30s ago
log level     INFO
in setup      4 requests
reloads       3
memory limit  512 MiB
descriptors   up to 1024
panics        0

LISTENER  PROTOCOL  ADDRESS         READERS  RECEIVED  SENT  DROPPED
inside    udp       192.0.2.1:5060  2        11        2     23
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
