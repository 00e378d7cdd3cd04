package proxy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"viaduct/internal/flow"
)

// flowLines register flow n of the phone of a user.
func flowLines(user string, n int) []string {
	return []string{
		fmt.Sprintf(`Contact: <sip:%s@10.0.0.9>;reg-id=%d;+sip.instance="<urn:uuid:%s>"`, user, n, user),
		"Supported: outbound, path",
	}
}

// withFlows is a desk where the phone of open has three flows, the last of which is
// the most recent.
func withFlows(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t, office, udp(proxyAt), tcp(proxyAt))
	for n, on := range []int{0, 1, 0} {
		d.now = d.now.Add(time.Second)
		if x := d.registerOn(on, flowAt(n), "open", "secret", flowLines("open", n+1)...); x.Status != 200 || x.Get("require") != "outbound" {
			t.Fatalf("flow %d: %d %s", n+1, x.Status, x.Reason)
		}
	}
	return d
}

func flowAt(n int) string { return fmt.Sprintf("203.0.113.5%d:4000%d", n, n) }

// RFC 5626 §6, §7: a request goes into the flow that the binding came by, from the
// same address, and by the connection that is there.
// Proves: OB-5, OB-4
func TestRequestsUseTheFlowOfTheBinding(t *testing.T) {
	t.Parallel()
	for n, on := range []int{0, 1} {
		d := newDesk(t, office, udp(proxyAt), tcp(proxyAt))
		d.conn = uint32(7 * on)
		if x := d.registerOn(on, flowAt(n), "open", "secret", flowLines("open", 1)...); x.Status != 200 {
			t.Fatalf("%d", x.Status)
		}
		d.conn = 0
		x := d.relayed(d.call("open"), flowAt(n))
		want := flow.Hop{Protocol: d.on[on].Protocol, Listener: flow.Listener(on), Local: d.on[on].Addr, Remote: x.hop.Remote, Conn: uint32(7 * on)}
		if x.hop != want {
			t.Errorf("by %+v, want %+v", x.hop, want)
		}
	}
}

// RFC 5626 §7, RFC 5627 §6.1: one flow of an instance at a time, the most recent
// first; the next one after a 408 or 430, or when nothing could be sent; after any
// other final response the instance has spoken.
// Proves: OB-4, OB-6, OB-16, GR-9
func TestNextFlowOfAnInstance(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"430 Flow Failed", "408 Request Timeout"} {
		d := withFlows(t)
		x := d.relayed(d.call("open"), flowAt(2))
		for n := 1; n >= 0; n-- {
			list := d.receive(flowAt(n+1), answer(x, status))
			x = d.relayed(list[1:], flowAt(n)) // after the ACK
		}
		list := d.receive(flowAt(0), answer(x, status))
		if last := list[len(list)-1]; len(list) != 2 || last.IsRequest() {
			t.Errorf("%s of the last flow: %d messages, %s", status, len(list), what(last))
		}
	}
	for _, status := range []int{300, 302, 400, 401, 404, 480, 481, 484, 486, 487, 488, 500, 503, 600, 603} {
		d := withFlows(t)
		x := d.relayed(d.call("open"), flowAt(2))
		list := d.receive(flowAt(2), answer(x, fmt.Sprintf("%d No", status)))
		if slices.ContainsFunc(list, func(y sent) bool { return y.Method == "INVITE" }) {
			t.Errorf("after %d the next flow was called", status)
		}
	}
	// Nobody hears anything: a flow that is broken, and one that is silent.
	d := withFlows(t)
	x := d.relayed(d.call("open"), flowAt(2))
	d.fx.Reset()
	d.core.Broken(d.now, x.about, &d.fx)
	d.relayed(d.sends(), flowAt(1))
	silent := d.pass(33 * time.Second)
	if !slices.ContainsFunc(silent, func(y sent) bool { return y.Method == "INVITE" && y.hop.Remote.String() == flowAt(0) }) {
		t.Error("after a flow that was silent no other was called")
	}
}

// A phone that rings has the call: no other flow of it is called when it is silent
// from there on, and none when the caller gives up.
func TestNoFlowAfterOneThatRang(t *testing.T) {
	t.Parallel()
	d := withFlows(t)
	x := d.relayed(d.call("open"), flowAt(2))
	d.receive(flowAt(2), answer(x, "180 Ringing"))
	for _, y := range d.pass(11 * time.Minute) {
		if y.Method == "INVITE" && y.hop.Remote.String() != flowAt(2) {
			t.Fatalf("an INVITE to %s", y.hop.Remote)
		}
	}
	if !d.core.Idle() {
		t.Errorf("left: %+v", d.core.Stats())
	}
}

// An instance whose Contact is in the set already, by another address of record,
// still has its other flows behind it.
func TestSparesOfAnEqualTarget(t *testing.T) {
	t.Parallel()
	const both = `
server { domains = ["example.org"] }
` + staff + `
rule "register" {
  when         = method == REGISTER
  authenticate = users.staff
  register { }
}
rule "calls" { send = [location("sip:bob@example.org"), location("sip:open@example.org")] }
`
	d := newDesk(t, both)
	for user, flows := range map[string][]int{"bob": {1}, "open": {1, 0}} {
		for i := len(flows) - 1; i >= 0; i-- {
			d.now = d.now.Add(time.Second)
			lines := flowLines("x", flows[i]+1)
			if x := d.register(flowAt(flows[i]), user, "secret", lines...); x.Status != 200 {
				t.Fatalf("%d", x.Status)
			}
		}
	}
	x := d.relayed(d.call("any"), flowAt(1))
	d.relayed(d.receive(flowAt(1), answer(x, "430 Flow Failed"))[1:], flowAt(0))
}

// Two phones with one Contact behind two edges are two targets, each with its Path.
// Proves: PA-3
func TestOnePathForEachTarget(t *testing.T) {
	t.Parallel()
	d := newDesk(t, office)
	for i, edge := range []string{"192.0.2.77", "192.0.2.78"} {
		x := d.register(edge+":5060", "open", "secret", fmt.Sprintf(`Contact: <sip:open@10.0.0.9>;reg-id=1;+sip.instance="<urn:uuid:%d>"`, i),
			"Path: <sip:192.0.2.9;lr>, <sip:"+edge+";lr;ob>", "Supported: path, outbound")
		if x.Status != 200 {
			t.Fatalf("%d %s", x.Status, x.Reason)
		}
	}
	var got []string
	for _, x := range d.call("open") {
		got = append(got, x.hop.Remote.String()+" "+x.All("route")[0]+" "+x.All("route")[1])
	}
	slices.Sort(got)
	want := []string{"192.0.2.9:5060 <sip:192.0.2.9;lr> <sip:192.0.2.77;lr;ob>", "192.0.2.9:5060 <sip:192.0.2.9;lr> <sip:192.0.2.78;lr;ob>"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
