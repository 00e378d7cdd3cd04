package location

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// Config is what a Directory is made of.
type Config struct {
	Store  Store // nil: bindings live as long as the process
	Limits Limits

	Now  func() clock.Instant // nil: clock.Now
	Wall func() time.Time     // nil: clock.Today

	// Listener finds the listener that a stored flow came in by; nil, or false:
	// its flow is lost.
	Listener func(flow.Flow) (flow.Listener, bool)
}

// Directory is AOR → bindings. Its methods may be called from anywhere, also
// under a shard's lock: none of them waits, except Load and Run.
type Directory struct {
	// set at construction, then constant
	store    Store
	sink     Sink
	now      func() clock.Instant
	wall     func() time.Time
	listener func(flow.Flow) (flow.Listener, bool)
	seed     maphash.Seed
	queue    chan *change

	// atomics
	limits  atomic.Pointer[Limits]
	nextID  atomic.Uint64
	stopped atomic.Bool
	counts  counts

	// these look after themselves
	stripes [stripes]stripe
	flows   flows
	batch   batch
}

// New returns an empty directory. The Sink may be nil when there is no store.
func New(c Config, sink Sink) *Directory {
	d := &Directory{store: c.Store, sink: sink, now: c.Now, wall: c.Wall, listener: c.Listener, seed: maphash.MakeSeed()}
	d.flows.seed = d.seed
	if d.now == nil {
		d.now = clock.Now
	}
	if d.wall == nil {
		d.wall = clock.Today
	}
	limits := c.Limits.withDefaults()
	d.limits.Store(&limits)
	if d.store != nil {
		d.queue = make(chan *change, limits.Pending)
	}
	for i := range d.stripes {
		d.stripes[i].number = uint32(i)
	}
	return d
}

// SetLimits changes the limits, except Pending, which needs a restart. An AOR
// that has more bindings than now allowed keeps them while they are refreshed.
func (d *Directory) SetLimits(l Limits) {
	l = l.withDefaults()
	d.limits.Store(&l)
}

func (d *Directory) hash(aor []byte) uint64 { return maphash.Bytes(d.seed, aor) }

func (d *Directory) stripe(hash uint64) *stripe { return &d.stripes[hash%stripes] }

// Lookup puts the bindings of a canonical AOR into found, in the order in which
// they are to be tried, and reports whether there is one. Contacts of every
// scheme are among them. It does not allocate once found has room.
func (d *Directory) Lookup(now clock.Instant, aor []byte, found *Found) bool {
	found.Bindings = found.Bindings[:0]
	hash := d.hash(aor)
	s := d.stripe(hash)
	s.mu.Lock()
	i, ok := s.find(hash, aor)
	if !ok {
		s.mu.Unlock()
		return false
	}
	found.bytes = append(found.bytes[:0], s.record(i).bindings()...)
	s.mu.Unlock()
	found.read(now)
	return len(found.Bindings) > 0
}

// LookupInstance is Lookup for the bindings of one instance (RFC 5627 §6.1): as
// registered, without quotes and angle brackets.
func (d *Directory) LookupInstance(now clock.Instant, aor, instance []byte, found *Found) bool {
	d.Lookup(now, aor, found)
	kept := found.Bindings[:0]
	for i := range found.Bindings {
		if string(found.Bindings[i].Instance) == string(instance) {
			kept = append(kept, found.Bindings[i])
		}
	}
	found.Bindings = kept
	return len(kept) > 0
}

// read unpacks what has been copied, without what has expired.
func (f *Found) read(now clock.Instant) {
	for p := packed(f.bytes); len(p) > 0; p = p.next() {
		if p.expires() > now {
			f.Bindings = append(f.Bindings, Binding{})
			p.read(&f.Bindings[len(f.Bindings)-1])
		}
	}
	f.sort()
}
