package site

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
)

func row(aor, contact string) location.Row {
	return location.Row{
		AOR: []byte(aor), EndsAt: clock.Today().Add(time.Hour).UnixMilli(), UpdatedAt: clock.Today().UnixMilli(),
		Binding: location.Binding{Contact: []byte(contact), CallID: []byte("1"), Q: 1000},
	}
}

func atRest(t *testing.T, dir string) *Offline {
	t.Helper()
	o, err := OpenOffline(dir, location.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestBindingsOfAStoreAtRest(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	o := atRest(t, dir)
	if _, err := OpenOffline(dir, location.Limits{}); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("a second one: got %v", err)
	}
	far := row("sip:c@x", "sip:c@192.0.2.9")
	far.Binding.Flags = location.NAT
	far.Binding.Flow = flow.Flow{Protocol: flow.TCP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort("192.0.2.9:1")}
	got := o.Put(ctx, []location.Row{row("sip:a@x", "sip:a@192.0.2.7"), row("sip:a@x", "sip:a@192.0.2.7"), row("sip:a@x", "sip:a@192.0.2.8"), row("sip:b@x", "sip:b@192.0.2.7"), far})
	for i, want := range []error{nil, ErrThere, nil, nil, ErrNotHere} {
		if !errors.Is(got[i], want) {
			t.Errorf("row %d: got %v, want %v", i, got[i], want)
		}
	}
	if n, err := o.Remove(ctx, []byte("sip:a@x"), "sip:a@192.0.2.8"); n != 1 || err != nil {
		t.Errorf("one Contact: removed %d, %v", n, err)
	}
	if n, err := o.Remove(ctx, []byte("sip:b@x"), ""); n != 1 || err != nil {
		t.Errorf("all: removed %d, %v", n, err)
	}
	if n, err := o.Remove(ctx, []byte("sip:b@x"), ""); n != 0 || err != nil {
		t.Errorf("none: removed %d, %v", n, err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	o = atRest(t, dir)
	var all []string
	o.Page(0, 10, func(aor []byte, list []location.Binding) {
		all = append(all, fmt.Sprintf("%s %s", aor, list[0].Contact))
	})
	if len(all) != 1 || all[0] != "sip:a@x sip:a@192.0.2.7" || len(o.Find([]byte("sip:a@x"))) != 1 {
		t.Errorf("after another start: got %q", all)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := o.Remove(gone, []byte("sip:a@x"), ""); err == nil {
		t.Error("a closed store takes changes")
	}
}

// The tokens of the engine go to the engine, those of Bindings stay.
func TestTokens(t *testing.T) {
	t.Parallel()
	var w waits
	if w.end(7<<56|1, nil) {
		t.Error("a handle was taken")
	}
	token, done := w.begin()
	other, _ := w.begin()
	if !w.end(token, errors.ErrUnsupported) || !errors.Is(<-done, errors.ErrUnsupported) || token == other {
		t.Error("the end was not told")
	}
	if !w.end(token, nil) {
		t.Error("a token that nobody waits for any more went on")
	}
}
