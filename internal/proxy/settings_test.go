package proxy_test

import (
	"strings"
	"testing"
)

const settingsConfig = `
server { domains = ["example.org"] }
` + staff + `
rule "register" {
  when         = method == REGISTER
  authenticate = users.staff
  register {
    service_route = ["sip:home@192.0.2.1;lr", "sip:example.org;lr"]
    any_path      = true
    gruu          = false
  }
}
rule "calls" { send = location }
`

// Service-Route stands in the answer to a registration and to a fetch; a request that
// follows it finds its way, and the values are taken out.
// Proves: PA-6, PA-7, PA-11
func TestServiceRouteIsAccepted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, settingsConfig)
	x := d.register(bobAt, "bob", "secret", "Contact: <sip:bob@203.0.113.7>")
	route := strings.Join(x.All("service-route"), ", ")
	if x.Status != 200 || route != "<sip:home@192.0.2.1;lr>, <sip:example.org;lr>" {
		t.Fatalf("%d with Service-Route %q", x.Status, route)
	}
	if y := d.register(bobAt, "bob", "secret"); strings.Join(y.All("service-route"), ", ") != route {
		t.Errorf("a fetch says Service-Route %q", y.All("service-route"))
	}
	if y := d.relayed(d.call("bob", "Route: "+route), bobAt); y.Has("route") {
		t.Errorf("Route %q went on", y.Get("route"))
	}
}

// A Path of which the client does not know is taken where the setting says so, and
// leads; who asks for a GRUU where there are none gets none, and is registered.
func TestPathAndGRUUBySetting(t *testing.T) {
	t.Parallel()
	d := newDesk(t, settingsConfig)
	lines := []string{
		`Contact: <sip:bob@203.0.113.7>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000abcd>"`,
		"Path: <sip:192.0.2.77;lr>", "Supported: gruu",
	}
	if x := d.register(bobAt, "bob", "secret", lines...); x.Status != 200 || strings.Contains(x.Wire, "gruu=") || x.Get("path") != "<sip:192.0.2.77;lr>" {
		t.Errorf("got\n%s", x.Wire)
	}
	if x := d.relayed(d.call("bob"), edgeAt); x.Get("route") != "<sip:192.0.2.77;lr>" {
		t.Errorf("Route %q", x.Get("route"))
	}
	d = newDesk(t, office)
	if x := d.register(bobAt, "bob", "secret", lines...); x.Status != 420 || x.Get("unsupported") != "path" {
		t.Errorf("without the setting: %d", x.Status)
	}
}
