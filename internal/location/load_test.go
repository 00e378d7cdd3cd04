package location_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
)

// timeline is a machine's two clocks: the wall clock may step.
type timeline struct {
	began time.Time
	step  time.Duration
}

func (l *timeline) now() clock.Instant { return start.Add(time.Since(l.began)) }
func (l *timeline) wall() time.Time    { return time.Now().Add(l.step) }

// boot returns a directory as it is after a start.
func (l *timeline) boot(t *testing.T, store *memory, limits location.Limits) *location.Directory {
	t.Helper()
	d := location.New(location.Config{Store: store, Now: l.now, Wall: l.wall, Limits: limits}, newEnds())
	if err := d.Load(nil); err != nil {
		t.Fatal(err)
	}
	return d
}

// Proves: RG-22
//
// What has expired never rises again: not when the server was down at that time,
// nor when the row could not be removed, nor when the wall clock was set while the
// binding was alive.
func TestExpiredNeverRises(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{0, 5 * time.Hour, -5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			l := &timeline{began: time.Now()}
			store := newMemory(t)
			d := l.boot(t, store, location.Limits{})
			stop := run(d)
			_, _ = register(d, "sip:early", one("sip:a@192.0.2.1", l.now().Add(time.Hour)), 1)
			l.step = step
			_, _ = register(d, "sip:x", one("sip:a@192.0.2.1", l.now().Add(time.Hour)), 2)
			time.Sleep(time.Second)
			stop()

			time.Sleep(time.Hour - 2*time.Second)
			d = l.boot(t, store, location.Limits{})
			var found location.Found
			if !d.Lookup(l.now(), []byte("sip:x"), &found) {
				t.Errorf("step %v: a binding was lost", step)
			} else if left := found.Bindings[0].Expires.Sub(l.now()); left != time.Second {
				t.Errorf("step %v: it expires in %v", step, left)
			}
			time.Sleep(time.Second)
			for range 2 { // the same server, and after a further start
				if d.Lookup(l.now(), []byte("sip:x"), &found) {
					t.Errorf("step %v: an expired binding is found", step)
				}
				d = l.boot(t, store, location.Limits{})
			}
			if got := d.Stats(); got.LoadExpired == 0 || step >= 0 && got.Bindings != 0 {
				t.Errorf("step %v: got %+v", step, got)
			}
		})
	}
}

// IDs go on where they were: a row is never taken for another's.
func TestIDsAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &timeline{began: time.Now()}
		store := newMemory(t)
		for boot := range 3 {
			d := l.boot(t, store, location.Limits{})
			stop := run(d)
			_, _ = register(d, "sip:x", one(fmt.Sprint("sip:", boot), l.now().Add(time.Hour)), 1)
			time.Sleep(time.Second)
			stop()
			if got := store.count(); got != boot+1 {
				t.Errorf("boot %d: got %d rows", boot, got)
			}
		}
	})
}

func TestFlowsAfterRestart(t *testing.T) {
	t.Parallel()
	local, remote := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("198.51.100.1:5062")
	udp := flow.Flow{Local: local, Remote: remote, Protocol: flow.UDP}
	tcp := flow.Flow{Local: local, Remote: remote, Protocol: flow.TCP}
	listener := func(flow.Flow) (flow.Listener, bool) { return 7, true }
	here := udp
	here.Listener = 7
	for name, c := range map[string]struct {
		stored   location.Binding
		listener func(flow.Flow) (flow.Listener, bool)
		found    bool
		flow     flow.Flow
	}{
		"NAT over UDP":                       {location.Binding{Flags: location.NAT, Flow: udp}, listener, true, here},
		"NAT over UDP, no such listener":     {location.Binding{Flags: location.NAT, Flow: udp}, nil, false, flow.Flow{}},
		"plain UDP, no such listener":        {location.Binding{Flow: udp}, nil, true, flow.Flow{}},
		"a connection":                       {location.Binding{Flow: tcp}, listener, true, flow.Flow{}},
		"outbound over a connection":         {location.Binding{Flags: location.Outbound, Flow: tcp}, listener, false, flow.Flow{}},
		"outbound through an edge with Path": {location.Binding{Flags: location.Outbound, Path: []byte("<sip:e;lr>")}, listener, true, flow.Flow{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newMemory(t)
			c.stored.ID = 1
			store.rows[1] = location.Row{AOR: []byte("sip:x"), Binding: c.stored, EndsAt: clock.Today().Add(time.Hour).UnixMilli()}
			d := location.New(location.Config{Store: store, Listener: c.listener}, newEnds())
			if err := d.Load(nil); err != nil {
				t.Fatal(err)
			}
			var found location.Found
			if got := d.Lookup(clock.Now(), []byte("sip:x"), &found); got != c.found {
				t.Fatalf("got %v, want %v", got, c.found)
			}
			if c.found && found.Bindings[0].Flow != c.flow {
				t.Errorf("got %+v, want %+v", found.Bindings[0].Flow, c.flow)
			}
		})
	}
}

func TestLoadLeavesOutWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	store := newMemory(t)
	put := func(aor string, contact int) {
		id := uint64(len(store.rows) + 1)
		store.rows[id] = location.Row{
			AOR: []byte(aor), EndsAt: clock.Today().Add(time.Hour).UnixMilli(),
			Binding: location.Binding{ID: id, Contact: make([]byte, contact)},
		}
	}
	for range 300 {
		put("sip:x", 20)
	}
	put("sip:y", 40000)
	put(string(make([]byte, 5000)), 20)
	d := location.New(location.Config{Store: store}, newEnds())
	if err := d.Load(nil); err != nil {
		t.Fatal(err)
	}
	if got := d.Stats(); got.Bindings != 255 || got.LoadRefused != 47 {
		t.Errorf("got %+v", got)
	}
}

// slow is a store whose rows take a while.
type slow struct{ *memory }

func (s slow) Load(see func(*location.Row) error) error {
	for range 10_000 {
		time.Sleep(time.Millisecond)
		if err := see(&location.Row{}); err != nil {
			return err
		}
	}
	return nil
}

func TestLoadTellsProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &timeline{began: time.Now()}
		d := location.New(location.Config{Store: slow{newMemory(t)}, Now: l.now, Wall: l.wall}, newEnds())
		var told []int
		if err := d.Load(func(rows int) { told = append(told, rows) }); err != nil {
			t.Fatal(err)
		}
		if len(told) != 10 || told[0] != 1000 || told[9] != 10_000 {
			t.Errorf("got %v", told)
		}
	})
	if err := location.New(location.Config{}, nil).Load(nil); err != nil {
		t.Errorf("without a store: got %v", err)
	}
}
