package siptest

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

func TestLadders(t *testing.T) {
	RunDir(t, "testdata/*.ladder", newForker)
}

func TestStatelessLadder(t *testing.T) {
	Run(t, `
stateless
config: ${bob}
alice -> proxy INVITE sip:bob@example.org rport
proxy -> bob INVITE via+1 new-branch
alice -> proxy INVITE again
proxy -> bob INVITE copy
bob -> proxy 100
proxy -> alice 100 via-1
bob -> proxy 486
proxy -> alice 486 via-1
alice -> proxy ACK
proxy -> bob ACK via+1 same-branch
`, newRelay)
}

// head is the beginning of the ladders below.
const head = "config: sip:bob@${bob}\nalice -> proxy INVITE sip:bob@example.org\n"

func TestLaddersFailForTheReasonTheyName(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string // parts of the failure
	}{
		{
			"a message that nobody expects",
			"actor alice\nactor bob\n" + head + "proxy -> alice 100\n",
			[]string{"at the end: before it, unexpected: proxy  -> bob     INVITE  via+1 max-forwards=69 record-route", "  + proxy  -> bob     INVITE"},
		},
		{
			"a message that does not come",
			head + "proxy -> alice 100\nproxy -> bob INVITE\nproxy -> bob CANCEL\n",
			[]string{"line 5: proxy -> bob CANCEL: missing: nothing was sent there", "  - proxy -> bob CANCEL"},
		},
		{
			"fewer copies than said",
			head + "proxy -> alice 100\nproxy -> bob INVITE times=2\n",
			[]string{"missing: 1 of 2 were sent", "  + proxy -> bob INVITE times=1"},
		},
		{
			"silence that is broken",
			head + "silence\n",
			[]string{"line 3: silence: before it, unexpected: proxy  -> alice   100"},
		},
		{"another status", head + "proxy -> alice 180\nproxy -> bob INVITE\n", []string{"proxy -> alice 180: got 100"}},
		{"another Request-URI", head + "proxy -> alice 100\nproxy -> bob INVITE sip:x@y\n", []string{"got Request-URI sip:bob@127.0.0.12:5060", "  + proxy  -> bob     INVITE  sip:bob@127.0.0.12:5060"}},
		{"another value", head + "proxy -> alice 100\nproxy -> bob INVITE max-forwards=70\n", []string{`want max-forwards=70, got "69"`}},
		{"another header value", head + "proxy -> alice 100\nproxy -> bob INVITE Contact=*carol*\n", []string{`want Contact=*carol*, got "<sip:alice@127.0.0.11:5060>"`}},
		{"a word that does not hold", head + "proxy -> alice 100 to-tag\nproxy -> bob INVITE\n", []string{"to-tag does not hold"}},
		{"a word that does not exist", head + "proxy -> alice 100 foo=1\nproxy -> bob INVITE\n", []string{"want foo=1", "no such word"}},
		{"a header that should not be there", head + "proxy -> alice 100\nproxy -> bob INVITE no:Contact\n", []string{"want no:Contact", "alice@127.0.0.11"}},
		{
			"another time",
			head + "proxy -> alice 100\nproxy -> bob INVITE\n+1s\nproxy -> bob INVITE at +0.6s\n",
			[]string{`want at +0.6s, got "at +0.5s"`, "  + proxy  -> bob     INVITE  at +0.5s"},
		},
		{
			"another order in time",
			"config: sip:bob@${bob}\nalice -> proxy INVITE sip:bob@example.org\nproxy -> alice 100\nproxy -> bob INVITE\n" +
				"carol -> proxy INVITE sip:bob@example.org call=2\nproxy -> carol 100\nproxy -> bob INVITE\n+40s\n" +
				"proxy -> alice 408 at +32s\nproxy -> bob INVITE times=12\nproxy -> carol 408\n",
			[]string{"out of order"},
		},
		{"a failure that is a success", head + "proxy -> alice 100\nproxy -x bob INVITE\n", []string{"got arrow ->"}},
		{"an ACK for nothing", head + "proxy -> alice 100\nproxy -> bob INVITE\nalice -> proxy ACK\n", []string{"alice has no final response to acknowledge"}},
		{"a CANCEL of nothing", "alice -> proxy CANCEL\n", []string{"alice has sent no INVITE to cancel"}},
		{"a BYE without dialog", "alice -> proxy BYE\n", []string{"alice has no dialog for a BYE without Request-URI"}},
		{"an answer to nothing", "alice -> proxy 200\n", []string{"alice has no  request to answer"}},
		{"an input word that does not exist", "alice -> proxy INVITE sip:bob@example.org foo\n", []string{`unknown word "foo"`}},
		{"a head that does not exist", "alice -> proxy INVITE sip:b@c\nfrob x\n", []string{`2: unknown line "frob"`}},
		{"a block without end", "alice -> proxy raw <<<\nINVITE\n", []string{"<<< without >>>"}},
		{"a file that is not there", "alice -> proxy file no/such\n", []string{"no such file"}},
		{"an element that talks to itself", "alice -> proxy INVITE sip:bob@127.0.0.1:5060\n", []string{"talks to itself without end"}},
		{"nobody to be down", head + "down carol\n", []string{"no actor carol"}},
		{"no FlowGone", head + "proxy -> alice 100\nproxy -> bob INVITE\nclose alice\n", []string{"has no FlowGone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spyOn(t, func(tb testing.TB) { Run(tb, c.text, newForker) })
			all := strings.Join(s.failures, "\n")
			for _, part := range c.want {
				if !strings.Contains(all, part) {
					t.Errorf("no %q in the failure:\n%s", part, all)
				}
			}
		})
	}
}

