package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
)

// listen is one listen block: one socket, or two when its address is only a port.
type listen struct {
	name  string // as configured, or ""
	rng   hcl.Range
	index []flow.Listener
}

// listeners reads all listen blocks and gives each socket its place in the
// snapshot: the one it has in the running configuration, or a free one.
func (l *loader) listeners(file *block) {
	if r := l.opts.Running; r != nil {
		l.config.Snapshot.Listeners = slices.Clone(r.Snapshot.Listeners)
		for i := range l.config.Snapshot.Listeners {
			l.config.Snapshot.Listeners[i].Gone = true
		}
	}
	found := false
	file.each(listenSpec, func(b *block) {
		found = true
		l.listen(b)
	})
	if !found && len(l.diags) == 0 {
		l.report(file.rng, `such as listen "udp" { address = ":5060" }`, "the file has no listen block")
	}
}

func (l *loader) listen(b *block) {
	name, nameRange, _ := l.constant(b.attr("name"))
	advertise, to := l.advertise(b.attr("advertise"))
	address, rng, ok := l.constant(b.attr("address"))
	if !ok {
		return
	}
	stateless := l.stateless
	l.modeOf(b, &stateless)
	binds, hint := parseListen(address)
	if len(binds) > 1 && !l.hasIPv6() {
		binds = binds[:1]
	}
	if hint != "" {
		l.report(rng, hint, "%q is no address to listen on", address)
		return
	}
	transportTLS, _ := l.flag(b.attr("transport_tls"))
	at := listen{name: name, rng: b.rng}
	for _, bind := range binds {
		n := name
		if n == "" {
			n = b.label + " " + bind.String()
		}
		x := proxy.Listener{Name: n, Hash: policy.HashName("listen", n), Protocol: flow.ParseProtocol([]byte(b.label)), Bind: bind, Advertise: advertise, TransportTLS: transportTLS, Stateless: stateless}
		if len(binds) > 1 && name != "" && bind.Addr().Is6() {
			// the two sockets share a name, but a Route cookie names one of them
			x.Hash = policy.HashName("listen6", n)
		}
		if index, ok := l.place(x, rng); ok {
			at.index = append(at.index, index)
		}
	}
	l.listenName(at, nameRange, b.label, binds)
	l.streamBlocks = append(l.streamBlocks, streamBlock{b, at.index, to})
}

// parseListen reads "192.0.2.1:5060", "[2001:db8::1]:5060" or ":5060", which
// stands for one IPv4 and one IPv6-only socket; what is wrong comes as a hint.
func parseListen(s string) (binds []netip.AddrPort, hint string) {
	const example = `addresses are written "192.0.2.1:5060", "[2001:db8::1]:5060" or ":5060" for all`
	if port, ok := strings.CutPrefix(s, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return nil, "a port is a number from 1 to 65535"
		}
		return []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n))}, ""
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return nil, "add a port: " + netip.AddrPortFrom(a, 5060).String()
	}
	ap, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return nil, example
	case ap.Port() == 0:
		return nil, "a port is a number from 1 to 65535"
	case ap.Addr().Is4In6():
		ap = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return []netip.AddrPort{ap}, ""
}

// hasIPv6 reports whether the machine has an IPv6 address, be it loopback's: where
// IPv6 is switched off, a socket for it cannot be made.
func (l *loader) hasIPv6() bool {
	list, err := l.opts.Addresses()
	return err != nil || slices.ContainsFunc(list, func(a netip.Addr) bool { return a.Unmap().Is6() })
}

// place puts x where the running configuration has the same socket, else in a
// hole, else at the end.
func (l *loader) place(x proxy.Listener, rng hcl.Range) (flow.Listener, bool) {
	list := l.config.Snapshot.Listeners
	for i := range list {
		if list[i].Protocol != x.Protocol || list[i].Bind != x.Bind {
			continue
		}
		if !list[i].Gone {
			l.report(rng, "", "a second listener on %s %s", strings.ToLower(x.Protocol.String()), x.Bind)
			return 0, false
		}
		list[i] = x
		return flow.Listener(i), true
	}
	for i := range list {
		if list[i].Protocol == flow.None {
			list[i] = x
			return flow.Listener(i), true
		}
	}
	l.config.Snapshot.Listeners = append(list, x)
	return flow.Listener(len(list)), true
}

