package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
)

// answer is what is known of one Question: records, or why there are none. It is
// immutable once known.
type answer struct {
	records []Record
	err     error
	until   clock.Instant
}

// lookups knows the records behind the hops, and sees to it that a question is
// at the servers once at a time. Hops that expire are so found again by asking
// only for what has expired.
type lookups struct {
	mu      sync.Mutex
	known   table[answer]
	flights map[string]*flight
	stopped bool
}

// flight is a question on its way; landed is closed when the answer is there.
type flight struct {
	landed chan struct{}
	answer answer
}

// server is one of those who are asked.
type server struct {
	addr   netip.AddrPort
	silent atomic.Int64 // the Instant until which it is asked last, because it did not answer
}

// silentFor is how long a server that did not answer is asked after the others:
// else each question would wait for it first.
const silentFor = 30 * time.Second

// maxRounds bounds how often each server is asked one question.
const maxRounds = 3

// await returns the answer of a flight, or gives up when ctx ends; the question
// goes on to its own end, for others may wait for it.
func (f *flight) await(ctx context.Context) answer {
	select {
	case <-f.landed:
		return f.answer
	case <-ctx.Done():
	}
	select {
	case <-f.landed: // both at once: an answer is an answer
		return f.answer
	default:
		return answer{err: ErrSilent}
	}
}

// begin returns what is known of q, or else its flight. When ctx has ended no new
// one is begun.
func (r *Resolver) begin(ctx context.Context, q Question) (*flight, answer) {
	l, key := &r.lookups, q.key()
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.known.get([]byte(key)); a != nil && r.now() < a.until {
		return nil, *a
	}
	if f := l.flights[key]; f != nil {
		return f, answer{}
	}
	switch {
	case l.stopped:
		return nil, answer{err: ErrStopped}
	case ctx.Err() != nil:
		return nil, answer{err: ErrSilent}
	}
	f := &flight{landed: make(chan struct{})}
	l.flights[key] = f
	r.running.Go(func() { r.fly(q, key, f) })
	return f, answer{}
}

// fly asks and files the answer. Failures are not filed: they are remembered
// for whole Queries, by the cache of hops.
func (r *Resolver) fly(q Question, key string, f *flight) {
	a := answer{err: fmt.Errorf("%w: %s", ErrServers, q)}
	before := r.settings.Load()
	defer func() {
		if v := recover(); v != nil { // a packet must not end the server
			r.counts.panics.Add(1)
		}
		f.answer = a
		l := &r.lookups
		l.mu.Lock()
		delete(l.flights, key)
		if (a.err == nil || isAnswer(a.err)) && r.settings.Load() == before {
			l.known.put(key, a)
		}
		l.mu.Unlock()
		close(f.landed)
	}()
	ctx, cancel := context.WithTimeout(r.life, r.limits.Budget)
	defer cancel()
	a = r.find(ctx, q)
}

// find asks for q and follows its CNAMEs. Most servers answer with the whole
// chain; where one ends early the next question is for the name at its end.
func (r *Resolver) find(ctx context.Context, q Question) answer {
	at, ttl := q, r.limits.MaxTTL
	for links := 0; links <= maxLinks; {
		reply, err := r.exchange(ctx, at)
		if err != nil {
			return answer{err: err}
		}
		found, end, n, seconds := reply.chase(at)
		ttl = min(ttl, r.limits.ttl(seconds))
		switch {
		case len(found) > 0:
			return answer{records: found, until: r.now().Add(ttl)}
		case n == 0 || reply.SOA || reply.Code == CodeNXDomain:
			return r.none(q, reply, ttl)
		}
		links += n
		if at.Name = end; !isName(end) {
			return answer{err: fmt.Errorf("%w: %s", ErrNoName, q), until: r.now().Add(ttl)}
		}
	}
	return answer{err: fmt.Errorf("%w: %s: a chain of aliases without an end", ErrServers, q)}
}

// none is a negative answer. RFC 2308 §5: it is good for as long as the SOA
// says, and no longer than the aliases that led to it.
func (r *Resolver) none(q Question, reply Reply, ttl time.Duration) answer {
	negative := r.limits.Negative
	if reply.SOA {
		negative = r.limits.ttl(reply.Negative)
	}
	err := ErrNoAddress
	if reply.Code == CodeNXDomain {
		err = ErrNoName
	}
	return answer{err: fmt.Errorf("%w: %s", err, q), until: r.now().Add(min(ttl, negative))}
}

// exchange asks the servers in turn, and again those who were silent, with
// twice the patience each round. One that answers but cannot tell is not asked
// again; the next one may know.
func (r *Resolver) exchange(ctx context.Context, q Question) (Reply, error) {
	failure := fmt.Errorf("%w: %s: no server is configured", ErrServers, q)
	try := r.limits.Try
	servers := r.settings.Load().inOrder(r.now())
	for round := 0; round < maxRounds && len(servers) > 0; round++ {
		var silent []*server
		for _, s := range servers {
			reply, answered, err := r.once(ctx, s, q, try)
			switch {
			case err == nil && (reply.Code == CodeNoError || reply.Code == CodeNXDomain):
				return reply, nil
			case ctx.Err() != nil:
				return Reply{}, fmt.Errorf("%w: %s", ErrSilent, q)
			case err == nil:
				r.counts.refusals.Add(1)
				failure = fmt.Errorf("%w: %s: code %d from %s", ErrServers, q, reply.Code, s.addr)
			case answered:
				failure = fmt.Errorf("%w: %s: %w", ErrServers, q, err)
			default:
				silent = append(silent, s)
				failure = fmt.Errorf("%w: %s", ErrSilent, q)
			}
		}
		servers, try = silent, 2*try
	}
	return Reply{}, failure
}

// once asks one server. answered is false when it let the time pass.
func (r *Resolver) once(ctx context.Context, s *server, q Question, try time.Duration) (reply Reply, answered bool, err error) {
	select {
	case r.sockets <- struct{}{}:
		defer func() { <-r.sockets }()
	case <-ctx.Done():
		return Reply{}, false, ctx.Err()
	}
	r.counts.queries.Add(1)
	ctx, cancel := context.WithTimeout(ctx, try)
	defer cancel()
	reply, err = r.exchanger.Exchange(ctx, s.addr, q)
	if err != nil && ctx.Err() != nil {
		r.counts.silences.Add(1)
		s.silent.Store(int64(r.now().Add(silentFor)))
		return reply, false, err
	}
	if reply.TCP {
		r.counts.truncated.Add(1)
	}
	if err == nil {
		s.silent.Store(0)
	}
	return reply, true, err
}

// inOrder is the servers as configured, those last that were silent lately.
func (s *settings) inOrder(now clock.Instant) []*server {
	servers := slices.Clone(s.servers)
	slices.SortStableFunc(servers, func(a, b *server) int {
		return a.rank(now) - b.rank(now)
	})
	return servers
}

func (s *server) rank(now clock.Instant) int {
	if until := clock.Instant(s.silent.Load()); until != 0 && now < until {
		return 1
	}
	return 0
}
