package proxy_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/siptest"
)

// handset is a registered phone that shows a GRUU as its Contact, as many do when
// the registrar offers one.
type handset struct {
	user, at  string // where it sends from
	on        int    // the listener that it uses
	contact   string // as registered
	temporary bool   // the GRUU that it shows
	gruu      string
	lines     []string // further ones of its REGISTER
}

var gruuOf = map[bool]*regexp.Regexp{
	false: regexp.MustCompile(`pub-gruu="([^"]+)"`), true: regexp.MustCompile(`temp-gruu="([^"]+)"`),
}

// enrol registers a handset and notes its GRUU.
func (d *desk) enrol(h *handset) {
	d.t.Helper()
	lines := append([]string{
		fmt.Sprintf(`Contact: <%s>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-%012x>"`, h.contact, len(h.user)),
		"Supported: gruu, path",
	}, h.lines...)
	x := d.registerOn(h.on, h.at, h.user, "secret", lines...)
	if x.Status != 200 {
		d.t.Fatalf("%s registers: %d %s", h.user, x.Status, x.Reason)
	}
	m := gruuOf[h.temporary].FindStringSubmatch(x.Get("contact"))
	if m == nil {
		d.t.Fatalf("no GRUU in %s", x.Get("contact"))
	}
	h.gruu = m[1]
}

// exchange is a dialog between two handsets, as its ends know it.
type exchange struct {
	d              *desk
	caller, callee *handset
	from, to       string   // the values of From and To of the caller
	route, back    []string // of the caller, of the callee
	seq            int
}

// converse plays INVITE and 200; nobody but the caller's INVITE is challenged.
func (d *desk) converse(caller, callee *handset, lines ...string) *exchange {
	d.t.Helper()
	e := &exchange{d: d, caller: caller, callee: callee, from: "<sip:" + caller.user + "@example.org>;tag=a", seq: 1}
	uri := "sip:" + callee.user + "@example.org"
	lines = append(lines, "From: "+e.from, "To: <"+uri+">", "Contact: <"+caller.gruu+">", via(d, caller, "first"))
	start := "INVITE " + uri + " SIP/2.0"
	challenge := d.refused(d.receiveOn(caller.on, caller.at, d.compose(start, lines...)), 407)
	lines[len(lines)-1] = via(d, caller, "second")
	lines = append(lines, d.answerTo(challenge, "Proxy-Authorization", caller.user, "secret", "INVITE", uri))
	x := d.arrived(d.receiveOn(caller.on, caller.at, d.compose(start, lines...)), callee)
	e.back = x.All("Record-Route")
	ok := d.refused(d.receiveOn(callee.on, callee.at, answer(x, "200 OK", "Contact: <"+callee.gruu+">")), 200)
	if ok.hop.Remote.String() != caller.at {
		d.t.Fatalf("the 200 went to %s", ok.hop.Remote)
	}
	e.to, e.route = ok.Get("To"), ok.All("Record-Route")
	slices.Reverse(e.route)
	return e
}

// via is the Via of a request of h.
func via(d *desk, h *handset, branch string) string {
	d.n++
	return fmt.Sprintf("Via: SIP/2.0/%s %s;branch=z9hG4bK-%s-%d", d.on[h.on].Protocol, h.at, branch, d.n)
}

// arrived expects one request at h, with its Contact as Request-URI and no Route.
func (d *desk) arrived(list []sent, h *handset) sent {
	d.t.Helper()
	x := d.relayed(list, h.at)
	if x.URI != h.contact || x.Has("route") {
		d.t.Fatalf("%s got the Request-URI %s with Route %q, want %s", h.user, x.URI, x.Get("route"), h.contact)
	}
	return x
}

// within plays a request inside the dialog, and its answer unless it is an ACK.
func (e *exchange) within(method string, backwards bool) {
	e.d.t.Helper()
	h, other, from, to, route := e.caller, e.callee, e.from, e.to, e.route
	if backwards {
		h, other, from, to, route = e.callee, e.caller, e.to, e.from, e.back
	}
	if method != "ACK" {
		e.seq++
	}
	lines := []string{"From: " + from, "To: " + to, fmt.Sprintf("CSeq: %d %s", e.seq, method), via(e.d, h, method), "Contact: <" + h.gruu + ">"}
	for _, r := range route {
		lines = append(lines, "Route: "+r)
	}
	x := e.d.arrived(e.d.receiveOn(h.on, h.at, e.d.compose(method+" "+other.gruu+" SIP/2.0", lines...)), other)
	if method == "ACK" {
		return
	}
	if ok := e.d.refused(e.d.receiveOn(other.on, other.at, answer(x, "200 OK", "Contact: <"+other.gruu+">")), 200); ok.hop.Remote.String() != h.at {
		e.d.t.Fatalf("the 200 to %s went to %s", method, ok.hop.Remote)
	}
}

// RFC 5627 §6.1: inside a dialog a GRUU as Request-URI is translated like any
// other, and neither rules nor digest stand in the way, whichever side a request
// comes from and whatever transports the two sides have. Nobody's flow is mistaken
// for that of the other.
// Proves: GR-2, GR-3
func TestDialogsBetweenGRUUs(t *testing.T) {
	t.Parallel()
	tcp := func(addr string) siptest.Listener {
		l := udp(addr)
		l.Protocol = flow.TCP
		return l
	}
	phones := map[string]handset{
		"UDP":            {at: "203.0.113.7:5060", on: 0, contact: "sip:x@203.0.113.7"},
		"UDP behind NAT": {at: "203.0.113.50:40000", on: 0, contact: "sip:x@10.0.0.9"},
		"TCP":            {at: "203.0.113.9:5060", on: 1, contact: "sip:x@203.0.113.9;transport=tcp"},
		"TCP behind NAT": {at: "203.0.113.51:40001", on: 1, contact: "sip:x@10.0.0.9:5062;transport=tcp"},
		"temporary":      {at: "203.0.113.10:5060", on: 0, contact: "sip:x@203.0.113.10", temporary: true},
	}
	for one := range phones {
		for other := range phones {
			t.Run(one+" calls "+other, func(t *testing.T) {
				t.Parallel()
				caller, callee := phones[one], phones[other]
				caller.user, callee.user = "alice", "bob"
				if one == other { // two of a kind live side by side
					callee.at = strings.Replace(callee.at, "203.0.113.", "203.0.113.1", 1)
					callee.contact = strings.Replace(callee.contact, "203.0.113.", "203.0.113.1", 1)
				}
				d := newDesk(t, office, udp(proxyAt), tcp(proxyAt))
				d.enrol(&caller)
				d.enrol(&callee)
				e := d.converse(&caller, &callee)
				e.within("ACK", false)
				for _, backwards := range []bool{false, true} {
					e.within("INVITE", backwards)
					e.within("ACK", backwards)
					e.within("BYE", backwards)
				}
			})
		}
	}
}
