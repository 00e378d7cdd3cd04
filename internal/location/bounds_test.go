package location_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
)

func one(contact string, expires clock.Instant) location.Binding {
	return location.Binding{Contact: []byte(contact), Q: 1000, Expires: expires}
}

// register adds one binding to an AOR.
func register(d *location.Directory, aor string, b location.Binding, token uint64) (outcome location.Outcome, err error) {
	var refused error
	outcome, err = d.Update(start, []byte(aor), token, func(e *location.Edit) bool {
		refused = e.Add(b)
		return refused == nil
	})
	if refused != nil {
		err = refused
	}
	return outcome, err
}

// Proves: RG-28, RB-7
func TestBounds(t *testing.T) {
	t.Parallel()
	b := one("sip:a@192.0.2.1", start.Add(time.Hour))
	large := b
	large.Path = make([]byte, 600)
	for name, c := range map[string]struct {
		limits location.Limits
		before int // registrations of AORs of their own
		same   int // of the AOR
		b      location.Binding
		want   error
	}{
		"the third of two":  {location.Limits{PerAOR: 2}, 0, 2, b, location.ErrTooMany},
		"the second of two": {location.Limits{PerAOR: 2}, 0, 1, b, nil},
		"large":             {location.Limits{BindingBytes: 600}, 0, 0, large, location.ErrTooLarge},
		"not so large":      {location.Limits{BindingBytes: 800}, 0, 0, large, nil},
		"one more than all": {location.Limits{Bindings: 5}, 4, 1, b, location.ErrFull},
		"the last of all":   {location.Limits{Bindings: 5}, 3, 1, b, nil},
		"more than ten":     {location.Limits{}, 0, 10, b, location.ErrTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := location.New(location.Config{Limits: c.limits}, nil)
			for i := range c.before {
				if _, err := register(d, fmt.Sprint("sip:", i), b, 0); err != nil {
					t.Fatal(err)
				}
			}
			for range c.same {
				if _, err := register(d, "sip:x", b, 0); err != nil {
					t.Fatal(err)
				}
			}
			outcome, err := register(d, "sip:x", c.b, 0)
			if !errors.Is(err, c.want) || (outcome == location.Done) != (c.want == nil) {
				t.Errorf("got %v %v, want %v", outcome, err, c.want)
			}
			want := c.before + c.same
			if c.want == nil {
				want++
			}
			if got := d.Stats().Bindings; got != want {
				t.Errorf("got %d bindings, want %d", got, want)
			}
		})
	}
}

func TestReplaceTooLarge(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{Limits: location.Limits{BindingBytes: 600}}, nil)
	b := one("sip:a@192.0.2.1", start.Add(time.Hour))
	_, _ = register(d, "sip:x", b, 0)
	b.Path = make([]byte, 600)
	_, _ = d.Update(start, []byte("sip:x"), 0, func(e *location.Edit) bool {
		if err := e.Replace(0, b); !errors.Is(err, location.ErrTooLarge) {
			t.Errorf("got %v", err)
		}
		return true
	})
	if _, err := d.Update(start, make([]byte, 5000), 0, func(*location.Edit) bool { return true }); !errors.Is(err, location.ErrTooLarge) {
		t.Errorf("an AOR of 5000 bytes: got %v", err)
	}
}

// An AOR that had more bindings before the limit was lowered keeps them, and gets
// no further one.
func TestSetLimits(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{}, nil)
	b := one("sip:a@192.0.2.1", start.Add(time.Hour))
	for range 3 {
		_, _ = register(d, "sip:x", b, 0)
	}
	d.SetLimits(location.Limits{PerAOR: 2})
	outcome, err := d.Update(start, []byte("sip:x"), 0, func(e *location.Edit) bool {
		return e.Replace(2, b) == nil && errors.Is(e.Add(b), location.ErrTooMany)
	})
	if outcome != location.Done || err != nil {
		t.Errorf("got %v %v", outcome, err)
	}
}

