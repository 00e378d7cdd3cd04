package registrar_test

import (
	"fmt"
	"sync"
	"testing"

	"viaduct/internal/location"
)

// Requests of one AOR at many shards at once: the list is always that of one of
// them, never a mixture.
//
// Proves: RG-25
func TestRegistrationsOfOneAORDoNotMix(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{}, nil)
	var all sync.WaitGroup
	for shard := range 4 {
		all.Go(func() {
			desk := newDesk(t)
			desk.d = d
			for i := range 200 {
				got := desk.send("", fmt.Sprintf("Contact: <sip:a@192.0.2.10>;q=0.%03d, <sip:b@192.0.2.10>;q=0.%03d", i, i),
					fmt.Sprintf("Call-ID: %d-%d", shard, i))
				if got.status != 200 {
					t.Errorf("got %+v", got)
				}
				if b := desk.bindings("sip:bob@example.com"); len(b) != 2 || b[0].Q != b[1].Q || string(b[0].CallID) != string(b[1].CallID) {
					t.Errorf("a mixture: %+v", b)
				}
			}
		})
	}
	all.Wait()
}
