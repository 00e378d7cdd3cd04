package engine_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"viaduct/internal/engine"
	"viaduct/internal/siptest"
	"viaduct/internal/transport"
)

// talk is a call between two parties, as far as it has come.
type talk struct {
	t          *testing.T
	office     *office
	alice, bob *party
	name       string
	cseq       int
	invite     *siptest.Message // as bob has it
	caller     dialog           // what alice knows
	callee     dialog           // what bob knows
}

func (o *office) talk(t *testing.T, alice, bob *party, name string) *talk {
	return &talk{t: t, office: o, alice: alice, bob: bob, name: name, cseq: 1}
}

// dial sends the INVITE and has it ring.
func (k *talk) dial(extra ...string) {
	k.t.Helper()
	k.alice.say(k.alice.request("INVITE", k.bob.uri(), k.name, 1, extra...)...)
	k.invite = k.bob.hear("INVITE sip:bob@")
	k.shows(k.invite)
}

// shows holds that what the proxy wrote of itself is where it listens, and the
// transport that of each side (RFC 3261 §18.1.1, RFC 5658 §6.2).
func (k *talk) shows(m *siptest.Message) {
	k.t.Helper()
	to, word := k.office.udp, "UDP"
	if k.bob.tcp != nil {
		to, word = k.office.tcp, "TCP"
	}
	if via := m.Vias()[0]; via.Transport != word || via.SentBy() != to.String() {
		k.t.Errorf("top Via of %s by %s to a callee of %s", via.SentBy(), via.Transport, word)
	}
	var want []string
	for _, p := range []*party{k.bob, k.alice} {
		if p.tcp != nil {
			want = append(want, k.office.tcp.String()+";transport=tcp;lr>")
		} else {
			want = append(want, k.office.udp.String()+";lr>")
		}
	}
	got := m.All("Record-Route")
	if len(got) != len(want) {
		k.t.Fatalf("Record-Route %q", got)
	}
	for i := range got {
		if _, after, _ := strings.Cut(got[i], "@"); after != want[i] {
			k.t.Errorf("Record-Route %q, want %q", got[i], want[i])
		}
	}
}

// pickUp has bob answer and alice acknowledge.
func (k *talk) pickUp() {
	k.t.Helper()
	k.bob.reply(k.invite, "200 OK")
	ok := k.alice.hear("SIP/2.0 200")
	k.caller = dialogOf(ok)
	k.callee = dialog{target: strings.Trim(k.invite.Get("Contact"), "<>"), extra: []string{
		"From: " + ok.Get("To"), "To: " + k.invite.Get("From"), "Call-ID: " + k.invite.CallID(),
	}}
	for _, r := range k.invite.All("Record-Route") {
		k.callee.extra = append(k.callee.extra, "Route: "+r)
	}
	k.alice.say(k.alice.request("ACK", k.caller.target, k.name+".ack", 1, k.caller.extra...)...)
	k.bob.hear("ACK sip:bob@")
}

// within sends a request of one side inside the dialog, and expects it at the other.
func (k *talk) within(from, to *party, method string) *siptest.Message {
	k.t.Helper()
	k.send(from, method)
	return to.hear(method + " sip:")
}

func (k *talk) send(from *party, method string) {
	k.t.Helper()
	if method != "ACK" {
		k.cseq++
	}
	branch := fmt.Sprintf("%s.%d%s", k.name, k.cseq, method)
	d := k.caller
	if from == k.bob {
		d = k.callee
	}
	var lines []string
	for _, l := range from.request(method, d.target, branch, k.cseq, d.extra...) {
		if from == k.bob && (strings.HasPrefix(l, "From: <sip:alice") || strings.HasPrefix(l, "Call-ID: "+k.name+"@"+from.addr.String())) {
			continue // its own are among the extra ones
		}
		lines = append(lines, l)
	}
	from.say(lines...)
}

// exchange is within with its 200.
func (k *talk) exchange(from, to *party, method string) {
	k.t.Helper()
	to.reply(k.within(from, to, method), "200 OK")
	from.hear("SIP/2.0 200")
	if method == "INVITE" {
		k.within(from, to, "ACK")
	}
}

// A whole call over each pair of transports, with requests and its end from both
// sides. Nothing shows a port that is not listened on, and the connection that a
// caller made serves what comes for it.
//
// Proves: TP-1, TV-7, TV-14, RR-7, FW-9, RS-10
func TestStreamCall(t *testing.T) {
	for _, pair := range [][2]string{{"udp", "tcp"}, {"tcp", "udp"}, {"tcp", "tcp"}} {
		for _, caller := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s to %s, ended by the caller %v", pair[0], pair[1], caller), func(t *testing.T) {
				t.Parallel()
				o := openOffice(t, everywhere, engine.Config{})
				k := o.talk(t, o.party(t, pair[0]), o.party(t, pair[1]), "call")
				k.dial()
				k.bob.reply(k.invite, "180 Ringing")
				k.alice.hear("SIP/2.0 180")
				k.pickUp()
				k.exchange(k.alice, k.bob, "INVITE")
				k.exchange(k.bob, k.alice, "INVITE")
				if caller {
					k.exchange(k.alice, k.bob, "BYE")
				} else {
					k.exchange(k.bob, k.alice, "BYE")
				}
				st := o.Stats()
				streams := st.Listeners[1].Streams[0]
				if st.Proxy.Transactions.Kinds[0].Retransmitted != 0 || streams.SendErrors != 0 || streams.Fallbacks != 0 {
					t.Errorf("counted %+v", streams)
				}
				if want := strings.Count(pair[0]+pair[1], "tcp"); streams.Open != want {
					t.Errorf("%d connections for %d parties on TCP", streams.Open, want)
				}
			})
		}
	}
}

