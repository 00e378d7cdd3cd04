package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/authority"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/sip"
)

func TestDefault(t *testing.T) {
	t.Parallel()
	c, diags := Default(t.TempDir())
	if diags != nil {
		t.Fatal(diags)
	}
	if file := c.Users[0].File; filepath.Base(file) != DefaultUsers || c.Users[0].Realm.Realm != DefaultRealm {
		t.Errorf("the users are %+v", c.Users[0])
	}
	s := c.Snapshot
	if len(s.Listeners) != 2 || !s.Listeners[0].Bind.Addr().IsLoopback() || !s.Destinations.LoopbackOnly {
		t.Errorf("not on loopback only: %+v", s.Listeners)
	}
	for uri, want := range map[string]string{
		"sip:alice@127.0.0.1":           "to a user",
		"sip:100@127.0.0.1":             "to the phone",
		"sip:100@127.0.0.1:5060":        "to the phone",
		"sip:100@127.0.0.1:5070":        "on this machine",
		"sip:100@127.0.0.2":             "on this machine",
		"sip:100@192.0.2.1":             "",
		"sip:100@example.com":           "",
		"sip:100@[::ffff:127.0.0.1]:80": "on this machine",
	} {
		r := decide(s, factsOf(t, strings.ReplaceAll(invite, "sip:0612345678@Example.COM:5062;user=phone;lr", uri)))
		if got := ruleName(r); got != want {
			t.Errorf("%s: got rule %q, want %q", uri, got, want)
		}
	}
}

func ruleName(r *policy.Rule) string {
	if r == nil {
		return ""
	}
	return r.Name
}

// TestDefaults holds what the reference promises for a file that sets nothing.
func TestDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, `listen "udp" { address = "192.0.2.1:5060" }`)
	s := c.Snapshot
	want := proxy.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second, C: 185 * time.Second, Trying: 200 * time.Millisecond, Ring: 10 * time.Minute, Silence: 4 * time.Second}
	if s.Timers != want {
		t.Errorf("timers: got %+v, want %+v", s.Timers, want)
	}
	if s.Limits != (proxy.Limits{Parallel: 10, Branches: 30, MaxBreadth: 60}) || c.Transactions != 200_000 {
		t.Errorf("limits: got %+v, %d", s.Limits, c.Transactions)
	}
	if s.Redirects != policy.RedirectsPass || s.StrayForward || s.LargeDatagrams || s.Server != "" || !s.Trust.Empty() || !s.Destinations.Deny.Empty() || s.Destinations.LoopbackOnly {
		t.Errorf("got %+v", s)
	}
	if c.Drain != 32*time.Second || c.Log != slog.LevelInfo || c.Secret != FromProcess || s.Keys == nil {
		t.Errorf("got %+v", c)
	}
}

