package users

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
)

// service is a users service in memory, a http.RoundTripper.
type service struct {
	mu    sync.Mutex
	asked []string // users, in order
	now   int      // requests under way
	most  int
	serve func(*http.Request) (*http.Response, error)
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Query().Get("user"))
	s.now++
	s.most = max(s.most, s.now)
	serve := s.serve
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	return serve(r)
}

func (s *service) set(serve func(*http.Request) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = serve
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func reply(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
	}
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

const body = `{"ha1": {"MD5": "` + md5 + `", "SHA-256": "` + sha256 + `", "SHA-9": "x"}, "more": 1}`

// heard is a Sink that keeps what it hears.
type heard struct {
	mu   sync.Mutex
	told map[uint64][]auth.Answer
}

func (s *heard) Found(token uint64, h *auth.HA1, a auth.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (h != nil) != (a == auth.Known) {
		a = 99
	}
	s.told[token] = append(s.told[token], a)
}

func (s *heard) of(token uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.told[token])
}

// run tests an HTTP in a bubble of time.
func run(t *testing.T, limits Limits, test func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() clock.Instant { return clock.Instant(time.Since(began) + time.Second) }
		s, sink := &service{serve: reply(200, body)}, &heard{told: map[uint64][]auth.Answer{}}
		h, err := NewHTTP(HTTPConfig{
			URL: "https://users.example/ha1?tenant=a", Realm: realm, Token: "t", Limits: limits, Transport: s, Now: now,
		}, sink)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { h.Run(ctx) })
		test(t, h, s, sink, now)
		stop()
		running.Wait()
	})
}

func ask(t *testing.T, h *HTTP, user string, token uint64) {
	t.Helper()
	if err := h.Ask([]byte(user), token); err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	synctest.Wait()
}

func find(t *testing.T, h *HTTP, now clock.Instant, user string, want auth.Answer) {
	t.Helper()
	ha1, got := h.Find(now, []byte(user))
	if got != want || (ha1 != nil) != (want == auth.Known) {
		t.Errorf("%s: got %v, want %v", user, got, want)
	}
}

func TestAUserIsAskedForAndKept(t *testing.T) {
	t.Parallel()
	run(t, Limits{}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
		s.set(func(r *http.Request) (*http.Response, error) {
			if r.Method != "GET" || r.URL.String() != "https://users.example/ha1?realm=example.com&tenant=a&user=al+ice%26%C3%BC" ||
				r.Header.Get("Accept") != "application/json" || r.Header.Get("Authorization") != "Bearer t" {
				t.Errorf("%s %s, %v", r.Method, r.URL, r.Header)
			}
			return reply(200, body)(r)
		})
		find(t, h, now(), "al ice&ü", auth.Ask)
		ask(t, h, "al ice&ü", 7)
		if sink.of(7) != "[1]" {
			t.Errorf("heard %s", sink.of(7))
		}
		find(t, h, now(), "al ice&ü", auth.Known)
		ha1, _ := h.Find(now(), []byte("al ice&ü"))
		if fmt.Sprintf("%x %x", ha1.Get(auth.MD5), ha1.Get(auth.SHA256)) != md5+" "+sha256 {
			t.Error("another digest")
		}
		ask(t, h, "al ice&ü", 8) // known by now
		if sink.of(8) != "[1]" || s.count() != 1 {
			t.Errorf("heard %s after %d requests", sink.of(8), s.count())
		}
		time.Sleep(time.Minute)
		find(t, h, now(), "al ice&ü", auth.Ask)
	})
}

func TestNotFoundMeansUnknown(t *testing.T) {
	t.Parallel()
	run(t, Limits{}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
		s.set(reply(404, "no"))
		ask(t, h, "nobody", 1)
		if sink.of(1) != "[0]" {
			t.Errorf("heard %s", sink.of(1))
		}
		find(t, h, now(), "nobody", auth.Unknown)
		time.Sleep(time.Minute - time.Nanosecond)
		find(t, h, now(), "nobody", auth.Unknown)
		time.Sleep(time.Nanosecond)
		find(t, h, now(), "nobody", auth.Ask)
		s.set(reply(200, body))
		ask(t, h, "nobody", 2)
		find(t, h, now(), "nobody", auth.Known)
		time.Sleep(time.Minute)
		s.set(reply(404, ""))
		ask(t, h, "nobody", 3)
		find(t, h, now(), "nobody", auth.Unknown)
	})
}

