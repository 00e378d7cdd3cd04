package resolve

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// The files of the system, for those who do not configure others.
const (
	ResolvConf = "/etc/resolv.conf"
	HostsFile  = "/etc/hosts"
)

// maxFile bounds what is read of either file.
const maxFile = 4 << 20

// ReadServers returns the name servers of a resolv.conf. Search lists and
// options mean nothing here: names of SIP are complete. Without the file, or
// with none in it, that is the server on this machine, as for the C library.
func ReadServers(path string) ([]netip.AddrPort, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return parseServers(strings.NewReader(""))
	}
	if err != nil {
		return nil, fmt.Errorf("resolve: read servers: %w", err)
	}
	defer f.Close()
	return parseServers(f)
}

func parseServers(r io.Reader) ([]netip.AddrPort, error) {
	var servers []netip.AddrPort
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(words[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(addr, 53))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("resolve: read servers: %w", err)
	}
	if len(servers) == 0 {
		servers = append(servers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53))
	}
	return servers, nil
}

// Hosts is the content of a hosts file, immutable. A nil *Hosts is empty.
type Hosts struct {
	addrs map[string][]netip.Addr
}

// ReadHosts reads a hosts file; one that does not exist is empty.
func ReadHosts(path string) (*Hosts, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return &Hosts{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("resolve: read hosts: %w", err)
	}
	defer f.Close()
	return parseHosts(f)
}

func parseHosts(r io.Reader) (*Hosts, error) {
	h := &Hosts{addrs: make(map[string][]netip.Addr)}
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(words[0])
		if err != nil {
			continue // the C library passes over such a line too
		}
		for _, name := range words[1:] {
			name = normal(name)
			h.addrs[name] = append(h.addrs[name], addr.Unmap())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("resolve: read hosts: %w", err)
	}
	return h, nil
}

var loopback = []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}

// lookup returns the addresses of a name that needs no DNS; known is true for a
// name that must not be asked for, even when it has none. RFC 6761 §6.3:
// localhost and what is below it is the loopback, whatever a file says; §6.4:
// nothing below invalid exists.
func (h *Hosts) lookup(name string) (addrs []netip.Addr, known bool) {
	switch top := name[strings.LastIndexByte(name, '.')+1:]; top {
	case "localhost":
		return loopback, true
	case "invalid":
		return nil, true
	}
	if h == nil {
		return nil, false
	}
	addrs, known = h.addrs[name]
	return addrs, known
}

// equal reports whether both name the same.
func (h *Hosts) equal(o *Hosts) bool {
	if h == nil || o == nil {
		return h == o
	}
	return maps.EqualFunc(h.addrs, o.addrs, slices.Equal)
}
