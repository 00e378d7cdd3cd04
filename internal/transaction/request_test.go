package transaction_test

import (
	"strings"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// Proves: TX-3
func TestServerMatchingByBranch(t *testing.T) {
	t.Parallel()
	const via = "Via: SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bKnashds8"
	cases := []struct {
		name  string
		via   string
		match bool
	}{
		{"the same", via, true},
		{"branch and host in another case", "Via: SIP/2.0/UDP PC33.Example.COM:5066;branch=Z9HG4BKNASHDS8", true},
		{"other parameters around it", "v: SIP/2.0/UDP pc33.example.com:5066 ;rport ;branch=z9hG4bKnashds8;x=y", true},
		{"another transport in Via", "Via: SIP/2.0/TCP pc33.example.com:5066;branch=z9hG4bKnashds8", true},
		{"more Vias below", via + "\nVia: SIP/2.0/UDP a.example.com;branch=z9hG4bKother", true},
		{"another branch", "Via: SIP/2.0/UDP pc33.example.com:5066;branch=z9hG4bKnashds9", false},
		{"another host", "Via: SIP/2.0/UDP pc34.example.com:5066;branch=z9hG4bKnashds8", false},
		{"another port", "Via: SIP/2.0/UDP pc33.example.com:5067;branch=z9hG4bKnashds8", false},
		{"no port", "Via: SIP/2.0/UDP pc33.example.com;branch=z9hG4bKnashds8", false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, transaction.Config{})
			f.request(flow.UDP, received("MESSAGE"))
			want := transaction.NewRequest
			if tc.match {
				want = transaction.Absorbed
			}
			is(t, f.request(flow.UDP, received("MESSAGE", via, tc.via)).Verdict, want)
		})
	}
}

// Proves: TX-3
func TestServerMatchingComparesTheMethod(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	for _, method := range []string{"INVITE", "BYE", "MESSAGE", "FOO", "BAR"} {
		is(t, f.request(flow.UDP, received(method)).Verdict, transaction.NewRequest)
	}
	for _, method := range []string{"BYE", "MESSAGE", "FOO", "BAR"} {
		is(t, f.request(flow.UDP, received(method)).Verdict, transaction.Absorbed)
	}
}

// Proves: TX-3, CA-13
func TestCancelFindsWhatItCancels(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"INVITE", "MESSAGE"} {
		f := newFixture(t, transaction.Config{})
		s := f.request(flow.UDP, received(method)).Server
		cancel := received("CANCEL")
		r := f.request(flow.TCP, cancel) // by another way than the request
		is(t, r.Verdict, transaction.CancelOf)
		if r.Of != s || r.Server == s || r.Server.Method != sip.CANCEL {
			t.Errorf("%s: got Of %p, want %p", method, r.Of, s)
		}
		f.respond(r.Server, cancel, 200, "x")
		f.one("SIP/2.0 200")
		is(t, f.request(flow.UDP, cancel).Verdict, transaction.Absorbed)
		f.one("SIP/2.0 200") // the CANCEL is a transaction of its own
	}
}

func TestCancelOfNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	f.request(flow.UDP, received("INVITE"))
	r := f.request(flow.UDP, received("CANCEL", "nashds8", "nashds9"))
	is(t, r.Verdict, transaction.CancelOf)
	if r.Of != nil || r.Server == nil {
		t.Errorf("got Of %p and Server %p", r.Of, r.Server)
	}
}

// Proves: TX-23
func TestAckOfNothingIsPassedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	is(t, f.request(flow.UDP, received("ACK")).Verdict, transaction.AckPassUp)
	f.empty()
	f.request(flow.UDP, received("MESSAGE"))
	is(t, f.request(flow.UDP, received("ACK")).Verdict, transaction.AckPassUp)
}

// old is a request of an RFC 2543 client with further edits.
func old(method string, edits ...string) []byte {
	return received(method, append(edits, rfc2543...)...)
}

// Proves: TX-4
func TestServerMatchingWithoutBranch(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		edits []string
		match bool
	}{
		{"the same", nil, true},
		{"another Request-URI", []string{"bob@example.org SIP", "carol@example.org SIP"}, false},
		{"another To tag", []string{"<sip:bob@example.org>", "<sip:bob@example.org>;tag=1"}, false},
		{"another From tag", []string{"1928301774", "1928301775"}, false},
		{"another Call-ID", []string{"a84b4c76e66710", "a84b4c76e66711"}, false},
		{"another CSeq number", []string{"314159", "314160"}, false},
		{"another Via", []string{":5066", ":5067"}, false},
	}
	for _, method := range []string{"INVITE", "REGISTER"} {
		for _, tc := range cases {
			f := newFixture(t, transaction.Config{})
			s := f.request(flow.UDP, old(method)).Server
			f.respond(s, old(method), 100, "")
			want := transaction.NewRequest
			if tc.match {
				want = transaction.Absorbed
			}
			if got := f.request(flow.UDP, old(method, tc.edits...)).Verdict; got != want {
				t.Errorf("%s with %s: got %v, want %v", method, tc.name, got, want)
			}
		}
	}
}

