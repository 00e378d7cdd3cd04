package proxy_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
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

// A GRUU whose instance has no binding any more is 480, also inside a dialog, unless
// the flow of the cookie still leads to the phone.
// Proves: GR-4
func TestGRUUWithoutBinding(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	alice := handset{user: "alice", at: aliceAt, contact: "sip:alice@198.51.100.5"}
	bob := handset{user: "bob", at: "203.0.113.50:40000", contact: "sip:bob@10.0.0.9"}
	d.enrol(&alice)
	d.enrol(&bob)
	e := d.converse(&alice, &bob)
	for _, h := range []*handset{&alice, &bob} {
		if x := d.register(h.at, h.user, "secret", "Contact: *", "Expires: 0"); x.Status != 200 {
			t.Fatalf("%d", x.Status)
		}
	}
	bye := func(h, other *handset, from, to string, route []string) []sent {
		lines := []string{"From: " + from, "To: " + to, "CSeq: 2 BYE", via(d, h, "bye")}
		for _, r := range route {
			lines = append(lines, "Route: "+r)
		}
		return d.receive(h.at, d.compose("BYE "+other.gruu+" SIP/2.0", lines...))
	}
	d.refused(bye(&bob, &alice, e.to, e.from, e.back), 480)
	if x := d.relayed(bye(&alice, &bob, e.from, e.to, e.route), bob.at); x.URI != bob.gruu {
		t.Errorf("Request-URI %s", x.URI)
	}
}

// edgeAt is the proxy that a phone has registered by.
const edgeAt = "192.0.2.77:5060"

// behindEdge is a handset that registers by an edge proxy.
func behindEdge(user string) handset {
	return handset{user: user, at: edgeAt, contact: "sip:" + user + "@203.0.113.200", lines: []string{"Path: <sip:192.0.2.77;lr>"}}
}

// RFC 3327 §5.4, RFC 5627 §6.1: the Path leads the first request; inside the dialog
// it leads a request to a GRUU too, as long as no Route value says the way, and the
// ACK of a 2xx no less than others.
// Proves: GR-10, PA-1, PA-3
func TestGRUUAndPath(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	alice, bob := handset{user: "alice", at: aliceAt, contact: "sip:alice@198.51.100.5"}, behindEdge("bob")
	d.enrol(&alice)
	d.enrol(&bob)
	invite := func(lines ...string) sent {
		t.Helper()
		lines = append(lines, "From: <sip:alice@example.org>;tag=a", "Contact: <"+alice.gruu+">")
		uri := "sip:bob@example.org"
		challenge := d.refused(d.receive(aliceAt, d.compose("INVITE "+uri+" SIP/2.0", lines...)), 407)
		lines = append(lines, d.answerTo(challenge, "Proxy-Authorization", "alice", "secret", "INVITE", uri))
		return d.relayed(d.receive(aliceAt, d.compose("INVITE "+uri+" SIP/2.0", lines...)), edgeAt)
	}
	x := invite()
	if x.URI != bob.contact || strings.Join(x.All("route"), " ") != "<sip:192.0.2.77;lr>" {
		t.Errorf("the INVITE: %s with Route %q", x.URI, x.All("route"))
	}
	const edges = "Record-Route: <sip:flow@192.0.2.77;lr>\r\n"
	for name, c := range map[string]struct{ edge, route string }{
		"the edge stays in the dialog":   {edges, "<sip:flow@192.0.2.77;lr>"},
		"the edge leaves it to the Path": {"", "<sip:192.0.2.77;lr>"},
	} {
		ok := strings.Replace(answer(x, "200 OK", "Contact: <"+bob.gruu+">"), "Record-Route:", c.edge+"Record-Route:", 1)
		got := d.refused(d.receive(edgeAt, ok), 200)
		route := got.All("record-route")
		slices.Reverse(route)
		for _, method := range []string{"ACK", "BYE"} {
			lines := []string{"From: " + got.Get("from"), "To: " + got.Get("to"), "CSeq: 1 ACK"}
			if method == "BYE" {
				lines[2] = "CSeq: 2 BYE"
			}
			for _, r := range route {
				lines = append(lines, "Route: "+r)
			}
			y := d.relayed(d.receive(aliceAt, d.compose(method+" "+bob.gruu+" SIP/2.0", lines...)), edgeAt)
			if y.URI != bob.contact || strings.Join(y.All("route"), " ") != c.route {
				t.Errorf("%s: %s for %s with Route %q, want %s", name, method, y.URI, y.All("route"), c.route)
			}
		}
	}
}

const shy = `
server {
  domains   = ["example.org"]
  redirects = "follow"
}
` + staff + `
rule "register" {
  when         = method == REGISTER
  authenticate = users.staff
  register { }
}
rule "known" {
  when         = dest.user == "bob" && header["Subject"] == "ask"
  authenticate = users.staff
  send         = location
  record_route = false
}
rule "calls" {
  when         = local(dest.domain)
  send         = location
  record_route = false
  otherwise { send = "sip:mail@203.0.113.99" }
}
rule "others" {
  send         = "sip:203.0.113.88"
  record_route = false
}
`

