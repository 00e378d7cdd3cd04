package transport

import (
	"container/list"
	"context"
	"errors"
	"math/bits"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// StreamLimits are the bounds of connections (safety.md rules 7–9). Zero values
// mean the defaults given.
type StreamLimits struct {
	Connections int // 20,000 in all; less when the descriptors that the process may open do not go round
	PerSource   int // 256 accepted from one address, or one /64; loopback is exempt
	Unknown     int // 1,000 that have not sent a SIP message yet; the oldest of them makes room

	FirstByte time.Duration // 30 s from accept to the first byte
	Handshake time.Duration // 10 s for that of TLS and of a WebSocket together, from accept
	Message   time.Duration // 30 s from the first byte of a message to its last
	Idle      time.Duration // 15 min without a message or keepalive; RFC 3261 §18 asks for 64*T1 at least
	Rest      time.Duration // 10 s without anything, until it is kept as small as it can be
	Connect   time.Duration // 3 s for a connection to be made, unless a message says otherwise
	Write     time.Duration // 10 s without progress while the peer's window is closed

	Computing int // 1 handshake for two processors that computes at the same time
	Serving   int // 32 files on their way, beside WebSockets

	Look time.Duration // 4 s between two looks at the files of certificates: a renewal has weeks, and who has made one waits to see it

	QueueMessages int // 64 waiting on one connection
	QueueBytes    int // 256 KiB of them
}

// reserve is how many descriptors are left to listeners, files and resolvers.
const reserve = 512

func (l *StreamLimits) fill() {
	orInt := func(n *int, def int) {
		if *n <= 0 {
			*n = def
		}
	}
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	orInt(&l.Connections, 20_000)
	orInt(&l.PerSource, 256)
	orInt(&l.Unknown, 1_000)
	orDuration(&l.FirstByte, 30*time.Second)
	orDuration(&l.Handshake, 10*time.Second)
	orDuration(&l.Message, 30*time.Second)
	orDuration(&l.Idle, 15*time.Minute)
	orDuration(&l.Rest, 10*time.Second)
	orDuration(&l.Connect, 3*time.Second)
	orDuration(&l.Look, 4*time.Second)
	orDuration(&l.Write, 10*time.Second)
	orInt(&l.Computing, max(runtime.GOMAXPROCS(0)/2, 1))
	orInt(&l.Serving, 32)
	orInt(&l.QueueMessages, 64)
	orInt(&l.QueueBytes, 256<<10)
	l.Connections = min(l.Connections, maxSlots/2)
	if n := maxDescriptors(); n > 0 {
		l.Connections = min(l.Connections, max(n-reserve, n/4, 1))
	}
}

// StreamConfig is what Streams are built with.
type StreamConfig struct {
	Limits StreamLimits

	// Lanes is how many turns may run at once; 0 means 1. NewTurn makes what
	// runs them, one for each lane: a turn must not wait for the network.
	Lanes   int
	NewTurn func() func(*Batch)
}

// maxLeaving bounds connections that have made room and are still there; their
// descriptors come out of the reserve.
const maxLeaving = reserve / 2

// maxSlots is how many connections a number can tell apart at one time: the
// lower half of it is the slot, the upper half counts the slot's lives.
const maxSlots = 1 << 16

// Streams holds all connections of the process: their table, their bounds and
// the lanes on which what they receive is worked on.
type Streams struct {
	// set at construction, then constant
	limits StreamLimits
	lanes  chan *lane
	slots  []slot
	shakes chan struct{} // held by a handshake that computes
	files  chan struct{} // held by a file on its way
	done   chan struct{} // closed by Close

	now    atomic.Int64 // a clock.Instant, as old as the pace of Serve: precise enough for limits of seconds
	group  sync.WaitGroup
	closed sync.Once

	mu      sync.Mutex // guards what follows
	ended   bool
	open    int
	leaving int // of those: made room, and are about to end
	cursor  int // slots are used in turn, so that a number comes again as late as can be
	routes  map[route]*Conn
	sources map[netip.Addr]int // accepted connections by source
	unknown list.List          // of *Conn, oldest first

	listeners []*TCP // those that are not closed
}

// slot is a place in the table.
type slot struct {
	conn atomic.Pointer[Conn]
	life uint16 // guarded by Streams.mu
}

// route is what makes a connection fit for a request (RFC 3261 §18.1.1): the
// same listener and the same far end, whoever opened it. With TLS the far end must
// have proven to be the domain that the request is for, so that the address alone
// finds nothing but a flow that is there (RFC 5923 §8.1).
type route struct {
	listener *TCP
	remote   netip.AddrPort
	domain   flow.Domain
}

// Errors of messages that found no connection.
var (
	ErrGone    = errors.New("transport: the connection is gone")
	ErrFull    = errors.New("transport: no room for another connection")
	ErrQueue   = errors.New("transport: the connection's queue is full")
	ErrConnect = errors.New("transport: no connection in time")
	ErrDomain  = errors.New("transport: TLS to a peer that need not prove who it is")
	ErrDial    = errors.New("transport: a WebSocket is made by its client")
)

// NewStreams returns Streams without connections. Serve and Close must follow.
func NewStreams(cfg StreamConfig) *Streams {
	cfg.Limits.fill()
	s := &Streams{
		limits:  cfg.Limits,
		lanes:   make(chan *lane, max(cfg.Lanes, 1)),
		slots:   make([]slot, 1<<bits.Len(uint(2*max(cfg.Limits.Connections, maxLeaving)-1))),
		shakes:  make(chan struct{}, cfg.Limits.Computing),
		files:   make(chan struct{}, cfg.Limits.Serving),
		done:    make(chan struct{}),
		routes:  map[route]*Conn{},
		sources: map[netip.Addr]int{},
	}
	s.now.Store(int64(clock.Now()))
	for range cap(s.lanes) {
		s.lanes <- &lane{turn: cfg.NewTurn(), sender: s.NewSender()}
	}
	return s
}

// Limits are the bounds in force.
func (s *Streams) Limits() StreamLimits { return s.limits }

// Open is how many connections there are, those being made included.
func (s *Streams) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Unknown is how many of them have not sent a SIP message yet.
func (s *Streams) Unknown() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unknown.Len()
}

