package registrar

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"viaduct/sip"
)

// Settings are what a rule's `register {}` says: immutable, part of a snapshot.
// Zero values mean the defaults given; Prepare fills them in.
type Settings struct {
	MaxContacts int           // bindings of one AOR: 10
	MinExpires  time.Duration // shortest interval that is granted: 60 s; a shorter one is answered 423
	MaxExpires  time.Duration // longest interval that is granted: 1 h; a longer one is shortened
	Expires     time.Duration // interval when the request names none: MaxExpires

	OnDisconnect OnDisconnect // what happens to the bindings of a connection that ends: Keep
	Keepalive    Keepalive    // what keeps the bindings of phones behind NAT open: CRLF

	// NoGRUU returns no GRUUs to those who support them (RFC 5627).
	NoGRUU bool
	// FlowTimer is told to clients with outbound (RFC 5626 §5.4); 0 tells nothing.
	FlowTimer time.Duration
	// ServiceRoute is the value of Service-Route in each 200, "" for none (RFC
	// 3608 §6.3): see CheckServiceRoute.
	ServiceRoute string
	// AnyPath takes a Path from clients that do not say that they support it; else
	// they are answered 420 (RFC 3327 §5.3).
	AnyPath bool
}

// OnDisconnect says which bindings a connection takes with it when it ends. Those
// that can be reached by nothing else always go (RFC 5626 §7).
type OnDisconnect uint8

// The choices of on_disconnect.
const (
	Keep   OnDisconnect = iota // keeps those whose Contact can be connected to
	Remove                     // takes all that were registered over it
)

// Keepalive is what a registrar sends so that the NAT in front of a phone keeps
// its mapping.
type Keepalive uint8

// The choices of keepalive.
const (
	KeepaliveCRLF    Keepalive = iota // an empty line, which no phone answers
	KeepaliveOptions                  // an OPTIONS, which shows that the phone is there
	KeepaliveNone
)

// The bounds of one REGISTER, whatever the settings say.
const (
	// maxValues is how many Contact values a request may have: enough to remove
	// all bindings of an AOR and to add as many.
	maxValues = 64
	// maxPath is how long the Path values may be that are kept with each binding, in
	// bytes; maxContact the same of one Contact value.
	maxPath    = 2 << 10
	maxContact = 2 << 10
)

// Prepare fills in the defaults.
func (s *Settings) Prepare() {
	if s.MaxContacts == 0 {
		s.MaxContacts = 10
	}
	if s.MinExpires == 0 {
		s.MinExpires = time.Minute
	}
	if s.MaxExpires == 0 {
		s.MaxExpires = max(time.Hour, s.MinExpires)
	}
	if s.Expires == 0 {
		s.Expires = s.MaxExpires
	}
}

// CheckServiceRoute judges a value for Settings.ServiceRoute: name-addrs of sip or
// sips URIs, each with lr (RFC 3608 §6.3).
func CheckServiceRoute(value string) error {
	var m sip.Message
	_ = m.Parse([]byte("REGISTER sip:a SIP/2.0\r\nService-Route: " + value + "\r\n\r\n")) // judged by what it holds
	n := 0
	for it := m.Values(sip.ServiceRoute); it.Next(); n++ {
		a, err := sip.ParseAddress(it.Value.Text)
		if err != nil || !a.Angle {
			return fmt.Errorf("%q is no address in angle brackets", it.Value.Text)
		}
		u, err := sip.ParseURI(a.URI)
		if err != nil || !u.IsSIP() {
			return fmt.Errorf("%q is no sip or sips URI", a.URI)
		}
		if !u.LooseRouter() {
			return fmt.Errorf("%q lacks lr", a.URI)
		}
	}
	if n == 0 || strings.ContainsAny(value, "\r\n") {
		return errors.New("not one line of addresses")
	}
	return nil
}
