package config

import (
	"net/netip"
	"strings"
	"testing"
)

const withAdmin = `listen "udp" { address = "127.0.0.1:5060" }
admin {
  address = "%A"
  token   = "%T"
}
`

func adminFile(address, token string) []byte {
	return []byte(strings.NewReplacer("%A", address, "%T", token).Replace(withAdmin))
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef"
	c, diags := Parse("a.hcl", adminFile("[::1]:8080", token), Options{})
	if diags != nil {
		t.Fatal(diags)
	}
	if want := (Admin{netip.MustParseAddrPort("[::1]:8080"), token}); c.Admin != want {
		t.Errorf("got %v, want %v", c.Admin, want)
	}
	// Without a token there is an address for probes.
	c, diags = Parse("a.hcl", []byte(`listen "udp" { address = "127.0.0.1:5060" }`+"\n"+`admin { address = "127.0.0.1:8080" }`), Options{})
	if want := (Admin{Address: netip.MustParseAddrPort("127.0.0.1:8080")}); diags != nil || c.Admin != want {
		t.Errorf("got %v, %v, want %v", c, diags, want)
	}
	for _, x := range [][3]string{
		{"192.0.2.1:8080", token, "no loopback address"},
		{":8080", token, "no address with a port"},
		{"127.0.0.1", token, "no address with a port"},
		{"127.0.0.1:8080", "too short", "at least 16 characters"},
	} {
		_, diags := Parse("a.hcl", adminFile(x[0], x[1]), Options{})
		if len(diags) != 1 || !strings.Contains(diags[0].Message, x[2]) {
			t.Errorf("%s %s: got %v, want %q", x[0], x[1], diags, x[2])
		}
	}
}

// A token is a secret: neither what is wrong with it nor what has changed shows it.
func TestATokenIsNotShown(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, file := range []string{string(adminFile("127.0.0.1:8080", "hush")), "admin { token = \"hush\n"} {
		_, diags := Parse("a.hcl", []byte(file), Options{})
		diags.Print(&out, false)
	}
	was, _ := Parse("a.hcl", adminFile("127.0.0.1:8080", "hush-hush-hush-hush"), Options{})
	is, diags := Parse("a.hcl", adminFile("127.0.0.1:8081", "hush-hush-hush-hush-hush"), Options{Running: was})
	if diags != nil {
		t.Fatal(diags)
	}
	d := Compare(was, is)
	lines := strings.Join(d.Lines(), "\n")
	if strings.Contains(out.String()+lines, "hush") {
		t.Errorf("the token is shown:\n%s\n%s", out.String(), lines)
	}
	for _, want := range []string{"needs a restart: admin.token", `needs a restart: admin.address = "127.0.0.1:8081", which stays "127.0.0.1:8080" until then`} {
		if !strings.Contains(lines, want) {
			t.Errorf("got %s\nwant %s", lines, want)
		}
	}
	if is.Admin != was.Admin {
		t.Errorf("got %v, want %v to stay", is.Admin, was.Admin)
	}
}
