package site

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
)

// ErrThere is the answer to a binding that is there already: the phone has
// registered here, and knows better.
var ErrThere = errors.New("there already")

// ErrNotHere is the answer to a binding that is reached by the flow that its
// REGISTER came by, when no listener here is at that address.
var ErrNotHere = errors.New("its phone is reached by an address that no listener here has")

// Bindings are those of a directory, for people who look at them and change them.
// Each change returns when it is stored.
type Bindings struct {
	directory *location.Directory
	listener  func(flow.Flow) (flow.Listener, bool)
	waits     waits
}

// waits are the changes that somebody waits for.
type waits struct {
	mu   sync.Mutex
	last uint32
	open map[uint64]chan error
}

// begin makes a token. Those of the engine are effect.Handles, whose generation,
// the lower half, is never 0.
func (w *waits) begin() (token uint64, done chan error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last++
	token, done = uint64(w.last)<<32, make(chan error, 1)
	if w.open == nil {
		w.open = map[uint64]chan error{}
	}
	w.open[token] = done
	return token, done
}

// end forgets a token and tells who waits; false for one that is not of begin.
func (w *waits) end(token uint64, err error) bool {
	if uint32(token) != 0 {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if done := w.open[token]; done != nil {
		delete(w.open, token)
		done <- err
	}
	return true
}

// Stored is location.Sink: the changes of Bindings end here, those of the engine
// in its Answers.
func (s *Site) Stored(token uint64, err error) {
	if !s.bindings.waits.end(token, err) {
		s.sink.Stored(token, err)
	}
}

// Bindings are those of the running server.
func (s *Site) Bindings() *Bindings { return &s.bindings }

// Page is location.Directory's.
func (b *Bindings) Page(from location.Cursor, most int, see func(aor []byte, list []location.Binding)) location.Cursor {
	return b.directory.Page(clock.Now(), from, most, see)
}

// Find returns the bindings of an AOR.
func (b *Bindings) Find(aor []byte) []location.Binding {
	var found location.Found
	b.directory.Lookup(clock.Now(), aor, &found)
	return found.Bindings
}

// Remove takes out the bindings of an AOR, or of these the one with a Contact, and
// tells how many they were.
func (b *Bindings) Remove(ctx context.Context, aor []byte, contact string) (removed int, err error) {
	err = b.update(ctx, aor, func(e *location.Edit) bool {
		for i := len(e.Bindings()) - 1; i >= 0; i-- {
			if contact == "" || string(e.Bindings()[i].Contact) == contact {
				e.Remove(i)
				removed++
			}
		}
		return removed > 0
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

// update is location.Directory.Update that waits for the end.
func (b *Bindings) update(ctx context.Context, aor []byte, f func(*location.Edit) bool) error {
	token, done := b.waits.begin()
	outcome, err := b.directory.Update(clock.Now(), aor, token, f)
	if outcome != location.Pending {
		b.waits.end(token, nil)
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		b.waits.end(token, nil)
		return ctx.Err()
	}
}

// Put adds the bindings of rows; each has an answer in its place. What is there
// already stays.
func (b *Bindings) Put(ctx context.Context, rows []location.Row) []error {
	results := make([]error, len(rows))
	var all sync.WaitGroup
	for first := 0; first < len(rows); {
		last := first + 1
		for last < len(rows) && bytes.Equal(rows[last].AOR, rows[first].AOR) {
			last++
		}
		part, answers := rows[first:last], results[first:last]
		all.Go(func() { b.putAOR(ctx, part, answers) }) // together, to share a transaction
		first = last
	}
	all.Wait()
	return results
}

// putAOR adds bindings of one AOR.
func (b *Bindings) putAOR(ctx context.Context, rows []location.Row, results []error) {
	now, wall := clock.Now(), clock.Today()
	added := false
	err := b.update(ctx, rows[0].AOR, func(e *location.Edit) bool {
		for i := range rows {
			x := rows[i].Binding
			x.Expires = now.Add(time.UnixMilli(rows[i].EndsAt).Sub(wall))
			x.Updated = now.Add(min(time.UnixMilli(rows[i].UpdatedAt).Sub(wall), 0))
			if results[i] = b.place(&x); results[i] == nil {
				results[i] = add(e, &x)
			}
			added = added || results[i] == nil
		}
		return added
	})
	for i := range results {
		if results[i] == nil {
			results[i] = err
		}
	}
}

// place finds the listener of a flow.
func (b *Bindings) place(x *location.Binding) error {
	if !x.Flow.Remote.IsValid() {
		return nil
	}
	var ok bool
	if x.Flow.Listener, ok = b.listener(x.Flow); ok {
		return nil
	}
	if x.ByFlow() {
		return ErrNotHere
	}
	x.Flow = flow.Flow{}
	return nil
}

func add(e *location.Edit, x *location.Binding) error {
	for _, old := range e.Bindings() {
		same := len(x.Instance) > 0 && x.RegID == old.RegID && bytes.Equal(x.Instance, old.Instance)
		if same || bytes.Equal(x.Contact, old.Contact) {
			return ErrThere
		}
	}
	return e.Add(*x)
}

// Offline are the bindings in the store of a server that does not run.
type Offline struct {
	Bindings
	store *sqlite.Store
	end   context.CancelFunc
	ended chan struct{}
}

// OpenOffline opens a store directory. sqlite.ErrInUse is the answer while a server
// is at it.
func OpenOffline(dir string, limits location.Limits) (*Offline, error) {
	store, err := openStore(dir)
	if err != nil {
		return nil, err
	}
	o := &Offline{store: store, ended: make(chan struct{})}
	o.listener = func(f flow.Flow) (flow.Listener, bool) { return 0, !f.Protocol.Reliable() } // the server will see
	o.directory = location.New(location.Config{Store: store, Listener: o.listener, Limits: limits}, o)
	if err := o.directory.Load(nil); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	ctx, end := context.WithCancel(context.Background())
	o.end = end
	go func() {
		defer close(o.ended)
		o.directory.Run(ctx)
	}()
	return o, nil
}

// Stored is location.Sink.
func (o *Offline) Stored(token uint64, err error) { o.waits.end(token, err) }

// Close stores what was changed and closes the store.
func (o *Offline) Close() error {
	o.end()
	<-o.ended
	return o.store.Close()
}

// UsersOf opens the users in a store directory, beside a server perhaps.
func UsersOf(dir string) (*sqlite.Users, error) {
	if err := makeStore(dir); err != nil {
		return nil, err
	}
	return sqlite.OpenUsers(sqlite.Config{Path: storeFile(dir)})
}
