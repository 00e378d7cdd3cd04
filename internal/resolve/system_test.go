package resolve

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestReadServers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"servers in order, the rest passed over", "# x\nsearch a b\nnameserver 192.0.2.1\nnameserver fe80::1%eth0 # y\n;nameserver 192.0.2.2\nnameserver wrong\nnameserver\n", []string{"192.0.2.1:53", "[fe80::1%eth0]:53"}},
		{"none is the local one", "options edns0\n", []string{"127.0.0.1:53"}},
	} {
		path := filepath.Join(dir, "resolv.conf")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		servers, err := ReadServers(path)
		var got []string
		for _, s := range servers {
			got = append(got, s.String())
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	if got, err := ReadServers(filepath.Join(dir, "missing")); err != nil || len(got) != 1 {
		t.Errorf("a missing file: got %v, %v", got, err)
	}
	if _, err := ReadServers(dir); err == nil {
		t.Error("a directory can be read")
	}
}

func TestReadHosts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts")
	text := "127.0.0.1 localhost\n192.0.2.66 localhost\n192.0.2.1\tPBX.Example. pbx # the office\n2001:db8::1 pbx\nnonsense x\n192.0.2.9\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := ReadHosts(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		want  []netip.Addr
		known bool
	}{
		{"pbx.example", []netip.Addr{netip.MustParseAddr("192.0.2.1")}, true},
		{"pbx", []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, true},
		{"localhost", loopback, true},
		{"x.y.localhost", loopback, true},
		{"notlocalhost", nil, false},
		{"a.invalid", nil, true},
		{"x", nil, false},
	} {
		if got, known := h.lookup(c.name); known != c.known || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %t; want %v, %t", c.name, got, known, c.want, c.known)
		}
	}
	if h, err := ReadHosts(filepath.Join(dir, "missing")); err != nil || h == nil {
		t.Errorf("a missing file: got %v, %v", h, err)
	}
	if _, err := ReadHosts(dir); err == nil {
		t.Error("a directory can be read")
	}
	var none *Hosts
	if _, known := none.lookup("pbx"); known || none.equal(h) || !none.equal(nil) || !h.equal(h) {
		t.Error("a nil Hosts is not empty")
	}
}
