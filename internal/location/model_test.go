package location_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
)

// model is the plain version of a directory: maps of small structs, one state that
// lookups see and a list of states that wait, for each AOR.
type model struct {
	seen  map[string][]bound
	waits map[string][]waiting
	order map[uint64]string // AOR of each token that has not ended
}

type waiting struct {
	token uint64
	state []bound
}

// bound is one binding of the model.
type bound struct {
	contact string
	q       uint16
	cseq    uint32
	expires clock.Instant
	updated clock.Instant
	flags   location.Flags
	flow    flow.Flow
}

func (m *model) newest(aor string) []bound {
	if w := m.waits[aor]; len(w) > 0 {
		return w[len(w)-1].state
	}
	return m.seen[aor]
}

// ended takes in what the Sink heard: all later changes of the AOR are undone with
// one that fails, and each of them is told.
func (m *model) ended(t *testing.T, token uint64, err error) {
	aor := m.order[token]
	delete(m.order, token)
	w := m.waits[aor]
	if len(w) == 0 || w[0].token != token {
		t.Errorf("token %d of %s ended out of order", token, aor)
		return
	}
	m.waits[aor] = w[1:]
	if err == nil {
		m.seen[aor] = w[0].state
	}
}

// describe is a state as text, what has expired left out, in the order in which a
// lookup gives it.
func describe(now clock.Instant, state []bound) string {
	state = slices.DeleteFunc(slices.Clone(state), func(b bound) bool { return b.expires <= now })
	slices.SortStableFunc(state, func(a, b bound) int {
		if a.q != b.q {
			return int(b.q) - int(a.q)
		}
		return int(b.updated - a.updated)
	})
	var s strings.Builder
	for _, b := range state {
		fmt.Fprintln(&s, b)
	}
	return s.String()
}

func modelled(b *location.Binding) bound {
	return bound{string(b.Contact), b.Q, b.CSeq, b.Expires, b.Updated, b.Flags, b.Flow}
}

func (b bound) binding() location.Binding {
	return location.Binding{
		Contact: []byte(b.contact), Q: b.q, CSeq: b.cseq, Expires: b.expires, Updated: b.updated, Flags: b.flags, Flow: b.flow,
		CallID: []byte("c" + b.contact),
	}
}

// world is one simulated run.
type world struct {
	t     *testing.T
	r     *rand.Rand
	d     *location.Directory
	m     *model
	store *memory
	ends  *ends
	began time.Time
	token uint64
	edits int64
}

func (w *world) now() clock.Instant { return start.Add(time.Since(w.began)) }

func (w *world) config() location.Config {
	c := location.Config{
		Now: w.now, Wall: time.Now, Limits: location.Limits{PerAOR: 4, Bindings: 12},
		Listener: func(flow.Flow) (flow.Listener, bool) { return 3, true },
	}
	if w.store != nil {
		c.Store = w.store
	}
	return c
}

// TestAgainstModel drives a directory, with and without a store that fails at
// times, and the model with the same random steps.
//
// Proves: RG-21, RG-22, RG-25, OB-12
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 9)), began: time.Now(), ends: newEnds(), m: &model{
		seen: map[string][]bound{}, waits: map[string][]waiting{}, order: map[uint64]string{},
	}}
	if seed%4 > 0 {
		w.store = newMemory(t)
	}
	w.ends.seen = func(token uint64, err error) {
		aor := w.m.order[token]
		w.m.ended(t, token, err)
		w.compare(aor) // seen at the latest when it is told
		if err != nil && !errors.Is(err, errDisk) {
			t.Errorf("token %d: got %v", token, err)
		}
	}
	w.d = location.New(w.config(), w.ends)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.d.Run(ctx); close(done) }()
	for range 400 {
		w.step()
		w.ends.mu.Lock()
		for aor := range 4 {
			w.compare(aorName(aor))
		}
		w.ends.mu.Unlock()
	}
	w.store.fails(false)
	time.Sleep(3 * time.Second) // what has expired and failed to be removed is removed
	w.d.Expire(w.now(), 1000)
	cancel()
	<-done
	w.checkEnd()
}

