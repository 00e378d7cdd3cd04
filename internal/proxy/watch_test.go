package proxy_test

import (
	"testing"
	"time"
)

const danAt = "203.0.113.9:5060"

// registers has a further phone of user open registered.
func (d *desk) registers(from, contact string, lines ...string) {
	d.t.Helper()
	if x := d.register(from, "open", "secret", append(lines, "Contact: "+contact)...); x.Status != 200 {
		d.t.Fatalf("%s registers: %d %s", from, x.Status, x.Reason)
	}
}

// rings calls open and has the phone at to ring.
func (d *desk) rings(to string) sent {
	d.t.Helper()
	x := d.relayed(d.call("open"), to)
	d.refused(d.receive(to, answer(x, "180 Ringing")), 180)
	return x
}

// RFC 3261 §16.5: a phone that registers while the others ring is called, with those
// of its q or after them; one that only refreshes is not called twice, and neither
// is another flow of one that rings. When the search is over nobody is called.
//
// Proves: TG-14
func TestWhoRegistersMeanwhileIsCalled(t *testing.T) {
	t.Parallel()
	begin := func() (*desk, sent) {
		d := newDesk(t, office)
		d.registers(bobAt, "<sip:open@203.0.113.7>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000000000001>\"")
		return d, d.rings(bobAt)
	}
	const soon = 2100 * time.Millisecond

	d, x := begin()
	d.silent(d.pass(soon))
	d.registers(bobAt, "<sip:open@203.0.113.7>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000000000001>\"")
	d.registers(danAt, "<sip:open@203.0.113.9>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000000000001>\"")
	d.silent(d.pass(soon))
	d.registers(carolAt, "<sip:open@203.0.113.8>")
	y := d.relayed(d.pass(soon), carolAt)
	if y.URI != "sip:open@203.0.113.8" || y.Branch() == x.Branch() {
		t.Errorf("carol is called as %s", y.URI)
	}
	list := d.receive(carolAt, answer(y, "200 OK", "Contact: <sip:open@203.0.113.8>"))
	if len(list) != 2 || list[0].Status != 200 || list[1].Method != "CANCEL" || list[1].hop.Remote.String() != bobAt {
		t.Errorf("carol's 200 gave %d messages", len(list))
	}

	// A lower q waits for its turn.
	d, x = begin()
	d.registers(carolAt, "<sip:open@203.0.113.8>;q=0.5")
	d.silent(d.pass(soon))
	d.relayed(d.receive(bobAt, answer(x, "486 Busy Here"))[1:], carolAt)

	// When it is over nobody new is called.
	d, x = begin()
	d.receive(bobAt, answer(x, "603 Decline"))
	d.registers(carolAt, "<sip:open@203.0.113.8>")
	for _, z := range d.pass(time.Minute) {
		if z.IsRequest() {
			t.Errorf("after a 603 %s to %s", what(z), z.hop.Remote)
		}
	}
	if !d.core.Idle() {
		t.Errorf("left: %+v", d.core.Stats())
	}
	d, x = begin()
	d.receive(bobAt, answer(x, "486 Busy Here"))
	d.registers(carolAt, "<sip:open@203.0.113.8>")
	for _, z := range d.pass(time.Minute) {
		if z.IsRequest() {
			t.Errorf("after a 486 of the only phone %s to %s", what(z), z.hop.Remote)
		}
	}
}
