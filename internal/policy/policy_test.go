package policy

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/sip"
)

const invite = "INVITE sip:%61lice%2f@Example.COM:5062;user=phone;lr SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKnashds8\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: \"Bob B.\" <sip:bob@other.example>;tag=1928301774\r\n" +
	"To: <tel:+33-6;phone-context=x>;tag=77\r\n" +
	"Call-ID: a84b4c76e66710@192.0.2.50\r\n" +
	"CSeq: 314159 INVITE\r\n" +
	"Contact: <sips:bob@[2001:DB8::1]:5061>, <sip:second@192.0.2.9>\r\n" +
	"User-Agent: Phone/1.0 \r\n" +
	"Subject: a\r\n  folded\r\n\tvalue\r\n" +
	"X-Empty:\r\n" +
	"Content-Length: 0\r\n\r\n"

// factsOf reads a request as the proxy would.
func factsOf(t testing.TB, wire string) *Facts {
	t.Helper()
	m := new(sip.Message)
	if err := m.Parse([]byte(wire)); err != nil {
		t.Fatal(err)
	}
	f := &Facts{Msg: m, Method: m.Method(), Listener: "main", From: flow.Flow{
		Protocol: flow.UDP,
		Local:    netip.MustParseAddrPort("192.0.2.1:5060"),
		Remote:   netip.MustParseAddrPort("[::ffff:192.0.2.50]:5066"),
	}}
	if u, err := m.URI(); err == nil {
		f.Dest = u
	}
	return f
}

// decide takes a decision of one step.
func decide(p *Program, f *Facts) *Rule {
	var c Cursor
	return p.Decide(&c, f).Rule
}

