package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/internal/admin"
	"viaduct/sip"
)

// A stateless front of two in front of two stateful nodes. The spreader stands
// for a router in front of the front that sends each packet anywhere, and some of
// them twice; so only what is a function of the message keeps a call together.
//
//	              ┌─▶ front ─┐   ┌─▶ node ─┐
//	caller ──▶ spreader      ├───┤         ├──▶ callee
//	              └─▶ front ─┘   └─▶ node ─┘

const frontConfig = `
server {
  mode   = "stateless"
  secret = "what all machines of the front share"
}
listen "udp" {
  address   = "%s:5060"
  advertise = "%s:5060"
}
group "nodes" {
  target "sip:%s" {}
  target "sip:%s" {}
  balance = hash(call_id)
}
rule "all" { send = group.nodes }
`

// twice is how many datagrams of a hundred are sent twice.
const twice = 5

// spread takes what comes to the front's address and gives each datagram to one
// of the fronts, some of them twice; what the fronts answer goes to the caller.
func spread(t *testing.T, at func(int) string, caller string, fronts ...string) {
	t.Helper()
	in, out := listen(t, at(1)+":5060"), listen(t, at(1)+":5080")
	random := rand.New(rand.NewPCG(1, 2))
	go forward(in, func(b []byte) {
		for range 1 + boolOf(random.IntN(100) < twice) {
			_, _ = out.WriteTo(b, udpAddr(fronts[random.IntN(len(fronts))])) // lost: it is sent again
		}
	})
	again := rand.New(rand.NewPCG(3, 4))
	go forward(out, func(b []byte) {
		for range 1 + boolOf(again.IntN(100) < twice) {
			_, _ = in.WriteTo(b, udpAddr(caller))
		}
	})
}

func boolOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// forward hands on every datagram until the socket is closed.
func forward(from net.PacketConn, to func([]byte)) {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := from.ReadFrom(buf)
		if err != nil {
			return
		}
		to(buf[:n])
	}
}

func listen(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", udpAddr(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // ends who reads from it
	return c
}

func udpAddr(s string) *net.UDPAddr {
	host, port, _ := net.SplitHostPort(s)
	n, _ := strconv.Atoi(port)
	return &net.UDPAddr{IP: net.ParseIP(host), Port: n}
}

// frontCallee answers by the user that is called, and remembers by which branches
// the requests of each call came.
type frontCallee struct {
	conn *net.UDPConn
	addr string

	mu       sync.Mutex
	invites  map[string]map[string]bool // Call-ID, branch
	acked    map[string]bool
	statuses map[string]string // Call-ID of a call that rings, its INVITE
}

func newFrontCallee(t *testing.T, addr string) *frontCallee {
	c := &frontCallee{
		conn: listen(t, addr), addr: addr,
		invites: map[string]map[string]bool{}, acked: map[string]bool{}, statuses: map[string]string{},
	}
	go c.serve()
	return c
}

func (c *frontCallee) serve() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		var m sip.Message
		if m.Parse(bytes.Clone(buf[:n])) == nil && m.IsRequest() {
			c.request(&m, from)
		}
	}
}

func (c *frontCallee) request(m *sip.Message, from *net.UDPAddr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := string(m.CallIDValue())
	uri, err := m.URI()
	via, viaErr := m.TopVia()
	if err != nil || viaErr != nil {
		return
	}
	say := func(to string, status int) {
		_, _ = c.conn.WriteToUDP(answerTo(to, status, c.addr), from) // lost: it is sent again
	}
	wire := string(m.Wire())
	switch m.Method() {
	case sip.INVITE:
		if c.invites[id] == nil {
			c.invites[id] = map[string]bool{}
		}
		c.invites[id][string(via.Branch)] = true
		switch string(uri.User) {
		case "refuse":
			say(wire, 486)
		case "ring":
			c.statuses[id] = wire
			say(wire, 180)
		default:
			say(wire, 180)
			say(wire, 200)
		}
	case sip.ACK:
		c.acked[id] = true
	case sip.CANCEL:
		say(wire, 200)
		if invite, ok := c.statuses[id]; ok {
			say(invite, 487)
		}
	default:
		say(wire, 200)
	}
}