// RFC 5627 §6.2: where a GRUU makes the dialog depend on it, Record-Route is
// written whatever the rule says: toward an instance that is reached by a Path, and
// for a caller who shows a GRUU of ours through proxies that stay in the dialog.
// Somebody else's GRUU is refused there.
// Proves: GR-8
func TestRecordRouteForGRUUs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, shy)
	alice, bob := handset{user: "alice", at: aliceAt, contact: "sip:alice@198.51.100.5"}, behindEdge("bob")
	near := handset{user: "vip", at: bobAt, contact: "sip:vip@203.0.113.7"}
	for _, h := range []*handset{&alice, &bob, &near} {
		d.enrol(h)
	}
	if x := d.register(carolAt, "open", "secret", "Contact: <sip:open@203.0.113.8>", "Path: <sip:192.0.2.77;lr>", "Supported: path"); x.Status != 200 {
		t.Fatalf("%d", x.Status)
	}
	const through = "Record-Route: <sip:192.0.2.99;lr>"
	plain, shown := "Contact: <sip:alice@198.51.100.5>", "Contact: <"+alice.gruu+">"
	foreign := strings.Replace(shown, "example.org", "example.net", 1)
	for i, c := range []struct {
		why, method, user string
		lines             []string
		recorded          bool
	}{
		{"an instance with a Path", "INVITE", "bob", []string{plain}, true},
		{"the same to a GRUU", "INVITE", bob.gruu, []string{plain}, true},
		{"an instance without a Path", "INVITE", "vip", []string{plain}, false},
		{"a Path without an instance", "INVITE", "open", []string{plain}, false},
		{"a GRUU as Contact", "INVITE", "vip", []string{shown}, false},
		{"a GRUU as Contact through a proxy", "INVITE", "vip", []string{shown, through}, true},
		{"another's GRUU", "INVITE", "vip", []string{foreign, through}, false},
		{"no GRUU", "INVITE", "vip", []string{plain, through}, false},
		{"what makes no dialog", "MESSAGE", "bob", []string{plain}, false},
	} {
		d.stage.call = fmt.Sprintf("record-%d", i)
		uri := c.user
		if !strings.HasPrefix(uri, "sip:") {
			uri = "sip:" + c.user + "@example.org"
		}
		x := d.one(d.receive(aliceAt, d.compose(c.method+" "+uri+" SIP/2.0", c.lines...)))
		own := slices.ContainsFunc(x.All("record-route"), func(v string) bool { return strings.Contains(v, "@192.0.2.1:5060") })
		if own != c.recorded {
			t.Errorf("%s: Record-Route %q", c.why, x.All("record-route"))
		}
	}
	// Who has been authenticated as somebody else has no business with that GRUU.
	for user, status := range map[string]int{"alice": 0, "open": 403} {
		d.stage.call = "who-" + user
		lines := []string{"From: <sip:" + user + "@example.org>;tag=f", shown, through, "Subject: ask"}
		uri := "sip:bob@example.org"
		challenge := d.refused(d.receive(aliceAt, d.compose("INVITE "+uri+" SIP/2.0", lines...)), 407)
		lines = append(lines, d.answerTo(challenge, "Proxy-Authorization", user, "secret", "INVITE", uri))
		if x := d.one(d.receive(aliceAt, d.compose("INVITE "+uri+" SIP/2.0", lines...))); x.Status != status {
			t.Errorf("%s shows the GRUU of alice: got %s %s", user, what(x), x.Reason)
		}
	}
}

// RFC 5627 §6.1: a GRUU means one instance, so that nothing forwards its calls: no
// further end, and no Contact of a 3xx. What only answers may be said otherwise. A
// GRUU of others keeps its gr; one of ours gives way to the Contact.
// Proves: GR-7, GR-16
func TestGRUUsAreNotForwarded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, shy)
	vip := handset{user: "vip", at: bobAt, contact: "sip:vip@203.0.113.7;ob;x=y"}
	d.enrol(&vip)
	contact := "Contact: <sip:alice@198.51.100.5>"
	for status, lines := range map[string][]string{
		"486 Busy Here": nil, "302 Moved Temporarily": {"Contact: <sip:other@203.0.113.8>"},
	} {
		for _, uri := range []string{vip.gruu, "sip:vip@example.org"} {
			d.stage.call = status[:3] + fmt.Sprint(len(uri))
			x := d.relayed(d.receive(aliceAt, d.compose("INVITE "+uri+" SIP/2.0", contact)), bobAt)
			if x.URI != vip.contact {
				t.Errorf("%s became %s", uri, x.URI)
			}
			list := d.receive(bobAt, answer(x, status, lines...))
			last := list[len(list)-1]
			if forwarded := last.IsRequest() && last.Method == "INVITE"; forwarded != (uri != vip.gruu) {
				t.Errorf("%s of %s: got %s to %s", status, uri, what(last), last.hop.Remote)
			}
		}
	}
	foreign := "sip:bob@example.net;gr=urn:uuid:00000000-0000-1000-8000-00000000abcd"
	if x := d.one(d.receive(aliceAt, d.compose("INVITE "+foreign+" SIP/2.0", contact, "Call-ID: far"))); x.URI != foreign {
		t.Errorf("a GRUU of others became %s", x.URI)
	}
}