func TestTheAuditFailsALadder(t *testing.T) {
	liar := func(s *Setup) Element { return &liar{newForker(s)} }
	s := spyOn(t, func(tb testing.TB) { Run(tb, head+"proxy -> alice 100\nproxy -> bob INVITE\n", liar) })
	if all := strings.Join(s.failures, "\n"); !strings.Contains(all, `bytes: header line "X-Lie: yes" was not received`) {
		t.Errorf("got %s", all)
	}
}

// liar is an element that adds a header line to requests.
type liar struct{ Element }

func (l *liar) Receive(now clock.Instant, wire []byte, from flow.Flow, fx *effect.List) {
	l.Element.Receive(now, wire, from, fx)
	for i := range fx.Sends {
		if s := string(fx.Sends[i].Wire); strings.HasPrefix(s, "INVITE") {
			fx.Sends[i].Wire = fx.Copy([]byte(strings.Replace(s, "\r\nCSeq", "\r\nX-Lie: yes\r\nCSeq", 1)))
		}
	}
}

// keeper is an element that keeps bytes it was only lent.
type keeper struct {
	relay
	kept []byte
}

func (k *keeper) Receive(now clock.Instant, wire []byte, from flow.Flow, fx *effect.List) {
	if k.kept == nil {
		k.kept = wire
	}
	k.relay.Receive(now, k.kept, from, fx)
}

func TestBytesAreOnlyLent(t *testing.T) {
	s := spyOn(t, func(tb testing.TB) {
		Run(tb, "stateless\nconfig: ${bob}\nalice -> proxy MESSAGE sip:b@c\nproxy -> bob MESSAGE\nalice -> proxy MESSAGE again\nproxy -> bob MESSAGE copy\n",
			func(s *Setup) Element { return &keeper{relay: *newRelay(s).(*relay)} })
	})
	if len(s.failures) == 0 {
		t.Error("an element that keeps lent bytes passed")
	}
}

// TestUpdateRewritesExpectationsOnly plays a wrong ladder with -update: comments,
// inputs and time steps stay, expectations become what happened, and the result
// passes.
func TestUpdateRewritesExpectationsOnly(t *testing.T) {
	const wrong = `# a comment
config: sip:bob@${bob}
alice  -> proxy   INVITE  sip:bob@example.org

proxy  -> alice   180
proxy  -> bob     INVITE  max-forwards=70 via+1 to-tag
proxy  -> bob     CANCEL
# another
+1s
bob    -> proxy   200
proxy  -> alice   200     via-1
`
	const right = `# a comment
config: sip:bob@${bob}
alice  -> proxy   INVITE  sip:bob@example.org

proxy  -> alice   100
proxy  -> bob     INVITE  max-forwards=69 via+1
# another
+1s
proxy  -> bob     INVITE  via+1 max-forwards=69 copy record-route at +0.5s
bob    -> proxy   200
proxy  -> alice   200     via-1
`
	path := filepath.Join(t.TempDir(), "x.ladder")
	if err := os.WriteFile(path, []byte(wrong), 0o644); err != nil {
		t.Fatal(err)
	}
	*update = true
	t.Cleanup(func() { *update = false })
	Run(t, path, newForker)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != right {
		t.Errorf("got\n%s\nthe difference is\n%s", got, diff(right, string(got)))
	}
	*update = false
	Run(t, path, newForker)
}

func TestUpdateLeavesAStuckLadderAlone(t *testing.T) {
	const text = "alice -> proxy BYE\nproxy -> bob BYE\n"
	path := filepath.Join(t.TempDir(), "x.ladder")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	*update = true
	t.Cleanup(func() { *update = false })
	spyOn(t, func(tb testing.TB) { Run(tb, path, newForker) })
	if got, _ := os.ReadFile(path); string(got) != text {
		t.Errorf("got\n%s", got)
	}
}

