package policy

import (
	"bytes"
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// Party names one of the URIs that a rule can read.
type Party uint8

const (
	Dest         Party = iota // the Request-URI as it is by now
	From                      // the URI of the From header field
	To                        // the URI of the To header field
	Contact                   // the URI of the first Contact
	OriginalDest              // the Request-URI before any edit
)

func (p Party) uri(f *Facts) *sip.URI {
	switch p {
	case From:
		return &f.fromParty().uri
	case To:
		return &f.toParty().uri
	case Contact:
		return &f.contactParty().uri
	case OriginalDest:
		return f.received()
	}
	return f.dest()
}

func (p Party) address(f *Facts) *sip.Address {
	switch p {
	case From:
		return &f.fromParty().address
	case To:
		return &f.toParty().address
	case Contact:
		return &f.contactParty().address
	}
	return &noAddress
}

var noAddress sip.Address

// Whole is the URI as written.
func Whole(p Party) Text { return func(f *Facts) []byte { return p.uri(f).Text } }

// User is the user part. Escaped unreserved characters are decoded and the
// digits of other escapes written in upper case, since URIs that differ only
// there are equal (RFC 3261 §19.1.4); so "%61lice" reads "alice", and what is
// read can stand in a user part again. Of a tel: URI it is the number.
func User(p Party) Text {
	return func(f *Facts) []byte {
		u := p.uri(f)
		if u.Scheme == sip.TEL {
			return telNumber(u.Text)
		}
		return f.plainEscapes(u.User)
	}
}

// HasUser reports whether the URI has a user part, be it empty.
func HasUser(p Party) Bool {
	return func(f *Facts) bool { u := p.uri(f); return u.HasUser || u.Scheme == sip.TEL }
}

// telNumber is what stands between "tel:" and the parameters (RFC 3966 §3).
func telNumber(uri []byte) []byte {
	_, number, _ := bytes.Cut(uri, []byte{':'})
	number, _, _ = bytes.Cut(number, []byte{';'})
	return number
}

// Domain is the host in lower case, an IPv6 address with its brackets.
func Domain(p Party) Text { return func(f *Facts) []byte { return f.lower(p.uri(f).Host) } }

// Port is the port as written, 0 when there is none.
func Port(p Party) Number { return func(f *Facts) int64 { return int64(p.uri(f).Port) } }

// Scheme is the scheme of the URI in lower case.
func Scheme(p Party) Text { return func(f *Facts) []byte { return f.lower(p.uri(f).SchemeName) } }

// Params are all URI parameters as written, from the first semicolon on.
func Params(p Party) Text { return func(f *Facts) []byte { return p.uri(f).Params } }

// Param is the value of one URI parameter as written.
func Param(p Party, name string) Text {
	return func(f *Facts) []byte { v, _ := p.uri(f).Params.Get(name); return v }
}

// HasParam reports whether the URI parameter is there, with or without a value.
func HasParam(p Party, name string) Bool {
	return func(f *Facts) bool { return p.uri(f).Params.Has(name) }
}

// Display is the display name of From, To or Contact without its quotes.
func Display(p Party) Text {
	return func(f *Facts) []byte {
		d := p.address(f).Display
		if len(d) >= 2 && d[0] == '"' && d[len(d)-1] == '"' {
			d = d[1 : len(d)-1]
		}
		return f.unfold(d)
	}
}

// Tag is the tag of From or To.
func Tag(p Party) Text {
	return func(f *Facts) []byte {
		if p == From {
			return f.Msg.FromTag()
		}
		return f.Msg.ToTag()
	}
}

// Header is the value of the first line of a header field, by its long name, as
// it is by now; its folds are written as one space.
func Header(name string) Text {
	id := sip.HeaderOf(name)
	return func(f *Facts) []byte { v, _ := f.header(id, name); return f.unfold(v) }
}

// HasHeader reports whether there is such a line, be its value empty.
func HasHeader(name string) Bool {
	id := sip.HeaderOf(name)
	return func(f *Facts) bool { _, ok := f.header(id, name); return ok }
}

// OriginalHeader is Header before any edit.
func OriginalHeader(name string) Text {
	return func(f *Facts) []byte { v, _ := f.Msg.Get(name); return f.unfold(v) }
}

// HasOriginalHeader is HasHeader before any edit.
func HasOriginalHeader(name string) Bool {
	return func(f *Facts) bool { _, ok := f.Msg.Get(name); return ok }
}

// CallID is the Call-ID.
func CallID() Text { return func(f *Facts) []byte { return f.Msg.CallIDValue() } }

// IsMethod reports whether the request is decided as one of method m.
func IsMethod(m sip.Method) Bool { return func(f *Facts) bool { return f.Method == m } }

// MethodText is the name of the method that the request is decided as.
func MethodText() Text {
	return func(f *Facts) []byte {
		if f.Method == sip.OtherMethod {
			return f.Msg.MethodName()
		}
		return f.str(f.Method.String())
	}
}

// SourceIP is the address that the message came from.
func SourceIP() Addr { return func(f *Facts) netip.Addr { return f.From.Remote.Addr().Unmap() } }

// SourcePort is the port that the message came from.
func SourcePort() Number { return func(f *Facts) int64 { return int64(f.From.Remote.Port()) } }

var protocolWords = [...][]byte{
	flow.UDP: []byte("udp"), flow.TCP: []byte("tcp"), flow.TLS: []byte("tls"), flow.WS: []byte("ws"), flow.WSS: []byte("wss"),
}

// Transport is the transport that the message came by, in lower case.
func Transport() Text {
	return func(f *Facts) []byte {
		if int(f.From.Protocol) < len(protocolWords) {
			return protocolWords[f.From.Protocol]
		}
		return nil
	}
}

// Session is the session cookie that the WebSocket was opened with by which the message
// came (RFC 7118 §7).
func Session() Text { return func(f *Facts) []byte { return f.str(f.From.Session.String()) } }

// HasSession reports whether there is one.
func HasSession() Bool { return func(f *Facts) bool { return f.From.Session != flow.Session{} } }

// PeerIs reports whether the far end of the connection that the message came by has
// proven to speak for a domain (RFC 5922 §7.4): it may speak for several.
func PeerIs(domain Text) Bool { return func(f *Facts) bool { return f.From.Domain.Proves(domain(f)) } }

// HasPeer reports whether it speaks for any.
func HasPeer() Bool { return func(f *Facts) bool { return !f.From.Domain.IsZero() } }

// ListenerName is the name of the listener that the message came to.
func ListenerName() Text { return func(f *Facts) []byte { return f.str(f.Listener) } }
