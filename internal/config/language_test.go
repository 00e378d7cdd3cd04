package config

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// withFiles are options whose files are those given.
func withFiles(files map[string]string) Options {
	o := quiet()
	o.ReadFile = func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Err: os.ErrNotExist}
	}
	return o
}

const language = around + `
users "staff" {
  realm = "example.com"
  file  = "staff.users"
}
users "guests" {
  realm      = "guests"
  algorithms = ["MD5", "SHA-256"]
  http {
    url   = "https://users.internal/ha1"
    cache = "10s"
  }
}
table "customer" {
  key  = "ip"
  rows = [
    { ip = "192.0.2.50", plan = "gold", calls = 4, blocked = false },
    { ip = "2001:DB8::1", plan = "lead", blocked = true },
  ]
}
table "e164" {
  key   = "prefix"
  match = "longest"
  file  = "e164.csv"
}
table "tenant" {
  key  = "domain"
  rows = [{ domain = "Example.COM", gateway = "sip:192.0.2.7" }]
}
rule "register" {
  when         = method == REGISTER && local(to.domain)
  authenticate = users.staff
  register {
    max_contacts  = 3
    expires       = "90s..2h"
    on_disconnect = "remove"
    keepalive     = "none"
    service_route = ["sip:192.0.2.1;lr", "sips:home.example.org;lr"]
    any_path      = true
    gruu          = false
  }
}
rule "rewrite" {
  when = method == INVITE && starts_with(dest.user, "0")
  let  = { was = dest.user, row = table.customer[src.ip], calls = table.customer[src.ip].calls }
  set  = { dest_user = replace_prefix(dest.user, table.e164[dest.user]), dest_port = 0, dest_params = "" }
  header "X-Was" { set = "${let.was} ${let.row.plan} ${let.calls + 1}" }
  header "Subject" { remove = true }
  header "X-Never" {
    when = let.row.blocked
    add  = "1"
  }
  next = true
}
rule "desks" {
  when         = has(header["X-Was"]) && !has(header["Subject"]) && original.header["Subject"] == "Hello" && dest.user != original.dest.user
  authenticate = users.guests
  identity     = "any"
  response_header "X-By" { add = auth.user }
  jump = route["the desks"]
}
route "the desks" {
  rule "phones" {
    when         = dest.domain == "example.com"
    send         = [location, location("sip:${from.user}@example.com"), table.tenant[dest.domain].gateway]
    ring         = "25s"
    in_dialog    = [INFO]
    record_route = false
    path         = true
    otherwise {
      on   = ["busy", "486", "5xx"]
      send = "sip:voicemail@192.0.2.9"
      ring = "10s"
      otherwise { reply = "480 Nobody" }
    }
    otherwise { redirect = "sip:${dest.user}@example.org" }
  }
}
`

func loadLanguage(t testing.TB) *Config {
	t.Helper()
	c, diags := Parse("conf/test.hcl", []byte(language), withFiles(map[string]string{"conf/e164.csv": "prefix,replace\n# France\n0,+33\n00,+\n"}))
	if diags != nil {
		var b strings.Builder
		diags.Print(&b, false)
		t.Fatal(b.String())
	}
	return c
}

func TestUsersBlocks(t *testing.T) {
	t.Parallel()
	c := loadLanguage(t)
	staff, guests := c.Users[0], c.Users[1]
	if staff.File != "conf/staff.users" || staff.Realm.Realm != "example.com" || !slices.Equal(staff.Realm.Algorithms, []auth.Algorithm{auth.SHA256}) {
		t.Errorf("got %+v %+v", staff, staff.Realm)
	}
	if !staff.Realm.Domains.Contains([]byte("EXAMPLE.com")) || staff.Realm.Domains.Contains([]byte("proxy.example.net")) {
		t.Error("a realm that is a domain has the users of another, too")
	}
	if h := guests.HTTP; h == nil || h.URL != "https://users.internal/ha1" || h.Timeout != 300*time.Millisecond || h.Cache != 10*time.Second {
		t.Errorf("got %+v", guests.HTTP)
	}
	if !guests.Realm.Domains.Contains([]byte("example.com")) || !guests.Realm.Domains.Contains([]byte("proxy.example.net")) || guests.Realm.ID != 1 {
		t.Errorf("got %+v", guests.Realm)
	}
	if p := c.Snapshot.Program; len(p.Realms) != 2 || p.Realms[1] != guests.Realm || !slices.Contains(p.Reads.Headers, sip.Authorization) || !p.Reads.Source {
		t.Errorf("got %+v, %+v", p.Realms, p.Reads)
	}
	sql, diags := Parse("x", []byte("server { store = \"/none\" }\nlisten \"udp\" { address = \"192.0.2.1:5060\" }\nusers \"u\" {\n  realm = \"u\"\n  sql {}\n}\n"), quiet())
	if diags != nil || !sql.Users[0].SQL {
		t.Errorf("got %+v, %v", sql, diags)
	}
}

