package users

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
)

// Sink hears the answers. It is called from goroutines of the HTTP, must not block
// for long, and hears the token of each successful Ask exactly once. a is Known,
// Unknown or Failed; ha1 is nil unless it is Known.
type Sink interface {
	Found(token uint64, ha1 *auth.HA1, a auth.Answer)
}

// What Ask can say.
var (
	ErrFull    = errors.New("users: too many questions at once")
	ErrStopped = errors.New("users: stopped")
	ErrNoName  = errors.New("users: no user can have this name")
)

// Limits are the bounds of an HTTP. A zero field means its default.
type Limits struct {
	Users     int           // kept that are known, and as many that are not; default 10000
	Questions int           // users that are asked for at once; default 256
	Waiters   int           // requests that wait for one user; default 64
	Flights   int           // HTTP requests at once; default 32
	Timeout   time.Duration // for all of a question; default 500ms
	Kept      time.Duration // how long an answer is good, whether there is such a user or not: else the time would tell; default 60s
	Failure   time.Duration // how long a failure is remembered; default 2s
	StaleFor  time.Duration // how long an answer serves beyond that while the service fails; default 10m
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		at    *int
		value int
	}{{&l.Users, 10_000}, {&l.Questions, 256}, {&l.Waiters, 64}, {&l.Flights, 32}} {
		if *f.at == 0 {
			*f.at = f.value
		}
	}
	for _, f := range []struct {
		at    *time.Duration
		value time.Duration
	}{
		{&l.Timeout, 500 * time.Millisecond},
		{&l.Kept, time.Minute},
		{&l.Failure, 2 * time.Second},
		{&l.StaleFor, 10 * time.Minute},
	} {
		if *f.at == 0 {
			*f.at = f.value
		}
	}
	return l
}

// HTTPConfig is what an HTTP is made of.
type HTTPConfig struct {
	URL    string // of the service, http or https; realm and user are added to its query
	Realm  string
	Token  string // sent as "Authorization: Bearer"; "" for none
	CA     string // PEM of the authorities that count with https; "" for those of the system
	Limits Limits

	Transport http.RoundTripper    // nil: one of its own
	Now       func() clock.Instant // nil: clock.Now
	Log       *slog.Logger         // told when the service begins to fail, and when it answers again
}

// HTTP asks a service for users and keeps the answers: an auth.Users whose Find
// may say Ask.
type HTTP struct {
	// set at construction, then constant
	url     url.URL
	realm   string
	token   string
	limits  Limits
	client  http.Client
	now     func() clock.Instant
	log     *slog.Logger
	sink    Sink
	start   chan *question  // as long as open may grow, so that a send never waits
	flights chan struct{}   // one for each HTTP request
	life    context.Context // of all of them; ends with Run
	end     context.CancelFunc

	// these look after themselves
	cache   *cache
	counts  counts
	health  health
	running sync.WaitGroup

	mu      sync.Mutex
	open    map[string]*question // guarded by mu
	waiting int                  // guarded by mu: tokens in open
	stopped bool                 // guarded by mu
}

// question is a user that is asked for, and who waits for it.
type question struct {
	user   string
	tokens []uint64 // guarded by HTTP.mu
}

type counts struct {
	asked, refused, known, unknown, failed, panics atomic.Uint64
}

// Stats is a reading of the counters of an HTTP, and of how full it is.
type Stats struct {
	Asked   uint64 // questions taken, those included that joined another's
	Refused uint64 // questions refused at a bound
	Known   uint64 // answers
	Unknown uint64
	Failed  uint64
	Panics  uint64 // recovered: each is a bug

	Open    int // users that are asked for
	Waiting int // requests that wait for them
	Cache   CacheStats
}

// NewHTTP returns an HTTP that answers to sink. It does nothing before Run.
func NewHTTP(c HTTPConfig, sink Sink) (*HTTP, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("users: %q is no http or https URL", u.Redacted())
	}
	h := &HTTP{
		url: *u, realm: c.Realm, token: c.Token, limits: c.Limits.withDefaults(),
		now: c.Now, log: c.Log, sink: sink, open: map[string]*question{},
	}
	if h.now == nil {
		h.now = clock.Now
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.client = http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the service is where it was said to be
	}}
	if c.Transport == nil {
		roots, err := rootsOf(c.CA)
		if err != nil {
			return nil, err
		}
		h.client.Transport = &http.Transport{
			MaxConnsPerHost: h.limits.Flights, MaxIdleConnsPerHost: h.limits.Flights,
			IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxBody,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		}
	}
	h.cache = newCache(h.limits.Users)
	h.start = make(chan *question, h.limits.Questions)
	h.flights = make(chan struct{}, h.limits.Flights)
	h.life, h.end = context.WithCancel(context.Background())
	return h, nil
}

