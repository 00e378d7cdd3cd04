package site

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/config"
	"viaduct/internal/location"
	"viaduct/internal/users"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// heard is a Sink that keeps what it is told.
type heard struct {
	stored chan error
	found  chan uint64
}

func newHeard() *heard { return &heard{make(chan error, 16), make(chan uint64, 16)} }

func (h *heard) Stored(_ uint64, err error)                     { h.stored <- err }
func (h *heard) Found(token uint64, _ *auth.HA1, _ auth.Answer) { h.found <- token }

func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
	}
	return v
}

func load(t *testing.T, dir, text string) *config.Config {
	t.Helper()
	file := filepath.Join(dir, "viaduct.hcl")
	text = strings.ReplaceAll(text, "DIR", dir)
	cfg, diags := config.Parse(file, []byte("listen \"udp\" { address = \"127.0.0.1:5060\" }\n"+text), config.Options{})
	if diags != nil {
		var b strings.Builder
		diags.Print(&b, false)
		t.Fatal(b.String())
	}
	return cfg
}

func userFile(t *testing.T, dir, name string, who ...string) {
	t.Helper()
	for _, u := range who {
		if err := users.Add(filepath.Join(dir, name), "example.com", u, "secret of "+u); err != nil {
			t.Fatal(err)
		}
	}
}

const withFile = `
server { domains = ["example.com"] }
users "staff" {
  realm = "example.com"
  file  = "DIR/%s"
}
rule "all" {
  authenticate = users.staff
  reply        = "403"
}
`

func open(t *testing.T, cfg *config.Config, sink Sink) *Site {
	t.Helper()
	s, err := Open(cfg, sink, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs s until the end of the test.
func run(t *testing.T, s *Site) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); group.Wait() }) }
	t.Cleanup(stop)
	return stop
}

// What a reload describes as before is kept; what is new is opened; what cannot
// be opened changes nothing.
func TestSourcesOverAReload(t *testing.T) {
	dir := t.TempDir()
	userFile(t, dir, "a.users", "alice")
	userFile(t, dir, "b.users", "bob")
	first := load(t, dir, fmt.Sprintf(withFile, "a.users"))
	s := open(t, first, newHeard())
	run(t, s)

	same := load(t, dir, fmt.Sprintf(withFile, "a.users"))
	if err := s.Equip(same); err != nil {
		t.Fatal(err)
	}
	if same.Snapshot.Users[0] != first.Snapshot.Users[0] {
		t.Error("the same users were opened again")
	}
	s.Keep(same)

	none := load(t, dir, fmt.Sprintf(withFile, "none.users"))
	if err := s.Equip(none); err == nil || !strings.Contains(err.Error(), `users "staff"`) {
		t.Errorf("a file that is not there gave %v", err)
	}

	other := load(t, dir, fmt.Sprintf(withFile, "b.users"))
	if err := s.Equip(other); err != nil {
		t.Fatal(err)
	}
	s.Keep(other)
	for user, want := range map[string]auth.Answer{"alice": auth.Unknown, "bob": auth.Known} {
		if _, got := other.Snapshot.Users[0].Find(clock.Now(), []byte(user)); got != want {
			t.Errorf("%s: got %v, want %v", user, got, want)
		}
	}
	if len(s.sources) != 1 {
		t.Errorf("%d sources are open, want 1", len(s.sources))
	}
}

// Users that a service knows are asked for by the name of their realm.
func TestAskingAService(t *testing.T) {
	service := httptest.NewServer(http.NotFoundHandler())
	defer service.Close()
	dir := t.TempDir()
	h := newHeard()
	cfg := load(t, dir, `
server { domains = ["example.com"] }
users "web" {
  realm = "example.com"
  http { url = "`+service.URL+`" }
}
rule "all" {
  authenticate = users.web
  reply        = "403"
}
`)
	s := open(t, cfg, h)
	run(t, s)
	if _, a := cfg.Snapshot.Users[0].Find(clock.Now(), []byte("alice")); a != auth.Ask {
		t.Fatalf("nobody was asked yet, and the answer is %v", a)
	}
	if err := s.Ask("example.com", []byte("alice"), 7); err != nil {
		t.Fatal(err)
	}
	if token := await(t, h.found); token != 7 {
		t.Errorf("heard %d, want 7", token)
	}
	if _, a := cfg.Snapshot.Users[0].Find(clock.Now(), []byte("alice")); a != auth.Unknown {
		t.Errorf("after the answer: %v, want Unknown", a)
	}
	if err := s.Ask("another realm", []byte("alice"), 8); err == nil {
		t.Error("a realm that nobody serves was asked")
	}
}

// safety.md rule 14: bindings outlive the process, and come back with the flow of
// a listener that is still there.
func TestBindingsOutliveASite(t *testing.T) {
	dir := t.TempDir()
	cfg := load(t, dir, `
server {
  domains = ["example.com"]
  store   = "DIR/store"
}
rule "r" {
  when = method == REGISTER
  register {}
}
`)
	h := newHeard()
	s := open(t, cfg, h)
	stop := run(t, s)
	aor := []byte("sip:alice@example.com")
	now := clock.Now()
	outcome, err := s.Directory().Update(now, aor, 1, func(e *location.Edit) bool {
		return e.Add(location.Binding{
			Contact: []byte("sip:alice@127.0.0.1:5070"), CallID: []byte("c"), CSeq: 1, Q: 1000,
			Expires: now.Add(time.Hour), Updated: now,
		}) == nil
	})
	if err != nil || outcome != location.Pending {
		t.Fatalf("update: %v %v", outcome, err)
	}
	if err := await(t, h.stored); err != nil {
		t.Fatal(err)
	}
	stop()

	s = open(t, cfg, newHeard())
	run(t, s)
	var found location.Found
	if !s.Directory().Lookup(clock.Now(), aor, &found) || string(found.Bindings[0].Contact) != "sip:alice@127.0.0.1:5070" {
		t.Errorf("after the restart: %+v", found.Bindings)
	}
	if _, err := os.Stat(filepath.Join(dir, "store", StoreFile)); err != nil {
		t.Error(err)
	}
}