func aorName(n int) string { return fmt.Sprintf("sip:a%d@example.org", n) }

func (w *world) step() {
	switch w.r.IntN(12) {
	case 0:
		w.store.fails(w.r.IntN(3) == 0)
	case 1:
		time.Sleep(time.Duration(w.r.IntN(3000)) * time.Millisecond)
		synctest.Wait()
	case 2:
		time.Sleep(5 * time.Millisecond) // a commit
		synctest.Wait()
	case 3:
		w.removeFlow()
	case 4:
		time.Sleep(time.Millisecond) // something expires while a change of it waits
		synctest.Wait()
	case 5:
		w.d.Expire(w.now(), 1+w.r.IntN(5))
	default:
		w.update()
	}
}

func anyFlow(r *rand.Rand) flow.Flow {
	f := flow.Flow{
		Local:    netip.MustParseAddrPort("192.0.2.1:5060"),
		Remote:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, 1}), uint16(5000+r.IntN(3))),
		Protocol: flow.UDP, Listener: 3,
	}
	switch r.IntN(3) {
	case 0:
		f.Protocol, f.Conn = flow.TCP, uint32(f.Remote.Port())
	case 1:
		f.Remote = netip.MustParseAddrPort("[fe80::1%7]:5060")
	}
	return f
}

// update makes one change of random steps, or is refused on purpose.
func (w *world) update() {
	w.ends.mu.Lock() // a change ends in between; the model takes it in before or after
	defer w.ends.mu.Unlock()
	aor := aorName(w.r.IntN(4))
	w.token++
	now := w.now()
	state := slices.DeleteFunc(slices.Clone(w.m.newest(aor)), func(b bound) bool { return b.expires <= now })
	refuse, changed := w.r.IntN(8) == 0, false
	outcome, err := w.d.Update(now, []byte(aor), w.token, func(e *location.Edit) bool {
		var view []bound
		for i := range e.Bindings() {
			view = append(view, modelled(&e.Bindings()[i]))
		}
		if !slices.Equal(view, state) {
			w.t.Errorf("Update of %s sees\n%v\nwant\n%v", aor, view, state)
			refuse = true
			return false
		}
		for range w.r.IntN(4) {
			changed = w.edit(now, e, &state) || changed
		}
		return !refuse
	})
	full := errors.Is(err, location.ErrFull)
	// Something came and went: whether that is a change is for the directory to say.
	nothing := outcome == location.Done && len(state) == 0 && describe(now, w.m.seen[aor]) == ""
	switch {
	case full && w.fits(aor, state):
		w.t.Errorf("refused below the bound")
	case full || refuse:
		if outcome != location.Refused {
			w.t.Errorf("got %v, want Refused", outcome)
		}
	case err != nil:
		w.t.Errorf("got %v", err)
	case w.store == nil || (!changed || nothing) && len(w.m.waits[aor]) == 0:
		if outcome != location.Done {
			w.t.Errorf("got %v, want Done", outcome)
		}
		if changed {
			w.m.seen[aor] = state
		}
	default:
		if outcome != location.Pending {
			w.t.Errorf("got %v, want Pending", outcome)
		}
		w.m.waits[aor] = append(w.m.waits[aor], waiting{w.token, state})
		w.m.order[w.token] = aor
	}
}

// fits reports whether all newest states, with this one, are below the bound. What
// has expired and is not yet removed counts; so the answer is no too often.
func (w *world) fits(aor string, state []bound) bool {
	n := len(state)
	for other := range 4 {
		if name := aorName(other); name != aor {
			n += len(w.m.newest(name))
		}
	}
	return n <= 12
}

