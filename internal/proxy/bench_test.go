package proxy_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/siptest"
	"viaduct/sip"
)

// player plays whole calls through one core, without a network, as the engine
// would: one step a packet.
type player struct {
	tb      testing.TB
	element *element
	fx      effect.List
	now     clock.Instant
	caller  flow.Flow
	callee  flow.Flow
	n       int
	wire    []byte
	parse   sip.Message
}

const benchConfig = `
rule "all" {
  send = request_uri
}
`

func newPlayer(tb testing.TB) *player { return newPlayerOf(tb, benchConfig) }

func newPlayerOf(tb testing.TB, config string) *player {
	addr := netip.MustParseAddrPort
	proxyAt := addr("127.0.0.1:5060")
	setup := &siptest.Setup{
		TB: tb, Name: "bench", Config: config, Start: clock.Instant(100 * time.Second),
		Listeners: []siptest.Listener{{Name: "proxy", Protocol: flow.UDP, Addr: proxyAt}},
	}
	return &player{
		tb: tb, element: newElementWith(setup, 1), now: setup.Start,
		caller: flow.Flow{Local: proxyAt, Remote: addr("127.0.0.1:5080"), Protocol: flow.UDP},
		callee: flow.Flow{Local: proxyAt, Remote: addr("127.0.0.1:5070"), Protocol: flow.UDP},
	}
}

// sdp brings the INVITE to about 800 bytes.
var sdp = "v=0\r\no=- 20518 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 54400 RTP/AVP 0 8 101\r\n" +
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"

// request writes a request of call n into the player's buffer.
func (p *player) request(method string, seq int, extra, body string) []byte {
	p.wire = fmt.Appendf(p.wire[:0], "%s sip:bob@127.0.0.1:5070 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bKbench%08d%d\r\n"+
		"Max-Forwards: 70\r\n%sFrom: \"Alice\" <sip:alice@127.0.0.1:5080>;tag=a%08d\r\nTo: <sip:bob@127.0.0.1:5070>%s\r\nCall-ID: bench-%08d@127.0.0.1\r\n"+
		"CSeq: %d %s\r\nContact: <sip:alice@127.0.0.1:5080>\r\nUser-Agent: bench\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		method, p.n, seq, extra, p.n, toTag(seq), p.n, seq, method, len(body), body)
	return p.wire
}

func toTag(seq int) string {
	if seq > 1 {
		return ";tag=bob"
	}
	return ""
}

// step is one packet through parser and core.
func (p *player) step(wire []byte, from flow.Flow) {
	p.fx.Reset()
	p.element.Receive(p.now, wire, from, &p.fx)
}

// sent is the one message of the last step.
func (p *player) sent() []byte {
	if len(p.fx.Sends) == 0 {
		p.tb.Fatal("nothing was sent")
	}
	return p.fx.Sends[len(p.fx.Sends)-1].Wire
}

// response builds the callee's answer to a forwarded request.
func response(request []byte, status string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	for line := range strings.SplitSeq(string(request), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Via", "From", "Call-ID", "CSeq", "Record-Route":
			b.WriteString(line + "\r\n")
		case "To":
			b.WriteString(strings.TrimSuffix(line, ";tag=bob") + ";tag=bob\r\n")
		}
	}
	b.WriteString("Contact: <sip:bob@127.0.0.1:5070>\r\nContent-Length: 0\r\n\r\n")
	return b.Bytes()
}

// batch is how many messages are prepared before the clock of a benchmark runs.
const batch = 100

