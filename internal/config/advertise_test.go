package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"viaduct/internal/proxy"
)

// A listener shows one host to all, or another one to each network of its peers; each
// of them is a name of this server.
func TestAdvertise(t *testing.T) {
	t.Parallel()
	c, bad := Parse("x", []byte(`
network "inside" { cidrs = ["10.0.0.0/8", "2001:db8::/32"] }
listen "udp" {
  address   = "192.0.2.1:5060"
  advertise = {
    network.inside = "10.0.0.5"
    "10.9.0.0/16"  = "in.example.com:5070"
    "198.18.0.1"   = "partner.example.com"
    default        = "203.0.113.9"
  }
}
listen "tcp" {
  address   = "192.0.2.1:5060"
  advertise = { "0.0.0.0/0" = "203.0.113.9" }
}
`), quiet())
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	on := c.Snapshot.Listeners
	p := netip.MustParsePrefix
	want := []proxy.Advertised{
		{Network: p("10.0.0.0/8"), As: "10.0.0.5"},
		{Network: p("2001:db8::/32"), As: "10.0.0.5"},
		{Network: p("10.9.0.0/16"), As: "in.example.com:5070"},
		{Network: p("198.18.0.1/32"), As: "partner.example.com"},
	}
	if on[0].Advertise != "203.0.113.9" || !slices.Equal(on[0].AdvertiseTo, want) {
		t.Errorf("got %q %v", on[0].Advertise, on[0].AdvertiseTo)
	}
	if on[1].Advertise != "" || len(on[1].AdvertiseTo) != 1 {
		t.Errorf("got %q %v", on[1].Advertise, on[1].AdvertiseTo)
	}
	for _, name := range []string{"10.0.0.5", "in.example.com", "partner.example.com", "203.0.113.9", "192.0.2.1"} {
		if !c.Snapshot.Names.Contains([]byte(name)) {
			t.Errorf("%s is not known as this server", name)
		}
	}
}

func TestAdvertiseThatIsRefused(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 65 {
		many.WriteString(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}).String())
		many.WriteString("\x00")
	}
	list := `"` + strings.Join(strings.Split(strings.TrimSuffix(many.String(), "\x00"), "\x00"), `" = "a.example", "`) + `" = "a.example"`
	for name, c := range map[string]struct{ value, want string }{
		"no host":             {`{ "10.0.0.0/8" = "sip:10.0.0.1" }`, `"sip:10.0.0.1" is no host to advertise`},
		"a number":            {`{ "10.0.0.0/8" = 5 }`, "as advertise"},
		"of the message":      {`{ "10.0.0.0/8" = call_id }`, "advertise must be known when the file is loaded"},
		"no network":          {`{ "10.0.0.0/33" = "a.example" }`, `"10.0.0.0/33" is no network`},
		"host bits":           {`{ "10.0.0.1/8" = "a.example" }`, "did you mean 10.0.0.0/8?"},
		"an unknown network":  {`{ network.none = "a.example" }`, "none"},
		"the same twice":      {`{ "10.0.0.0/8" = "a.example", network.core = "b.example" }`, "advertise has 10.0.0.0/8 twice"},
		"two defaults":        {`{ "10.0.0.0/8" = "a.example", default = "b.example", default = "c.example" }`, "advertise has default twice"},
		"nothing":             {`{}`, "advertise names no network"},
		"a default alone":     {`{ default = "a.example" }`, "advertise names no network"},
		"more than there may": {`{ ` + list + ` }`, "advertise has more than 64 networks"},
	} {
		_, bad := Parse("x", []byte("network \"core\" { cidrs = [\"10.0.0.0/8\"] }\nlisten \"udp\" {\n  address = \"192.0.2.1:5060\"\n  advertise = "+c.value+"\n}\n"), quiet())
		if len(bad) != 1 || !strings.Contains(bad.Error()+bad[0].Hint, c.want) {
			t.Errorf("%s: got %v, want %s", name, bad, c.want)
		}
	}
}