func TestDoReachesTheElement(t *testing.T) {
	var p *forker
	Run(t, "do drain now\nalice -> proxy raw <<<\ngarbage\n>>>\nsilence\n", func(s *Setup) Element { p = newForker(s).(*forker); return p })
	if strings.Join(p.done, " ") != "drain now" {
		t.Errorf("got %q", p.done)
	}
}

func TestStreams(t *testing.T) {
	c := &closer{}
	Run(t, `
actor alice tcp 127.0.0.1:5070 from 127.0.0.1:41000
actor bob tcp 127.0.0.1:5071
config: sip:bob@${bob}
listen proxy tcp 127.0.0.1:5060
alice -> proxy INVITE sip:bob@example.org
proxy -> alice 100
proxy -> bob INVITE Via=*TCP*TCP*127.0.0.1:5070* Contact=*;transport=tcp>
bob -> proxy 486
proxy -> bob ACK
proxy -> alice 486
alice -> proxy ACK
close alice
`, func(s *Setup) Element { c.forker = newForker(s).(*forker); return c })
	if len(c.gone) != 1 || c.gone[0].Remote.String() != "127.0.0.1:41000" || c.gone[0].Conn != 1 || c.gone[0].Protocol != flow.TCP {
		t.Errorf("got FlowGone of %v, want that of alice", c.gone)
	}
}

// closer is a forker that wants to hear of connections that end.
type closer struct {
	*forker
	gone []flow.Flow
}

func (c *closer) FlowGone(_ clock.Instant, f flow.Flow, _ *effect.List) { c.gone = append(c.gone, f) }

func TestAnElementCanSendToItself(t *testing.T) {
	Run(t, `
alice -> proxy INVITE sip:bob@${bob} h:Route=<sip:${proxy};lr> add:Route=<sip:${proxy};lr> source=127.0.0.1:41000 rport
proxy -> 127.0.0.1:41000 100
proxy -> proxy INVITE via+1 max-forwards=69
proxy -> proxy 100
proxy -> bob INVITE via+1 max-forwards=68
bob -> proxy 180
proxy -> proxy 180 via-1
proxy -> 127.0.0.1:41000 180 via-1
bob -> proxy 486
proxy -> bob ACK same-branch
proxy -> proxy 486
proxy -> proxy ACK same-branch
proxy -> 127.0.0.1:41000 486
`, newForker)
}

func TestSendersAreNamedByListener(t *testing.T) {
	l, err := parseLadder("x", "listen inside 10.0.0.1:5060 as in.example.org\nlisten outside tcp [2001:db8::1]:5062\nlisten any 0.0.0.0:5060\n")
	if err != nil {
		t.Fatal(err)
	}
	e := newEdge(&l.setup, nil)
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		name string
		hop  flow.Hop
		want string
	}{
		{"a listener without local address", flow.Hop{Protocol: flow.UDP}, "inside"},
		{"its own address", flow.Hop{Protocol: flow.UDP, Local: at("10.0.0.1:5060")}, "inside"},
		{"another address", flow.Hop{Protocol: flow.UDP, Local: at("10.0.0.2:5060")}, "?"},
		{"another transport", flow.Hop{Protocol: flow.TCP, Local: at("10.0.0.1:5060")}, "?"},
		{"an ephemeral port of a stream", flow.Hop{Protocol: flow.TCP, Listener: 1, Local: at("[2001:db8::1]:40000")}, "outside"},
		{"a wildcard", flow.Hop{Protocol: flow.UDP, Listener: 2, Local: at("192.0.2.7:5060")}, "any"},
		{"no such listener", flow.Hop{Protocol: flow.UDP, Listener: 3}, "?"},
	} {
		if got := e.sender(c.hop); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	s := &story{trace: e.trace}
	for text, want := range map[string]bool{
		"SIP/2.0/UDP in.example.org": true, "SIP/2.0/UDP IN.example.org:5060": true, "SIP/2.0/UDP 10.0.0.1": true,
		"SIP/2.0/TCP [2001:db8::1]:5062": true, "SIP/2.0/UDP 10.0.0.1:5061": false, "SIP/2.0/UDP out.example.org": false,
	} {
		if v := readVia(text); s.own(&v) != want {
			t.Errorf("own(%q) is not %v", text, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"*b*", "abc", true},
		{"a*c", "abc", true},
		{"a*c", "abd", false},
		{"*", "", true},
		{"a*b*c", "axxbyyc", true},
		{"*x*", "abc", false},
	} {
		if got := match(c.pattern, c.text); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
}
