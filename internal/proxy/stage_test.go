package proxy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/siptest"
)

// stage drives one core by messages written out, for what a ladder cannot say:
// bytes that no actor would send, several listeners, sources that change.
type stage struct {
	*element
	t    testing.TB
	now  clock.Instant
	fx   effect.List
	on   []siptest.Listener
	n    int    // requests composed
	call string // Call-ID of those that follow
	conn uint32 // number of the connection that those come by, if it is one
}

// sent is one message that left.
type sent struct {
	*siptest.Message
	hop   flow.Hop
	about effect.Handle
}

// The parties that most tests have.
const (
	proxyAt = "192.0.2.1:5060"
	aliceAt = "198.51.100.5:5060"
	bobAt   = "203.0.113.7:5060"
)

// newStage has one UDP listener at proxyAt unless others are named.
func newStage(t testing.TB, config string, listeners ...siptest.Listener) *stage {
	t.Helper()
	return newStageOf(t, config, 0, listeners...)
}

// newStageOf is newStage for a core with a bound of transactions.
func newStageOf(t testing.TB, config string, most int, listeners ...siptest.Listener) *stage {
	t.Helper()
	if len(listeners) == 0 {
		listeners = []siptest.Listener{udp(proxyAt)}
	}
	setup := &siptest.Setup{TB: t, Name: t.Name(), Config: config, Start: clock.Instant(100 * time.Second), Listeners: listeners}
	return &stage{element: newElementOf(setup, 1, most), t: t, now: setup.Start, on: listeners, call: "call"}
}

func udp(addr string) siptest.Listener {
	return siptest.Listener{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort(addr)}
}

// compose writes a request: the start line, the given header lines, and what
// RFC 3261 §8.1.1 wants and is not among them. "no:To" leaves a field out. A
// last line that begins with a line break is the body.
func (s *stage) compose(start string, lines ...string) string {
	s.n++
	method, _, _ := strings.Cut(start, " ")
	body := ""
	if n := len(lines); n > 0 && strings.HasPrefix(lines[n-1], "\n") {
		lines, body = lines[:n-1], lines[n-1][1:]
	}
	named := func(name string) bool {
		return slices.ContainsFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, name+":") || l == "no:"+name
		})
	}
	var b strings.Builder
	b.WriteString(start + "\r\n")
	for _, l := range []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK-%d", aliceAt, s.n),
		"Max-Forwards: 70", "From: <sip:alice@example.net>;tag=a", "To: <sip:bob@example.org>",
		"Call-ID: " + s.call, "CSeq: 1 " + method, fmt.Sprintf("Content-Length: %d", len(body)),
	} {
		if name, _, _ := strings.Cut(l, ":"); !named(name) {
			b.WriteString(l + "\r\n")
		}
	}
	for _, l := range lines {
		if !strings.HasPrefix(l, "no:") {
			b.WriteString(l + "\r\n")
		}
	}
	return b.String() + "\r\n" + body
}

// receive hands in a packet that came to the first listener.
func (s *stage) receive(from, wire string) []sent { return s.receiveOn(0, from, wire) }

func (s *stage) receiveOn(i int, from, wire string) []sent {
	s.t.Helper()
	s.fx.Reset()
	lent := []byte(wire)
	s.Receive(s.now, lent, flow.Flow{
		Local: s.on[i].Addr, Remote: netip.MustParseAddrPort(from), Listener: flow.Listener(i), Protocol: s.on[i].Protocol, Conn: s.conn,
	}, &s.fx)
	for i := range lent {
		lent[i] = '#' // who kept it is found out
	}
	return s.sends()
}

func (s *stage) sends() (list []sent) {
	for i := range s.fx.Sends {
		x := &s.fx.Sends[i]
		list = append(list, sent{siptest.ReadMessage(slices.Clone(x.Wire)), x.Hop, x.For})
	}
	return list
}

// pass lets time go on and returns what was sent meanwhile.
func (s *stage) pass(d time.Duration) (list []sent) {
	for end := s.now.Add(d); s.now < end; {
		s.now = s.now.Add(10 * time.Millisecond)
		s.fx.Reset()
		s.Expire(s.now, &s.fx)
		list = append(list, s.sends()...)
	}
	return list
}

// one expects exactly one message.
func (s *stage) one(list []sent) sent {
	s.t.Helper()
	if len(list) != 1 {
		var all []string
		for _, x := range list {
			all = append(all, x.hop.String()+" "+what(x))
		}
		s.t.Fatalf("got %d messages %q, want one", len(list), all)
	}
	return list[0]
}

// what is the method or the status.
func what(x sent) string {
	if x.IsRequest() {
		return x.Method
	}
	return fmt.Sprint(x.Status)
}

// answer writes the callee's response to a forwarded request.
func answer(x sent, status string, lines ...string) string {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, l := range x.Lines {
		switch l.Key {
		case "via", "from", "call-id", "cseq", "record-route":
			b.WriteString(l.Raw + "\r\n")
		case "to":
			b.WriteString(l.Raw)
			if x.Tag("To") == "" {
				b.WriteString(";tag=b")
			}
			b.WriteString("\r\n")
		}
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	return b.String() + "Content-Length: 0\r\n\r\n"
}

// relayed expects one request to to.
func (s *stage) relayed(list []sent, to string) sent {
	s.t.Helper()
	x := s.one(list)
	if !x.IsRequest() || x.hop.Remote.String() != to {
		s.t.Fatalf("got %s %q to %s, want the request at %s", what(x), x.Reason, x.hop.Remote, to)
	}
	if len(x.Faults) > 0 {
		s.t.Errorf("what was relayed is not well-formed: %q\n%s", x.Faults, x.Wire)
	}
	return x
}

// refused expects one response with a status.
func (s *stage) refused(list []sent, status int) sent {
	s.t.Helper()
	x := s.one(list)
	if x.Status != status {
		s.t.Fatalf("got %s %q, want %d", what(x), x.Reason, status)
	}
	return x
}

// silent expects nothing.
func (s *stage) silent(list []sent) {
	s.t.Helper()
	if len(list) != 0 {
		s.t.Fatalf("got %s to %s, want silence:\n%s", what(list[0]), list[0].hop.Remote, list[0].Wire)
	}
}
