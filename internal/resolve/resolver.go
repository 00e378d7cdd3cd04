package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"viaduct/internal/clock"
)

// Sink hears the answers. It is called from goroutines of the Resolver, must not
// block for long, and hears the token of each successful Ask exactly once. err
// is nil exactly when hops has one at least.
type Sink interface {
	Resolved(token uint64, hops Hops, err error)
}

// Config is what a Resolver is made of.
type Config struct {
	Servers   []netip.AddrPort     // who is asked, in this order
	Hosts     *Hosts               // names that need no DNS; nil: none
	Exchanger Exchanger            // nil: Net
	Now       func() clock.Instant // nil: clock.Now
	Limits    Limits
}

// Resolver finds the hops of Queries and keeps them in its Cache.
type Resolver struct {
	// set at construction, then constant
	limits    Limits
	exchanger Exchanger
	sink      Sink
	now       func() clock.Instant
	cache     *Cache
	start     chan *pending   // as long as open may grow, so that a send never waits
	sockets   chan struct{}   // one for each question at a server
	life      context.Context // of questions at servers; ends with Run
	end       context.CancelFunc

	// these look after themselves
	settings atomic.Pointer[settings]
	counts   counts
	lookups  lookups
	running  sync.WaitGroup // walks and flights; none starts when Run is ending

	mu      sync.Mutex
	open    map[string]*pending // guarded by mu
	waiting int                 // guarded by mu: tokens in open
	stopped bool                // guarded by mu
}

// settings is what a reload changes, immutable.
type settings struct {
	servers []*server
	hosts   *Hosts
}

// pending is a Query that is worked on, and who waits for it.
type pending struct {
	query  Query
	key    string
	tokens []uint64 // guarded by Resolver.mu
}

// New returns a Resolver that answers to sink. It does nothing before Run.
func New(c Config, sink Sink) *Resolver {
	r := &Resolver{limits: c.Limits.withDefaults(), exchanger: c.Exchanger, sink: sink, now: c.Now}
	if r.exchanger == nil {
		r.exchanger = Net{}
	}
	if r.now == nil {
		r.now = clock.Now
	}
	r.cache = newCache(r.limits)
	r.start = make(chan *pending, r.limits.Questions)
	r.sockets = make(chan struct{}, r.limits.Sockets)
	r.open = make(map[string]*pending)
	r.lookups.known = newTable[answer](r.limits.Names)
	r.lookups.flights = make(map[string]*flight)
	r.life, r.end = context.WithCancel(context.Background())
	r.settings.Store(newSettings(c.Servers, c.Hosts))
	return r
}

func newSettings(servers []netip.AddrPort, hosts *Hosts) *settings {
	s := &settings{hosts: hosts}
	for _, addr := range servers {
		s.servers = append(s.servers, &server{addr: addr})
	}
	return s
}

// Cache is where the answers are kept.
func (r *Resolver) Cache() *Cache { return r.cache }

// Reload changes the servers and the names of the hosts file. When either
// differs, everything known is forgotten; questions that are under way end with
// the answers of before, which are not kept.
func (r *Resolver) Reload(servers []netip.AddrPort, hosts *Hosts) {
	same := func(s *server, addr netip.AddrPort) bool { return s.addr == addr }
	if old := r.settings.Load(); slices.EqualFunc(old.servers, servers, same) && old.hosts.equal(hosts) {
		return
	}
	r.settings.Store(newSettings(servers, hosts))
	r.lookups.mu.Lock()
	r.lookups.known.clear()
	r.lookups.mu.Unlock()
	r.cache.clear()
}

// Ask puts a question and returns at once; any goroutine may call it. On nil
// the Sink hears token, within Limits.Budget. ErrFull is the answer at a bound,
// ErrStopped when Run has ended; then the Sink hears nothing.
func (r *Resolver) Ask(q Query, token uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.pendingOf(q)
	if err != nil {
		return err
	}
	if len(p.tokens) >= r.limits.Waiters {
		r.counts.refused.Add(1)
		return ErrFull
	}
	p.tokens = append(p.tokens, token)
	r.waiting++
	r.counts.asked.Add(1)
	return nil
}

// Refresh has a Query that is Stale looked up again; nobody waits for it.
func (r *Resolver) Refresh(q Query) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.pendingOf(q)
	return err
}

// pendingOf returns the work on q, begun if need be. The caller holds mu.
func (r *Resolver) pendingOf(q Query) (*pending, error) {
	if r.stopped {
		return nil, ErrStopped
	}
	if len(q.name()) > maxName {
		return nil, ErrNoName
	}
	key := string(q.AppendTo(nil))
	if p := r.open[key]; p != nil {
		return p, nil
	}
	if len(r.open) >= r.limits.Questions {
		r.counts.refused.Add(1)
		return nil, ErrFull
	}
	query, ok := ParseQuery([]byte(key))
	if !ok {
		return nil, ErrNoName
	}
	p := &pending{query: query, key: key}
	r.open[key] = p
	r.start <- p
	return p, nil
}

// Run works until ctx ends and returns when every goroutine of the Resolver has
// ended. Those who still wait are told ErrStopped.
func (r *Resolver) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case p := <-r.start:
			r.running.Go(func() { r.work(p) })
		case <-ctx.Done():
		}
	}
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.lookups.mu.Lock()
	r.lookups.stopped = true
	r.lookups.mu.Unlock()
	r.end()
	for len(r.start) > 0 { // nobody adds to it any more
		r.finish(<-r.start, Hops{}, ErrStopped)
	}
	r.running.Wait()
}

// work finds the hops of p and tells those who wait.
func (r *Resolver) work(p *pending) {
	hops, err := Hops{}, fmt.Errorf("%w: %s", ErrServers, p.query.Host)
	defer func() {
		if v := recover(); v != nil { // a packet must not end the server
			r.counts.panics.Add(1)
		}
		r.finish(p, hops, err)
	}()
	if h, ok, known := r.cache.fresh(r.now(), p.key); ok { // found between the caller's Get and its Ask
		hops, err = h, known
		return
	}
	ctx, cancel := context.WithTimeout(r.life, r.limits.Budget)
	defer cancel()
	before := r.settings.Load()
	w := walk{resolver: r, query: p.query}
	h, failure := w.locate(ctx)
	switch {
	case r.life.Err() != nil:
		err = ErrStopped
	case r.settings.Load() != before:
		hops, err = h, failure
	default:
		hops, err = r.cache.put(r.now(), p.key, h, failure, w.until)
	}
}

// finish ends the work on p. The cache knows the outcome by now, so that who
// comes from here on finds it there.
func (r *Resolver) finish(p *pending, hops Hops, err error) {
	r.mu.Lock()
	delete(r.open, p.key)
	tokens := p.tokens
	r.waiting -= len(tokens)
	r.mu.Unlock()
	r.counts.outcome(err)
	for _, token := range tokens {
		r.sink.Resolved(token, hops, err)
	}
}