// Proves: TX-25
func TestServerSettings(t *testing.T) {
	t.Parallel()
	c := load(t, `
server {
  name            = "proxy.example.com"
  domains         = ["example.com", "example.org"]
  mode            = "stateful"
  secret          = ["0123456789abcdef", "fedcba9876543210"]
  trust           = [network.core, group.peers, "203.0.113.9"]
  redirects       = "own"
  stray_responses = "forward"
  large_requests  = "udp"
  drain           = "1h"
  server_header   = "edge 1"
  log             = "warn"
  timers {
    c      = "200s"
    trying = "0s"
    t1     = "1s"
    t2     = "8s"
    t4     = "10s"
    ring   = "5m"
  }
  limits {
    transactions = 1000
    parallel     = 5
    branches     = 5
    max_breadth  = 20
  }
}
destinations {
  allow = "10.9.0.0/16"
  deny  = [network.core, "10.9.9.9"]
}
listen "udp" {
  address   = "192.0.2.1:5060"
  advertise = "sip.example.com:5080"
}
network "core" { cidrs = ["10.0.0.0/24"] }
group "peers" {
  target "sip:10.1.0.1" {}
}
rule "x" {
  send      = ["sip:100@10.2.0.1", "sip:${dest.user}@10.3.0.1;maddr=10.4.0.1"]
  redirects = "follow"
}
`)
	s := c.Snapshot
	want := proxy.Timers{T1: time.Second, T2: 8 * time.Second, T4: 10 * time.Second, C: 200 * time.Second, Trying: proxy.TryingAtOnce, Ring: 5 * time.Minute, Silence: 4 * time.Second}
	if s.Timers != want {
		t.Errorf("timers: got %+v, want %+v", s.Timers, want)
	}
	if s.Limits != (proxy.Limits{Parallel: 5, Branches: 5, MaxBreadth: 20}) || c.Transactions != 1000 {
		t.Errorf("limits: got %+v, %d", s.Limits, c.Transactions)
	}
	if s.Redirects != policy.RedirectsOwn || !s.StrayForward || !s.LargeDatagrams || s.Server != "edge 1" || c.Drain != time.Hour || c.Log != slog.LevelWarn || c.Secret != FromConfig {
		t.Errorf("got %+v %+v", c, s)
	}
	if r := s.Program.Rules[0]; r.Redirects != policy.RedirectsFollow || len(r.Targets) != 2 {
		t.Errorf("rule: got %+v", r)
	}
	for set, list := range map[*policy.Prefixes]string{
		s.Trust:              "10.0.0.7 10.1.0.1 203.0.113.9",
		s.Destinations.Deny:  "10.0.0.7 10.9.9.9",
		s.Destinations.Allow: "10.9.1.1 10.0.0.7 10.1.0.1 10.2.0.1 10.3.0.1 10.4.0.1",
	} {
		for _, a := range strings.Fields(list) {
			if !set.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%s is missing in %v", a, set.All())
			}
		}
	}
	for _, host := range []string{"proxy.example.com", "192.0.2.1", "sip.example.com"} {
		if !s.Names.Contains([]byte(host)) || s.Domains.Contains([]byte(host)) {
			t.Errorf("%s: a name of the server, and no domain", host)
		}
	}
	if !s.Domains.Contains([]byte("Example.Org")) || s.Names.Contains([]byte("example.org")) {
		t.Error("example.org: a domain, and no name of the server")
	}
}

func TestPortAloneIsTwoSockets(t *testing.T) {
	t.Parallel()
	c := load(t, `listen "udp" { address = ":5060" }`)
	var got []string
	for _, i := range c.Bind() {
		got = append(got, c.Snapshot.Listeners[i].Name)
	}
	if want := []string{"udp 0.0.0.0:5060", "udp [::]:5060"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, a := range []string{"192.0.2.10", "[2001:db8::10]"} {
		if !c.Snapshot.Names.Contains([]byte(a)) {
			t.Errorf("%s is an address of this machine", a)
		}
	}
	named := load(t, "listen \"udp\" {\n  address = \":5060\"\n  name = \"all\"\n}\nrule \"x\" {\n  when = listener == \"all\"\n  drop = true\n}\n").Snapshot.Listeners
	if len(named) != 2 || named[0].Name != "all" || named[1].Name != "all" || named[0].Hash == named[1].Hash {
		t.Errorf("got %+v: want one name and two hashes", named)
	}
	four := quiet()
	four.Addresses = func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil }
	c, _ = Parse("x", []byte(`listen "udp" { address = ":5060" }`), four)
	if c == nil || len(c.Bind()) != 1 {
		t.Errorf("without IPv6: got %+v", c)
	}
}