// BenchmarkRequest and BenchmarkResponse measure one step of a core with the
// parsing of its packet: the budgets of the design are 1.5 µs and 0.8 µs.
func BenchmarkRequest(b *testing.B) {
	b.Run("invite-rr", func(b *testing.B) {
		p := newPlayer(b)
		b.ReportAllocs()
		for done := 0; done < b.N; done += batch {
			b.StopTimer()
			messages := p.invites(min(batch, b.N-done))
			b.StartTimer()
			for _, m := range messages {
				p.step(m, p.caller)
			}
			b.StopTimer()
			p.rest()
		}
	})
	b.Run("bye", func(b *testing.B) { // by its cookie
		p := newPlayer(b)
		b.ReportAllocs()
		for done := 0; done < b.N; done += batch {
			b.StopTimer()
			var messages [][]byte
			for _, m := range p.invites(min(batch, b.N-done)) {
				p.step(m, p.caller)
				p.step(response(bytes.Clone(p.sent()), "200 OK"), p.callee)
				route := p.routeOf(p.sent())
				call := string(m[bytes.Index(m, []byte("bench-")):])[:14]
				p.n, _ = strconv.Atoi(call[6:])
				messages = append(messages, bytes.Clone(p.request("BYE", 2, route, "")))
			}
			b.StartTimer()
			for _, m := range messages {
				p.step(m, p.caller)
			}
			b.StopTimer()
			p.rest()
		}
	})
}

func BenchmarkResponse(b *testing.B) {
	for _, status := range []string{"180 Ringing", "200 OK"} {
		b.Run(status[:3], func(b *testing.B) {
			p := newPlayer(b)
			b.ReportAllocs()
			for done := 0; done < b.N; done += batch {
				b.StopTimer()
				var answers [][]byte
				for _, m := range p.invites(min(batch, b.N-done)) {
					p.step(m, p.caller)
					answers = append(answers, response(bytes.Clone(p.sent()), status))
				}
				b.StartTimer()
				for _, m := range answers {
					p.step(m, p.callee)
				}
				b.StopTimer()
				p.rest()
			}
		})
	}
}

// BenchmarkCall plays whole calls, the writing of their messages included.
func BenchmarkCall(b *testing.B) {
	p := newPlayer(b)
	b.ReportAllocs()
	for b.Loop() {
		p.call()
	}
}

// invites prepares n INVITEs of different calls.
func (p *player) invites(n int) [][]byte {
	messages := make([][]byte, 0, n)
	for range n {
		p.n++
		messages = append(messages, bytes.Clone(p.request("INVITE", 1, "", sdp)))
	}
	return messages
}

// rest lets everything run out, so that slots and buffers are free again.
func (p *player) rest() {
	for range 800 { // the ringing limit is 600
		p.now = p.now.Add(time.Second)
		p.fx.Reset()
		p.element.Expire(p.now, &p.fx)
	}
	if !p.element.Idle() {
		p.tb.Fatal("something is left")
	}
}

// advance lets ten milliseconds pass for each call: 100 calls a second.
func (p *player) advance() {
	p.now = p.now.Add(10 * time.Millisecond)
	p.fx.Reset()
	p.element.Expire(p.now, &p.fx)
}

// call plays INVITE, 180, 200, ACK, BYE, 200.
func (p *player) call() {
	p.n++
	p.advance()
	p.step(p.request("INVITE", 1, "", sdp), p.caller)
	invite := bytes.Clone(p.sent())
	p.step(response(invite, "180 Ringing"), p.callee)
	p.step(response(invite, "200 OK"), p.callee)
	route := p.routeOf(p.sent())
	p.step(p.request("ACK", 1, route, ""), p.caller)
	p.step(p.request("BYE", 2, route, ""), p.caller)
	p.step(response(p.sent(), "200 OK"), p.callee)
}

// routeOf turns the Record-Route of a response into a Route line.
func (p *player) routeOf(wire []byte) string {
	if err := p.parse.Parse(wire); err != nil {
		p.tb.Fatal(err)
	}
	v, ok := p.parse.First(sip.RecordRoute)
	if !ok {
		p.tb.Fatalf("no Record-Route in\n%s", wire)
	}
	return "Route: " + string(v.Text) + "\r\n"
}