// Without Run nothing leaves the queue.
func TestQueueIsFull(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{Store: newMemory(t), Limits: location.Limits{Pending: 2}}, newEnds())
	b := one("sip:a@192.0.2.1", start.Add(time.Hour))
	for i := range uint64(2) {
		if outcome, err := register(d, fmt.Sprint("sip:", i), b, i); outcome != location.Pending || err != nil {
			t.Fatalf("got %v %v", outcome, err)
		}
	}
	for range 2 {
		for _, aor := range []string{"sip:0", "sip:new"} {
			if outcome, err := register(d, aor, b, 9); outcome != location.Refused || !errors.Is(err, location.ErrBusy) {
				t.Errorf("%s: got %v %v", aor, outcome, err)
			}
		}
	}
	if got := d.Stats(); got.Bindings != 2 || got.Waiting != 2 || got.Busy != 4 || got.AORs != 0 {
		t.Errorf("got %+v", got)
	}
}

// run starts Run and returns what ends it and waits for that.
func run(d *location.Directory) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { d.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// Every change that was taken is stored before Run returns, and none is taken after.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, ends := newMemory(t), newEnds()
		d := location.New(location.Config{Store: store, Limits: location.Limits{Batch: 10}}, ends)
		stop := run(d)
		b := one("sip:a@192.0.2.1", start.Add(time.Hour))
		for i := range uint64(35) {
			_, _ = register(d, fmt.Sprint("sip:", i%7), b, i)
		}
		stop()
		for i := range uint64(35) {
			if ended, err := ends.of(i); !ended || err != nil {
				t.Errorf("token %d: got %v %v", i, ended, err)
			}
		}
		if store.count() != 35 {
			t.Errorf("got %d rows", store.count())
		}
		if outcome, err := register(d, "sip:x", b, 99); outcome != location.Refused || !errors.Is(err, location.ErrStopped) {
			t.Errorf("after Run: got %v %v", outcome, err)
		}
	})
}

// broken is a store with a bug.
type broken struct{ *memory }

func (broken) Apply([]location.Op) error { panic("a bug") }

func TestStorePanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ends := newEnds()
		d := location.New(location.Config{Store: broken{newMemory(t)}}, ends)
		stop := run(d)
		defer stop()
		for i := range uint64(2) {
			_, _ = register(d, "sip:x", one("sip:a@192.0.2.1", start.Add(time.Hour)), i)
			time.Sleep(time.Second)
			synctest.Wait()
			if ended, err := ends.of(i); !ended || err == nil {
				t.Errorf("token %d: got %v %v", i, ended, err)
			}
		}
		if got := d.Stats(); got.Panics != 2 || got.Failures != 2 || got.Bindings != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// A change that nothing is left of waits for those before it all the same: what it
// was answered by is what they lead to.
func TestNoChangeWaitsForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, ends := newMemory(t), newEnds()
		d := location.New(location.Config{Store: store}, ends)
		stop := run(d)
		defer stop()
		nothing := func(e *location.Edit) bool { return true }
		if outcome, _ := d.Update(start, []byte("sip:x"), 1, nothing); outcome != location.Done {
			t.Errorf("got %v, want Done", outcome)
		}
		store.fails(true)
		_, _ = register(d, "sip:x", one("sip:a@192.0.2.1", start.Add(time.Hour)), 2)
		if outcome, _ := d.Update(start, []byte("sip:x"), 3, nothing); outcome != location.Pending {
			t.Errorf("got %v, want Pending", outcome)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for token, want := range map[uint64]error{2: errDisk, 3: location.ErrUndone} {
			if ended, err := ends.of(token); !ended || !errors.Is(err, want) {
				t.Errorf("token %d: got %v %v, want %v", token, ended, err, want)
			}
		}
	})
}

// The store is asked again to forget what it could not.
func TestRemovalIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		store, ends := newMemory(t), newEnds()
		d := location.New(location.Config{
			Store: store, Wall: time.Now, Now: func() clock.Instant { return start.Add(time.Since(began)) },
		}, ends)
		stop := run(d)
		defer stop()
		_, _ = register(d, "sip:x", one("sip:a@192.0.2.1", start.Add(time.Minute)), 1)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		store.fails(true)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if got := d.Stats(); got.Bindings != 0 || store.count() != 1 {
			t.Errorf("got %d bindings, %d rows", got.Bindings, store.count())
		}
		store.fails(false)
		_, _ = register(d, "sip:y", one("sip:a@192.0.2.1", start.Add(time.Hour)), 2)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := store.count(); got != 1 {
			t.Errorf("got %d rows, want that of sip:y", got)
		}
	})
}
