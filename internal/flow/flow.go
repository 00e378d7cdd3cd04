// Package flow names where a message came from and where one goes.
//
// Both are small comparable values: they can be map keys, they can be copied,
// and they hold no socket. The transport turns a Hop into bytes on a wire.
package flow

import (
	"fmt"
	"net/netip"
	"strings"
)

// Protocol is the transport of a message: the word in its Via (RFC 3261 §18).
type Protocol uint8

// The transports, in the order of their Via words.
const (
	None Protocol = iota
	UDP
	TCP
	TLS
	WS
	WSS
)

var names = [...]string{"NONE", "UDP", "TCP", "TLS", "WS", "WSS"}

// String is the word of the Via header field, in upper case.
func (p Protocol) String() string {
	if int(p) < len(names) {
		return names[p]
	}
	return fmt.Sprintf("Protocol(%d)", uint8(p))
}

// Reliable reports whether the transport delivers or fails loudly, so that
// transactions do not retransmit on it (RFC 3261 §17).
func (p Protocol) Reliable() bool { return p > UDP }

// Secure reports whether the transport is encrypted.
func (p Protocol) Secure() bool { return p == TLS || p == WSS }

// DefaultPort is the port of a URI or sent-by that names none
// (RFC 3261 §19.1.2, RFC 7118 §5).
func (p Protocol) DefaultPort() uint16 {
	switch p {
	case TLS:
		return 5061
	case WS:
		return 80
	case WSS:
		return 443
	}
	return 5060
}

// ParseProtocol reads a transport word without regard to case (RFC 3261
// §7.3.1). It returns None for a word that is not known.
func ParseProtocol(word []byte) Protocol {
	for p := UDP; p <= WSS; p++ {
		if len(word) == len(names[p]) && strings.EqualFold(string(word), names[p]) {
			return p
		}
	}
	return None
}

// Listener is a configured listener: its index in the running snapshot's list.
// It stays the same over reloads while the listener exists.
type Listener uint16

// Flow is where a message came from, both ends (RFC 5626 §3 calls the same
// thing a flow). For a stream Conn names the connection; for UDP it is 0.
type Flow struct {
	Local    netip.AddrPort // our side: the address the packet was sent to
	Remote   netip.AddrPort // the peer
	Conn     uint32         // connection number, 0 for UDP
	Listener Listener
	Protocol Protocol
	Domain   Domain  // that the peer has proven by TLS
	Session  Session // that a WebSocket was opened with
}

// Hop is where a message goes. Local is the source address to use; it is the
// listener's own address or, on a wildcard listener, one of the machine's.
type Hop struct {
	Local    netip.AddrPort
	Remote   netip.AddrPort
	Conn     uint32 // of the connection to use; 0: whichever leads there, or a new one
	Listener Listener
	Protocol Protocol
	Domain   Domain // that the far end must prove, where it is to be connected to by TLS
}

// Existing as the Conn of a Hop is whichever connection leads to Remote when the
// message is sent. None is made: the far end may not listen there (RFC 5626 §5.3).
const Existing uint32 = 1<<32 - 1

// Hop returns the way back along f.
func (f Flow) Hop() Hop {
	return Hop{Local: f.Local, Remote: f.Remote, Conn: f.Conn, Listener: f.Listener, Protocol: f.Protocol}
}

// IsZero reports whether h names no destination.
func (h Hop) IsZero() bool { return !h.Remote.IsValid() }

// String is for logs: "udp 192.0.2.1:5060".
func (h Hop) String() string { return strings.ToLower(h.Protocol.String()) + " " + h.Remote.String() }

// String is for logs: "udp 192.0.2.1:5060".
func (f Flow) String() string { return f.Hop().String() }
