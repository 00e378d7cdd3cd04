package registrar

import (
	"bytes"
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/sip"
)

// reach says how the binding of c is reached. Only the first hop can tell: behind
// an edge proxy the Path leads there, or the Contact does.
func (r *Registrar) reach(c *contact, s *Settings) (from flow.Flow, flags location.Flags) {
	if c.regID != 0 {
		flags = location.Outbound
	}
	if !r.firstHop || r.m.Has(sip.Path) {
		return flow.Flow{}, flags
	}
	if r.behindNAT(&c.uri) || s.OnDisconnect == Remove && r.from.Protocol.Reliable() && c.uri.IsSIP() {
		flags |= location.NAT
	}
	// RFC 5626 §4.4: clients with outbound keep their flow open themselves, and so do
	// streams by what TCP and WebSocket have for that.
	if flags == location.NAT && r.from.Protocol == flow.UDP && s.Keepalive != KeepaliveNone {
		flags |= location.Keepalive
		if s.Keepalive == KeepaliveOptions {
			flags |= location.ByOptions
		}
	}
	return r.from, flags
}

// behindNAT reports whether a contact is not where its Contact says, so that it is
// reached by the flow alone that it opened. As for a caller (RFC 3581 §3, §4): its
// address is not the source's, or its port is not and it asked for symmetric
// responses. Five things differ from that:
//
//   - on loopback there is no NAT: programs of one machine register for each other;
//   - a WebSocket client, and one whose host is of the domain that never exists
//     (RFC 7118 §5, RFC 2606 §2), has no address of its own;
//   - a client on TLS whose Contact is the address it calls from could not prove that
//     address if it were called there; its connection is the way to it (RFC 3261
//     §26.3.2.1, RFC 5630 §7);
//   - the port of a stream's client says nothing: it was made for this connection;
//   - a public address under a Via that tells the true source was meant: somebody
//     registers another place, such as a gateway.
func (r *Registrar) behindNAT(u *sip.URI) bool {
	if !u.IsSIP() {
		return false
	}
	if r.from.Protocol == flow.WS || r.from.Protocol == flow.WSS {
		return true
	}
	host := u.Host
	if m := u.MAddr(); m != nil {
		host = m
	}
	addr, ok := sip.HostAddr(host)
	if !ok {
		return bytes.HasSuffix(bytes.TrimSuffix(host, []byte(".")), []byte(".invalid"))
	}
	source, addr := r.from.Remote.Addr().Unmap(), addr.Unmap()
	if r.from.Protocol == flow.TLS && addr == source {
		return true
	}
	via, err := r.m.TopVia()
	if err != nil || source.IsLoopback() && addr.IsLoopback() {
		return false
	}
	if addr != source {
		return !public(addr) || !saysTruly(via, source)
	}
	port := u.Port
	if port == 0 {
		port = flow.UDP.DefaultPort()
	}
	overUDP := u.Transport() == nil || flow.ParseProtocol(u.Transport()) == flow.UDP
	return r.from.Protocol == flow.UDP && overUDP && via.HasRPort && port != r.from.Remote.Port()
}

// public reports whether an address can be reached from anywhere.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}

// sharedSpace is behind the NAT of an access network (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// saysTruly reports whether the sender knows the address that it is seen by.
func saysTruly(via *sip.ViaValue, source netip.Addr) bool {
	a, ok := sip.HostAddr(via.Host)
	return ok && a.Unmap() == source
}
