package location

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"viaduct/internal/flow"
)

// full is a store that takes nothing.
type full struct{}

func (full) Load(func(*Row) error) error { return nil }
func (full) Apply([]Op) error            { return errors.New("full") }
func (full) Close() error                { return nil }

// told counts what the Sink hears.
type told struct{ good, bad int }

func (s *told) Stored(_ uint64, err error) {
	if err == nil {
		s.good++
	} else {
		s.bad++
	}
}

// Changes that could not be stored, or were not even taken, leave nothing in any of
// the indexes.
func TestNothingIsLeftOfWhatWasUndone(t *testing.T) {
	t.Parallel()
	sink := &told{}
	d := New(Config{Store: full{}, Limits: Limits{Pending: 60}}, sink)
	b := Binding{Contact: []byte("sip:a"), Expires: 1 << 40, Flow: flow.Flow{
		Protocol: flow.UDP, Remote: netip.MustParseAddrPort("192.0.2.1:5060"),
	}}
	refused := 0
	for i := range 100 {
		b.Flow.Conn = uint32(i % 7)
		outcome, _ := d.Update(1, fmt.Appendf(nil, "sip:%d", i%20), 1, func(e *Edit) bool {
			if len(e.Bindings()) == 2 {
				return e.Replace(i%2, b) == nil
			}
			return e.Add(b) == nil
		})
		if outcome == Refused {
			refused++
		}
	}
	for len(d.queue) > 0 {
		d.commit(<-d.queue)
	}
	if sink.bad != 60 || sink.good != 0 || refused != 40 {
		t.Errorf("got %+v, %d refused", *sink, refused)
	}
	for i := range d.stripes {
		if s := &d.stripes[i]; s.index.used != 0 || len(s.heap) != 0 || len(s.waiting) != 0 || s.arena.live != 0 {
			t.Errorf("stripe %d: %d AORs, %d watched, %d wait, %d bytes", i, s.index.used, len(s.heap), len(s.waiting), s.arena.live)
		}
	}
	for i := range d.flows.stripes {
		if got := d.flows.stripes[i].heads.used; got != 0 {
			t.Errorf("stripe %d of flows: %d lists", i, got)
		}
	}
	if got := d.Stats(); got.Bindings != 0 || got.AORs != 0 || got.Busy != 40 {
		t.Errorf("got %+v", got)
	}
}