func TestRegisterRule(t *testing.T) {
	t.Parallel()
	c := loadLanguage(t)
	r := c.Snapshot.Program.Rules[0]
	want := policy.Register{
		MaxContacts: 3, MinExpires: 90 * time.Second, MaxExpires: 2 * time.Hour, OnDisconnect: policy.RemoveBinding, Keepalive: policy.NoKeepalive,
		ServiceRoute: "<sip:192.0.2.1;lr>, <sips:home.example.org;lr>", AnyPath: true, NoGRUU: true,
	}
	if r.Kind != policy.ToRegister || r.Register != want || r.Authenticate.Realm.Name != "staff" || !r.Authenticate.Registers || r.Authenticate.Any {
		t.Errorf("got %+v, %+v", r.End, r.Authenticate)
	}
	plain := load(t, around+"rule \"r\" {\n  when = method == REGISTER\n  register {}\n}\n").Snapshot.Program.Rules[0].Register
	if plain != (policy.Register{MaxContacts: 10, MinExpires: time.Minute, MaxExpires: time.Hour}) {
		t.Errorf("defaults: got %+v", plain)
	}
}

// TestLanguageDecides follows the INVITE of the tests through the file.
func TestLanguageDecides(t *testing.T) {
	t.Parallel()
	p := loadLanguage(t).Snapshot.Program
	f := factsOf(t, invite)
	var at policy.Cursor
	step := p.Decide(&at, f)
	if step.Kind != policy.NeedUser || step.Realm.Name != "guests" || step.Rule.Authenticate.Registers {
		t.Fatalf("got %+v", step)
	}
	f.Users = append(f.Users, policy.Identity{Realm: step.Realm, User: []byte("eve")})
	step = p.Decide(&at, f)
	if step.Kind != policy.Match || step.Rule.Name != "phones" || step.Rule != p.Rule(policy.HashName("rule of the desks", "phones")) {
		t.Fatalf("got %+v", step)
	}
	if u := f.NewURI(); u == nil || string(u.Text) != "sip:+33612345678@Example.COM" {
		t.Errorf("Request-URI: got %+v", u)
	}
	var edits []string
	for _, e := range append(slices.Clone(f.Edits), f.ResponseEdits...) {
		edits = append(edits, fmt.Sprint(e.Op, " ", e.Name, " ", string(e.Value)))
	}
	if got := strings.Join(edits, ", "); got != "0 X-Was 0612345678 gold 5, 2 Subject , 1 X-By eve" {
		t.Errorf("edits: got %s", got)
	}
	e := &step.Rule.End
	if len(e.Targets) != 3 || e.Targets[0].Kind != policy.ToLocation || e.Targets[0].URI != nil || string(e.Targets[1].URI(f)) != "sip:bob@example.com" || string(e.Targets[2].URI(f)) != "sip:192.0.2.7" {
		t.Errorf("targets: got %+v", e.Targets)
	}
	if e.Ring != 25*time.Second || e.RecordRoute != policy.No || !e.Path || !e.InDialog.Allows(sip.INFO) || !e.InDialog.Allows(sip.BYE) || e.InDialog.Allows(sip.REFER) {
		t.Errorf("got %+v", e)
	}
	checkLadder(t, e, f)
}

// checkLadder holds what is done otherwise.
func checkLadder(t *testing.T, e *policy.End, f *policy.Facts) {
	t.Helper()
	mail := e.After(policy.OutcomeOf(500, false))
	if mail == nil || string(mail.Targets[0].URI(f)) != "sip:voicemail@192.0.2.9" || mail.Ring != 10*time.Second || mail != e.After(policy.OutcomeOf(600, true)) {
		t.Fatalf("got %+v", mail)
	}
	if end := mail.After(policy.OutcomeRang); end == nil || end.Kind != policy.Reply || end.Status != 480 || end.Reason != "Nobody" {
		t.Errorf("got %+v", end)
	}
	if end := e.After(policy.OutcomeUnregistered); end == nil || end.Kind != policy.Redirect || string(end.Contact[0](f)) != "sip:+33612345678@example.org" {
		t.Errorf("got %+v", end)
	}
}

