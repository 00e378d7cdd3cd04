package location_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
)

// phone is a binding of ordinary size: a desk phone behind NAT.
func phone(n int, expires clock.Instant) (aor string, b location.Binding) {
	return fmt.Sprintf("sip:user%07d@pbx.example.org", n), location.Binding{
		Contact:   fmt.Appendf(nil, "sip:user%07d@192.168.178.%d:5062;transport=udp", n, n%250),
		Params:    fmt.Appendf(nil, `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-%012x>";reg-id=1`, n),
		Instance:  fmt.Appendf(nil, "urn:uuid:00000000-0000-1000-8000-%012x", n),
		CallID:    fmt.Appendf(nil, "%016x%016x@192.168.178.20", n, n),
		UserAgent: []byte("Acme Desk Phone 750 4.1.2.3"),
		CSeq:      1, RegID: 1, Q: 1000, Expires: expires, Updated: start, Flags: location.NAT | location.Outbound,
		Flow: flow.Flow{
			Local:    netip.MustParseAddrPort("192.0.2.1:5060"),
			Remote:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 5062),
			Protocol: flow.UDP,
		},
	}
}

// Proves: GR-2
func TestLookupInstance(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{}, nil)
	for i, instance := range []string{"urn:a", "urn:b", "", "urn:b"} {
		b := one(fmt.Sprint("sip:", i), start.Add(time.Hour))
		b.Instance, b.Updated = []byte(instance), start+clock.Instant(i)
		_, _ = register(d, "sip:x", b, 0)
	}
	var found location.Found
	if !d.LookupInstance(start, []byte("sip:x"), []byte("urn:b"), &found) || len(found.Bindings) != 2 || string(found.Bindings[0].Contact) != "sip:3" {
		t.Errorf("got %+v", found.Bindings)
	}
	for _, none := range []string{"urn:c", "URN:B"} {
		if d.LookupInstance(start, []byte("sip:x"), []byte(none), &found) || len(found.Bindings) != 0 {
			t.Errorf("%s: got %+v", none, found.Bindings)
		}
	}
}

// A page shows each AOR once, while others come and go.
func TestPage(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{}, nil)
	stay := map[string]int{}
	for i := range 3000 {
		aor, b := phone(i, start.Add(time.Hour))
		_, _ = register(d, aor, b, 0)
		if i%2 == 0 {
			stay[aor] = 0
		}
	}
	pages := 0
	for at := location.Cursor(0); pages == 0 || at != 0; pages++ {
		shown := 0
		at = d.Page(start, at, 100, func(aor []byte, bindings []location.Binding) {
			shown++
			if n, ok := stay[string(aor)]; ok {
				stay[string(aor)] = n + 1
			}
			if len(bindings) != 1 {
				t.Errorf("%s: got %d bindings", aor, len(bindings))
			}
		})
		if shown > 100 {
			t.Errorf("a page of %d", shown)
		}
		for i := pages*100 + 1; i < min(3000, pages*100+101); i += 2 { // the others go, and come again
			aor, b := phone(i, start.Add(time.Hour))
			_, _ = d.Update(start, []byte(aor), 0, func(e *location.Edit) bool { e.Remove(0); return true })
			_, _ = register(d, aor, b, 0)
		}
	}
	for aor, n := range stay {
		if n != 1 {
			t.Errorf("%s was shown %d times", aor, n)
		}
	}
	if got := d.Page(start.Add(time.Hour), 0, 10, func([]byte, []location.Binding) { t.Error("an expired one is shown") }); got != 0 {
		t.Errorf("got cursor %d", got)
	}
	if got := d.Page(start, 1<<60, 10, func([]byte, []location.Binding) {}); got != 0 {
		t.Errorf("beyond the end: got cursor %d", got)
	}
}

// Proves: OB-12
func TestFlowBindings(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{}, nil)
	trunk := flow.Flow{Local: netip.MustParseAddrPort("192.0.2.1:5061"), Remote: netip.MustParseAddrPort("198.51.100.7:9"), Conn: 4, Protocol: flow.TLS}
	var want []string
	for i := range 50 {
		aor, b := phone(i, start.Add(time.Hour))
		if i%5 == 0 {
			b.Flow = trunk
			want = append(want, aor)
		}
		_, _ = register(d, aor, b, 0)
	}
	list := func(f flow.Flow, most int) (aors []string) {
		d.FlowBindings(start, f, most, func(aor []byte, b *location.Binding) {
			if b.Flow != f {
				t.Errorf("got %v", b.Flow)
			}
			aors = append(aors, string(aor))
		})
		slices.Sort(aors)
		return aors
	}
	if got := list(trunk, 100); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := list(trunk, 3); len(got) != 3 {
		t.Errorf("got %d, asked for 3", len(got))
	}
	other := trunk
	other.Conn = 5
	if got := list(other, 100); got != nil {
		t.Errorf("another connection: got %q", got)
	}
	if got := d.RemoveFlow(start, trunk); got != len(want) {
		t.Errorf("got %d removed", got)
	}
	if got := list(trunk, 100); got != nil {
		t.Errorf("after its end: got %q", got)
	}
	var found location.Found
	if d.Lookup(start, []byte(want[0]), &found) {
		t.Errorf("got %+v", found.Bindings)
	}
	d.Expire(start, 100)
	if got := d.Stats(); got.Bindings != 40 || got.FlowsGone != 10 {
		t.Errorf("got %+v", got)
	}
}

