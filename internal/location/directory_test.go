package location_test

import (
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
)

const start = clock.Instant(10 * time.Second)

func TestAddLookupRemove(t *testing.T) {
	t.Parallel()
	d := location.New(location.Config{}, nil)
	aor := []byte("sip:alice@example.org")
	add := func(contact string, q uint16) {
		t.Helper()
		outcome, err := d.Update(start, aor, 1, func(e *location.Edit) bool {
			return e.Add(location.Binding{Contact: []byte(contact), Q: q, Expires: start.Add(time.Minute), Updated: start}) == nil
		})
		if outcome != location.Done || err != nil {
			t.Fatalf("got %v, %v", outcome, err)
		}
	}
	add("sip:a@192.0.2.1", 500)
	add("sip:b@192.0.2.2", 1000)
	add("sip:c@192.0.2.3", 700)
	var found location.Found
	if !d.Lookup(start, aor, &found) || len(found.Bindings) != 3 || string(found.Bindings[0].Contact) != "sip:b@192.0.2.2" {
		t.Errorf("got %+v", found.Bindings)
	}
	if d.Lookup(start.Add(time.Minute), aor, &found) {
		t.Error("expired bindings are found")
	}
	d.Expire(start.Add(time.Minute), 10)
	if got := d.Stats(); got.Bindings != 0 || got.AORs != 0 || got.Expired != 3 {
		t.Errorf("got %+v", got)
	}
}