// Serve keeps the time and ends connections that have used theirs up, until
// Close. One look at all of them each second costs their readers nothing.
func (s *Streams) Serve() {
	shortest := min(s.limits.FirstByte, s.limits.Message, s.limits.Idle)
	t := time.NewTicker(max(min(shortest/8, time.Second), time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
		}
		now := clock.Now()
		s.now.Store(int64(now))
		for i := range s.slots {
			if c := s.slots[i].conn.Load(); c != nil {
				if why := c.overdue(now); why != notEnded {
					c.end(why)
				} else if c.quiet(now) {
					c.rest()
				}
			}
		}
	}
}

// Close ends all connections and waits for their goroutines, so that no turn
// may call it. Nothing can be sent afterwards. The listeners are closed apart.
func (s *Streams) Close() {
	s.closed.Do(func() {
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		close(s.done)
		for i := range s.slots {
			if c := s.slots[i].conn.Load(); c != nil {
				c.end(EndShutdown)
			}
		}
	})
	s.group.Wait()
}

// forget takes a listener off the list of those whose certificates are watched.
func (s *Streams) forget(t *TCP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = slices.DeleteFunc(slices.Clone(s.listeners), func(x *TCP) bool { return x == t })
}

// borrow waits for a lane. How long it took is the age of what has come, as far as
// that can be told: the kernel holds it, and the peer is slowed down (RFC 9293).
func (s *Streams) borrow() *lane {
	select {
	case l := <-s.lanes:
		l.batch.Age = 0
		return l
	default:
	}
	begun := clock.Now()
	l := <-s.lanes
	l.batch.Age = clock.Now().Sub(begun)
	return l
}

// find is the connection of a listener that a hop names, or nil.
func (s *Streams) find(to *TCP, hop *flow.Hop) *Conn {
	if hop.Conn == flow.Existing {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.routes[route{listener: to, remote: hop.Remote}]
	}
	c := s.slots[int(hop.Conn)&(len(s.slots)-1)].conn.Load()
	if c == nil || c.number != hop.Conn || c.to != to {
		return nil
	}
	return c
}