// TestLookups asks the tables, each key in the way that its kind is compared.
func TestLookups(t *testing.T) {
	t.Parallel()
	tables := language[strings.Index(language, "table \"customer\""):strings.Index(language, "rule \"register\"")]
	for when, want := range map[string]bool{
		`has(table.customer[src.ip])`:                                          true,
		`has(table.customer["192.0.2.50"])`:                                    true,
		`has(table["customer"]["192.0.2.50"])`:                                 true,
		`has(table.customer["192.0.2.51"])`:                                    false,
		`table.customer[src.ip].plan == "gold"`:                                true,
		`table.customer[src.ip].calls == 4`:                                    true,
		`table.customer[src.ip].calls == "4"`:                                  true,
		`4 > table.customer[src.ip].calls - 1`:                                 true,
		`table.customer[src.ip].blocked`:                                       false,
		`table.customer["2001:DB8::1"].blocked`:                                true,
		`!table.customer[src.ip].blocked == true`:                              true,
		`table.customer["none"].calls == 0`:                                    true,
		`(has(from.user) ? table.customer[src.ip].calls : 9) == 4`:             true,
		`one_of(table.customer[src.ip].plan, "lead", "gold")`:                  true,
		`has(table.tenant[dest.domain])`:                                       true,
		`has(table.tenant["example.com"])`:                                     false,
		`replace_prefix(dest.user, table.e164[dest.user]) == "+33612345678"`:   true,
		`replace_prefix("15", table.e164["15"]) == "15"`:                       true,
		`table.e164["0049"].replace == "+" && !has(table.e164["1"])`:           true,
		`original.dest.user == dest.user && original.src.ip == "192.0.2.50"`:   true,
		`original.request_uri == request_uri && original.dest.port == 5062`:    true,
		`original.dest.params["user"] == "phone" && has(original.user_agent)`:  true,
		`original.dest.domain == dest.domain && original.dest.scheme == "sip"`: true,
		`original.from.user == "bob" && original.dest.params == dest.params`:   true,
		`has(auth.user)`: false,
	} {
		src := around + tables + "rule \"x\" {\n  when = (" + when + ") || method == PUBLISH\n  drop = true\n}\n"
		c, diags := Parse("test.hcl", []byte(src), withFiles(map[string]string{"e164.csv": "\xef\xbb\xbfprefix, replace\r\n0,+33\r\n00,+\r\n"}))
		if diags != nil {
			t.Errorf("%s: %v", when, diags)
			continue
		}
		if got := decide(c.Snapshot, factsOf(t, invite)) != nil; got != want {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
	}
}

func TestTableFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                  "t.csv: the first line names the columns, and there is none",
		"a,b\n1,2\n":        `t.csv:1: no column is named "k", which is the key`,
		"k,k\n1,2\n":        `t.csv:1: two columns are named "k"`,
		"k,\n1,2\n":         "t.csv:1: a column has no name",
		"k,b\n1,2\n\n1,3\n": `t.csv:4: the row with k "1" has a key that an earlier row has too`,
		"k,b\n1,2\n2\n":     "t.csv:3: not as many values as columns",
		"k,b\n,2\n":         `t.csv:2: the row with k "" has no key`,
		"k,b\n1,\"x\n":      `t.csv:2: extraneous or missing " in quoted-field`,
	} {
		src := around + "table \"t\" {\n  key = \"k\"\n  file = \"t.csv\"\n}\n"
		_, diags := Parse("test.hcl", []byte(src), withFiles(map[string]string{"t.csv": text}))
		if len(diags) != 1 || diags[0].Message != want {
			t.Errorf("%q: got %v, want %s", text, diags, want)
		}
	}
}

// A reload keeps a table whose file is the same, and tells when it is another.
func TestTablesAreSharedByReload(t *testing.T) {
	t.Parallel()
	src := around + "table \"t\" {\n  key = \"k\"\n  file = \"t.csv\"\n}\nrule \"x\" {\n  when = has(table.t[dest.user])\n  drop = true\n}\n"
	files := map[string]string{"t.csv": "k,b\n1,2\n"}
	opts := withFiles(files)
	first, diags := Parse("test.hcl", []byte(src), opts)
	if diags != nil {
		t.Fatal(diags)
	}
	opts.Running = first
	second, diags := Parse("test.hcl", []byte(strings.Replace(src, "dest.user", "dest.domain", 1)), opts)
	if diags != nil || second.tables["t"].policy != first.tables["t"].policy || len(first.tables["t"].index) != 1 || len(second.tables["t"].index) != 2 {
		t.Errorf("got %+v, %v", second, diags)
	}
	files["t.csv"] = "k,b\n1,3\n"
	third, diags := Parse("test.hcl", []byte(src), opts)
	if diags != nil || third.tables["t"].policy == first.tables["t"].policy {
		t.Errorf("got %+v, %v", third, diags)
	}
	if d := Compare(first, third); !slices.Equal(d.Lines(), []string{`file("t.csv") changed`}) {
		t.Errorf("got %q", d.Lines())
	}
}

