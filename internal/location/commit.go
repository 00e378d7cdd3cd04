package location

import (
	"context"
	"fmt"
	"time"
)

// enqueue hands a change to Run. The caller holds the stripe, so that changes of
// one AOR are in the queue in the order in which they were made.
func (d *Directory) enqueue(c *change) error {
	if d.stopped.Load() {
		return ErrStopped
	}
	select {
	case d.queue <- c:
	default:
		d.counts.busy.Add(1)
		return ErrBusy
	}
	if len(c.record) == 0 {
		return nil
	}
	s := c.stripe
	w := s.waiting[c.slot]
	if w.first == nil {
		w.first = c
	} else {
		w.last.next = c
	}
	w.last = c
	if s.waiting == nil {
		s.waiting = make(map[uint32]waiting)
	}
	s.waiting[c.slot] = w
	return nil
}

// batch is one transaction in the making; it belongs to Run.
type batch struct {
	changes []*change
	ops     []Op
	orphans []Op // removals that failed: their bindings are gone, their rows are not
}

// How often Run looks for what has expired, how many AORs share a transaction
// then, and how many rows that could not be removed are remembered; those beyond
// go at the next start, if they have expired by then.
const (
	sweepEvery  = time.Second
	sweepMost   = 512
	mostOrphans = 1 << 16
)

// Run stores changes in groups and removes what has expired, until ctx ends and
// all changes that were taken are stored. It does not close the store.
func (d *Directory) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case c := <-d.queue:
			d.gather(ctx)
			d.commit(c)
		case <-ticker.C:
			d.sweep(ctx)
		case <-ctx.Done():
		}
	}
	d.stopped.Store(true)
	for i := range d.stripes { // whoever saw it unset has queued by now
		d.stripes[i].pass()
	}
	for len(d.queue) > 0 {
		d.commit(<-d.queue)
	}
}

// sweep removes what has expired, a transaction at a time, which those changes
// share that come meanwhile.
func (d *Directory) sweep(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		more = d.Expire(d.now(), sweepMost)
		if len(d.queue) > 0 {
			d.commit(<-d.queue)
		}
	}
}

// gather waits for others to share the transaction of a first change, unless
// there are enough already.
func (d *Directory) gather(ctx context.Context) {
	limits := d.limits.Load()
	if len(d.queue) >= limits.Batch {
		return
	}
	timer := time.NewTimer(limits.Gather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// commit stores first and what is queued behind it in one transaction, makes it
// seen, and tells those who wait.
func (d *Directory) commit(first *change) {
	b := &d.batch
	b.changes, b.ops = b.changes[:0], append(b.ops[:0], b.orphans...)
	most := d.limits.Load().Batch
	for c := first; ; c = <-d.queue {
		if c.dead {
			c.stripe.recycle(c)
		} else {
			b.changes = append(b.changes, c)
			b.ops = append(b.ops, c.ops...)
		}
		if len(b.changes) == most || len(d.queue) == 0 {
			break
		}
	}
	d.date(b.ops)
	err := d.apply(b.ops)
	d.counts.commit(err)
	if err == nil {
		b.orphans = b.orphans[:0]
	}
	for _, c := range b.changes {
		switch {
		case c.dead:
			c.stripe.recycle(c)
		case err != nil:
			d.undo(c, err)
		default:
			d.settle(c)
		}
	}
	clear(b.ops)
}

// date turns the instants of ops into times of the wall clock.
func (d *Directory) date(ops []Op) {
	now, wall := d.now(), d.wall()
	for i := range ops {
		r := &ops[i].Row
		r.EndsAt = wall.Add(r.Binding.Expires.Sub(now)).UnixMilli()
		r.UpdatedAt = wall.Add(r.Binding.Updated.Sub(now)).UnixMilli()
	}
}

// apply has ops stored; a panic of a backend is a failure of this transaction.
func (d *Directory) apply(ops []Op) (err error) {
	defer func() {
		if v := recover(); v != nil {
			d.counts.panics.Add(1)
			err = fmt.Errorf("location: the store panicked: %v", v)
		}
	}()
	if len(ops) == 0 {
		return nil
	}
	return d.store.Apply(ops)
}

// settle makes a stored change seen, then tells who waits.
func (d *Directory) settle(c *change) {
	s, token, tell := c.stripe, c.token, c.tell
	s.mu.Lock()
	if len(c.record) > 0 {
		if w := s.waiting[c.slot]; w.first == w.last {
			delete(s.waiting, c.slot)
		} else {
			s.waiting[c.slot] = waiting{c.next, w.last}
		}
		s.install(d, c.slot, c.record)
	}
	s.give(c)
	s.mu.Unlock()
	if tell {
		d.sink.Stored(token, nil)
	}
}

// undo forgets a change that could not be stored, and every later one of its
// AOR with it: they were made on top of what is not (RFC 3261 §10.3). What
// lookups see has not changed.
func (d *Directory) undo(c *change, err error) {
	s := c.stripe
	if len(c.record) == 0 { // of expired bindings, which are gone already
		if b := &d.batch; len(b.orphans)+len(c.ops) <= mostOrphans {
			b.orphans = append(b.orphans, c.ops...)
		}
		s.recycle(c)
		return
	}
	s.mu.Lock()
	w := s.waiting[c.slot]
	delete(s.waiting, c.slot)
	seen := s.record(c.slot)
	for o := c; o != nil; o = o.next {
		o.unlink(d, seen)
	}
	d.counts.bindings.Add(int64(seen.count() - w.last.record.count()))
	if seen.count() == 0 {
		s.close(d, c.slot)
	}
	s.mu.Unlock()
	for o := c; o != nil; {
		next, token := o.next, o.token
		why := err
		if o != c {
			why = fmt.Errorf("%w: %w", ErrUndone, err)
			o.dead = true // it is in the batch or in the queue, and given back there
		}
		d.sink.Stored(token, why)
		o = next
	}
	s.recycle(c)
}

// pass returns when whoever holds the stripe now has left it.
func (s *stripe) pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

func (s *stripe) recycle(c *change) {
	s.mu.Lock()
	s.give(c)
	s.mu.Unlock()
}