// answerTo writes a response to a request.
func answerTo(request string, status int, contact string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, sip.StatusText(status))
	for line := range strings.SplitSeq(request, "\r\n") {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Via", "Record-Route", "From", "Call-ID", "CSeq":
			b.WriteString(line + "\r\n")
		case "To":
			if !strings.Contains(line, ";tag=") {
				line += ";tag=callee"
			}
			b.WriteString(line + "\r\n")
		}
	}
	fmt.Fprintf(&b, "Contact: <sip:bob@%s>\r\nContent-Length: 0\r\n\r\n", contact)
	return []byte(b.String())
}

// frontCaller makes one call after the other from one socket.
type frontCaller struct {
	t          *testing.T
	conn       *net.UDPConn
	addr       string // its own
	to, callee string
	n          int
}

// request writes a request of the call under way.
func (c *frontCaller) request(method, uri, branch string, seq int, lines ...string) string {
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s-%d\r\nMax-Forwards: 70\r\nFrom: <sip:alice@%s>;tag=a\r\n"+
		"Call-ID: front-%d\r\nCSeq: %d %s\r\nContact: <sip:alice@%s>\r\n%sContent-Length: 0\r\n\r\n",
		method, uri, c.addr, branch, c.n, c.addr, c.n, seq, method, c.addr, strings.Join(lines, ""))
}

// until sends a request, again after T1 as often as is needed (RFC 3261
// §17.1.1.2), and returns the first response for which found is true.
func (c *frontCaller) until(wire string, found func(*sip.Message) bool) *sip.Message {
	c.t.Helper()
	buf := make([]byte, 64<<10)
	for range 20 {
		if _, err := c.conn.WriteToUDP([]byte(wire), udpAddr(c.to)); err != nil {
			c.t.Fatal(err)
		}
		if err := c.conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			c.t.Fatal(err)
		}
		for {
			n, _, err := c.conn.ReadFromUDP(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				c.t.Fatal(err)
			}
			m := &sip.Message{}
			if m.Parse(bytes.Clone(buf[:n])) == nil && string(m.CallIDValue()) == fmt.Sprintf("front-%d", c.n) && found(m) {
				return m
			}
		}
	}
	c.t.Fatalf("call %d: nobody answers\n%s", c.n, wire)
	return nil
}

func finalOf(method string) func(*sip.Message) bool {
	return func(m *sip.Message) bool {
		seq, ok := m.Get("CSeq")
		return ok && strings.HasSuffix(string(seq), " "+method) && m.Status() >= 200
	}
}

// call makes one call to a user and checks how it ends.
func (c *frontCaller) call(user string, want int) {
	c.t.Helper()
	c.n++
	uri := "sip:" + user + "@" + c.callee
	to := "To: <" + uri + ">\r\n"
	invite := c.request("INVITE", uri, "i", 1, to)
	if user == "ring" {
		c.until(invite, func(m *sip.Message) bool { return m.Status() == 180 })
		c.until(c.request("CANCEL", uri, "i", 1, to), finalOf("INVITE"))
	}
	final := c.until(invite, finalOf("INVITE"))
	if final.Status() != want {
		c.t.Fatalf("call %d ends with %d, want %d", c.n, final.Status(), want)
	}
	tagged, _ := final.Get("To")
	to = "To: " + string(tagged) + "\r\n"
	if want >= 300 {
		_, _ = c.conn.WriteToUDP([]byte(c.request("ACK", uri, "i", 1, to)), udpAddr(c.to)) // the spreader is on this machine
		return
	}
	contact, err := sip.ParseAddress(firstOf(final, sip.Contact))
	if err != nil {
		c.t.Fatal(err)
	}
	route := routesOf(final)
	_, _ = c.conn.WriteToUDP([]byte(c.request("ACK", string(contact.URI), "a", 1, to, route)), udpAddr(c.to))
	if bye := c.until(c.request("BYE", string(contact.URI), "b", 2, to, route), finalOf("BYE")); bye.Status() != 200 {
		c.t.Fatalf("the BYE of call %d is answered %d", c.n, bye.Status())
	}
}

func firstOf(m *sip.Message, id sip.HeaderID) []byte {
	v, _ := m.First(id)
	return v.Text
}