// What a rule that lets the next be tried has changed may read otherwise after it;
// a rule that asks for a user proves nothing.
func TestReachableRules(t *testing.T) {
	t.Parallel()
	users := "users \"u\" {\n  realm = \"u\"\n  file = \"u\"\n}\n"
	a := "rule \"a\" {\n  when = dest.user == \"1\"\n  %s\n}\n"
	last := "rule \"z\" {\n  when = dest.user == \"1\"\n  drop = true\n}\n"
	for middle, refused := range map[string]bool{
		fmt.Sprintf(a, "drop = true"):                           true,
		fmt.Sprintf(a, "next = true"):                           false,
		fmt.Sprintf(a, "authenticate = users.u\n  drop = true"): false,
		fmt.Sprintf(a, "drop = true") + "rule \"n\" {\n  set = { dest_user = \"1\" }\n  next = true\n}\n":                       false,
		fmt.Sprintf(a, "drop = true") + "rule \"n\" {\n  when = method == BYE\n  next = true\n}\n":                              true,
		fmt.Sprintf(a, "jump = route.r") + "route \"r\" {\n  rule \"x\" {\n    when = method == BYE\n    drop = true\n  }\n}\n": true,
	} {
		_, diags := Parse("x", []byte(around+users+middle+last), quiet())
		if (diags != nil) != refused {
			t.Errorf("%s: got %v, want refused: %v", middle, diags, refused)
		}
	}
	inRoute := "rule \"m\" { jump = route.r }\nroute \"r\" {\n" + fmt.Sprintf(a, "drop = true") + last + "}\n"
	if _, diags := Parse("x", []byte(around+inRoute), quiet()); !strings.Contains(diags.Error(), `rule "z" can never match`) {
		t.Errorf("in a route: got %v", diags)
	}
}

func TestNeverEditedFields(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Via", "v", "Route", "Record-Route", "CSeq", "Call-ID", "From", "To", "Contact", "m", "Max-Forwards", "Content-Length"} {
		for _, kind := range []string{"header", "response_header"} {
			_, diags := Parse("x", []byte(around+"rule \"r\" {\n  "+kind+" \""+name+"\" { remove = true }\n  drop = true\n}\n"), quiet())
			if len(diags) != 1 || !strings.HasSuffix(diags[0].Message, "cannot be edited") || diags[0].Hint == "" {
				t.Errorf("%s: got %v", name, diags)
			}
		}
	}
}

// TestOffice follows calls through examples/office.hcl.
func TestOffice(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../examples/office.hcl")
	if err != nil {
		t.Fatal(err)
	}
	c, diags := Parse("office.hcl", src, quiet())
	if diags != nil {
		t.Fatal(diags)
	}
	for _, x := range []struct{ uri, from, want string }{
		{"sip:alice@example.com", "sip:bob@example.com", "staff asks, phones"},
		{"sip:0612345678@example.com", "sip:bob@example.com", "staff asks, outside line"},
		{"sip:112@example.com", "sip:bob@example.com", "emergency"},
		{"sip:alice@elsewhere.example", "sip:bob@example.com", "staff asks, no match"},
		{"sip:+33612345678@example.com", "sip:mallory@other.example", "no match"},
	} {
		f := factsOf(t, strings.NewReplacer("sip:0612345678@Example.COM:5062;user=phone;lr", x.uri, "sip:bob@other.example", x.from).Replace(invite))
		var at policy.Cursor
		var said []string
		step := c.Snapshot.Program.Decide(&at, f)
		if step.Kind == policy.NeedUser {
			said = append(said, step.Rule.Name+" asks")
			f.Users = append(f.Users, policy.Identity{Realm: step.Realm, User: []byte("bob"), Caller: true})
			step = c.Snapshot.Program.Decide(&at, f)
		}
		if step.Rule == nil {
			said = append(said, "no match")
		} else {
			said = append(said, step.Rule.Name)
		}
		if got := strings.Join(said, ", "); got != x.want {
			t.Errorf("%s from %s: got %s, want %s", x.uri, x.from, got, x.want)
		}
	}
}
