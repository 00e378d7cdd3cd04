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

// inquiry is one Question at the servers; it belongs to the flight that began it.
// Patience with one server only says when the next is asked. All who were asked
// are listened to until one has told or the time of the lookup is over, for the
// one that is slow today may be the only one that works.
//
//	          Try       Try       2 Try              2 Try
//	1st    ask ─────────┼──────── again ─────────────┼────────▶ until the end
//	2nd              ask ─────────┼──────────────── again ────▶ until the end
type inquiry struct {
	resolver *Resolver
	question Question
	servers  []asked
	heard    chan *call // has room for every call, so that none waits to be heard
	calling  sync.WaitGroup
	told     *Reply // the answer
	failure  error  // or what was last wrong
}

// asked is a server as one inquiry sees it.
type asked struct {
	*server
	call *call // nil: it does not have the question
	late bool  // it has let a try pass
	over bool  // it has answered that it cannot tell
}

// call is an Exchange under way. reply and err are there once it is heard.
type call struct {
	of     *asked
	again  chan struct{} // has room for every round, so that nobody waits to ask again
	hangUp context.CancelFunc
	reply  Reply
	err    error
}

// exchange asks the servers in turn, and again those who are silent, with twice
// the patience each round. One that answers but cannot tell is not asked again;
// the next one may know.
func (r *Resolver) exchange(ctx context.Context, q Question) (Reply, error) {
	ctx, end := context.WithCancel(ctx)
	i := r.inquire(q)
	defer i.calling.Wait()
	defer end()
	for turn := range maxRounds * len(i.servers) {
		s := &i.servers[turn%len(i.servers)]
		if !s.over && i.ask(ctx, s) {
			i.listen(ctx, s, r.limits.Try<<(turn/len(i.servers)))
		}
		if i.told != nil || ctx.Err() != nil {
			break
		}
	}
	for i.told == nil && slices.ContainsFunc(i.servers, asked.open) && i.hearOne(ctx, nil) {
	}
	switch {
	case i.told != nil:
		return *i.told, nil
	case ctx.Err() != nil:
		return Reply{}, fmt.Errorf("%w: %s", ErrSilent, q)
	}
	return Reply{}, i.failure
}

func (r *Resolver) inquire(q Question) *inquiry {
	i := &inquiry{
		resolver: r, question: q,
		failure: fmt.Errorf("%w: %s: no server is configured", ErrServers, q),
	}
	for _, s := range r.settings.Load().inOrder(r.now()) {
		i.servers = append(i.servers, asked{server: s})
	}
	i.heard = make(chan *call, maxRounds*len(i.servers))
	return i
}

func (s asked) open() bool { return s.call != nil }

// ask puts the question to s, or puts it again. It is false when there was no
// room for it before the inquiry was over.
func (i *inquiry) ask(ctx context.Context, s *asked) bool {
	r := i.resolver
	if s.open() {
		s.call.again <- struct{}{}
		r.counts.queries.Add(1)
		return true
	}
	if !i.makeRoom(ctx) {
		return false
	}
	c := &call{of: s, again: make(chan struct{}, maxRounds)}
	s.call = c
	ctx, c.hangUp = context.WithCancel(ctx)
	r.counts.queries.Add(1)
	i.calling.Go(func() { i.run(ctx, c) })
	return true
}

// makeRoom takes one of the places for sockets. When they get scarce an inquiry
// keeps to one place, so that those who wait for slow servers leave room for
// others, and never hold each other's.
func (i *inquiry) makeRoom(ctx context.Context) bool {
	places := i.resolver.sockets
	if len(places) >= cap(places)/2 {
		for n := range i.servers {
			if s := &i.servers[n]; s.open() {
				s.call.hangUp()
				s.call = nil
			}
		}
	}
	for i.told == nil {
		select {
		case places <- struct{}{}:
			return true
		case c := <-i.heard:
			i.hear(ctx, c)
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// run is one call, from a place taken to the place given back.
func (i *inquiry) run(ctx context.Context, c *call) {
	r := i.resolver
	c.err = ErrServers
	defer func() {
		if v := recover(); v != nil { // a packet must not end the server
			r.counts.panics.Add(1)
		}
		c.hangUp()
		<-r.sockets
		i.heard <- c
	}()
	c.reply, c.err = r.exchanger.Exchange(ctx, c.of.addr, i.question, c.again)
}

// listen hears whoever answers until s has answered, or patience with it is over.
func (i *inquiry) listen(ctx context.Context, s *asked, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for i.told == nil && s.open() {
		if i.hearOne(ctx, timer.C) {
			continue
		}
		r := i.resolver
		r.counts.silences.Add(1)
		s.late = true
		s.silent.Store(int64(r.now().Add(silentFor)))
		i.failure = fmt.Errorf("%w: %s", ErrSilent, i.question)
		return
	}
}

// hearOne hears one call; it is false when time has run out before.
func (i *inquiry) hearOne(ctx context.Context, timeout <-chan time.Time) bool {
	select {
	case c := <-i.heard:
		i.hear(ctx, c)
		return true
	case <-timeout:
	case <-ctx.Done():
	}
	return false
}

// hear takes in how c ended. An answer counts even when the call had been hung
// up. A server that tells late remains one to be asked last.
func (i *inquiry) hear(ctx context.Context, c *call) {
	r, s := i.resolver, c.of
	if c.err != nil && (ctx.Err() != nil || s.call != c) {
		return // it ended because it was hung up, or with the lookup
	}
	s.call = nil
	if c.err != nil {
		s.over = true
		i.failure = fmt.Errorf("%w: %s: %w", ErrServers, i.question, c.err)
		return
	}
	if c.reply.TCP {
		r.counts.truncated.Add(1)
	}
	if !s.late {
		s.silent.Store(0)
	}
	if c.reply.Code == CodeNoError || c.reply.Code == CodeNXDomain {
		i.told = &c.reply
		return
	}
	r.counts.refusals.Add(1)
	s.over = true
	i.failure = fmt.Errorf("%w: %s: code %d from %s", ErrServers, i.question, c.reply.Code, s.addr)
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