func TestTexts(t *testing.T) {
	t.Parallel()
	f := factsOf(t, invite)
	for _, c := range []struct {
		name string
		text Text
		want string
	}{
		{"the user with unreserved escapes decoded", User(Dest), "alice%2F"},
		{"the domain in lower case", Domain(Dest), "example.com"},
		{"an IPv6 domain with brackets", Domain(Contact), "[2001:db8::1]"},
		{"the scheme", Scheme(Contact), "sips"},
		{"the parameters", Params(Dest), ";user=phone;lr"},
		{"one parameter", Param(Dest, "user"), "phone"},
		{"a parameter without value", Param(Dest, "lr"), ""},
		{"an absent parameter", Param(Dest, "maddr"), ""},
		{"the whole URI", Whole(From), "sip:bob@other.example"},
		{"a display name without quotes", Display(From), "Bob B."},
		{"no display name", Display(To), ""},
		{"the Request-URI has no display name", Display(Dest), ""},
		{"the From tag", Tag(From), "1928301774"},
		{"the To tag", Tag(To), "77"},
		{"the number of a tel URI", User(To), "+33-6"},
		{"a tel URI has no domain", Domain(To), ""},
		{"the first Contact", User(Contact), "bob"},
		{"a header field", Header("User-Agent"), "Phone/1.0"},

		{"a folded header field", Header("Subject"), "a folded value"},
		{"a header field by its compact form", Header("s"), "a folded value"},
		{"an empty header field", Header("X-Empty"), ""},
		{"an absent header field", Header("X-Absent"), ""},
		{"the Call-ID", CallID(), "a84b4c76e66710@192.0.2.50"},
		{"the method", MethodText(), "INVITE"},
		{"the transport", Transport(), "udp"},
		{"the listener", ListenerName(), "main"},
		{"the source, IPv4-mapped as IPv4", AddrText(SourceIP()), "192.0.2.50"},
		{"no address", AddrText(HostAddr(Domain(Dest))), ""},
		{"a number computed from built texts", Decimal(Multiply(Int(0), Hash(Lower(Const("ABC"))))), "0"},
		{"a port", Decimal(Port(Dest)), "5062"},
		{"no port", Decimal(Port(From)), "0"},
		{"joined texts", Concat(Const("a"), Lower(Const("BC")), Decimal(SourcePort()), Lower(Const("D"))), "abc5066d"},
		{"joined texts in joined texts", Concat(Concat(Const("a"), Const("b")), Concat(Lower(Const("C")), Const("d"))), "abcd"},
		{"nothing joined", Concat(), ""},
		{"a replaced prefix", ReplacePrefix(Const("0612"), Const("0"), Const("+33")), "+33612"},
		{"no such prefix", ReplacePrefix(Const("112"), Const("0"), Const("+33")), "112"},
		{"a choice", Choose(True, Const("a"), Const("b")), "a"},
		{"the other choice", Choose(False, Const("a"), Const("b")), "b"},
		{"escapes for a user part", AsUser(Const("a b@c:%41%zz;d")), "a%20b%40c%3A%41%25zz;d"},
		{"nothing to escape", AsUser(Const("alice")), "alice"},
		{"escapes for a parameter", AsParam(Const("a;b=c?d")), "a%3Bb%3Dc%3Fd"},
		{"a host", AsHost(Const("[2001:db8::1]:5060")), "[2001:db8::1]:5060"},
		{"what cannot be a host", AsHost(Const("evil@192.0.2.66")), ""},
		{"user and at sign", UserInfo(Const("alice")), "alice@"},
		{"no user, no at sign", UserInfo(Const("")), ""},
	} {
		if got := string(c.text(f)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	f := factsOf(t, invite)
	low := Int(-1 << 63)
	for _, c := range []struct {
		name   string
		number Number
		want   int64
	}{
		{"sum", Add(Int(2), Int(3)), 5},
		{"difference", Subtract(Int(2), Int(3)), -1},
		{"product", Multiply(Int(2), Int(3)), 6},
		{"quotient", Divide(Int(7), Int(2)), 3},
		{"division by zero", Divide(Int(7), Int(0)), 0},
		{"the one quotient that overflows", Divide(low, Int(-1)), -1 << 63},
		{"rest", Modulo(Int(-7), Int(2)), -1},
		{"rest of nothing", Modulo(Int(7), Int(0)), 0},
		{"negation", Negate(Int(7)), -7},
		{"a choice", Choose(True, Int(1), Int(2)), 1},
		{"source port", SourcePort(), 5066},
	} {
		if got := c.number(f); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	if a, b := Hash(Const("a"), Const("bc"))(f), Hash(Const("ab"), Const("c"))(f); a == b || a < 0 || a > 1<<32-1 {
		t.Errorf("hash: got %d and %d", a, b)
	}
	if a, b := Hash(CallID())(f), Hash(CallID())(f); a != b {
		t.Errorf("hash of the same: got %d and %d", a, b)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	f := factsOf(t, invite)
	networks := NewPrefixes(netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::ffff:10.0.0.0/104"))
	domains := NewDomains("Example.com.", "[2001:db8::1]", "192.0.2.7", "")
	dialPlan, err := NewPattern("0[1-9]XX.")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cond Bool
		want bool
	}{
		{"and of none", And(), true},
		{"and of two", And(True, False), false},
		{"and of three", And(True, True, True), true},
		{"or of none", Or(), false},
		{"or of two", Or(False, True), true},
		{"or of three", Or(False, False, False), false},
		{"not", Not(True), false},
		{"equal bools", EqualBool(True, False), false},
		{"equal numbers", EqualNumber(Int(1), Int(1)), true},
		{"less", Less(Int(1), Int(1)), false},
		{"less or equal", LessOrEqual(Int(1), Int(1)), true},
		{"equal texts", Equal(Const("a"), Const("A")), false},
		{"equal domains", EqualDomain(Domain(Dest), Const("EXAMPLE.com")), true},
		{"equal literal domains", EqualDomain(Domain(Contact), Const("[2001:db8:0::1]")), true},
		{"equal addresses", EqualAddr(SourceIP(), FixedAddr(netip.MustParseAddr("::ffff:192.0.2.50"))), true},
		{"method", IsMethod(sip.INVITE), true},
		{"another method", IsMethod(sip.ACK), false},
		{"has a user", HasUser(Dest), true},
		{"has the user of a tel URI", HasUser(To), true},
		{"has a parameter without value", HasParam(Dest, "LR"), true},
		{"has no such parameter", HasParam(Dest, "maddr"), false},
		{"has an empty header field", HasHeader("X-Empty"), true},
		{"has no such header field", HasHeader("X-Absent"), false},
		{"has a number", NotZero(Port(From)), false},
		{"has an address", HasAddr(SourceIP()), true},
		{"has a text", NotEmpty(Tag(From)), true},
		{"starts with", StartsWith(Const("abc"), Const("ab")), true},
		{"ends with", EndsWith(Const("abc"), Const("ab")), false},
		{"contains", Contains(Const("abc"), Const("b")), true},
		{"matches", Matches(User(From), regexp.MustCompile("^b.b$")), true},
		{"like", Like(Const("0612"), dialPlan), false},
		{"like with a rest", Like(Const("06123"), dialPlan), true},
		{"within", Within(SourceIP(), networks), true},
		{"within a mapped network", Within(FixedAddr(netip.MustParseAddr("10.1.2.3")), networks), true},
		{"not within", Within(FixedAddr(netip.MustParseAddr("11.1.2.3")), networks), false},
		{"within no set", Within(SourceIP(), nil), false},
		{"no address within", Within(HostAddr(Domain(Dest)), networks), false},
		{"local name", Local(Domain(Dest), domains), true},
		{"local name with a final dot", Local(Const("EXAMPLE.COM."), domains), true},
		{"local address", Local(Domain(Contact), domains), true},
		{"local IPv4 address", Local(Const("192.0.2.7"), domains), true},
		{"a subdomain is another domain", Local(Const("a.example.com"), domains), false},
		{"nothing is not local", Local(Const(""), domains), false},
		{"a name too long", Local(Const(strings.Repeat("a", 300)), domains), false},
		{"no set of domains", Local(Const("example.com"), nil), false},
	} {
		if got := c.cond(f); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAbsentFieldsReadAsNothing(t *testing.T) {
	t.Parallel()
	f := &Facts{Msg: new(sip.Message)}
	for _, p := range []Party{Dest, From, To, Contact} {
		for i, text := range []Text{User(p), Domain(p), Scheme(p), Params(p), Whole(p), Display(p), Tag(p), Param(p, "x")} {
			if got := text(f); len(got) != 0 {
				t.Errorf("party %d, text %d: got %q", p, i, got)
			}
		}
		if Port(p)(f) != 0 || HasUser(p)(f) || HasParam(p, "x")(f) {
			t.Errorf("party %d has something", p)
		}
	}
	for i, text := range []Text{Header("Subject"), Header("Contact"), CallID(), MethodText(), Transport(), ListenerName(), AddrText(SourceIP())} {
		if got := text(f); len(got) != 0 {
			t.Errorf("text %d: got %q", i, got)
		}
	}
}

func TestPatternFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"": ErrPatternEmpty, "[": ErrPatternOpen, "[1": ErrPatternOpen, "[]": ErrPatternSet, "[-1]": ErrPatternSet,
		"[1-]": ErrPatternSet, "[9-1]": ErrPatternSet, "1.2": ErrPatternPoint, ".": nil, "XZN": nil, "[15-9]": nil, "+33": nil,
	} {
		if _, err := NewPattern(text); err != want {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

func TestPatternMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, yes, no string
	}{
		{"X", "0 5 9", "a 10"},
		{"ZN", "12 99", "02 11 1"},
		{"[157-9]", "1 5 7 8 9", "0 6 2"},
		{"0.", "01 0123", "0 1"},
		{".", "a ab", ""},
		{"+33X", "+331", "331 +33"},
	} {
		p, err := NewPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range strings.Fields(c.yes) {
			if !p.Match([]byte(s)) {
				t.Errorf("%s does not take %s", c.pattern, s)
			}
		}
		for _, s := range append(strings.Fields(c.no), "") {
			if p.Match([]byte(s)) {
				t.Errorf("%s takes %q", c.pattern, s)
			}
		}
	}
}

func TestHashNameIsStable(t *testing.T) {
	t.Parallel()
	// other nodes and later versions read these values in Route cookies
	if got := HashName("rule", "a"); got != 0x6c835558 {
		t.Errorf("got %#x", got)
	}
	if HashName("rule", "a") == HashName("group", "a") {
		t.Error("kinds are not told apart")
	}
}

func TestDecideTakesTheFirstMatch(t *testing.T) {
	t.Parallel()
	p := &Program{Rules: []Rule{
		{Name: "no", Hash: 1, When: False},
		{Name: "yes", Hash: 2, When: IsMethod(sip.INVITE)},
		{Name: "also", Hash: 3},
	}}
	f := factsOf(t, invite)
	f.Scratch = append(f.Scratch, "left over"...)
	if r := decide(p, f); r == nil || r.Name != "yes" {
		t.Errorf("got %v", r)
	}
	if len(f.Scratch) != 0 {
		t.Error("the scratch was not emptied")
	}
	if r := p.Rule(3); r == nil || r.Name != "also" {
		t.Errorf("got %v", r)
	}
	if p.Rule(4) != nil {
		t.Error("a rule that is gone was found")
	}
	if r := decide(&Program{}, f); r != nil {
		t.Errorf("no rules: got %v", r)
	}
}

// TestDecideForgetsTheLastMessage holds that nothing read of one message is
// taken for the next one's.
func TestDecideForgetsTheLastMessage(t *testing.T) {
	t.Parallel()
	p := &Program{Rules: []Rule{{Name: "bob", When: Equal(User(From), Const("bob"))}}}
	f := factsOf(t, invite)
	if decide(p, f) == nil {
		t.Fatal("bob was not recognised")
	}
	if err := f.Msg.Parse([]byte(strings.ReplaceAll(invite, "sip:bob@", "sip:eve@"))); err != nil {
		t.Fatal(err)
	}
	if decide(p, f) != nil {
		t.Error("eve was taken for bob")
	}
}