// Proves: TX-4, TX-8
func TestAckWithoutBranch(t *testing.T) {
	t.Parallel()
	tagged := func(tag string) []string {
		return []string{"<sip:bob@example.org>", "<sip:bob@example.org>;tag=" + tag}
	}
	f := newFixture(t, transaction.Config{})
	s := f.request(flow.UDP, old("INVITE")).Server
	f.respond(s, old("INVITE"), 486, "busy")
	// RFC 3261 §17.2.3: the To tag tells the ACK of a fork's 2xx.
	is(t, f.request(flow.UDP, old("ACK", tagged("other")...)).Verdict, transaction.AckPassUp)
	is(t, f.request(flow.UDP, old("ACK", tagged("busy")...)).Verdict, transaction.Absorbed)
	f.run(10 * time.Second)
	f.ended(transaction.ServerEnded, s.Handle(), 5*time.Second)

	s = f.request(flow.UDP, old("INVITE")).Server
	f.respond(s, old("INVITE"), 200, "bob")
	is(t, f.request(flow.UDP, old("ACK", tagged("bob")...)).Verdict, transaction.AckPassUp)
}

// Proves: TX-4, CA-13
func TestCancelWithoutBranch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	s := f.request(flow.UDP, old("INVITE")).Server
	f.respond(s, old("INVITE"), 180, "ring")
	f.took()
	r := f.request(flow.UDP, old("CANCEL"))
	is(t, r.Verdict, transaction.CancelOf)
	if r.Of != s {
		t.Error("the INVITE was not found")
	}
	f.respond(r.Server, old("CANCEL"), 200, "x")
	is(t, f.request(flow.UDP, old("CANCEL")).Verdict, transaction.Absorbed)
	if got := len(f.took()); got != 2 {
		t.Errorf("got %d answers to a CANCEL and its copy, want 2", got)
	}
	if r := f.request(flow.UDP, old("CANCEL", "314159", "314160")); r.Of != nil {
		t.Error("a CANCEL of another CSeq found the INVITE")
	}
}

// RFC 4475 §3.2.1: a branch that is the cookie and nothing more identifies nothing,
// so the rules of RFC 2543 apply.
func TestABareCookieIsNoBranch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	is(t, f.request(flow.UDP, received("OPTIONS", "z9hG4bKnashds8", "z9hG4bK")).Verdict, transaction.NewRequest)
	is(t, f.request(flow.UDP, received("OPTIONS", "z9hG4bKnashds8", "z9hG4bK")).Verdict, transaction.Absorbed)
	is(t, f.request(flow.UDP, received("OPTIONS", "z9hG4bKnashds8", "z9hG4bK", "e66710", "e66711")).Verdict, transaction.NewRequest)
}

func TestKeysOfOneCallAgree(t *testing.T) {
	t.Parallel()
	for _, edits := range [][]string{nil, rfc2543} {
		invite := transaction.KeyOf(parse(t, received("INVITE", edits...)))
		tagged := append([]string{"<sip:bob@example.org>", "<sip:bob@example.org>;tag=x"}, edits...)
		for _, other := range [][]byte{received("ACK", tagged...), received("CANCEL", edits...)} {
			if got := transaction.KeyOf(parse(t, other)); got != invite {
				t.Errorf("%.6s: got key %x, want that of the INVITE, %x", other, got, invite)
			}
		}
	}
	// The ACK of a 2xx of an old client has its own Request-URI: it matches nothing,
	// but the shard, chosen by Lo, is its INVITE's.
	invite := transaction.KeyOf(parse(t, old("INVITE")))
	ack := transaction.KeyOf(parse(t, old("ACK", "bob@example.org SIP", "bob@192.0.2.9 SIP")))
	if ack.Lo != invite.Lo || ack.Hi == invite.Hi {
		t.Errorf("got key %x beside %x", ack, invite)
	}
	long := received("INVITE", "nashds8", strings.Repeat("x", 3000))
	if first := transaction.KeyOf(parse(t, long)); first != transaction.KeyOf(parse(t, long)) {
		t.Error("the key of a long branch changes")
	}
}

// Proves: TX-24
func TestResponsesThatMatchNothingAreStrays(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{Shard: 3, Boot: [4]byte{1, 2, 3, 4}})
	c := f.invite(flow.UDP)
	f.took()
	b := c.Branch
	wrong := map[string]func(b *transaction.Branch){
		"slot": func(b *transaction.Branch) {
			b.Handle = effect.MakeHandle(3, b.Handle.Slot()+1, b.Handle.Generation())
		},
		"slot far away": func(b *transaction.Branch) { b.Handle = effect.MakeHandle(3, 1<<23, b.Handle.Generation()) },
		"generation": func(b *transaction.Branch) {
			b.Handle = effect.MakeHandle(3, b.Handle.Slot(), b.Handle.Generation()+2)
		},
		"shard": func(b *transaction.Branch) {
			b.Handle = effect.MakeHandle(4, b.Handle.Slot(), b.Handle.Generation())
		},
		"boot":  func(b *transaction.Branch) { b.Boot[3]++ },
		"nonce": func(b *transaction.Branch) { b.Nonce[0] ^= 1 },
	}
	for name, spoil := range wrong {
		other := b
		spoil(&other)
		if got, verdict := f.responseOn(&other, 200, "INVITE"); verdict != transaction.Stray || got != nil {
			t.Errorf("with another %s: got %v", name, verdict)
		}
	}
	if got := f.table.Stats().Strays; got != uint64(len(wrong)) {
		t.Errorf("got %d strays counted, want %d", got, len(wrong))
	}
	f.silent()
	b.Loop[0]++ // proves nothing
	if _, verdict := f.responseOn(&b, 200, "INVITE"); verdict != transaction.PassUp {
		t.Errorf("got %v, want PassUp", verdict)
	}
}

func TestAReservedClientHearsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, transaction.Config{})
	c := f.table.Reserve(sip.INVITE)
	is(t, f.response(c, 200, "INVITE"), transaction.Stray)
	h := c.Handle()
	f.table.Release(c)
	if f.table.Client(h) != nil {
		t.Error("a released client is found")
	}
	f.empty()
}
