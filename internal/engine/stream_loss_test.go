package engine_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/internal/engine"
	"viaduct/internal/transport"
)

// ends closes the connection that p speaks by and waits until the proxy has seen
// it, as the n-th.
func (k *talk) ends(p *party, n uint64) {
	k.t.Helper()
	p.hangUp()
	waitFor(k.t, func() bool { return k.office.Stats().Listeners[1].Streams[0].Ended[transport.EndPeer] == n })
}

// A connection of either side ends in each phase of a call, and the call goes on
// by new ones: the caller's answers go to where it listens, the callee's come by
// whichever connection it makes, and requests inside the dialog go to the Contact.
//
// Proves: TV-7, TV-8, TP-7, TP-19, FW-23, TX-18
func TestStreamLostInEveryPhase(t *testing.T) {
	phases := []string{"the INVITE", "180", "200", "ACK", "BYE"}
	for _, side := range []string{"caller", "callee", "both"} {
		for lost, name := range phases {
			t.Run(side+" after "+name, func(t *testing.T) {
				t.Parallel()
				o := openOffice(t, everywhere, engine.Config{})
				k := o.talk(t, o.party(t, "tcp"), o.party(t, "tcp"), "call")
				lose := func(phase int) {
					if phase != lost {
						return
					}
					n := uint64(0)
					if side != "callee" {
						n++
						k.ends(k.alice, n)
					}
					if side != "caller" {
						n++
						k.ends(k.bob, n)
					}
				}
				k.dial()
				lose(0)
				k.bob.reply(k.invite, "180 Ringing")
				k.alice.hear("SIP/2.0 180")
				lose(1)
				k.bob.reply(k.invite, "200 OK")
				ok := k.alice.hear("SIP/2.0 200")
				lose(2)
				k.caller = dialogOf(ok)
				k.callee = dialog{target: strings.Trim(k.invite.Get("Contact"), "<>"), extra: []string{
					"From: " + ok.Get("To"), "To: " + k.invite.Get("From"), "Call-ID: " + k.invite.CallID(),
				}}
				for _, r := range k.invite.All("Record-Route") {
					k.callee.extra = append(k.callee.extra, "Route: "+r)
				}
				k.send(k.alice, "ACK")
				k.bob.hear("ACK sip:")
				lose(3)
				k.exchange(k.bob, k.alice, "INFO")
				bye := k.within(k.bob, k.alice, "BYE")
				lose(4)
				if lost == 4 && side != "callee" { // it went into the flow that is gone: the Contact is tried
					bye = k.alice.hear("BYE sip:")
				}
				k.alice.reply(bye, "200 OK")
				k.bob.hear("SIP/2.0 200")
				if st := o.Stats(); st.InSetup != 0 || st.Proxy.Rejected[4] != 0 || st.Proxy.Rejected[5] != 0 {
					t.Errorf("got %+v", st.Proxy)
				}
			})
		}
	}
}

// What cannot be delivered at all is answered, and counted: a callee that does not
// listen; a caller that is gone and does not listen either ends nothing.
//
// Proves: TP-17, TV-13
func TestStreamNobodyThere(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{})
	alice, bob := o.party(t, "tcp"), o.party(t, "tcp")
	gone := o.party(t, "tcp")
	_ = gone.tcp.Close()
	alice.say(alice.request("INVITE", gone.uri(), "gone", 1)...)
	alice.hear("SIP/2.0 500")

	k := o.talk(t, o.party(t, "tcp"), bob, "call")
	k.dial()
	bob.reply(k.invite, "180 Ringing") // no 100 after this, when everything takes long
	k.alice.hear("SIP/2.0 180")
	_ = k.alice.tcp.Close()
	k.ends(k.alice, 1)
	bob.reply(k.invite, "183 Session Progress")
	waitFor(t, func() bool {
		l := o.Stats().Listeners[1].Streams[0]
		return l.Fallbacks == 1 && l.SendErrors == 2 && l.Ended[transport.EndConnect] == 2
	})
	if st := o.Stats(); st.InSetup != 1 || st.Proxy.Cancels != 0 {
		t.Errorf("the ringing call ended: %+v", st.Proxy)
	}
	bob.reply(k.invite, "486 Busy Here")
	bob.hear("ACK sip:") // and no CANCEL before
}