func TestRuleEnds(t *testing.T) {
	t.Parallel()
	c := load(t, around+`
rule "list" {
  when = method == INVITE
  send = [request_uri, group.carrier, "sip:100@192.0.2.9"]
  from = listen.main
}
rule "not found" {
  when  = method == MESSAGE
  reply = 404
}
rule "gone" {
  when  = method == INFO
  reply = "410 Moved out"
}
rule "ping" {
  when  = one_of(method, OPTIONS, NOTIFY) && !has(to.tag)
  reply = "200 OK"
}
rule "moved" {
  when     = method == REFER
  redirect = ["sip:${dest.user}@example.org", "tel:+33612345678"]
  status   = 301
}
rule "elsewhere" {
  when     = method == BYE
  redirect = "sips:x@example.org"
}
rule "silence" { drop = true }
`)
	rules := c.Snapshot.Program.Rules
	r := rules[0]
	if r.Kind != policy.Send || len(r.Targets) != 3 || !r.HasFrom || r.From != 0 || r.Redirects != policy.RedirectsDefault {
		t.Fatalf("got %+v", r)
	}
	if k := [3]policy.TargetKind{r.Targets[0].Kind, r.Targets[1].Kind, r.Targets[2].Kind}; k != [3]policy.TargetKind{policy.ToRequestURI, policy.ToGroup, policy.ToURI} {
		t.Errorf("kinds: got %v", k)
	}
	g := r.Targets[1].Group
	if g.Name != "carrier" || g.Hash != policy.HashName("group", "carrier") || len(g.Targets) != 2 || g.Targets[0].Q != 1000 || g.Targets[1].Q != 500 {
		t.Errorf("group: got %+v", g)
	}
	for i, want := range []string{"Send 0 ", "Reply 404 Not Found", "Reply 410 Moved out", "Reply 200 OK", "Redirect 301 ", "Redirect 302 ", "Drop 0 "} {
		r := rules[i]
		end := map[policy.EndKind]string{policy.Send: "Send", policy.Reply: "Reply", policy.Redirect: "Redirect", policy.Drop: "Drop"}[r.Kind]
		if got := fmt.Sprintf("%s %d %s", end, r.Status, r.Reason); got != want {
			t.Errorf("rule %q: got %q, want %q", r.Name, got, want)
		}
		if r.Hash != policy.HashName("rule", r.Name) {
			t.Errorf("rule %q: got hash %d", r.Name, r.Hash)
		}
	}
	f := factsOf(t, invite)
	if got := string(rules[4].Contact[0](f)); got != "sip:0612345678@example.org" {
		t.Errorf("contact: got %s", got)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	reads := func(when string) policy.Reads {
		return load(t, around+"rule \"x\" {\n  when = "+when+"\n  drop = true\n}\n").Snapshot.Program.Reads
	}
	if r := reads(`method == INVITE && has(from.user) && has(to.tag) && has(call_id) && has(header["To"]) && local(dest.domain)`); r.Source || r.Headers != nil || r.Names != nil {
		t.Errorf("what the loop hash covers anyway: got %+v", r)
	}
	for _, when := range []string{`src.port == 1`, `within(src.ip, network.office)`, `transport == "udp"`, `listener == "main"`} {
		if r := reads(when); !r.Source {
			t.Errorf("%s: got %+v", when, r)
		}
	}
	r := reads(`has(header["s"]) && has(header["SUBJECT"]) && has(contact.user) && has(user_agent) && has(header["X-Odd"]) && has(header["x-odd"])`)
	if !slices.Equal(r.Headers, []sip.HeaderID{sip.Subject, sip.Contact, sip.UserAgent}) || !slices.Equal(r.Names, []string{"x-odd"}) {
		t.Errorf("got %+v", r)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	first := load(t, `
listen "udp" { address = "192.0.2.1:5060" }
listen "udp" { address = "192.0.2.1:5070" }
`)
	first.Snapshot.Listeners = append(first.Snapshot.Listeners, proxy.Listener{}) // a hole that an earlier reload left
	opts := quiet()
	opts.Running = first
	second, diags := Parse("x", []byte(`
listen "udp" { address = "192.0.2.1:5080" }
listen "udp" {
  address = "192.0.2.1:5070"
  name    = "kept"
}
rule "x" {
  send = request_uri
  from = listen.kept
}
`), opts)
	if diags != nil {
		t.Fatal(diags)
	}
	var got []string
	for _, l := range second.Snapshot.Listeners {
		got = append(got, fmt.Sprint(l.Bind.Port(), " ", l.Gone))
	}
	if want := []string{"5060 true", "5070 false", "5080 false"}; !slices.Equal(got, want) {
		t.Errorf("listeners: got %q, want %q", got, want)
	}
	if r := second.Snapshot.Program.Rules[0]; r.From != 1 {
		t.Errorf("from: got %d, want 1", r.From)
	}
	if !slices.Equal(second.Bind(), []flow.Listener{1, 2}) {
		t.Errorf("bind: got %v", second.Bind())
	}
	if first.Snapshot.Listeners[0].Gone {
		t.Error("the running snapshot was changed")
	}
	if !bytes.Equal(first.process, second.process) {
		t.Error("keys did not survive the reload")
	}
	if other := load(t, `listen "udp" { address = "192.0.2.1:5060" }`); bytes.Equal(first.process, other.process) {
		t.Error("two processes have the same keys")
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "lib", "viaduct")
	src := []byte("server { store = \"" + dir + "\" }\nlisten \"udp\" { address = \"127.0.0.1:5060\" }\n")
	key := filepath.Join(dir, "viaduct.key")
	look := func(opts Options) string {
		t.Helper()
		c, diags := Parse("x", src, opts)
		if diags != nil {
			return diags.Error()
		}
		if c.Secret != FromStore || c.Store != dir || c.Snapshot.Keys == nil {
			t.Errorf("got %+v", c)
		}
		return ""
	}
	if got := look(Options{Check: true}); got != "" {
		t.Fatal(got)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("a check made the store")
	}
	if got := look(Options{}); got != "" {
		t.Fatal(got)
	}
	made, err := os.ReadFile(key)
	if err != nil || len(made) != 32 {
		t.Fatalf("got %d bytes, %v", len(made), err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("the store holds %v", list)
	}
	if got := look(Options{}); got != "" {
		t.Fatal(got)
	}
	if again, _ := os.ReadFile(key); !bytes.Equal(made, again) {
		t.Error("the second start made another key")
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := look(Options{}); !strings.Contains(got, "must be readable by its owner only") {
		t.Errorf("got %q", got)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, made[:5], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := look(Options{Check: true}); !strings.Contains(got, "has 5 bytes: it holds up to 16 keys of 32 bytes") {
		t.Errorf("got %q", got)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	_, diags := Load(filepath.Join(t.TempDir(), "none.hcl"), Options{Check: true})
	if len(diags) != 1 || !strings.HasSuffix(diags.Error(), "none.hcl: cannot be read: no such file or directory") {
		t.Errorf("got %v", diags)
	}
	var out strings.Builder
	diags.Print(&out, true)
	if got := out.String(); !strings.Contains(got, red+"cannot be read") || !strings.HasSuffix(got, "1 error\n") {
		t.Errorf("got %q", got)
	}
	_, diags = Parse("big.hcl", bytes.Repeat([]byte("#\n"), MaxFile), quiet())
	if len(diags) != 1 {
		t.Errorf("got %v", diags)
	}
	if c := load(t, "\xef\xbb\xbflisten \"udp\" { address = \"[::1]:5060\" }\r\n"); !c.Snapshot.Destinations.LoopbackOnly {
		t.Errorf("got %+v", c.Snapshot.Destinations)
	}
}

// TestExamples loads what examples/ in the root of the repository holds, with
// certificates and directories where it says that they are.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain, key := authority.New(t).Write(dir, "example", nil, "example.com", "sip.example.com")
	look := quiet()
	look.ReadFile = os.ReadFile
	here := strings.NewReplacer("/etc/viaduct/tls/fullchain.pem", chain, "/etc/viaduct/tls/privkey.pem", key, "/etc/viaduct/tls/partners.pem", chain, "/usr/share/viaduct/phone", dir)
	files, err := filepath.Glob("../../examples/*.hcl")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "default.hcl") {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, diags := Parse(file, []byte(here.Replace(string(src))), look); diags != nil {
			diags.Print(os.Stderr, false)
			t.Errorf("%s does not load", file)
		}
		if out, diags := Format(file, src); diags != nil || !bytes.Equal(out, src) {
			t.Errorf("%s is not in its usual form: %v\n%s", file, diags, out)
		}
	}
}