// listenName makes a listener known by its name, or by its transport and address.
func (l *loader) listenName(at listen, nameRange hcl.Range, protocol string, binds []netip.AddrPort) {
	if len(at.index) == 0 { // its address was refused
		return
	}
	given := []string{at.name}
	if at.name == "" {
		given, nameRange = nil, at.rng
		for _, b := range binds {
			given = append(given, protocol+" "+b.String())
		}
	}
	for i, n := range given {
		if old, ok := l.listens[n]; ok {
			l.report(nameRange, "", "a second listener named %q; the first is in line %d", n, old.rng.Start.Line)
			continue
		}
		one := at
		if at.name == "" && i < len(at.index) {
			one.index = at.index[i : i+1]
		}
		l.listens[n] = one
		l.listenerNames = append(l.listenerNames, n)
	}
}

// ownNames are the names and addresses of this server: its own name, what it
// listens on (all addresses of the machine for a wildcard) and what it advertises.
func (l *loader) ownNames(b *block) []string {
	all := slices.Clone(l.names)
	four, six := false, false
	for _, x := range l.config.Snapshot.Listeners {
		if x.Gone || x.Protocol == flow.None {
			continue
		}
		if a := x.Bind.Addr(); !a.IsUnspecified() {
			all = append(all, a.WithZone("").String())
		} else {
			four, six = four || a.Is4(), six || a.Is6()
		}
	}
	if !four && !six {
		return all
	}
	list, err := l.opts.Addresses()
	if err != nil {
		l.report(b.rng, "", "cannot list the addresses of this machine: %s", reason(err))
	}
	for _, a := range list {
		if a = a.Unmap(); a.Is4() && four || a.Is6() && six {
			all = append(all, a.WithZone("").String())
		}
	}
	return all
}

// loopbackOnly reports whether every listener is on loopback.
func loopbackOnly(list []proxy.Listener) bool {
	for _, x := range list {
		if !x.Gone && x.Protocol != flow.None && !x.Bind.Addr().IsLoopback() {
			return false
		}
	}
	return true
}

// listensOn reports whether a listener of the file speaks p.
func (l *loader) listensOn(p flow.Protocol) bool {
	return slices.ContainsFunc(l.config.Snapshot.Listeners, func(x proxy.Listener) bool { return x.Protocol == p && !x.Gone })
}

// from reads `from = listen.X`: the one socket to send from.
func (l *loader) from(a *hclsyntax.Attribute) (flow.Listener, bool) {
	rng := a.Expr.Range()
	t, ok := a.Expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		l.report(rng, "write from = listen.X", "from needs a listener")
		return 0, false
	}
	at, ok := l.listenerNamed(t, "from = listen.X")
	switch {
	case !ok:
		return 0, false
	case len(at.index) > 1:
		l.report(rng, "give the IPv4 and the IPv6 address a listen block each", "listener %q is two sockets", at.name)
		return 0, false
	}
	return at.index[0], true
}

// listenerNamed finds the listener that listen.X or listen["X"] names; usage is how
// it is written.
func (l *loader) listenerNamed(t *hclsyntax.ScopeTraversalExpr, usage string) (at listen, ok bool) {
	path, index, ok := l.path(t)
	if !ok {
		return listen{}, false
	}
	var name string
	switch {
	case path[0] == "listen" && len(path) == 2 && index == nil:
		name = path[1]
	case path[0] == "listen" && len(path) == 1 && index != nil:
		name = *index
	default:
		what, _, _ := strings.Cut(usage, " ")
		l.report(t.SrcRange, "write "+usage, "%s needs a listener", what)
		return listen{}, false
	}
	if at, ok = l.listens[name]; !ok {
		l.report(t.SrcRange, didYouMeanOr(name, quoted(l.listenerNames)), "no listener is named %q", name)
	}
	return at, ok
}