// A request above 1300 bytes to a callee on UDP goes by TCP when it listens there
// at the same port, and by UDP, with the same branch, when it does not.
//
// Proves: TP-10, TP-11
func TestStreamTakesWhatIsLarge(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{})
	alice, bob := o.party(t, "udp"), o.party(t, "udp")
	large := func(branch string) []string {
		lines := alice.request("MESSAGE", bob.uri(), branch, 1, "Subject: "+strings.Repeat("x", 1300))
		alice.say(lines...)
		return lines
	}
	large("udp.1")
	m := bob.hear("MESSAGE sip:")
	if via := m.Vias()[0]; via.Transport != "UDP" || via.SentBy() != o.udp.String() {
		t.Errorf("Via %s", via.Text)
	}
	bob.reply(m, "200 OK")
	alice.hear("SIP/2.0 200")
	if st := o.Stats(); st.Proxy.LargeByStream != 1 || st.Proxy.LargeByDatagram != 1 || st.Refusals != 1 {
		t.Errorf("%d by TCP, %d of them by UDP, %d remembered", st.Proxy.LargeByStream, st.Proxy.LargeByDatagram, st.Refusals)
	}

	// Another callee, who listens on both.
	both := o.party(t, "tcp")
	alice.say(alice.request("MESSAGE", "sip:bob@"+both.addr.String(), "tcp.1", 1, "Subject: "+strings.Repeat("x", 1300))...)
	m = both.hear("MESSAGE sip:")
	if via := m.Vias()[0]; via.Transport != "TCP" || via.SentBy() != o.tcp.String() {
		t.Errorf("Via %s", via.Text)
	}
	both.reply(m, "200 OK")
	alice.hear("SIP/2.0 200")
}

// framed are the torture messages that a stream cannot be cut after: what the
// first answer is, if any.
var framed = map[string]string{
	"rfc4475/clerr":   "", // the rest of it is awaited until the time limit
	"rfc4475/ncl":     "SIP/2.0 400",
	"rfc4475/mcl01":   "SIP/2.0 400",
	"rfc4475/baddn":   "SIP/2.0 400", // without an empty line
	"rfc4475/inv2543": "SIP/2.0 400", // without a Content-Length
	"rfc4475/dblreq":  "SIP/2.0 500", // two requests; the second has a body that takes what follows
}

// The messages of RFC 4475 and RFC 5118 over TCP, each on a connection of its own
// with an OPTIONS behind it: where the stream can be cut the OPTIONS is answered,
// where it cannot the connection ends; no callee sees anything malformed, and the
// next caller is served.
//
// Proves: TO-15, TO-16, TO-42, TP-4, TP-5, RB-1
func TestStreamTorture(t *testing.T) {
	t.Parallel()
	o := openOffice(t, everywhere, engine.Config{Streams: transport.StreamLimits{Message: 300 * time.Millisecond}})
	files, err := filepath.Glob("../../sip/testdata/rfc*/*.sip")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	alice := o.party(t, "tcp")
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file)) + "/" + strings.TrimSuffix(filepath.Base(file), ".sip")
		c, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(o.tcp))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		options := strings.Join(alice.request("OPTIONS", "sip:"+o.tcp.String(), fmt.Sprintf("t%d.o", i), 1), "\r\n") + "\r\n\r\n"
		if _, err := c.Write(append(text, options...)); err != nil {
			t.Fatal(err)
		}
		got := until(c, fmt.Sprintf("Call-ID: t%d@", i))
		_ = c.Close()
		answered := strings.Contains(got, fmt.Sprintf("Call-ID: t%d@", i))
		first, cannot := framed[name]
		switch {
		case cannot && !strings.HasPrefix(got, first):
			t.Errorf("%s: got %q, want %q", name, got, first)
		case cannot && (answered || first == "" && got != ""):
			t.Errorf("%s: got %q", name, got)
		case !cannot && !answered:
			t.Errorf("%s: the OPTIONS behind it was not answered: %q", name, got)
		}
	}
	k := o.talk(t, alice, o.party(t, "tcp"), "after")
	k.exchangeOptions()
}

// until reads c until text has come or the connection ends.
func until(c net.Conn, text string) string {
	var all strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(all.String(), text) {
		n, err := c.Read(b)
		all.Write(b[:n])
		if err != nil {
			break
		}
	}
	return all.String()
}
