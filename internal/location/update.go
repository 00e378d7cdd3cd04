package location

import (
	"slices"

	"viaduct/internal/clock"
)

// Outcome is what became of an Update.
type Outcome uint8

// The outcomes.
const (
	Refused Outcome = iota // nothing has changed, and nothing will
	Done                   // lookups see it; answer now
	Pending                // the Sink hears the token when it is stored and seen, or undone
)

// Update changes the bindings of one canonical AOR as a whole or not at all. f is
// called once, before Update returns, and sees the state that all changes before
// it lead to, those that are not stored yet included; when it returns false, all
// stays as it is. Updates of one AOR are in one order for all shards: that in
// which their f was called (RFC 3261 §10.3).
//
// f runs under a leaf lock: it is short, and calls no method of the Directory.
// The error is nil unless the outcome is Refused by a bound or after Run.
func (d *Directory) Update(now clock.Instant, aor []byte, token uint64, f func(*Edit) bool) (Outcome, error) {
	if len(aor) > maxAOR {
		return Refused, ErrTooLarge
	}
	hash := d.hash(aor)
	s := d.stripe(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(hash, aor)
	e := &s.edit
	e.begin(now, d.limits.Load())
	if known {
		e.read(s.newest(i))
	}
	if !f(e) {
		return Refused, nil
	}
	if !known {
		if len(e.bindings) == 0 {
			return Done, nil
		}
		if i, known = s.open(hash, aor); !known {
			return Refused, ErrFull
		}
	}
	outcome, err := d.change(s, i, token)
	if outcome == Refused && s.record(i).count() == 0 {
		if _, waits := s.waiting[i]; !waits {
			s.close(d, i)
		}
	}
	return outcome, err
}

// change has the edit of s become the state of slot i.
func (d *Directory) change(s *stripe, i uint32, token uint64) (Outcome, error) {
	e := &s.edit
	_, waits := s.waiting[i]
	if !e.changed && !waits {
		return Done, nil
	}
	if d.stopped.Load() {
		return Refused, ErrStopped
	}
	more := int64(len(e.bindings) - e.before)
	if d.counts.bindings.Add(more) > int64(d.limits.Load().Bindings) && more > 0 {
		d.counts.bindings.Add(-more)
		d.counts.full.Add(1)
		return Refused, ErrFull
	}
	for j := range e.bindings {
		if b := &e.bindings[j]; b.ID == 0 {
			b.ID = d.nextID.Add(1)
		}
	}
	c := s.take()
	c.stripe, c.slot, c.token, c.tell = s, i, token, true
	c.record = appendRecord(c.record[:0], s.record(i).aor(), i, e.bindings)
	s.link(d, i, s.newest(i), c.record)
	if d.store == nil {
		s.install(d, i, c.record)
		s.give(c)
		return Done, nil
	}
	c.list(e)
	if err := d.enqueue(c); err != nil {
		d.counts.bindings.Add(-more)
		c.unlink(d, s.newest(i))
		s.give(c)
		return Refused, err
	}
	return Pending, nil
}

// Edit is the state of an AOR inside of an Update, without what has expired.
type Edit struct {
	now      clock.Instant
	limits   *Limits
	bindings []Binding // bytes are views of the record, or those that were handed in
	marks    []mark    // what became of each
	gone     []uint64  // IDs of those that are no more
	before   int       // bindings of the state that it began with, expired ones included
	changed  bool
}

// mark says what became of a binding in an edit.
type mark uint8

const (
	kept mark = iota
	refreshed
	replaced // or added
)

func (e *Edit) begin(now clock.Instant, limits *Limits) {
	*e = Edit{now: now, limits: limits, bindings: e.bindings[:0], marks: e.marks[:0], gone: e.gone[:0]}
}

func (e *Edit) read(r record) {
	e.before = r.count()
	for p := r.bindings(); len(p) > 0; p = p.next() {
		if p.expires() <= e.now {
			e.gone = append(e.gone, p.id())
			continue
		}
		e.bindings = append(e.bindings, Binding{})
		e.marks = append(e.marks, kept)
		p.read(&e.bindings[len(e.bindings)-1])
	}
}

// Bindings are those of the AOR as the edit stands, oldest first; they are to be
// read, and valid until the next Add, Remove or the end of the Update.
func (e *Edit) Bindings() []Binding { return e.bindings }

// Add adds a binding. Its bytes are not copied before the Update ends. The error
// is ErrTooMany or ErrTooLarge.
func (e *Edit) Add(b Binding) error {
	if len(e.bindings) >= e.limits.PerAOR {
		return ErrTooMany
	}
	if b.size() > e.limits.BindingBytes {
		return ErrTooLarge
	}
	b.ID = 0
	e.bindings = append(e.bindings, b)
	e.marks = append(e.marks, replaced)
	e.changed = true
	return nil
}

// Replace puts b in the place of binding i, whose ID it gets. When nothing else
// than Expires, Updated and CSeq differs, it is a refresh, which costs little.
func (e *Edit) Replace(i int, b Binding) error {
	if b.size() > e.limits.BindingBytes {
		return ErrTooLarge
	}
	b.ID = e.bindings[i].ID
	m := replaced
	if b.refreshes(&e.bindings[i]) {
		m = refreshed
	}
	e.marks[i] = max(e.marks[i], m)
	e.bindings[i] = b
	e.changed = true
	return nil
}

// Remove takes binding i out; those behind it move up.
func (e *Edit) Remove(i int) {
	if id := e.bindings[i].ID; id != 0 {
		e.gone = append(e.gone, id)
	}
	e.bindings = slices.Delete(e.bindings, i, i+1)
	e.marks = slices.Delete(e.marks, i, i+1)
	e.changed = true
}

// change is one Update, or removal of what expired, on its way to the store.
type change struct {
	stripe *stripe
	slot   uint32
	tell   bool // somebody waits for token
	dead   bool // undone with one before it; only Run looks
	token  uint64
	record record // the state after it; empty for a removal
	ops    []Op
	next   *change // of the same AOR; guarded by the stripe
}

// list turns an edit into ops. Their bytes are views of the record.
func (c *change) list(e *Edit) {
	c.listGone(e)
	aor := c.record.aor()
	p := c.record.bindings()
	for _, m := range e.marks {
		if m != kept {
			op := Op{Kind: Put, Row: Row{AOR: aor}}
			if m == refreshed {
				op.Kind = Refresh
			}
			p.read(&op.Row.Binding)
			c.ops = append(c.ops, op)
		}
		p = p.next()
	}
}

func (c *change) listGone(e *Edit) {
	c.ops = c.ops[:0]
	for _, id := range e.gone {
		c.ops = append(c.ops, Op{Kind: Delete, Row: Row{Binding: Binding{ID: id}}})
	}
}

// spareChanges is how many a stripe keeps for use again.
const spareChanges = 8

func (s *stripe) take() *change {
	if n := len(s.spare); n > 0 {
		c := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return c
	}
	return new(change)
}

func (s *stripe) give(c *change) {
	if len(s.spare) < spareChanges {
		*c = change{record: c.record[:0], ops: c.ops[:0]}
		s.spare = append(s.spare, c)
	}
}
