package policy

import (
	"strings"
	"testing"

	"viaduct/sip"
)

// A small office: what is dialled is rewritten for all that follow, insiders are
// asked who they are and jump to a route of their own.
func office() (p *Program, staff, guests *Realm) {
	staff, guests = &Realm{Name: "staff"}, &Realm{Name: "guests", ID: 1}
	hello := Header("Subject")
	p = &Program{
		Realms: []*Realm{staff, guests},
		Rules: []Rule{
			{
				Name: "short", Hash: 1, When: StartsWith(User(Dest), Const("al")), Let: []Let{KeepText(0, User(Dest))},
				Set:     &SetDest{User: Const("900")},
				Headers: []Edit{{Op: SetHeader, Name: "X-Dialled", Value: LetText(0)}, {Op: RemoveHeader, ID: sip.Subject, Name: "Subject"}},
				End:     End{Kind: Next},
			},
			{Name: "other", Hash: 2, When: NotEmpty(hello), End: End{Kind: Drop}},
			{
				Name: "staff", Hash: 3, When: Equal(User(From), Const("bob")), Authenticate: &Authenticate{Realm: staff},
				Deny: []Deny{{When: Equal(Header("X-Bad"), Const("1")), Status: 403, Reason: "No"}},
				End:  End{Kind: Jump, Route: 0},
			},
			{Name: "rest", Hash: 4, End: End{Kind: Reply, Status: 404}},
		},
		Routes: []Route{{Name: "desks", Rules: []Rule{
			{Name: "abroad", Hash: 5, When: StartsWith(User(Dest), Const("00")), End: End{Kind: Drop}},
			{
				Name: "phones", Hash: 6, When: Equal(User(Dest), Const("900")), Authenticate: &Authenticate{Realm: guests, Any: true},
				ResponseHeaders: []Edit{{Op: AddHeader, Name: "X-By", Value: AuthUser()}},
				End: End{Kind: Send, Targets: []Target{{Kind: ToLocation, Q: 1000}}, Otherwise: []Otherwise{
					{On: []On{{Class: Busy}}, End: End{Kind: Reply, Status: 600}},
				}},
			},
		}}},
	}
	return p, staff, guests
}

// walk decides on and adds who is asked for, and says what happened.
func walk(p *Program, c *Cursor, f *Facts, caller bool) (said []string, last Step) {
	for {
		last = p.Decide(c, f)
		if last.Kind != NeedUser {
			return said, last
		}
		said = append(said, last.Rule.Name+" asks "+last.Realm.Name)
		f.Users = append(f.Users, Identity{Realm: last.Realm, User: []byte(last.Realm.Name + "-bob"), Caller: caller})
	}
}

func TestDecideStepByStep(t *testing.T) {
	t.Parallel()
	p, _, _ := office()
	f := factsOf(t, invite)
	var c Cursor
	said, last := walk(p, &c, f, true)
	if got := strings.Join(said, ", "); got != "staff asks staff, phones asks guests" {
		t.Errorf("got %q", got)
	}
	if last.Kind != Match || last.Rule.Name != "phones" || last.Rule.Kind != Send {
		t.Fatalf("got %+v", last)
	}
	if again := p.Decide(&c, f); again != last {
		t.Errorf("decided again: got %+v", again)
	}
	if p.RuleAt(c) != last.Rule {
		t.Error("the cursor is not at the rule")
	}
	checkOffice(t, f)
	if e := last.Rule.After(OutcomeOf(486, false)); e == nil || e.Status != 600 {
		t.Errorf("busy: got %+v", e)
	}
	if e := last.Rule.After(OutcomeOf(503, false)); e != nil {
		t.Errorf("unreachable: got %+v", e)
	}
}

// checkOffice holds what the rules of the office change.
func checkOffice(t *testing.T, f *Facts) {
	t.Helper()
	if u := f.NewURI(); u == nil || string(u.Text) != "sip:900@Example.COM:5062;user=phone;lr" {
		t.Errorf("Request-URI: got %+v", u)
	}
	if string(User(OriginalDest)(f)) != "alice%2F" || string(User(Dest)(f)) != "900" {
		t.Errorf("got %s and %s", User(OriginalDest)(f), User(Dest)(f))
	}
	if len(f.Edits) != 2 || string(f.Edits[0].Value) != "alice%2F" || f.Edits[1].Op != RemoveHeader {
		t.Errorf("edits: got %+v", f.Edits)
	}
	if HasHeader("Subject")(f) || !HasOriginalHeader("Subject")(f) || string(Header("x-dialled")(f)) != "alice%2F" {
		t.Error("header fields do not read as edited")
	}
	if len(f.ResponseEdits) != 1 || string(f.ResponseEdits[0].Value) != "guests-bob" {
		t.Errorf("response edits: got %+v", f.ResponseEdits)
	}
}

