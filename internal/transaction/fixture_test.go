package transaction_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// fixture is a table with a wheel and a clock that only the test moves.
type fixture struct {
	t     testing.TB
	table *transaction.Table
	wheel *wheel.Wheel
	fx    effect.List
	begin clock.Instant
	now   clock.Instant
	sent  []sent    // since the last took
	fired []outcome // since the last ended
}

// sent is one message that left, and when, counted from the fixture's begin.
type sent struct {
	at    time.Duration
	hop   flow.Hop
	about effect.Handle
	wire  string
}

// outcome is a verdict of a timer.
type outcome struct {
	at      time.Duration
	verdict transaction.Verdict
	handle  effect.Handle
}

// tick is how much later than wanted a timer may come.
const tick = wheel.Tick

func newFixture(t testing.TB, cfg transaction.Config) *fixture {
	if cfg.Random == nil {
		r := rand.NewChaCha8([32]byte{1})
		cfg.Random = func(p []byte) { _, _ = r.Read(p) } // never fails
	}
	// Not on a tick, so that rounding shows.
	begin := clock.Instant(time.Hour + 3*time.Millisecond)
	w := wheel.New(begin)
	return &fixture{t: t, table: transaction.New(cfg, w), wheel: w, begin: begin, now: begin}
}

func hopOf(p flow.Protocol) flow.Hop {
	h := flow.Hop{
		Local:    netip.MustParseAddrPort("192.0.2.1:5060"),
		Remote:   netip.MustParseAddrPort("192.0.2.9:5060"),
		Protocol: p,
	}
	if p != flow.UDP {
		h.Conn = 7
	}
	return h
}

func flowOf(p flow.Protocol) flow.Flow {
	h := hopOf(p)
	return flow.Flow{Local: h.Local, Remote: h.Remote, Conn: h.Conn, Listener: h.Listener, Protocol: h.Protocol}
}

// crlf turns the lines of a raw string into a message.
func crlf(text string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimLeft(text, "\n"), "\n", "\r\n"))
}

func parse(t testing.TB, wire []byte) *sip.Message {
	t.Helper()
	m := new(sip.Message)
	if err := m.Parse(wire); err != nil {
		t.Fatalf("%v in\n%s", err, wire)
	}
	if err := m.Check(); err != nil {
		t.Fatalf("%v in\n%s", err, wire)
	}
	return m
}

// received is a request as it comes from a phone; edits are pairs of old and new text.
func received(method string, edits ...string) []byte {
	text := fmt.Sprintf(`
%[1]s sip:bob@example.org SIP/2.0
Via: SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bKnashds8
Max-Forwards: 70
From: Alice <sip:alice@example.com>;tag=1928301774
To: Bob <sip:bob@example.org>
Call-ID: a84b4c76e66710
CSeq: 314159 %[1]s
Content-Length: 0

`, method)
	return crlf(strings.NewReplacer(edits...).Replace(text))
}

// rfc2543 makes a request one of a client that knows no branches.
var rfc2543 = []string{";branch=z9hG4bKnashds8", ""}

// request feeds a received request.
func (f *fixture) request(p flow.Protocol, wire []byte) transaction.Result {
	f.t.Helper()
	m := parse(f.t, wire)
	r := f.table.Request(f.now, m, transaction.KeyOf(m), flowOf(p), &f.fx)
	f.collect()
	return r
}

// respond answers s as the layer above does.
func (f *fixture) respond(s *transaction.Server, request []byte, status int, tag string) bool {
	f.t.Helper()
	r := sip.Response{Status: status, Tag: []byte(tag)}
	wire := f.fx.Commit(sip.AppendResponse(f.fx.Begin(1024), parse(f.t, request), &r))
	ok := f.table.Respond(f.now, s, status, wire, &f.fx)
	f.collect()
	return ok
}

// forwarded is the request that a client carries: a received one with our Via.
func forwarded(method string, c *transaction.Client) []byte {
	return crlf(fmt.Sprintf(`
%[1]s sip:bob@192.0.2.9 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1;branch=%[2]s
Via: SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bKnashds8
Max-Forwards: 69
Route: <sip:edge1.example.org;lr>
Route: <sip:edge2.example.org;lr>
From: Alice <sip:alice@example.com>;tag=1928301774
To: Bob <sip:bob@example.org>
Call-ID: a84b4c76e66710
CSeq: 314159 %[1]s
Require: 100rel
Proxy-Require: sec-agree
Proxy-Authorization: Digest username="alice"
Contact: <sip:alice@pc33.example.com>
Content-Type: application/sdp
Content-Length: 133

v=0
s=----------------------------------------------------------------------------------------------------------------------------
`, method, c.Branch.AppendTo(nil)))
}

// start begins a client transaction of the method over p.
func (f *fixture) start(method sip.Method, name string, p flow.Protocol) *transaction.Client {
	f.t.Helper()
	c := f.table.Reserve(method)
	if c == nil {
		f.t.Fatal("no client slot")
	}
	f.table.Start(f.now, c, f.fx.Copy(forwarded(name, c)), hopOf(p), &f.fx)
	f.collect()
	return c
}

func (f *fixture) invite(p flow.Protocol) *transaction.Client {
	f.t.Helper()
	return f.start(sip.INVITE, "INVITE", p)
}

// answer is a response with branch b; cseq is the method in CSeq.
func answer(b *transaction.Branch, status int, cseq string) []byte {
	return crlf(fmt.Sprintf(`
SIP/2.0 %d Whatever
Via: SIP/2.0/UDP 192.0.2.1;branch=%s
Via: SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bKnashds8
From: Alice <sip:alice@example.com>;tag=1928301774
To: Bob <sip:bob@example.org>;tag=a6c85cf
Call-ID: a84b4c76e66710
CSeq: 314159 %s
Content-Length: 0

`, status, b.AppendTo(nil), cseq))
}

