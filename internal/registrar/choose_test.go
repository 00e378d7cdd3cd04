package registrar_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
)

// Proves: OB-4, OB-6, GR-9
func TestOneTargetOfAnInstance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var found []location.Binding
		for i := range rapid.IntRange(0, 8).Draw(rt, "bindings") {
			found = append(found, location.Binding{
				ID:       uint64(i + 1),
				Instance: []byte(rapid.SampledFrom([]string{"", "", "a", "b", "c"}).Draw(rt, "instance")),
				Updated:  clock.Instant(rapid.IntRange(1, 5).Draw(rt, "updated")),
			})
		}
		before := append([]location.Binding(nil), found...)
		targets, standby := registrar.Choose(found)
		if len(targets)+len(standby) != len(before) {
			rt.Fatalf("%d and %d of %d", len(targets), len(standby), len(before))
		}
		at, seen := -1, map[string]*location.Binding{}
		for i := range targets {
			b := &targets[i]
			place := int(b.ID) - 1
			if place <= at {
				rt.Fatalf("targets are out of order: %v", targets)
			}
			at = place
			if name := string(b.Instance); name != "" {
				if seen[name] != nil {
					rt.Fatalf("two targets of %s", name)
				}
				seen[name] = b
			}
		}
		for i := range standby {
			first := seen[string(standby[i].Instance)]
			if first == nil || !registrar.SameInstance(first, &standby[i]) || first.Updated < standby[i].Updated {
				rt.Fatalf("%v waits for %v", standby[i], first)
			}
			if i > 0 && standby[i].Updated > standby[i-1].Updated {
				rt.Fatalf("standby is out of order: %v", standby)
			}
		}
	})
}

// Proves: PA-11
func TestServiceRoute(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"<sip:a.example.com;lr>": true, "<sip:a;lr>, <sips:b;lr>": true, `"A, B" <sip:a;lr>;x=y`: true,
		"": false, "sip:a;lr": false, "<sip:a>": false, "<sip:a;lr>,": false, "<sip:a;lr>, <sip:b>": false,
		"<tel:1;lr>": false, "<sip:a;lr>\r\nX: y": false, "<sip:a;lr>\r\n <sip:b;lr>": false,
	} {
		if err := registrar.CheckServiceRoute(value); (err == nil) != ok {
			t.Errorf("%q: got %v", value, err)
		}
	}
	d := newDesk(t)
	d.s.ServiceRoute = "<sip:home.example.com;lr>"
	for _, lines := range [][]string{{"Contact: <sip:a@192.0.2.10>"}, nil} {
		if got := d.send("", lines...); !strings.Contains(got.headers, "Service-Route: <sip:home.example.com;lr>\r\n") {
			t.Errorf("got %+v", got)
		}
	}
}