// A decision goes on from its cursor with facts that were filled anew.
func TestRestoreAfterAWait(t *testing.T) {
	t.Parallel()
	p, staff, guests := office()
	f := factsOf(t, invite)
	var c Cursor
	if s := p.Decide(&c, f); s.Kind != NeedUser || s.Realm != staff {
		t.Fatalf("got %+v", s)
	}
	f = factsOf(t, invite)
	if !p.Restore(c, f) {
		t.Fatal("not restored")
	}
	f.Users = append(f.Users, Identity{Realm: staff, User: []byte("staff-bob"), Caller: true}, Identity{Realm: guests, User: []byte("guests-bob")})
	if s := p.Decide(&c, f); s.Kind != Match || s.Rule.Name != "phones" {
		t.Fatalf("got %+v", s)
	}
	users := f.Users
	f = factsOf(t, invite)
	f.Users = users
	if !p.Restore(c, f) {
		t.Fatal("not restored")
	}
	checkOffice(t, f)
	f = factsOf(t, strings.ReplaceAll(invite, "sip:%61lice", "sip:eve"))
	if p.Restore(c, f) {
		t.Error("restored for another request")
	}
}

// Proves: AU-13
func TestAnotherUsersCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	p, _, _ := office()
	f := factsOf(t, invite)
	var c Cursor
	if _, last := walk(p, &c, f, false); last.Kind != Refuse || last.Status != 403 || last.Rule.Name != "staff" {
		t.Errorf("got %+v", last)
	}
}

func TestDenyRefuses(t *testing.T) {
	t.Parallel()
	p, _, _ := office()
	f := factsOf(t, strings.Replace(invite, "X-Empty:", "X-Bad: 1\r\nX-Empty:", 1))
	var c Cursor
	if _, last := walk(p, &c, f, true); last.Kind != Refuse || last.Status != 403 || last.Reason != "No" {
		t.Errorf("got %+v", last)
	}
}

// A jump does not return: no match in its route is the final answer.
func TestJumpDoesNotReturn(t *testing.T) {
	t.Parallel()
	p, _, _ := office()
	p.Routes[0].Rules = p.Routes[0].Rules[:1]
	f := factsOf(t, invite)
	var c Cursor
	if _, last := walk(p, &c, f, true); last.Kind != NoMatch || last.Rule != nil {
		t.Errorf("got %+v", last)
	}
	if s := p.Decide(&c, f); s.Kind != NoMatch {
		t.Errorf("decided again: got %+v", s)
	}
	users := f.Users
	f = factsOf(t, invite)
	if f.Users = users; !p.Restore(c, f) {
		t.Error("the end of a route was not restored")
	}
}

func TestEditInDialog(t *testing.T) {
	t.Parallel()
	p, _, _ := office()
	f := factsOf(t, invite)
	p.Rule(1).EditInDialog(f)
	if len(f.Edits) != 2 || f.NewURI() != nil {
		t.Errorf("got %+v, %v", f.Edits, f.NewURI())
	}
	if r := p.Rule(6); r == nil || r.Name != "phones" {
		t.Errorf("a rule of a route: got %+v", r)
	}
}

func TestSetDest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uri  string
		set  SetDest
		want string // "" for a set that changes nothing
	}{
		{"sip:a@b.example", SetDest{User: AsUser(Const("c@d"))}, "sip:c%40d@b.example"},
		{"sip:a:pw@b.example:5070;x=y", SetDest{Domain: AsHost(Const("192.0.2.1"))}, "sip:a:pw@192.0.2.1:5070;x=y"},
		{"sip:a:pw@b.example", SetDest{User: Const("c")}, "sip:c@b.example"},
		{"sip:a@b.example:5070", SetDest{Port: Int(0)}, "sip:a@b.example"},
		{"sip:a@b.example", SetDest{Port: Int(5080), Params: Const(";user=phone")}, "sip:a@b.example:5080;user=phone"},
		{"sip:b.example", SetDest{User: Const("a")}, "sip:a@b.example"},
		{"sip:a@b.example", SetDest{User: Const("")}, "sip:b.example"},
		{"tel:+33612;phone-context=x", SetDest{Domain: Const("b.example"), Params: Const("")}, "sip:+33612@b.example"},
		{"sip:a@b.example", SetDest{URI: Const("sips:x@y.example")}, "sips:x@y.example"},
		{"sip:a@b.example", SetDest{Domain: Const("")}, ""},
		{"sip:a@b.example", SetDest{Domain: AsHost(Const("x y"))}, ""},
		{"sip:a@b.example", SetDest{Port: Int(70000)}, ""},
	} {
		u, err := sip.ParseURI([]byte(c.uri))
		if err != nil {
			t.Fatal(err)
		}
		f := &Facts{Dest: &u}
		f.move(&c.set)
		got := ""
		if n := f.NewURI(); n != nil {
			got = string(n.Text)
		}
		if got != c.want || (f.BadSets == 1) != (c.want == "") {
			t.Errorf("%s: got %q, want %q", c.uri, got, c.want)
		}
	}
}

