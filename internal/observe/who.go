package observe

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// Who says whose messages are traced: a user, a user at a host, an address with
// or without a port, or one call by its Call-ID.
type Who struct {
	text string // as given: compared with the Call-ID

	// An address of the network; or
	addr netip.Addr
	port uint16 // 0: any

	// someone in From, To or the Request-URI.
	user     []byte
	host     []byte // nil: any
	hostPort uint16 // 0: any
}

// ErrNobody is returned for a text that names nobody.
var ErrNobody = errors.New("trace: nobody named: give a user, user@host, an address or a Call-ID")

// ParseWho reads what a person types: alice, alice@example.com, sip:alice@example.com,
// 192.0.2.1, 192.0.2.1:5060, [2001:db8::1]:5060 or a Call-ID.
func ParseWho(text string) (Who, error) {
	text = strings.TrimSpace(text)
	w := Who{text: text}
	name := strings.Trim(text, "<>")
	for _, scheme := range []string{"sip:", "sips:"} {
		if len(name) > len(scheme) && strings.EqualFold(name[:len(scheme)], scheme) {
			name = name[len(scheme):]
		}
	}
	if name == "" {
		return Who{}, ErrNobody
	}
	if addr, ok := sip.HostAddr([]byte(name)); ok {
		w.addr = addr
		return w, nil
	}
	if ap, err := netip.ParseAddrPort(name); err == nil {
		w.addr, w.port = ap.Addr(), ap.Port()
		return w, nil
	}
	user, host, ok := strings.Cut(name, "@")
	w.user = []byte(user)
	if ok {
		w.host, w.hostPort = splitPort(host)
	}
	return w, nil
}

// splitPort takes a port off the end of a host; brackets of IPv6 stay.
func splitPort(hostport string) ([]byte, uint16) {
	i := strings.LastIndexByte(hostport, ':')
	if i < 0 || strings.HasSuffix(hostport, "]") {
		return []byte(hostport), 0
	}
	port, err := strconv.ParseUint(hostport[i+1:], 10, 16)
	if err != nil {
		return []byte(hostport), 0
	}
	return []byte(hostport[:i]), uint16(port)
}

// matches reports whether m, seen on hop, is of the one meant.
func (w *Who) matches(m *sip.Message, hop flow.Hop) bool {
	if w.addr.IsValid() {
		return w.addr.Unmap() == hop.Remote.Addr().Unmap() && (w.port == 0 || w.port == hop.Remote.Port())
	}
	if w.text == string(m.CallIDValue()) {
		return true
	}
	if m.IsRequest() {
		if uri, err := m.URI(); err == nil && w.is(uri) {
			return true
		}
	}
	return w.in(m.FromAddress()) || w.in(m.ToAddress())
}

func (w *Who) in(a *sip.Address, err error) bool {
	if err != nil {
		return false
	}
	uri, err := sip.ParseURI(a.URI)
	return err == nil && w.is(&uri)
}

// is compares the user with its escapes decoded (RFC 3261 §19.1.4), and the host
// only when one was given.
func (w *Who) is(uri *sip.URI) bool {
	if len(uri.User) == 0 {
		return false
	}
	var buf [256]byte // the longest user that is parsed
	user := uri.User
	if bytes.IndexByte(user, '%') >= 0 {
		user = sip.AppendUnescaped(buf[:0], user)
	}
	if !bytes.Equal(user, w.user) {
		return false
	}
	return w.host == nil || sip.EqualHost(uri.Host, w.host) && (w.hostPort == 0 || w.hostPort == uri.Port)
}
