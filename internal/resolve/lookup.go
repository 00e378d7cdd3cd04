package resolve

import (
	"context"
	"fmt"
	"sync"
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