// A request for a user that has to be asked for takes longer than for one that is
// known, and one for a user who is not known fails with the service. Neither must
// tell who exists.
// Proves: AU-4
func TestTheCacheDoesNotTellWhoExists(t *testing.T) {
	t.Parallel()
	for _, kept := range []time.Duration{time.Second, time.Minute, time.Hour} {
		run(t, Limits{Kept: kept}, func(t *testing.T, h *HTTP, s *service, _ *heard, now func() clock.Instant) {
			s.set(func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Get("user") == "alice" {
					return reply(200, body)(r)
				}
				return reply(404, "")(r)
			})
			for n := range uint64(3) {
				ask(t, h, "alice", 2*n)
				ask(t, h, "nobody", 2*n+1)
				for _, after := range []time.Duration{0, kept / 2, kept/2 - 1, 1} {
					time.Sleep(after)
					_, known := h.Find(now(), []byte("alice"))
					_, unknown := h.Find(now(), []byte("nobody"))
					if (known == auth.Ask) != (unknown == auth.Ask) || (known == auth.Ask) != (after == 1) {
						t.Errorf("kept %v, the user who exists gets %d, the other %d", kept, known, unknown)
					}
				}
			}
			s.set(reply(500, ""))
			for _, after := range []time.Duration{0, 2 * time.Second, 10 * time.Minute} {
				time.Sleep(after)
				ask(t, h, "alice", 100)
				ask(t, h, "nobody", 101)
				_, known := h.Find(now(), []byte("alice"))
				_, unknown := h.Find(now(), []byte("nobody"))
				if over := after > time.Minute; (known == auth.Failed) != over || (unknown == auth.Failed) != over {
					t.Errorf("%v into a failure: the user who exists gets %d, the other %d", after, known, unknown)
				}
			}
		})
	}
}

func TestWhatIsNoAnswerIsAFailure(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(*http.Request) (*http.Response, error){
		"status":       reply(500, body),
		"no content":   reply(204, ""),
		"redirect":     reply(302, ""),
		"no JSON":      reply(200, "<html>"),
		"no digest":    reply(200, `{"ha1": {}}`),
		"null":         reply(200, `null`),
		"unknown only": reply(200, `{"ha1": {"SHA-1": "x"}}`),
		"short digest": reply(200, `{"ha1": {"MD5": "51ed", "SHA-256": "`+sha256+`"}}`),
		"twice":        reply(200, `{"ha1": {"MD5": "`+md5+`", "md5": "`+md5+`"}}`),
		"another type": reply(200, `{"ha1": {"MD5": 5}}`),
		"large":        reply(200, body+strings.Repeat(" ", maxBody)),
		"silence":      hang,
		"refused":      func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"panic":        func(*http.Request) (*http.Response, error) { panic("a transport") },
	} {
		run(t, Limits{}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
			s.set(serve)
			if err := h.Ask([]byte("alice"), 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			if sink.of(1) != "[3]" {
				t.Errorf("%s: heard %s", name, sink.of(1))
			}
			if name == "panic" {
				if h.Stats().Panics != 1 {
					t.Error("the panic was not counted")
				}
				return
			}
			find(t, h, now(), "alice", auth.Failed)
			time.Sleep(2 * time.Second)
			find(t, h, now(), "alice", auth.Ask)
		})
	}
}

func TestAKnownUserOutlivesAFailure(t *testing.T) {
	t.Parallel()
	run(t, Limits{}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
		ask(t, h, "alice", 1)
		s.set(reply(503, ""))
		time.Sleep(time.Minute)
		ask(t, h, "alice", 2)
		if sink.of(2) != "[1]" {
			t.Errorf("heard %s", sink.of(2))
		}
		find(t, h, now(), "alice", auth.Known) // without asking each time
		time.Sleep(3 * time.Second)
		find(t, h, now(), "alice", auth.Ask)
		ask(t, h, "alice", 3)
		find(t, h, now(), "alice", auth.Known)
		time.Sleep(10 * time.Minute)
		ask(t, h, "alice", 4)
		if sink.of(4) != "[3]" {
			t.Errorf("after ten minutes heard %s", sink.of(4))
		}
		find(t, h, now(), "alice", auth.Failed)
		s.set(reply(200, body))
		time.Sleep(2 * time.Second)
		ask(t, h, "alice", 5)
		find(t, h, now(), "alice", auth.Known)
	})
}

func TestOneFlightServesAllWhoWait(t *testing.T) {
	t.Parallel()
	run(t, Limits{Waiters: 3}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
		s.set(hang)
		for token := range uint64(3) {
			ask(t, h, "alice", token)
		}
		if err := h.Ask([]byte("alice"), 3); !errors.Is(err, ErrFull) {
			t.Errorf("at the bound: %v", err)
		}
		if stats := h.Stats(); stats.Open != 1 || stats.Waiting != 3 || stats.Asked != 3 || stats.Refused != 1 {
			t.Errorf("stats %+v", stats)
		}
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		for token := range uint64(3) {
			if sink.of(token) != "[3]" {
				t.Errorf("%d heard %s", token, sink.of(token))
			}
		}
		if s.count() != 1 || sink.of(3) != "[]" || h.Stats().Waiting != 0 {
			t.Errorf("%d requests, heard %s", s.count(), sink.of(3))
		}
	})
}

