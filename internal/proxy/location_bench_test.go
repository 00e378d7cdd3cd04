package proxy_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
)

const locationBenchConfig = `
server { domains = ["example.org"] }
rule "register" {
  when = method == REGISTER
  register { }
}
rule "calls" { send = location }
`

// newOffice is a player with a registrar, where bob has two flows of one phone and a
// phone that is reached by a Path.
func newOffice(tb testing.TB) *player {
	p := newPlayerOf(tb, locationBenchConfig)
	var err error
	if p.element.snap.GRUUs, err = registrar.NewKeys([]byte("a secret of the test bench")); err != nil {
		tb.Fatal(err)
	}
	p.element.snap.Directory = location.New(location.Config{
		Now: func() clock.Instant { return p.now }, Wall: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}, nil)
	for seq, contact := range []string{
		`<sip:bob@127.0.0.1:5071>;q=0.5;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000b>"`,
		`<sip:bob@127.0.0.1:5070>;q=0.5;reg-id=2;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000b>"`,
	} {
		p.step(p.register(seq+1, "Contact: "+contact+"\r\nSupported: gruu\r\n"), p.callee)
	}
	p.step(p.register(3, "Contact: <sip:bob@127.0.0.9>;q=0.1\r\nPath: <sip:127.0.0.8;lr>\r\nSupported: path\r\n"), p.callee)
	return p
}

// register writes a REGISTER of bob.
func (p *player) register(seq int, extra string) []byte {
	p.wire = fmt.Appendf(p.wire[:0], "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKreg%08d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:bob@example.org>;tag=r\r\nTo: <sip:bob@example.org>\r\nCall-ID: registration\r\nCSeq: %d REGISTER\r\nUser-Agent: bench\r\n%sContent-Length: 0\r\n\r\n",
		seq, seq, extra)
	return bytes.Clone(p.wire)
}

// refresh is what a phone sends every hour, for the flow that is there.
func (p *player) refresh(seq int) []byte {
	return p.register(seq, "Contact: <sip:bob@127.0.0.1:5070>;q=0.5;reg-id=2;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-00000000000b>\"\r\nSupported: gruu, outbound, path\r\n")
}

// toBob is a request of call n to the address of record.
func (p *player) toBob(method string, seq int, extra, body string) []byte {
	wire := strings.Replace(string(p.request(method, seq, extra, body)), "sip:bob@127.0.0.1:5070 SIP", "sip:bob@example.org SIP", 1)
	return []byte(wire)
}

// A refresh with GRUUs, its refusal, a fetch, a call by the location service and a
// request inside a dialog to a GRUU allocate nothing in steady state.
func TestRegistrarStepsAllocateNothing(t *testing.T) {
	p := newOffice(t)
	const gruu = "sip:bob@example.org;gr=urn:uuid:00000000-0000-1000-8000-00000000000b"
	p.n = 1
	p.step(p.toBob("INVITE", 1, "", sdp), p.caller)
	if len(p.fx.Sends) != 1 || !strings.HasPrefix(string(p.sent()), "INVITE sip:bob@127.0.0.1:5070 ") {
		t.Fatalf("%d messages, the last one\n%s", len(p.fx.Sends), p.sent())
	}
	p.step(response(bytes.Clone(p.sent()), "200 OK"), p.callee)
	route := p.routeOf(p.sent())
	seq := 10
	for _, c := range []struct {
		name, answer string
		wire         func(seq int) []byte
	}{
		{"refresh", "SIP/2.0 200 ", p.refresh},
		{"fetch", "SIP/2.0 200 ", func(seq int) []byte { return p.register(seq, "Supported: gruu\r\n") }},
		{"too brief", "SIP/2.0 423 ", func(seq int) []byte { return p.register(seq, "Contact: <sip:bob@127.0.0.1:5070>;expires=1\r\n") }},
		{"call", "INVITE sip:bob@127.0.0.1:5070 ", func(seq int) []byte { p.n = seq; return p.toBob("INVITE", 1, "", sdp) }},
		{"call to a GRUU", "INVITE sip:bob@127.0.0.1:5070 ", func(seq int) []byte {
			p.n = seq
			return bytes.Replace(p.toBob("INVITE", 1, "", sdp), []byte("sip:bob@example.org SIP"), []byte(gruu+" SIP"), 1)
		}},
		{"INFO to a GRUU", "INFO sip:bob@127.0.0.1:5070 ", func(seq int) []byte {
			p.n = 1
			return bytes.Replace(p.toBob("INFO", seq, route, ""), []byte("sip:bob@example.org SIP"), []byte(gruu+" SIP"), 1)
		}},
		{"ACK to a GRUU", "ACK sip:bob@127.0.0.1:5070 ", func(seq int) []byte {
			p.n = 1
			return bytes.Replace(p.toBob("ACK", seq, route, ""), []byte("sip:bob@example.org SIP"), []byte(gruu+" SIP"), 1)
		}},
		{"somebody unknown", "SIP/2.0 480 ", func(seq int) []byte {
			p.n = seq
			return bytes.Replace(p.toBob("INVITE", 1, "", sdp), []byte("sip:bob@example.org SIP"), []byte("sip:eve@example.org SIP"), 1)
		}},
	} {
		play := func(n int) float64 {
			var messages [][]byte
			for range n {
				seq++
				messages = append(messages, c.wire(seq))
			}
			i := 0
			allocs := testing.AllocsPerRun(n-1, func() { p.step(messages[i], p.caller); i++ })
			if !strings.HasPrefix(string(p.sent()), c.answer) {
				t.Fatalf("%s: got\n%s", c.name, p.sent())
			}
			p.rest()
			return allocs
		}
		play(150) // slabs and free lists get the size that the traffic needs
		if allocs := play(100); allocs != 0 {
			t.Errorf("%s: %v allocations", c.name, allocs)
		}
		p.step(p.refresh(seq+1), p.callee) // what was registered has not expired meanwhile
		seq += 2
	}
}

// BenchmarkRegister measures the refresh of a binding, with GRUUs and without a store.
func BenchmarkRegister(b *testing.B) {
	p := newOffice(b)
	seq := 10
	b.ReportAllocs()
	for done := 0; done < b.N; done += batch {
		b.StopTimer()
		var messages [][]byte
		for range min(batch, b.N-done) {
			seq++
			messages = append(messages, p.refresh(seq))
		}
		b.StartTimer()
		for _, m := range messages {
			p.step(m, p.callee)
		}
		b.StopTimer()
		p.now = p.now.Add(40 * time.Second)
		p.fx.Reset()
		p.element.Expire(p.now, &p.fx)
	}
}

// BenchmarkLocation measures the INVITE to an address of record that has three
// bindings, two of them of one phone.
func BenchmarkLocation(b *testing.B) {
	p := newOffice(b)
	seq := 10
	b.ReportAllocs()
	for done := 0; done < b.N; done += batch {
		b.StopTimer()
		seq++
		p.step(p.refresh(seq), p.callee)
		var messages [][]byte
		for range min(batch, b.N-done) {
			p.n++
			messages = append(messages, p.toBob("INVITE", 1, "", sdp))
		}
		b.StartTimer()
		for _, m := range messages {
			p.step(m, p.caller)
		}
		b.StopTimer()
		p.rest()
	}
}
