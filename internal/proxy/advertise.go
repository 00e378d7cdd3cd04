package proxy

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// What a listener shows of itself in Via, Record-Route and Path: its address, or what
// it advertises to the network of the peer, because a NAT stands in front of it on some
// sides and not on others. What it shows depends on whoever is at the other end of the
// hop, so that both sides of a call get what they can reach; and it knows itself by all
// that it shows to anybody (local.go).

// Advertised is what a listener shows to the peers of a network.
type Advertised struct {
	Network netip.Prefix
	As      string // host[:port]
}

// shown is one of the ways in which a listener shows itself.
type shown struct {
	network netip.Prefix // of the peers; not valid for all others
	sentBy  string       // "host:port" as it stands in Via, "" when it depends on the local address
	host    []byte       // its parts
	port    uint16
	byName  bool // a name without a port: RFC 3263 finds the transport
}

// prepare works out what Via and Record-Route show (seams.md §6: the advertised
// name or the address that the packet leaves from, never a wildcard).
func (l *Listener) prepare() {
	l.toAll = l.showAs(l.Advertise)
	l.toSome = nil
	for _, a := range l.AdvertiseTo {
		x := l.showAs(a.As)
		x.network = a.Network
		l.toSome = append(l.toSome, x)
	}
	slices.SortStableFunc(l.toSome, func(a, b shown) int { return cmp.Compare(b.network.Bits(), a.network.Bits()) })
}

// showAs is what advertising a host, or "" for none, makes of l.
func (l *Listener) showAs(advertise string) (x shown) {
	switch {
	case advertise != "":
		x.sentBy = advertise
		if !hasPort(advertise) && l.Bind.Port() != l.Protocol.DefaultPort() {
			x.sentBy = advertise + ":" + strconv.Itoa(int(l.Bind.Port()))
		}
	case !l.Bind.Addr().IsUnspecified():
		x.sentBy = l.Bind.String()
	}
	x.host, x.port = []byte(x.sentBy), l.Protocol.DefaultPort()
	if hasPort(x.sentBy) {
		at := strings.LastIndexByte(x.sentBy, ':')
		if n, ok := parsePort(x.host[at+1:]); ok {
			x.host, x.port = x.host[:at], n
		}
	}
	_, literal := sip.HostAddr(x.host)
	x.byName = advertise != "" && !literal && !hasPort(x.sentBy)
	return x
}

// hasPort tells "host:5060" and "[::1]:5060" from "host" and "[::1]".
func hasPort(hostport string) bool {
	return strings.LastIndexByte(hostport, ':') > strings.LastIndexByte(hostport, ']')
}

// shownTo is what l shows to a peer: what it advertises to the smallest network that
// the peer is in.
func (l *Listener) shownTo(peer netip.Addr) *shown {
	if len(l.toSome) > 0 {
		peer = peer.Unmap().WithZone("")
		for i := range l.toSome {
			if l.toSome[i].network.Contains(peer) {
				return &l.toSome[i]
			}
		}
	}
	return &l.toAll
}

// shows reports whether one of the ways in which l shows itself is as yes says.
func (l *Listener) shows(yes func(*shown) bool) bool {
	if yes(&l.toAll) {
		return true
	}
	for i := range l.toSome {
		if yes(&l.toSome[i]) {
			return true
		}
	}
	return false
}

// AppendSentBy appends what Via shows for a message that leaves by hop.
func (s *Snapshot) AppendSentBy(dst []byte, hop *flow.Hop) []byte {
	return s.Listeners[hop.Listener].appendSentBy(dst, *hop)
}

// appendSentBy appends host and port of l as they are shown on a side.
func (l *Listener) appendSentBy(dst []byte, side flow.Hop) []byte {
	if x := l.shownTo(side.Remote.Addr()); x.sentBy != "" {
		return append(dst, x.sentBy...)
	}
	return side.Local.AppendTo(dst)
}

// looksAlike reports whether l shows itself alike on two sides: one socket for all
// addresses of the machine may stand between two networks.
func (l *Listener) looksAlike(a, b flow.Hop) bool {
	x, y := l.shownTo(a.Remote.Addr()), l.shownTo(b.Remote.Addr())
	return x.sentBy == y.sentBy && (x.sentBy != "" || a.Local.Addr() == b.Local.Addr())
}
