package location

import (
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// Load fills an empty directory from its store, before Run and before the first
// Update. What has expired stays out. progress, if any, hears how many rows have
// been read, once a second when it takes longer than that. Bindings above a bound
// are left out and counted; that is no error.
func (d *Directory) Load(progress func(rows int)) error {
	if d.store == nil {
		return nil
	}
	now, wall := d.now(), d.wall().UnixMilli()
	rows, told := 0, now
	return d.store.Load(func(r *Row) error {
		if rows++; rows%progressEvery == 0 && progress != nil {
			if at := d.now(); at.Sub(told) >= time.Second {
				told = at
				progress(rows)
			}
		}
		d.load(now, wall, r)
		return nil
	})
}

// progressEvery is how many rows are read, in some milliseconds, between looks at
// the clock.
const progressEvery = 1000

// load enters one row.
func (d *Directory) load(now clock.Instant, wall int64, r *Row) {
	d.nextID.Store(max(d.nextID.Load(), r.Binding.ID))
	b := r.Binding
	b.Expires = now.Add(time.Duration(r.EndsAt-wall) * time.Millisecond)
	b.Updated = now.Add(time.Duration(r.UpdatedAt-wall) * time.Millisecond)
	if b.Expires <= now || !d.revive(&b) {
		d.counts.loadExpired.Add(1)
		return
	}
	hash := d.hash(r.AOR)
	s := d.stripe(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(hash, r.AOR)
	e := &s.edit
	e.begin(now, d.limits.Load())
	if known {
		e.read(s.record(i))
	}
	if len(e.bindings) == mostPerAOR || b.size() > mostBytes || len(r.AOR) > maxAOR {
		d.counts.loadRefused.Add(1)
		return
	}
	if !known {
		if i, known = s.open(hash, r.AOR); !known {
			d.counts.loadRefused.Add(1)
			return
		}
	}
	e.bindings = append(e.bindings, b)
	s.scratch = appendRecord(s.scratch[:0], r.AOR, i, e.bindings)
	s.link(d, i, s.record(i), s.scratch)
	s.install(d, i, s.scratch)
	d.counts.bindings.Add(1)
}

// revive gives a binding the flow that it has now. A connection did not survive
// the restart, and with it ends what is reached by nothing else (RFC 5626 §7);
// a phone behind NAT is still reached over UDP, if its listener is still there.
func (d *Directory) revive(b *Binding) bool {
	if !b.Flow.Remote.IsValid() {
		return true
	}
	if !b.Flow.Protocol.Reliable() && d.listener != nil {
		var ok bool
		if b.Flow.Listener, ok = d.listener(b.Flow); ok {
			return true
		}
	}
	alive := !b.ByFlow()
	b.Flow = flow.Flow{}
	return alive
}
