package policy

import (
	"fmt"
	"net/netip"
	"regexp"
	"testing"

	"viaduct/sip"
)

// twentyRules is a program in which only the last rule matches, so that a decision
// evaluates one condition of every kind.
func twentyRules(t testing.TB) *Program {
	t.Helper()
	trunks := NewPrefixes(netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db9::/32"))
	domains := NewDomains("example.org", "sip.example.org", "192.0.2.1")
	dialPlan, err := NewPattern("0[1-9]XXXXXXXX")
	if err != nil {
		t.Fatal(err)
	}
	conditions := []Bool{
		IsMethod(sip.REGISTER),
		And(IsMethod(sip.INVITE), Local(Domain(Dest), domains)),
		Within(SourceIP(), trunks),
		Within(HostAddr(Domain(Contact)), trunks),
		Matches(User(Dest), regexp.MustCompile(`^(0|\+)[0-9]{5,}$`)),
		Matches(Header("User-Agent"), regexp.MustCompile(`(?i)(scanner|friendly|vax)[a-z]*$`)),
		Like(User(Dest), dialPlan),
		StartsWith(User(Dest), Const("00")),
		EndsWith(Domain(Dest), Const(".example.net")),
		Contains(Display(From), Const("spam")),
		Equal(Header("Subject"), Const("hello")),
		EqualDomain(Domain(From), Domain(Dest)),
		EqualAddr(SourceIP(), FixedAddr(netip.MustParseAddr("203.0.113.1"))),
		Less(SourcePort(), Int(1024)),
		EqualNumber(Modulo(Hash(CallID(), User(From)), Int(2)), Int(5)),
		Equal(Concat(User(From), Const("@"), Domain(From)), Const("eve@example.com")),
		Equal(Transport(), Const("tls")),
		Equal(ReplacePrefix(User(Dest), Const("al"), Const("+33")), Const("nobody")),
		Or(Equal(Tag(To), Const("1")), Equal(MethodText(), Const("PING")), Equal(ListenerName(), Const("other"))),
	}
	p := new(Program)
	for i, c := range conditions {
		p.Rules = append(p.Rules, Rule{Name: fmt.Sprint(i), Hash: uint32(i + 1), When: c, End: End{Kind: Drop}})
	}
	uri := Concat(Const("sip:"), UserInfo(AsUser(User(Dest))), AsHost(Domain(From)), Const(":"), Decimal(SourcePort()))
	p.Rules = append(p.Rules, Rule{Name: "last", Hash: 99, End: End{Kind: Send, Targets: []Target{{Kind: ToURI, URI: uri, Q: 1000}}}})
	return p
}

func TestDecideAllocatesNothing(t *testing.T) {
	p, f := twentyRules(t), factsOf(t, invite)
	var rule *Rule
	var uri []byte
	decideOnce := func() {
		if rule = decide(p, f); rule != nil && rule.Kind == Send {
			uri = rule.Targets[0].URI(f)
		}
	}
	decideOnce() // the scratch grows and the regular expressions get their machines
	if n := testing.AllocsPerRun(1000, decideOnce); n != 0 {
		t.Errorf("got %v allocations a decision, want 0", n)
	}
	if rule == nil || rule.Name != "last" || string(uri) != "sip:alice%2F@other.example:5066" {
		t.Errorf("got %+v, %q", rule, uri)
	}
}

func BenchmarkDecide(b *testing.B) {
	p, f := twentyRules(b), factsOf(b, invite)
	b.Run("20-rules", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			decide(p, f)
		}
	})
	one := &Program{Rules: p.Rules[19:]}
	b.Run("relay", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			decide(one, f)
		}
	})
}

func BenchmarkPrefixes(b *testing.B) {
	var list []netip.Prefix
	for i := range 1000 {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	p, a := NewPrefixes(list...), netip.MustParseAddr("10.3.200.7")
	b.ReportAllocs()
	for b.Loop() {
		p.Contains(a)
	}
}
