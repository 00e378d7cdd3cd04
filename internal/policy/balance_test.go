package policy

import (
	"fmt"
	"testing"

	"viaduct/sip"
)

func groupOf(balance Balance, key Number, uris ...string) *Group {
	g := &Group{Name: "g", Balance: balance, Key: key}
	for _, u := range uris {
		g.Targets = append(g.Targets, GroupTarget{URI: []byte(u), Q: 1000})
	}
	return g
}

// inviteOf is a message with a Call-ID.
func inviteOf(t testing.TB, callID string) *sip.Message {
	t.Helper()
	m := &sip.Message{}
	wire := "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: " + callID + "\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	if err := m.Parse([]byte(wire)); err != nil {
		t.Fatal(err)
	}
	return m
}

// One key, one target; keys are spread evenly; a target that goes moves only what
// was its own.
func TestChooseByHash(t *testing.T) {
	t.Parallel()
	all := []string{"sip:192.0.2.1", "sip:192.0.2.2", "sip:192.0.2.3", "sip:192.0.2.4"}
	full, less := groupOf(BalanceNone, nil, all...), groupOf(BalanceNone, nil, all[:3]...)
	const calls = 4000
	share := map[string]int{}
	for i := range calls {
		f := &Facts{Msg: inviteOf(t, fmt.Sprintf("%d@caller", i))}
		at := string(full.Choose(f).URI)
		share[at]++
		if again := string(full.Choose(f).URI); again != at {
			t.Fatalf("call %d goes to %s, then to %s", i, at, again)
		}
		if at != all[3] {
			if now := string(less.Choose(f).URI); now != at {
				t.Fatalf("call %d moves from %s to %s because another target is gone", i, at, now)
			}
		}
	}
	for _, u := range all {
		if n := share[u]; n < calls/4*8/10 || n > calls/4*12/10 {
			t.Errorf("%s gets %d of %d calls", u, n, calls)
		}
	}
}

func TestChooseByKeyAndPriority(t *testing.T) {
	t.Parallel()
	all := []string{"sip:192.0.2.1", "sip:192.0.2.2", "sip:192.0.2.3"}
	byDomain := groupOf(BalanceHash, Hash(Domain(To)), all...)
	first := byDomain.Choose(&Facts{Msg: inviteOf(t, "1")})
	for i := range 50 {
		if got := byDomain.Choose(&Facts{Msg: inviteOf(t, fmt.Sprint(i))}); got != first {
			t.Fatalf("a key that stays gives %s and %s", first.URI, got.URI)
		}
	}
	priority := groupOf(BalancePriority, nil, all...)
	if got := priority.Choose(&Facts{Msg: inviteOf(t, "1")}); got != &priority.Targets[0] {
		t.Errorf("of equal q got %s", got.URI)
	}
	priority.Targets[0].Q = 500
	if got := priority.Choose(&Facts{Msg: inviteOf(t, "1")}); got != &priority.Targets[1] {
		t.Errorf("got %s, want the first of the highest q", got.URI)
	}
	none := groupOf(BalanceNone, nil, all...)
	none.Targets[1].Q, none.Targets[2].Q = 500, 500
	for i := range 50 {
		if got := none.Choose(&Facts{Msg: inviteOf(t, fmt.Sprint(i))}); got != &none.Targets[0] {
			t.Fatalf("got %s, want the highest q", got.URI)
		}
	}
}

// A rule that reads what a CANCEL does not carry is not asked about one.
func TestDecidePassesByForFollowers(t *testing.T) {
	t.Parallel()
	p := Program{Rules: []Rule{{Name: "barred", End: End{Kind: Reply}, InviteOnly: true}, {Name: "rest", End: End{Kind: Send}}}}
	f := &Facts{Msg: inviteOf(t, "1"), Method: sip.INVITE}
	if r := decide(&p, f); r.Name != "barred" {
		t.Errorf("an INVITE meets %q", r.Name)
	}
	f.Follows = true
	if r := decide(&p, f); r.Name != "rest" {
		t.Errorf("its CANCEL meets %q", r.Name)
	}
}