// reach is the connection to remote by the listener to: one that is open or
// being made, else a new one. fresh tells that it is new: the caller puts in what
// it is made for, so that it fails with it if it fails, and then calls begin.
func (s *Streams) reach(to *TCP, remote netip.AddrPort, domain flow.Domain) (c *Conn, fresh bool, err error) {
	switch to.protocol {
	case flow.TCP:
		domain = flow.Domain{}
	case flow.TLS:
		if domain.IsZero() {
			return nil, false, ErrDomain
		}
	default:
		return nil, false, ErrDial // RFC 7118 §5.3
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := route{to, remote, domain}
	if c := s.routes[key]; c != nil {
		return c, false, nil
	}
	if s.ended || s.open-s.leaving >= s.limits.Connections {
		to.counters.refusedFull.Add(1)
		return nil, false, ErrFull
	}
	c = newConn(s, to)
	c.opened = true
	c.flow.Remote, c.domain = remote, domain
	c.kick = make(chan struct{}, 1)
	c.known.Store(true) // the peer was chosen by us
	s.place(c)
	s.route(c)
	s.group.Add(1) // Close waits for it from now on
	return c, true, nil
}

// begin starts to make c from the address local.
func (s *Streams) begin(c *Conn, local netip.Addr) {
	go func() {
		defer s.group.Done()
		c.connect(context.Background(), local)
	}()
}

// admit takes a new connection into the table, or says why not. When there are
// too many of which nothing is known the oldest of those makes room: it has had
// more time than any honest peer needs.
func (s *Streams) admit(c *Conn, source netip.Addr, serve func()) (refused *atomic.Uint64, victim *Conn) {
	n := &c.to.counters
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended, s.leaving >= maxLeaving:
		return &n.refusedFull, nil
	case source.IsValid() && s.sources[source] >= s.limits.PerSource:
		return &n.refusedSource, nil
	case s.unknown.Len() >= s.limits.Unknown:
		victim = s.oldest()
	case s.open-s.leaving >= s.limits.Connections:
		if victim = s.oldest(); victim == nil {
			return &n.refusedFull, nil
		}
	}
	if victim != nil {
		victim.leaving = true
		s.leaving++
	}
	s.count(c, source)
	c.stranger = s.unknown.PushBack(c)
	s.place(c)
	if c.state == connOpen {
		s.route(c)
	}
	s.group.Go(serve)
	return nil, victim
}

// count has c counted under a source, unless it is one that is exempt.
func (s *Streams) count(c *Conn, source netip.Addr) {
	if c.counted = source; source.IsValid() {
		s.sources[source]++
	}
}

// carried makes c the connection of remote, as a proxy has told. It returns false
// when that has too many.
func (s *Streams) carried(c *Conn, remote netip.AddrPort) bool {
	source := sourceOf(remote.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if source.IsValid() && s.sources[source] >= s.limits.PerSource {
		c.to.counters.refusedSource.Add(1)
		return false
	}
	c.flow.Remote = remote
	s.count(c, source)
	return true
}

// oldest takes the unknown connection that has been there longest off its list.
func (s *Streams) oldest() *Conn {
	e := s.unknown.Front()
	if e == nil {
		return nil
	}
	s.unknown.Remove(e)
	c := e.Value.(*Conn)
	c.stranger = nil
	return c
}

// sourceOf is what connections are counted by: an IPv4 address, or the /64 that
// one host may have to itself. Loopback is not counted: whoever sits there can
// do worse things.
func sourceOf(a netip.Addr) netip.Addr {
	if a.IsLoopback() {
		return netip.Addr{}
	}
	if a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// place gives c a free slot and a number. The table is at most half full, but
// for those that have made room.
func (s *Streams) place(c *Conn) {
	for s.slots[s.cursor].conn.Load() != nil {
		s.cursor = (s.cursor + 1) % len(s.slots)
	}
	at := &s.slots[s.cursor]
	if at.life++; at.life == uint16(flow.Existing>>16) {
		at.life = 1 // that one would make flow.Existing, and 0 the number 0
	}
	c.number = uint32(at.life)<<16 | uint32(s.cursor)
	c.flow.Conn = c.number
	at.conn.Store(c)
	s.cursor = (s.cursor + 1) % len(s.slots)
	s.open++
	c.to.counters.open.Add(1)
}

// route lets new messages find c, under each of its keys that is free.
func (s *Streams) route(c *Conn) {
	for _, key := range c.keys() {
		if s.routes[key] == nil {
			s.routes[key] = c
		}
	}
}

// keys are the two under which a connection is found at its far end: as a flow,
// and as one whose domain was proven when it was made. They may be the same.
func (c *Conn) keys() [2]route {
	return [2]route{{listener: c.to, remote: c.flow.Remote}, {c.to, c.flow.Remote, c.domain}}
}

// recognise takes c, which has sent a SIP message, out of the unknown.
func (s *Streams) recognise(c *Conn) {
	c.known.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.stranger != nil {
		s.unknown.Remove(c.stranger)
		c.stranger = nil
	}
}

// unroute keeps new messages from finding c.
func (s *Streams) unroute(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.unrouted = true
	keys := c.keys()
	for _, list := range [2][]route{keys[:], c.aliases} {
		for _, key := range list {
			if s.routes[key] == c {
				delete(s.routes, key)
			}
		}
	}
	c.aliases = nil
}

// remove takes c out of the table.
func (s *Streams) remove(c *Conn) {
	s.unroute(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.stranger != nil {
		s.unknown.Remove(c.stranger)
		c.stranger = nil
	}
	if c.counted.IsValid() {
		if s.sources[c.counted]--; s.sources[c.counted] <= 0 {
			delete(s.sources, c.counted)
		}
	}
	s.slots[int(c.number)&(len(s.slots)-1)].conn.Store(nil)
	s.open--
	if c.leaving {
		s.leaving--
	}
	c.to.counters.open.Add(-1)
}
