package config

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
)

func parseExpr(t testing.TB, s string) hclsyntax.Expression {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(s), "x", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(s, diags)
	}
	return e
}

func TestImplies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`local(dest.domain)`, `true`, true},
		{`true`, `local(dest.domain)`, false},
		{`method == INVITE`, `INVITE == (method)`, true},
		{`method == INVITE && has(to.tag)`, `method == INVITE`, true},
		{`method == INVITE`, `method == INVITE && has(to.tag)`, false},
		{`method == INVITE`, `one_of(method, INVITE, ACK)`, true},
		{`one_of(method, INVITE, ACK)`, `method == ACK || method == INVITE`, true},
		{`one_of(method, INVITE, BYE)`, `one_of(method, INVITE, ACK)`, false},
		{`method == INVITE || has(to.tag)`, `method == INVITE`, false},
		{`within(src.ip, network.x)`, `within(src.ip, network["x"])`, true},
		{`within(src.ip, network.x)`, `within(src.ip, network.y)`, false},
		{`dest.user == "1"`, `dest.user == "${"1"}"`, false}, // not proven
		{`dest.port > 5`, `5 < dest.port`, false},            // not proven
		{`dest.port - 1 == 2`, `1 - dest.port == 2`, false},
		{`dest.port + 1 == 2`, `2 == 1 + dest.port`, true},
		{`!has(to.tag)`, `has(to.tag)`, false},
		{`-dest.port == 1`, `-dest.port == 1`, true},
		{`(has(to.tag) ? 1 : 2) == 1`, `(has(to.tag) ? 1 : 2) == 1`, true},
		{`dest.user == "a"`, `dest.user == "b"`, false},
		{`header["a"] == "x"`, `header["b"] == "x"`, false},
		{`within(src.ip, ["10.0.0.0/8"])`, `within(src.ip, ["10.0.0.0/8"])`, true},
	} {
		if got := implies(conjuncts(parseExpr(t, c.a)), conjuncts(parseExpr(t, c.b))); got != c.want {
			t.Errorf("%s implies %s: got %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// TestImpliesIsSound builds random conditions and holds that none that was said
// to imply another holds for a message for which the other does not.
func TestImpliesIsSound(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	atoms := []string{
		`method == INVITE`, `BYE == method`, `one_of(method, INVITE, BYE, INFO)`, `dest.port == 5062`, `dest.port == 1`,
		`local(dest.domain)`, `has(to.tag)`, `one_of(dest.port, 1, 5062)`, `true`, `dest.port != 1`, `(has(to.tag) ? method == INVITE : true)`,
	}
	var build func(depth int) string
	build = func(depth int) string {
		if depth == 0 || r.IntN(4) == 0 {
			return atoms[r.IntN(len(atoms))]
		}
		switch r.IntN(3) {
		case 0:
			return "(" + build(depth-1) + " && " + build(depth-1) + ")"
		case 1:
			return "(" + build(depth-1) + " || " + build(depth-1) + ")"
		}
		return "!(" + build(depth-1) + ")"
	}
	var facts []*policy.Facts
	for _, m := range []string{"INVITE", "BYE", "INFO", "OPTIONS"} {
		for _, port := range []string{":5062", ":1", ""} {
			for _, tag := range []string{"", ";tag=1"} {
				wire := strings.ReplaceAll(invite, "INVITE", m)
				wire = strings.Replace(wire, ":5062", port, 1)
				facts = append(facts, factsOf(t, strings.Replace(wire, "0612345678@example.com>", "0612345678@example.com>"+tag, 1)))
			}
		}
	}
	compile := func(when string) policy.Bool {
		l := newLoader("x", []byte(when), quiet())
		l.ours = policy.NewDomains("example.com")
		v := l.expr(parseExpr(t, when))
		if len(l.diags) > 0 {
			t.Fatal(when, l.diags)
		}
		return v.truth
	}
	proven := 0
	for range 5_000 {
		a, b := build(2), build(2)
		if !implies(conjuncts(parseExpr(t, a)), conjuncts(parseExpr(t, b))) {
			continue
		}
		proven++
		x, y := compile(a), compile(b)
		for _, f := range facts {
			if x(f) && !y(f) {
				t.Fatalf("%s does not imply %s", a, b)
			}
		}
	}
	if proven < 200 {
		t.Errorf("only %d implications were proven: the test proves little", proven)
	}
}