// counting counts how changes end.
type counting struct {
	mu           sync.Mutex
	good, undone int
	waiting      sync.WaitGroup
}

func (c *counting) Stored(_ uint64, err error) {
	c.mu.Lock()
	if err == nil {
		c.good++
	} else {
		c.undone++
	}
	c.mu.Unlock()
	c.waiting.Done()
}

// Many goroutines count up the CSeqs of few AORs while the disk fails at times: a
// count is lost only with an error, and none is counted twice.
//
// Proves: RG-25
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	const aors, goroutines, each = 3, 8, 300
	store, sink := newMemory(t), &counting{}
	d := location.New(location.Config{Store: store, Limits: location.Limits{Gather: 50 * time.Microsecond}}, sink)
	stop := run(d)
	expires := clock.Now().Add(time.Hour)
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 5))
			var found location.Found
			for range each {
				aor := fmt.Sprint("sip:", r.IntN(aors))
				sink.waiting.Add(1)
				outcome, err := countUp(d, aor, expires)
				if outcome != location.Pending || err != nil {
					t.Errorf("got %v %v", outcome, err)
					sink.waiting.Done()
				}
				store.fails(r.IntN(20) == 0)
				if d.Lookup(clock.Now(), []byte(aor), &found) && len(found.Bindings) != 1 {
					t.Errorf("got %d bindings", len(found.Bindings))
				}
			}
		})
	}
	all.Wait()
	store.fails(false)
	sink.waiting.Wait()
	stop()
	sum := 0
	var found location.Found
	for aor := range aors {
		if d.Lookup(clock.Now(), fmt.Appendf(nil, "sip:%d", aor), &found) {
			sum += int(found.Bindings[0].CSeq)
		}
	}
	if sum != sink.good || sink.good+sink.undone != goroutines*each {
		t.Errorf("counted to %d; %d were stored, %d undone", sum, sink.good, sink.undone)
	}
}

func countUp(d *location.Directory, aor string, expires clock.Instant) (location.Outcome, error) {
	return d.Update(clock.Now(), []byte(aor), 1, func(e *location.Edit) bool {
		if len(e.Bindings()) == 0 {
			b := one("sip:a@192.0.2.1", expires)
			b.CSeq = 1
			return e.Add(b) == nil
		}
		b := e.Bindings()[0]
		b.CSeq++
		return e.Replace(0, b) == nil
	})
}

func TestAllocations(t *testing.T) {
	d := location.New(location.Config{}, nil)
	aors := make([][]byte, 1000)
	for i := range aors {
		aor, b := phone(i, start.Add(time.Hour))
		aors[i] = []byte(aor)
		for range 3 {
			if _, err := register(d, aor, b, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	var found location.Found
	d.Lookup(start, aors[0], &found)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		if !d.Lookup(start, aors[i%len(aors)], &found) {
			t.Fatal("not found")
		}
		i++
	}); n != 0 {
		t.Errorf("Lookup: got %v allocations", n)
	}
	now := start
	if n := testing.AllocsPerRun(1000, func() {
		now++
		outcome, err := d.Update(now, aors[i%10], 0, func(e *location.Edit) bool {
			b := e.Bindings()[1]
			b.Expires, b.CSeq = now.Add(time.Hour), b.CSeq+1
			return e.Replace(1, b) == nil
		})
		if outcome != location.Done || err != nil {
			t.Fatal(outcome, err)
		}
		i++
	}); n != 0 {
		t.Errorf("Update: got %v allocations", n)
	}
}

// Proves: RG-13, RG-14
func TestRemoveSome(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{}, nil)
	for i := range 4 {
		_, _ = register(d, "sip:x", one(fmt.Sprint("sip:", i), start.Add(time.Hour)), 0)
	}
	remove := func(these ...string) {
		_, _ = d.Update(start, []byte("sip:x"), 0, func(e *location.Edit) bool {
			for i := len(e.Bindings()) - 1; i >= 0; i-- {
				if slices.Contains(these, string(e.Bindings()[i].Contact)) {
					e.Remove(i)
				}
			}
			return true
		})
	}
	contacts := func() (all []string) {
		var found location.Found
		d.Lookup(start, []byte("sip:x"), &found)
		for i := range found.Bindings {
			all = append(all, string(found.Bindings[i].Contact))
		}
		slices.Sort(all)
		return all
	}
	remove("sip:1", "sip:9")
	if got := contacts(); !slices.Equal(got, []string{"sip:0", "sip:2", "sip:3"}) {
		t.Errorf("got %q", got)
	}
	remove("sip:0", "sip:2", "sip:3")
	if got := d.Stats(); contacts() != nil || got.AORs != 0 || got.Bindings != 0 {
		t.Errorf("got %q, %+v", contacts(), got)
	}
	if _, err := register(d, "sip:x", one("sip:5", start.Add(time.Hour)), 0); err != nil || errors.Is(err, location.ErrFull) {
		t.Error(err)
	}
}