// response feeds a response to c.
func (f *fixture) response(c *transaction.Client, status int, cseq string) transaction.Verdict {
	f.t.Helper()
	got, verdict := f.responseOn(&c.Branch, status, cseq)
	if verdict != transaction.Stray && got != c {
		f.t.Fatalf("%d %s: got another client", status, cseq)
	}
	return verdict
}

func (f *fixture) responseOn(b *transaction.Branch, status int, cseq string) (*transaction.Client, transaction.Verdict) {
	f.t.Helper()
	m := parse(f.t, answer(b, status, cseq))
	c, verdict := f.table.Response(f.now, m, b, &f.fx)
	f.collect()
	return c, verdict
}

func (f *fixture) cancel(c *transaction.Client, reason string) {
	f.table.Cancel(f.now, c, []byte(reason), &f.fx)
	f.collect()
}

// run moves the clock on by d, from one timer to the next.
func (f *fixture) run(d time.Duration) {
	f.t.Helper()
	end := f.now.Add(d)
	for at, ok := f.wheel.Next(); ok && at <= end; at, ok = f.wheel.Next() {
		f.now = max(f.now, at)
		f.expire()
	}
	f.now = end
	f.expire()
}

func (f *fixture) expire() {
	for tm := f.wheel.Due(f.now); tm != nil; tm = f.wheel.Due(f.now) {
		c, s, verdict := f.table.Fire(f.now, tm, &f.fx)
		f.collect()
		switch {
		case c != nil:
			f.fired = append(f.fired, outcome{f.since(), verdict, c.Handle()})
		case s != nil:
			f.fired = append(f.fired, outcome{f.since(), verdict, s.Handle()})
		case verdict != transaction.Absorbed:
			f.t.Errorf("%v names nothing", verdict)
		}
	}
}

func (f *fixture) since() time.Duration { return f.now.Sub(f.begin) }

func (f *fixture) collect() {
	for _, s := range f.fx.Sends {
		f.sent = append(f.sent, sent{f.since(), s.Hop, s.For, string(s.Wire)})
	}
	f.fx.Reset()
}

// took returns what was sent since the last call.
func (f *fixture) took() []sent {
	s := f.sent
	f.sent = nil
	return s
}

// one returns the only message sent since the last call, "" after failing.
func (f *fixture) one(want string) sent {
	f.t.Helper()
	s := f.took()
	if len(s) != 1 || !strings.HasPrefix(s[0].wire, want) {
		f.t.Fatalf("got %v, want one message %q", heads(s), want)
	}
	return s[0]
}

func (f *fixture) silent() {
	f.t.Helper()
	if s := f.took(); len(s) != 0 {
		f.t.Errorf("got %v, want silence", heads(s))
	}
}

// ended fails unless exactly this verdict came from a timer, at about that time.
func (f *fixture) ended(want transaction.Verdict, h effect.Handle, at time.Duration) {
	f.t.Helper()
	got := f.fired
	f.fired = nil
	if len(got) != 1 || got[0].verdict != want || got[0].handle != h || !about(got[0].at, at) {
		f.t.Errorf("got %v, want %v of %x at %v", got, want, h, at)
	}
}

func (f *fixture) running() {
	f.t.Helper()
	if len(f.fired) != 0 {
		f.t.Errorf("got %v, want no end", f.fired)
	}
}

// rests fails unless no server holds more than its end needs.
func (f *fixture) rests() {
	f.t.Helper()
	if running, _ := f.table.Parts(); running != 0 {
		f.t.Errorf("%d servers hold more than they need", running)
	}
}

// empty fails unless nothing is left: no slot, no byte, no timer.
func (f *fixture) empty() {
	f.t.Helper()
	s := f.table.Stats()
	if running, cancels := f.table.Parts(); running != 0 || cancels != 0 {
		f.t.Errorf("left behind: parts of %d servers, %d CANCELs", running, cancels)
	}
	if s.Servers != 0 || s.Clients != 0 || s.Bytes != 0 || f.wheel.Len() != 0 {
		f.t.Errorf("left behind: %d servers, %d clients, %d bytes, %d timers", s.Servers, s.Clients, s.Bytes, f.wheel.Len())
	}
}

// about allows for the tick that a timer is rounded up to.
func about(got, want time.Duration) bool { return got >= want && got <= want+tick }

// times checks when messages left.
func (f *fixture) times(got []sent, want ...time.Duration) {
	f.t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = about(got[i].at, want[i])
	}
	if !ok {
		at := make([]time.Duration, len(got))
		for i := range got {
			at[i] = got[i].at
		}
		f.t.Errorf("got messages at %v, want %v", at, want)
	}
}

// same checks that all are the same message over the same hop.
func (f *fixture) same(got []sent, wire string) {
	f.t.Helper()
	for _, s := range got {
		if s.wire != wire || s.hop != got[0].hop || s.about != got[0].about {
			f.t.Errorf("got %q over %v, want %q", s.wire, s.hop, wire)
		}
	}
}

func heads(sent []sent) []string {
	var h []string
	for _, s := range sent {
		line, _, _ := strings.Cut(s.wire, "\r\n")
		h = append(h, fmt.Sprintf("%v %s", s.at, line))
	}
	return h
}

// header returns the values of a header field as they stand, in order.
func header(wire, name string) []string {
	var values []string
	head, _, _ := strings.Cut(wire, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

func ms(n ...int) []time.Duration {
	d := make([]time.Duration, len(n))
	for i := range n {
		d[i] = time.Duration(n[i]) * time.Millisecond
	}
	return d
}

func is(t testing.TB, got, want transaction.Verdict) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
