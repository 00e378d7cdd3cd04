package siptest

import (
	"sync"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// Sim runs a Network on goroutines, as an engine runs the core: the element is
// behind a lock, a reader feeds it packets from a channel, a ticker expires its
// timers, and one more goroutine (that of Run) is all parties and links. Run it
// inside testing/synctest, where time passes as soon as everybody waits.
//
//	        in (channel)  ┌────────┐
//	parties ─────────────▶│ reader │──┐ lock   ┌─────────┐
//	 links                └────────┘  ├───────▶│ element │
//	   ▲                  ┌────────┐  │        └────┬────┘
//	   │                  │ ticker │──┘             │
//	   └──────────────────┴────────┴────────────────┘ out (channel)
type Sim struct {
	*Network
	Tick time.Duration // of the ticker; 0 for 50 ms
}

// arrival is what the reader takes from its channel: a packet, or a failed send.
type arrival struct {
	from   string
	flow   flow.Flow
	wire   []byte
	broken effect.Handle
}

// live is one Run of a Sim.
type live struct {
	net    *Network
	in     chan arrival
	out    chan []*Event
	stop   chan struct{}
	origin time.Time
	base   clock.Instant

	mu sync.Mutex // guards the element and its edge
}

// Run runs the simulation for d on the clock of package time, and returns when
// its goroutines have ended. Finish may follow.
func (s *Sim) Run(d time.Duration) {
	l := &live{
		net: s.Network, in: make(chan arrival), out: make(chan []*Event), stop: make(chan struct{}),
		origin: time.Now(), base: s.loop.now,
	}
	tick := s.Tick
	if tick == 0 {
		tick = 50 * time.Millisecond
	}
	var running sync.WaitGroup
	running.Go(l.reader)
	running.Go(func() { l.ticker(tick) })
	l.parties(d)
	close(l.stop)
	go func() {
		running.Wait()
		close(l.out)
	}()
	s.direct()
	for sent := range l.out {
		s.carry(sent)
	}
}

func (l *live) now() clock.Instant { return l.base.Add(time.Since(l.origin)) }

// reader takes one arrival at a time and expires what is due after it.
func (l *live) reader() {
	for {
		select {
		case a := <-l.in:
			l.out <- l.take(a)
		case <-l.stop:
			return
		}
	}
}

func (l *live) take(a arrival) []*Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if a.broken != 0 {
		return l.net.edge.broken(now, a.broken)
	}
	sent := l.net.edge.receive(now, a.from, a.flow, a.wire)
	return append(sent, l.due(now)...)
}

// due expires timers; the lock is held.
func (l *live) due(now clock.Instant) []*Event {
	if at, armed := l.net.edge.element.Next(); armed && at <= now {
		return l.net.edge.expire(now)
	}
	return nil
}

func (l *live) ticker(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.mu.Lock()
			sent := l.due(l.now())
			l.mu.Unlock()
			l.out <- sent
		case <-l.stop:
			return
		}
	}
}

// parties runs callers, callees and links until d has passed.
func (l *live) parties(d time.Duration) {
	n := l.net
	var queue []arrival
	n.toElement = func(from string, f flow.Flow, wire []byte) {
		queue = append(queue, arrival{from: from, flow: f, wire: wire})
	}
	n.toBreaker = func(h effect.Handle) { queue = append(queue, arrival{broken: h}) }
	until := n.loop.now.Add(d)
	for {
		now := l.now()
		for at, ok := n.loop.next(); ok && at <= now; at, ok = n.loop.next() {
			n.loop.step()
		}
		if n.loop.now = now; now >= until {
			return
		}
		wake := until
		if at, ok := n.loop.next(); ok {
			wake = min(wake, at)
		}
		timer := time.NewTimer(wake.Sub(now))
		var in chan arrival // nil while there is nothing to hand over
		var head arrival
		if len(queue) > 0 {
			in, head = l.in, queue[0]
		}
		select {
		case in <- head:
			queue = queue[1:]
		case sent := <-l.out:
			n.carry(sent)
		case <-timer.C:
		}
		timer.Stop()
	}
}