// routesOf is the route set of a caller (RFC 3261 §12.1.2).
func routesOf(m *sip.Message) string {
	lines := ""
	for it := m.Values(sip.RecordRoute); it.Next(); {
		lines = "Route: " + string(it.Value.Text) + "\r\n" + lines
	}
	return lines
}

// sum adds up the samples of a metric that have a label value; "" takes all.
func (s *server) sum(t *testing.T, name, label string) int {
	t.Helper()
	var samples []admin.Sample
	if err := json.Unmarshal([]byte(s.ctl(t, "metrics", "-o", "json")), &samples); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, x := range samples {
		if x.Name != name {
			continue
		}
		for _, v := range x.Labels {
			if v == label {
				total += int(x.Value)
			}
		}
		if label == "" {
			total += int(x.Value)
		}
	}
	return total
}

// Every retransmission, CANCEL and ACK lands where its INVITE went, whichever
// machine of the front it passes. VIADUCT_FRONT_CALLS makes more calls.
// Proves: SL-4, SL-5, SL-9
func TestAStatelessFrontKeepsCallsTogether(t *testing.T) {
	t.Parallel()
	n := 102
	if s := os.Getenv("VIADUCT_FRONT_CALLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	at := network(t)
	const public = 1 // the address of the front
	fronts := []*server{
		start(t, configure(t, frontConfig, at(11), at(public), at(21), at(22))),
		start(t, configure(t, frontConfig, at(12), at(public), at(21), at(22))),
	}
	nodes := []*server{start(t, configure(t, everywhere, at(21))), start(t, configure(t, everywhere, at(22)))}
	spread(t, at, at(2)+":5080", at(11)+":5060", at(12)+":5060")
	callee := newFrontCallee(t, at(3)+":5070")
	caller := &frontCaller{t: t, conn: listen(t, at(2)+":5080"), addr: at(2) + ":5080", to: at(public) + ":5060", callee: at(3) + ":5070"}
	kinds := []struct {
		user   string
		status int
	}{{"bob", 200}, {"refuse", 486}, {"ring", 487}}
	for i := range n {
		kind := kinds[i%len(kinds)]
		caller.call(kind.user, kind.status)
	}
	all := func(servers []*server, name, label string) (sum int) {
		for _, s := range servers {
			sum += s.sum(t, name, label)
		}
		return sum
	}
	until(t, "every call to be acknowledged", func() bool {
		callee.mu.Lock()
		defer callee.mu.Unlock()
		return len(callee.acked) == n
	})
	callee.mu.Lock()
	for id, branches := range callee.invites {
		if len(branches) != 1 {
			t.Errorf("call %s came by %d branches: a copy of its INVITE went elsewhere", id, len(branches))
		}
	}
	if len(callee.invites) != n {
		t.Errorf("%d calls came, want %d", len(callee.invites), n)
	}
	callee.mu.Unlock()
	rings := n / len(kinds)
	for what, got := range map[string][2]int{
		"INVITE transactions of nodes":    {all(nodes, "viaduct_transactions_started_total", "invite_server"), n},
		"CANCELs that found their INVITE": {all(nodes, "viaduct_cancels_matched_total", ""), rings},
		"CANCELs that found none":         {all(nodes, "viaduct_cancels_forwarded_total", ""), 0},
		"ACKs that led nowhere at a node": {all(nodes, "viaduct_messages_dropped_total", "ack"), 0},
		"timeouts at nodes":               {all(nodes, "viaduct_transaction_timeouts_total", ""), 0},
		"requests that the front refused": {all(fronts, "viaduct_requests_refused_total", ""), 0},
		"messages that the front dropped": {all(fronts, "viaduct_messages_dropped_total", ""), 0},
		"transactions at the front":       {all(fronts, "viaduct_transactions_started_total", ""), 0},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", what, got[0], got[1])
		}
	}
	for i, s := range fronts {
		if s.sum(t, "viaduct_requests_passed_on_total", "") < n/2 {
			t.Errorf("front %d had next to nothing to do", i)
		}
	}
	for i, s := range nodes {
		if s.sum(t, "viaduct_requests_received_total", "INVITE") < n/5 {
			t.Errorf("node %d had next to nothing to do", i)
		}
	}
	if absorbed := all(nodes, "viaduct_transaction_duplicates_total", ""); absorbed == 0 {
		t.Error("no copy came: nothing is proven")
	}
}