func TestQuestionsAndFlightsAreBounded(t *testing.T) {
	t.Parallel()
	run(t, Limits{Questions: 8, Flights: 2}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
		s.set(hang)
		for i := range uint64(8) {
			ask(t, h, fmt.Sprint("user", i), i)
		}
		if err := h.Ask([]byte("user8"), 8); !errors.Is(err, ErrFull) {
			t.Errorf("at the bound: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if s.most > 2 {
			t.Errorf("%d requests at once", s.most)
		}
		for i := range uint64(8) {
			if sink.of(i) != "[3]" {
				t.Errorf("%d heard %s", i, sink.of(i))
			}
		}
		ask(t, h, "user8", 9)
	})
}

func TestTheCacheIsBoundedAndStrangersDisplaceNobody(t *testing.T) {
	t.Parallel()
	run(t, Limits{Users: 4}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
		for i := range uint64(4) {
			ask(t, h, fmt.Sprint("user", i), i)
		}
		s.set(reply(404, ""))
		for i := range uint64(100) {
			ask(t, h, fmt.Sprint("stranger", i), 100+i)
		}
		for i := range 4 {
			find(t, h, now(), fmt.Sprint("user", i), auth.Known)
		}
		find(t, h, now(), "stranger99", auth.Unknown)
		find(t, h, now(), "stranger95", auth.Ask)
		s.set(reply(200, body))
		find(t, h, now(), "user0", auth.Known) // the latest now
		ask(t, h, "user4", 4)
		find(t, h, now(), "user0", auth.Known)
		find(t, h, now(), "user1", auth.Ask)
		if c := h.Stats().Cache; c.Known != 4 || c.Unknown != 4 || c.Evicted != 97 {
			t.Errorf("cache %+v", c)
		}
	})
}

func TestWhoWaitsAtTheEndIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, sink := &service{serve: hang}, &heard{told: map[uint64][]auth.Answer{}}
		h, err := NewHTTP(HTTPConfig{URL: "http://users.example", Realm: realm, Transport: s, Limits: Limits{Timeout: time.Hour}}, sink)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { h.Run(ctx) })
		ask(t, h, "alice", 1)
		stop()
		running.Wait()
		if sink.of(1) != "[3]" {
			t.Errorf("heard %s", sink.of(1))
		}
		if err := h.Ask([]byte("bob"), 2); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestNamesThatNoUserCanHaveAreNotAskedFor(t *testing.T) {
	t.Parallel()
	run(t, Limits{}, func(t *testing.T, h *HTTP, s *service, sink *heard, now func() clock.Instant) {
		for _, name := range []string{"", "a:b", "a\r\nb", strings.Repeat("a", 257)} {
			find(t, h, now(), name, auth.Unknown)
			if err := h.Ask([]byte(name), 1); !errors.Is(err, ErrNoName) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

func TestTheLogTellsOfAFailureOnceAndOfNoUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		s, sink := &service{serve: hang}, &heard{told: map[uint64][]auth.Answer{}}
		h, err := NewHTTP(HTTPConfig{
			URL: "http://name:pass@users.example/x", Realm: realm, Token: "token", Transport: s,
			Log: slog.New(slog.NewTextHandler(&text, nil)),
		}, sink)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { h.Run(ctx) })
		for i := range uint64(3) {
			ask(t, h, fmt.Sprint("alice", i), i)
			time.Sleep(time.Second)
		}
		s.set(reply(200, body))
		ask(t, h, "alice3", 3)
		ask(t, h, "alice4", 4)
		stop()
		running.Wait()
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "users service fails") || !strings.Contains(lines[0], "users.example") ||
			!strings.Contains(lines[1], "answers again") || !strings.Contains(lines[1], "failures=3") {
			t.Errorf("log:\n%s", text.String())
		}
		for _, secret := range []string{"alice", "pass", "token", md5} {
			if strings.Contains(text.String(), secret) {
				t.Errorf("the log has %q:\n%s", secret, text.String())
			}
		}
	})
}

func TestOnlyHTTPIsSpoken(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "users.example", "ftp://users.example", "http://", "https:///x", "http://%zz"} {
		if _, err := NewHTTP(HTTPConfig{URL: url}, nil); err == nil {
			t.Errorf("%q was taken", url)
		}
	}
	h, err := NewHTTP(HTTPConfig{URL: "https://users.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if tr, ok := h.client.Transport.(*http.Transport); !ok || tr.Proxy != nil || tr.MaxConnsPerHost != 32 {
		t.Errorf("transport %+v", h.client.Transport)
	}
}

func TestAllocFindHTTP(t *testing.T) {
	h, err := NewHTTP(HTTPConfig{URL: "https://users.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := [][]byte{[]byte("a user with a name of some length"), []byte("another user with a name of some length")}
	ha1 := auth.NewHA1("a", "b", "c", auth.MD5)
	h.cache.put(1, string(names[0]), &ha1, auth.Known, &h.limits)
	if got := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			h.Find(2, name)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(body))
	f.Add([]byte(`{"ha1":{"md5":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := parseAnswer(text)
		if (h == nil) != (err != nil) || h != nil && h.Empty() {
			t.Fatalf("%q: %v, %v", text, h, err)
		}
	})
}