// What a message says cannot begin a header field of its own.
func TestHeaderValuesAreOneLine(t *testing.T) {
	t.Parallel()
	r := Rule{Headers: []Edit{
		{Op: AddHeader, Name: "X-A", Value: Const("a\r\nVia: b\x00\tc")},
		{Op: AddHeader, Name: "X-A", Value: Const("second")},
		{Op: SetHeader, Name: "X-B", Value: Header("x-a"), When: HasHeader("X-A")},
		{Op: SetHeader, Name: "X-C", Value: Const("never"), When: False},
	}}
	f := factsOf(t, invite)
	r.EditInDialog(f)
	if len(f.Edits) != 3 || string(f.Edits[0].Value) != "a  Via: b \tc" || string(f.Edits[2].Value) != "a  Via: b \tc" {
		t.Errorf("got %+v", f.Edits)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		rang   bool
		want   Class
	}{
		{486, false, Busy},
		{600, true, Busy},
		{408, true, NoAnswer},
		{408, false, Unreachable},
		{480, false, NoAnswer},
		{487, true, NoAnswer},
		{430, false, Unreachable},
		{503, false, Unreachable},
		{504, false, Unreachable},
		{403, false, Rejected},
		{603, true, Rejected},
		{404, false, NoClass},
		{488, false, NoClass},
	} {
		if got := OutcomeOf(c.status, c.rang); got.Class != c.want || got.Status != c.status {
			t.Errorf("%d: got %+v, want %s", c.status, got, c.want)
		}
	}
	e := End{Otherwise: []Otherwise{
		{On: []On{{Status: 486}, {Class: NotRegistered}}, End: End{Status: 1}},
		{On: []On{{Status: 5}}, End: End{Status: 2}},
		{End: End{Status: 3}},
	}}
	for o, want := range map[Outcome]int{
		OutcomeOf(486, false): 1, OutcomeUnregistered: 1, OutcomeOf(500, false): 2, OutcomeOf(503, false): 2, OutcomeRang: 3, OutcomeOf(600, false): 3,
	} {
		if got := e.After(o); got == nil || got.Status != want {
			t.Errorf("%+v: got %+v, want %d", o, got, want)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	if s := Methods(0); !s.Allows(sip.INFO) || !s.Allows(sip.OtherMethod) {
		t.Error("what is not set lets all pass")
	}
	if s := Methods(0).With(sip.BYE); !s.Allows(sip.BYE) || s.Allows(sip.INFO) || s.Allows(sip.OtherMethod) {
		t.Error("a set lets only its own pass")
	}
}

// TestStepsAllocateNothing is TestDecideAllocatesNothing for what the steps add:
// users, lets, edits, jumps and tables.
func TestStepsAllocateNothing(t *testing.T) {
	p, _, _ := office()
	table := NewTable("t", "user", true, "user", "to", "n")
	for _, row := range [][]string{{"90", "carrier", "1"}, {"9", "other", "2"}} {
		if err := table.Add(row...); err != nil {
			t.Fatal(err)
		}
	}
	index, err := table.Index(AsWritten)
	if err != nil {
		t.Fatal(err)
	}
	row := Lookup(index, User(Dest))
	phones := &p.Routes[0].Rules[1]
	phones.Let = []Let{KeepRow(1, row), KeepNumber(2, ColumnNumber(table, 2, row))}
	phones.Headers = []Edit{{Op: SetHeader, Name: "X-To", Value: Concat(ColumnText(table, 1, LetRow(1)), Const("/"), Decimal(LetNumber(2)))}}
	f := factsOf(t, invite)
	dest, staff, guests := f.Dest, []byte("staff"), []byte("guests")
	var last Step
	var c Cursor
	decideOnce := func() {
		c, f.Dest, f.Users = Cursor{}, dest, f.Users[:0]
		for last = p.Decide(&c, f); last.Kind == NeedUser; last = p.Decide(&c, f) {
			user := staff
			if last.Realm.ID == 1 {
				user = guests
			}
			f.Users = append(f.Users, Identity{Realm: last.Realm, User: user, Caller: true})
		}
		p.Restore(c, f)
	}
	decideOnce()
	if n := testing.AllocsPerRun(1000, decideOnce); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	if n := len(f.Edits); last.Kind != Match || n != 3 || string(f.Edits[2].Value) != "carrier/1" {
		t.Errorf("got %+v, %+v", last, f.Edits)
	}
}