// CANCEL and the ACK of a non-2xx go by the connection of their INVITE.
//
// Proves: TX-29
func TestStreamCancel(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{})
	k := o.talk(t, o.party(t, "tcp"), o.party(t, "tcp"), "call")
	k.dial()
	k.bob.reply(k.invite, "180 Ringing")
	k.alice.hear("SIP/2.0 180")
	k.alice.say(k.alice.request("CANCEL", k.bob.uri(), "call", 1)...)
	k.alice.hear("SIP/2.0 200")
	cancel := k.bob.hear("CANCEL sip:")
	if cancel.Branch() != k.invite.Branch() {
		t.Errorf("CANCEL with branch %s, INVITE with %s", cancel.Branch(), k.invite.Branch())
	}
	k.bob.reply(cancel, "200 OK")
	k.bob.reply(k.invite, "487 Request Terminated")
	if ack := k.bob.hear("ACK sip:"); ack.Branch() != k.invite.Branch() {
		t.Errorf("ACK with branch %s", ack.Branch())
	}
	k.alice.hear("SIP/2.0 487")
	k.alice.say(k.alice.request("ACK", k.bob.uri(), "call", 1, "To: <sip:bob@example.org>;tag=callee")...)
	k.exchangeOptions()
	if n := o.Stats().Listeners[1].Streams[0].Open; n != 2 {
		t.Errorf("%d connections", n)
	}
}

// exchangeOptions shows that the proxy answers alice.
func (k *talk) exchangeOptions() {
	k.t.Helper()
	k.cseq++
	k.alice.say(k.alice.request("OPTIONS", "sip:"+k.office.tcp.String()+";transport=tcp", fmt.Sprintf("o.%d", k.cseq), k.cseq)...)
	k.alice.hear("SIP/2.0 200")
}

// A call whose bytes come one by one, and requests of many calls in one segment:
// the stream is cut where the messages end, and nothing passes another.
//
// Proves: TP-3
func TestStreamSegments(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{})
	k := o.talk(t, o.party(t, "tcp"), o.party(t, "tcp"), "call")
	k.alice.chunk, k.bob.chunk = 1, 1
	k.dial()
	k.pickUp()
	k.exchange(k.bob, k.alice, "BYE")

	const n = 40
	k.alice.chunk, k.bob.chunk = 0, 0
	var text strings.Builder
	for i := range n {
		lines := k.alice.request("MESSAGE", k.bob.uri(), fmt.Sprintf("m%d.m", i), 1)
		for j, l := range lines {
			lines[j] = strings.Replace(l, "SIP/2.0/UDP", "SIP/2.0/TCP", 1)
		}
		text.WriteString(strings.Join(lines, "\r\n") + "\r\n\r\n")
		if i%3 == 0 {
			text.WriteString("\r\n\r\n") // a keepalive between two
		}
	}
	k.alice.write(text.String())
	for i := range n {
		m := k.bob.hear("MESSAGE sip:")
		if call, _, _ := strings.Cut(m.CallID(), "@"); call != fmt.Sprintf("m%d", i) {
			t.Fatalf("%s came as number %d", call, i)
		}
		k.bob.reply(m, "200 OK")
	}
}

// A peer that sends a message byte by byte for ever is cut off at the time limit
// of a message, and disturbs nobody meanwhile.
//
// Proves: RB-5, TP-14
func TestStreamSlowLoris(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{Streams: transport.StreamLimits{Message: 300 * time.Millisecond}})
	var slow []net.Conn
	for range 20 {
		c, err := net.Dial("tcp4", o.tcp.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		slow = append(slow, c)
		if _, err := c.Write([]byte("INVITE sip:bob@example.org SIP/2.0\r\nVia: ")); err != nil {
			t.Fatal(err)
		}
	}
	k := o.talk(t, o.party(t, "tcp"), o.party(t, "tcp"), "call")
	k.dial()
	k.pickUp()
	for _, c := range slow {
		_ = c.SetDeadline(time.Now().Add(patience))
		for { // a byte now and then does not help
			if _, err := c.Write([]byte("x")); err != nil {
				break
			}
			<-time.NewTimer(20 * time.Millisecond).C
		}
	}
	if n := o.Stats().Listeners[1].Streams[0].Ended[transport.EndSlow]; n != uint64(len(slow)) {
		t.Errorf("%d cut off, want %d", n, len(slow))
	}
	k.exchange(k.alice, k.bob, "BYE")
}

// A body of 60,000 bytes passes as it is, both ways.
//
// Proves: TP-2
func TestStreamLargeBody(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{})
	alice, bob := o.party(t, "tcp"), o.party(t, "tcp")
	body := strings.Repeat("0123456789", 6000)
	lines := alice.request("MESSAGE", bob.uri(), "big", 1)
	lines[1] = strings.Replace(lines[1], "UDP", "TCP", 1)
	lines[len(lines)-1] = fmt.Sprintf("Content-Length: %d", len(body))
	alice.write(strings.Join(lines, "\r\n") + "\r\n\r\n" + body)
	m := bob.hear("MESSAGE sip:")
	if m.Body != body {
		t.Errorf("%d bytes came", len(m.Body))
	}
	answer := bob.response(m, "200 OK")
	answer[len(answer)-1] = fmt.Sprintf("Content-Length: %d", len(body))
	bob.write(strings.Join(answer, "\r\n") + "\r\n\r\n" + body)
	if got := alice.hear("SIP/2.0 200"); got.Body != body {
		t.Errorf("%d bytes came back", len(got.Body))
	}
}
