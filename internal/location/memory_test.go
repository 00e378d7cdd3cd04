package location_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
)

// filled returns a directory of n phones.
func filled(t testing.TB, n int) *location.Directory {
	t.Helper()
	d := location.New(location.Config{}, nil)
	for i := range n {
		aor, b := phone(i, start.Add(time.Hour))
		if outcome, err := register(d, aor, b, 0); outcome != location.Done {
			t.Fatal(outcome, err)
		}
	}
	return d
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A binding takes 600 bytes at most, all that is kept for it included.
func TestAllocBytesPerBinding(t *testing.T) {
	sizes := []int{10_000, 100_000, 1_000_000}
	if testing.Short() {
		sizes = sizes[:2]
	}
	for _, n := range sizes {
		before := heap()
		d := filled(t, n)
		got := (heap() - before) / int64(n)
		t.Logf("%d bindings: %d bytes each", n, got)
		if got > 600 {
			t.Errorf("%d bindings: got %d bytes each", n, got)
		}
		runtime.KeepAlive(d)
	}
}

// Bindings that come, change their size and go leave nothing behind.
func TestAllocAfterChurn(t *testing.T) {
	const n = 20_000
	d := location.New(location.Config{}, nil)
	before := heap()
	for round := range 6 {
		for i := range n {
			aor, b := phone(i, start.Add(time.Hour))
			b.Path = make([]byte, (i*7+round*53)%400)
			replace(d, aor, b)
		}
		// A record is 520 bytes on average; a quarter of each chunk may be gaps.
		held, used := d.Stats().Bytes, int(heap()-before)
		t.Logf("round %d: %d bytes held for records, %d used a binding", round, held/n, used/n)
		if held > n*800 || used > n*1000 {
			t.Errorf("round %d: got %d bytes held, %d used a binding", round, held/n, used/n)
		}
	}
	for i := range n {
		aor, _ := phone(i, 0)
		_, _ = d.Update(start, []byte(aor), 0, func(e *location.Edit) bool { e.Remove(0); return true })
	}
	if got := d.Stats().Bytes; got > 256*70<<10 {
		t.Errorf("got %d bytes held for no binding", got)
	}
}

func replace(d *location.Directory, aor string, b location.Binding) {
	_, _ = d.Update(start, []byte(aor), 0, func(e *location.Edit) bool {
		if len(e.Bindings()) == 0 {
			return e.Add(b) == nil
		}
		return e.Replace(0, b) == nil
	})
}

// Lookups cost the same whatever the size.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := filled(b, n)
			aors := make([][]byte, 4096)
			for i := range aors {
				aor, _ := phone(i*(n/len(aors)), 0)
				aors[i] = []byte(aor)
			}
			var found location.Found
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.Lookup(start, aors[i%len(aors)], &found)
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	d := filled(b, 100_000)
	aors := make([][]byte, 4096)
	for i := range aors {
		aor, _ := phone(i*20, 0)
		aors[i] = []byte(aor)
	}
	b.Run("refresh", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			now := start + clock.Instant(i)
			_, _ = d.Update(now, aors[i%len(aors)], 0, func(e *location.Edit) bool {
				c := e.Bindings()[0]
				c.Expires, c.CSeq = now.Add(time.Hour), c.CSeq+1
				return e.Replace(0, c) == nil
			})
		}
	})
}

// The collector marks a few chunks, not a million bindings.
func BenchmarkCollect(b *testing.B) {
	d := filled(b, 1_000_000)
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(d)
}