// The request step and the response step allocate nothing in steady state: when
// slabs and free lists have the size that the traffic needs.
func TestStepsAllocateNothing(t *testing.T) {
	p := newPlayer(t)
	play := func(n int) (perInvite, per180, per200 float64) {
		messages := p.invites(n)
		copies := make([][]byte, n)
		for i := range copies {
			copies[i] = make([]byte, 0, 4096)
		}
		i := 0
		perInvite = testing.AllocsPerRun(n-1, func() {
			p.step(messages[i], p.caller)
			copies[i] = append(copies[i], p.sent()...)
			i++
		})
		answers := func(status string) float64 {
			var wires [][]byte
			for _, m := range copies {
				wires = append(wires, response(m, status))
			}
			i = 0
			return testing.AllocsPerRun(n-1, func() { p.step(wires[i], p.callee); i++ })
		}
		per180 = answers("180 Ringing")
		per200 = answers("200 OK")
		p.rest()
		return perInvite, per180, per200
	}
	play(200)
	if invite, ringing, ok := play(150); invite != 0 || ringing != 0 || ok != 0 {
		t.Errorf("allocations: INVITE %v, 180 %v, 200 %v", invite, ringing, ok)
	}
}

// BenchmarkExchange plays INVITE, 180, 486 and ACK with messages that are patched
// in place, so that nothing but the four steps is measured.
func BenchmarkExchange(b *testing.B) {
	p := newPlayer(b)
	invite := bytes.Clone(p.request("INVITE", 1, "", sdp))
	p.step(invite, p.caller)
	ringing, busy := response(bytes.Clone(p.sent()), "180 Ringing"), response(bytes.Clone(p.sent()), "486 Busy Here")
	ack := bytes.Clone(p.request("ACK", 1, "", ""))
	at := func(wire []byte, mark string) []byte {
		i := bytes.Index(wire, []byte(mark)) + len(mark)
		return wire[i : i+37]
	}
	ours := "5060;branch=" // the branch of our Via, 37 bytes
	theirs := [][]byte{at(invite, "z9hG4bKbench")[:8], at(ack, "z9hG4bKbench")[:8]}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for _, digits := range theirs {
			for j, n := 7, i; j >= 0; j, n = j-1, n/10 {
				digits[j] = byte('0' + n%10)
			}
		}
		if i%64 == 0 {
			p.advance()
		}
		p.step(invite, p.caller)
		branch := at(p.sent(), ours)
		copy(at(ringing, ours), branch)
		copy(at(busy, ours), branch)
		p.step(ringing, p.callee)
		p.step(busy, p.callee)
		p.step(ack, p.caller)
	}
}

const statelessBenchConfig = `
server { mode = "stateless" }
group "nodes" {
  target "sip:127.0.0.1:5070" {}
  target "sip:127.0.0.1:5071" {}
  target "sip:127.0.0.1:5072" {}
}
rule "all" { send = group.nodes }
`

// BenchmarkStateless measures one step in stateless mode, parsing included.
func BenchmarkStateless(b *testing.B) {
	p := newPlayerOf(b, statelessBenchConfig)
	invite := bytes.Clone(p.request("INVITE", 1, "", sdp))
	b.Run("request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.step(invite, p.caller)
		}
	})
	p.step(invite, p.caller)
	ok := response(bytes.Clone(p.sent()), "200 OK")
	b.Run("response", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.step(ok, p.callee)
		}
	})
}

// BenchmarkShed measures the refusal of an INVITE while the server is behind, and
// the ACK that follows, parsing included: at most a tenth of a call.
func BenchmarkShed(b *testing.B) {
	p := newPlayer(b)
	invite := bytes.Clone(p.request("INVITE", 1, "", sdp))
	b.Run("invite", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.shed(invite, p.caller)
		}
	})
	ack := []byte(strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK", "To: <sip:bob@127.0.0.1:5070>", "To: "+siptest.ReadMessage(p.sent()).Get("To")).
		Replace(string(p.request("INVITE", 1, "", ""))))
	b.Run("its-ack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.step(ack, p.caller)
		}
		if len(p.fx.Sends) != 0 {
			b.Error("the ACK was forwarded")
		}
	})
}

// shed is one packet that is refused because the server is behind.
func (p *player) shed(wire []byte, from flow.Flow) {
	p.fx.Reset()
	if err := p.parse.Parse(wire); err != nil {
		p.tb.Fatal(err)
	}
	at := proxy.PlaceOf(&p.parse, 1)
	p.element.core.Shed(p.now, &p.parse, &at, from, p.element.snap, &p.fx)
}