// edit does one step on both.
func (w *world) edit(now clock.Instant, e *location.Edit, state *[]bound) (changed bool) {
	w.edits++
	b := bound{
		contact: fmt.Sprintf("sip:%0*d@192.0.2.9", 1+w.r.IntN(60), w.token), q: uint16(w.r.IntN(3) * 500), cseq: uint32(w.token),
		expires: now.Add(time.Duration(1+w.r.IntN(6000)) * time.Millisecond), updated: now + clock.Instant(w.edits),
		flow: anyFlow(w.r), flags: location.Flags(w.r.IntN(2)),
	}
	if w.r.IntN(3) == 0 {
		b.expires = now.Add(time.Duration(1+w.r.IntN(6)) * time.Millisecond)
	}
	n := len(*state)
	if n == 0 || w.r.IntN(3) == 0 {
		err := e.Add(b.binding())
		if wants := n >= 4; errors.Is(err, location.ErrTooMany) != wants {
			w.t.Errorf("Add to %d: got %v", n, err)
		}
		if err == nil {
			*state = append(*state, b)
		}
		return err == nil
	}
	i := w.r.IntN(n)
	switch w.r.IntN(4) {
	case 0:
		e.Remove(i)
		*state = slices.Delete(*state, i, i+1)
		return true
	case 1: // a new contact
	default: // a refresh
		old := (*state)[i]
		old.cseq, old.expires, old.updated = b.cseq, b.expires, b.updated
		b = old
	}
	if err := e.Replace(i, b.binding()); err != nil {
		w.t.Error(err)
	}
	(*state)[i] = b
	return true
}

// removeFlow ends a flow in both, in what is seen and in what waits.
func (w *world) removeFlow() {
	w.ends.mu.Lock()
	defer w.ends.mu.Unlock()
	f, now := anyFlow(w.r), w.now()
	w.d.RemoveFlow(now, f)
	end := func(state []bound) []bound {
		state = slices.Clone(state)
		for i := range state {
			if b := &state[i]; b.flow == f && b.expires > now {
				if b.flags&location.NAT != 0 {
					b.expires = 0
				} else {
					b.flow = flow.Flow{}
				}
			}
		}
		return state
	}
	for aor, state := range w.m.seen {
		w.m.seen[aor] = end(state)
	}
	for _, waits := range w.m.waits {
		for i := range waits {
			waits[i].state = end(waits[i].state)
		}
	}
}

func (w *world) compare(aor string) {
	w.t.Helper()
	now := w.now()
	if got, want := lookup(w.d, now, aor), describe(now, w.m.seen[aor]); got != want {
		w.t.Errorf("%s at %d: got\n%swant\n%s", aor, now, got, want)
	}
}

func lookup(d *location.Directory, now clock.Instant, aor string) string {
	var found location.Found
	d.Lookup(now, []byte(aor), &found)
	var s strings.Builder
	for i := range found.Bindings {
		fmt.Fprintln(&s, modelled(&found.Bindings[i]))
	}
	return s.String()
}

// checkEnd looks at what is left, and starts anew from the store.
func (w *world) checkEnd() {
	if len(w.m.order) > 0 {
		w.t.Errorf("%d changes never ended", len(w.m.order))
	}
	now, alive := w.now(), 0
	for aor := range 4 {
		w.compare(aorName(aor))
		alive += strings.Count(describe(now, w.m.seen[aorName(aor)]), "\n")
	}
	if got := w.d.Stats(); got.Bindings != alive || got.AORs > alive || got.Waiting != 0 {
		w.t.Errorf("got %+v, want %d bindings", got, alive)
	}
	if w.store == nil {
		return
	}
	if got := w.store.count(); got < alive || got > alive+12 {
		w.t.Errorf("got %d rows, want %d and few more", got, alive)
	}
	again := location.New(w.config(), w.ends)
	if err := again.Load(nil); err != nil {
		w.t.Error(err)
	}
	for aor, state := range w.m.seen {
		var found location.Found
		again.Lookup(now, []byte(aor), &found)
		var got, want []string
		for i := range found.Bindings {
			got = append(got, string(found.Bindings[i].Contact))
		}
		for _, b := range state {
			if b.expires > now && (b.flow.Conn == 0 || b.flags&location.NAT == 0) { // connections end with the process
				want = append(want, b.contact)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			w.t.Errorf("%s after a restart: got %q, want %q", aor, got, want)
		}
	}
}