// rootsOf reads authorities; nil stands for those of the system.
func rootsOf(pem string) (*x509.CertPool, error) {
	if pem == "" {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("users: no certificate of an authority")
	}
	return roots, nil
}

// Find is auth.Users: a leaf read. After Ask, put the question to Ask.
func (h *HTTP) Find(now clock.Instant, user []byte) (*auth.HA1, auth.Answer) {
	if faultOf(user) != "" {
		return nil, auth.Unknown
	}
	return h.cache.find(now, user)
}

// Ask puts a question and returns at once; any goroutine may call it. On nil the
// Sink hears token, within Limits.Timeout. ErrFull is the answer at a bound,
// ErrStopped when Run has ended; then the Sink hears nothing.
func (h *HTTP) Ask(user []byte, token uint64) error {
	if faultOf(user) != "" {
		return ErrNoName
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return ErrStopped
	}
	q := h.open[string(user)]
	if q == nil && len(h.open) < h.limits.Questions {
		q = &question{user: string(user)}
		h.open[q.user] = q
		h.start <- q
	}
	if q == nil || len(q.tokens) >= h.limits.Waiters {
		h.counts.refused.Add(1)
		return ErrFull
	}
	q.tokens = append(q.tokens, token)
	h.waiting++
	h.counts.asked.Add(1)
	return nil
}

// Run works until ctx ends and returns when every goroutine of the HTTP has ended.
// Those who still wait are told Failed.
func (h *HTTP) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case q := <-h.start:
			h.running.Go(func() { h.work(q) })
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.end()
	for len(h.start) > 0 { // nobody adds to it any more
		h.finish(<-h.start, nil, auth.Failed)
	}
	h.running.Wait()
	h.client.CloseIdleConnections()
}

// work answers a question.
func (h *HTTP) work(q *question) {
	ha1, answer := (*auth.HA1)(nil), auth.Failed
	defer func() {
		if v := recover(); v != nil { // an answer must not end the server
			h.counts.panics.Add(1)
		}
		h.finish(q, ha1, answer)
	}()
	if known, a := h.cache.find(h.now(), []byte(q.user)); a != auth.Ask { // found between the caller's Find and its Ask
		ha1, answer = known, a
		return
	}
	ctx, cancel := context.WithTimeout(h.life, h.limits.Timeout)
	defer cancel()
	found, a, err := h.fetch(ctx, q.user)
	if h.life.Err() != nil {
		return
	}
	h.count(a)
	h.health.note(h.log, h.url.Host, err)
	ha1, answer = h.cache.put(h.now(), q.user, found, a, &h.limits)
}

func (h *HTTP) count(a auth.Answer) {
	switch a {
	case auth.Known:
		h.counts.known.Add(1)
	case auth.Unknown:
		h.counts.unknown.Add(1)
	default:
		h.counts.failed.Add(1)
	}
}

// finish ends the work on q. The cache knows the answer by now, so that who comes
// from here on finds it there.
func (h *HTTP) finish(q *question, ha1 *auth.HA1, a auth.Answer) {
	h.mu.Lock()
	delete(h.open, q.user)
	tokens := q.tokens
	h.waiting -= len(tokens)
	h.mu.Unlock()
	for _, token := range tokens {
		h.sink.Found(token, ha1, a)
	}
}

// Stats reads the counters.
func (h *HTTP) Stats() Stats {
	h.mu.Lock()
	open, waiting := len(h.open), h.waiting
	h.mu.Unlock()
	c := &h.counts
	return Stats{
		Asked: c.asked.Load(), Refused: c.refused.Load(),
		Known: c.known.Load(), Unknown: c.unknown.Load(), Failed: c.failed.Load(), Panics: c.panics.Load(),
		Open: open, Waiting: waiting, Cache: h.cache.read(),
	}
}
