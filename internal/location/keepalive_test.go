package location_test

import (
	"fmt"
	"testing"

	"viaduct/internal/clock"
	"viaduct/internal/location"
)

// A walk in any number of steps, with any bound, meets each binding that is kept
// open once, and no other.
func TestWalkMeetsWhatIsKeptOpenOnce(t *testing.T) {
	t.Parallel()
	const now = clock.Instant(1e9)
	for _, most := range []int{1, 3, 1000} {
		for _, steps := range []location.Share{1, 7, 1000} {
			d := location.New(location.Config{}, nil)
			for i := range 300 {
				var flags location.Flags
				if i%3 == 0 {
					flags = location.NAT | location.Keepalive
				}
				expires := now + 1e12
				if i%4 == 0 {
					expires = now + 1
				}
				aor := fmt.Appendf(nil, "sip:u%d@example.com", i)
				d.Update(now, aor, 0, func(e *location.Edit) bool {
					return e.Add(location.Binding{Contact: aor, Flags: flags, Expires: expires}) == nil
				})
			}
			seen := map[string]int{}
			at := location.Cursor(0)
			for step := range steps {
				until := (step + 1) * location.Whole / steps
				for {
					n := 0
					at = d.Kept(now+2, at, until, most, func(b *location.Binding) { seen[string(b.Contact)]++; n++ })
					if n < most {
						break
					}
				}
			}
			for i := range 300 {
				want := 0
				if i%3 == 0 && i%4 != 0 {
					want = 1
				}
				if got := seen[fmt.Sprintf("sip:u%d@example.com", i)]; got != want {
					t.Fatalf("most %d, %d steps: binding %d was met %d times, want %d", most, steps, i, got, want)
				}
			}
		}
	}
}
