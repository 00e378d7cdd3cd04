package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/sip"
)

const invite = "INVITE sip:0612345678@Example.COM:5062;user=phone;lr SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKnashds8\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: \"Bob B.\" <sip:bob@other.example>;tag=1928301774\r\n" +
	"To: <sip:0612345678@example.com>\r\n" +
	"Call-ID: a84b4c76e66710@192.0.2.50\r\n" +
	"CSeq: 314159 INVITE\r\n" +
	"Contact: <sip:bob@192.0.2.50:5066>\r\n" +
	"User-Agent: Phone/1.0\r\n" +
	"Subject: Hello\r\n" +
	"X-Empty:\r\n" +
	"Content-Length: 0\r\n\r\n"

// around is the file in which the tests put an expression.
const around = `
server {
  name    = "proxy.example.net"
  domains = ["example.com"]
}
listen "udp" {
  address = "192.0.2.1:5060"
  name    = "main"
}
network "office" { cidrs = ["192.0.2.0/24"] }
network "old.office" { cidrs = [network.office, "198.51.100.7"] }
group "carrier" {
  target "sip:198.51.100.1" {}
  target "sip:[2001:db8::1]:5070" { q = 0.5 }
}
`

// factsOf reads a request as the proxy would.
func factsOf(t testing.TB, wire string) *policy.Facts {
	t.Helper()
	m := new(sip.Message)
	if err := m.Parse([]byte(wire)); err != nil {
		t.Fatal(err)
	}
	f := &policy.Facts{Msg: m, Method: m.Method(), Listener: "main", From: flow.Flow{
		Protocol: flow.UDP,
		Local:    netip.MustParseAddrPort("192.0.2.1:5060"),
		Remote:   netip.MustParseAddrPort("192.0.2.50:5066"),
	}}
	if u, err := m.URI(); err == nil {
		f.Dest = u
	}
	return f
}

// decide takes a decision of one step.
func decide(s *proxy.Snapshot, f *policy.Facts) *policy.Rule {
	var c policy.Cursor
	return s.Program.Decide(&c, f).Rule
}

// load parses a file that must be right.
func load(t testing.TB, src string) *Config {
	t.Helper()
	c, diags := Parse("test.hcl", []byte(src), quiet())
	if diags != nil {
		var b strings.Builder
		diags.Print(&b, false)
		t.Fatal(b.String())
	}
	return c
}

// TestExpressions decides each expression for the INVITE above.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]bool{
		// constants and operators
		`true`:                             true,
		`true && !false`:                   true,
		`false || false || dest.port == 1`: false,
		`1 + 2 * 3 == 7`:                   true,
		`(1 + 2) * 3 == 9`:                 true,
		`7 / 2 == 3 && 7 % 2 == 1`:         true,
		`-dest.port < 0`:                   true,
		`dest.port / 0 == 0`:               true,
		`dest.port - 62 == 5000`:           true,
		`dest.port > 5062`:                 false,
		`dest.port >= 5062`:                true,
		`dest.port <= 5062`:                true,
		`dest.port != 5062`:                false,
		`"a" == "a"`:                       true,
		`"a" != "a"`:                       false,
		`has(from.port) == false`:          true,
		`(has(from.port) ? 1 : 2) == 2`:    true,
		`(method == INVITE ? dest.user : from.user) == "0612345678"`:                  true,
		`(method == INVITE ? dest.domain : from.domain) == "EXAMPLE.com"`:             true,
		`(method == INVITE ? local(dest.domain) : false)`:                             true,
		`"${dest.user}@${dest.domain}:${dest.port}" == "0612345678@example.com:5062"`: true,
		`"${src.ip} ${method}" == "192.0.2.50 INVITE"`:                                true,
		`"${dest.user}" == "0612345678"`:                                              true,
		`"$${x}" == "$\u007bx}"`:                                                      true,

		// methods
		`method == INVITE`:                  true,
		`INVITE == method`:                  true,
		`method != ACK`:                     true,
		`method == method`:                  true,
		`INVITE == ACK`:                     false,
		`one_of(method, ACK, INVITE)`:       true,
		`matches(method, "^INV")`:           true,
		`method == INVITE && method == BYE`: false,

		// fields
		`dest.user == "0612345678"`:                                      true,
		`dest.domain == "EXAMPLE.COM"`:                                   true,
		`"example.com" == dest.domain`:                                   true,
		`dest.domain != "example.org"`:                                   true,
		`dest.domain == to.domain`:                                       true,
		`dest.scheme == "SIP"`:                                           true,
		`dest.params == ";user=phone;lr"`:                                true,
		`dest.params["user"] == "phone"`:                                 true,
		`has(dest.params["lr"])`:                                         true,
		`has(dest.params["maddr"])`:                                      false,
		`from.display == "Bob B."`:                                       true,
		`from.uri == "sip:bob@other.example"`:                            true,
		`from.tag == "1928301774"`:                                       true,
		`has(to.tag)`:                                                    false,
		`contact.port == src.port`:                                       true,
		`contact.domain == "192.0.2.50"`:                                 true,
		`request_uri == "sip:0612345678@Example.COM:5062;user=phone;lr"`: true,
		`src.ip == "192.0.2.50"`:                                         true,
		`src.ip == "::ffff:192.0.2.50"`:                                  true,
		`"192.0.2.50" == src.ip`:                                         true,
		`src.ip != "192.0.2.51"`:                                         true,
		`src.ip == contact.domain`:                                       true,
		`src.ip == from.domain`:                                          false,
		`transport == "UDP"`:                                             true,
		`listener == "main"`:                                             true,
		`user_agent == "Phone/1.0"`:                                      true,
		`has(user_agent)`:                                                true,
		`call_id == "a84b4c76e66710@192.0.2.50"`:                         true,
		`header["Subject"] == "Hello"`:                                   true,
		`header["s"] == "Hello"`:                                         true,
		`has(header["X-Empty"])`:                                         true,
		`header["X-Empty"] == ""`:                                        true,
		`has(header["X-Absent"])`:                                        false,
		`header["x-absent"] == ""`:                                       true,

		// functions
		`has(src.ip) && has(dest.user) && has(dest.port) && has(method)`: true,
		`local(dest.domain)`:                                          true,
		`local("PROXY.example.NET")`:                                  true,
		`local("192.0.2.1")`:                                          true,
		`local(from.domain)`:                                          false,
		`within(src.ip, network.office)`:                              true,
		`within(src.ip, network["office"])`:                           true,
		`within(src.ip, network["old.office"])`:                       true,
		`within("198.51.100.7", network["old.office"])`:               true,
		`within(src.ip, group.carrier)`:                               false,
		`within("198.51.100.1", group.carrier)`:                       true,
		`within("2001:db8::1", group["carrier"])`:                     true,
		`within(contact.domain, network.office)`:                      true,
		`within(from.domain, network.office)`:                         false,
		`within(src.ip, "192.0.2.0/24")`:                              true,
		`within(src.ip, ["10.0.0.0/8", "192.0.2.50", group.carrier])`: true,
		`within(src.ip, [])`:                                          false,
		`one_of(dest.user, "112", "0612345678")`:                      true,
		`one_of(dest.port, 0, 5060)`:                                  false,
		`one_of(src.ip, "192.0.2.1", "192.0.2.50")`:                   true,
		`one_of(dest.domain, "a.example", "Example.Com")`:             true,
		`matches(dest.user, "^(0|\\+)[0-9]{5,}$")`:                    true,
		`matches(dest.user, "^1")`:                                    false,
		`like(dest.user, "0[1-9]XXXXXXXX")`:                           true,
		`like(dest.user, "00.")`:                                      false,
		`starts_with(dest.user, "06")`:                                true,
		`starts_with(dest.domain, "EXAMPLE")`:                         true,
		`starts_with(dest.user, from.user)`:                           false,
		`ends_with(dest.domain, ".COM")`:                              true,
		`ends_with(dest.user, "78")`:                                  true,
		`contains(user_agent, "one/")`:                                true,
		`contains(dest.domain, lower("AMPLE"))`:                       true,
		`replace_prefix(dest.user, "0", "+33") == "+33612345678"`:     true,
		`replace_prefix(dest.user, "1", "+33") == dest.user`:          true,
		`lower(header["Subject"]) == "HELLO"`:                         true,
		`lower("ABC") == "abc"`:                                       true,
		`hash(call_id) == hash(call_id)`:                              true,
		`hash("a", 1) == hash("a1")`:                                  false,
		`hash(src.ip, dest.port) % 1 == 0`:                            true,
		`env("NAME") == "value"`:                                      true,
		`file("token") == "t0ken"`:                                    true,
		`file("/etc/token") == "absolute"`:                            true,
	} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			opts := quiet()
			opts.LookupEnv = func(name string) (string, bool) { return "value", name == "NAME" }
			opts.ReadFile = func(path string) ([]byte, error) {
				switch path {
				case "conf/token":
					return []byte("t0ken\r\n"), nil
				case "/etc/token":
					return []byte("absolute"), nil
				}
				return nil, os.ErrNotExist
			}
			// a rule that never holds is refused, so the constant is hidden from the check
			src := around + "rule \"x\" {\n  when = (" + when + ") || method == PUBLISH\n  drop = true\n}\n"
			c, diags := Parse("conf/test.hcl", []byte(src), opts)
			if diags != nil {
				t.Fatal(diags)
			}
			if got := decide(c.Snapshot, factsOf(t, invite)) != nil; got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestTargetURIs shows what the URIs of a rule become for a message, and that
// nothing a caller writes moves a call to another host.
func TestTargetURIs(t *testing.T) {
	t.Parallel()
	evil := strings.NewReplacer("sip:0612345678@Example.COM:5062;user=phone;lr", "sip:a%40b;c@example.com",
		"Subject: Hello", "Subject: eve@192.0.2.66;x=<y>\r\n ,\"").Replace(invite)
	for _, c := range []struct {
		send, wire, want string
	}{
		{`"sip:100@192.0.2.9"`, invite, "sip:100@192.0.2.9"},
		{`"sip:${dest.user}@192.0.2.9"`, invite, "sip:0612345678@192.0.2.9"},
		{`"sip:${replace_prefix(dest.user, "0", "+33")}@192.0.2.9:5070;user=phone"`, invite, "sip:+33612345678@192.0.2.9:5070;user=phone"},
		{`"sip:${from.port}@192.0.2.9:${dest.port};x=${from.user}"`, invite, "sip:0@192.0.2.9:5062;x=bob"},
		{`"sip:${from.tag}x@${contact.domain}"`, invite, "sip:1928301774x@192.0.2.50"},
		{`"sip:${header["X-Empty"]}@192.0.2.9"`, invite, "sip:192.0.2.9"},
		{`local(dest.domain) ? "sip:1@192.0.2.9" : "sip:2@192.0.2.9"`, invite, "sip:1@192.0.2.9"},
		{`(contact.uri)`, invite, "sip:bob@192.0.2.50:5066"},
		{`"${contact.uri}"`, invite, "sip:bob@192.0.2.50:5066"},
		{`"sip:${env("NAME")}@192.0.2.9"`, invite, "sip:value@192.0.2.9"},
		{`env("URI")`, invite, "sip:192.0.2.8"},
		{`"sip:${dest.user}@192.0.2.9"`, evil, "sip:a%40b;c@192.0.2.9"},
		{`"sip:${header["Subject"]}@192.0.2.9"`, evil, "sip:eve%40192.0.2.66;x=%3Cy%3E%20,%22@192.0.2.9"},
		{`"sip:x@192.0.2.9;y=${header["Subject"]}"`, evil, "sip:x@192.0.2.9;y=eve%40192.0.2.66%3Bx%3D%3Cy%3E%20%2C%22"},
		{`"sip:x@${header["Subject"]}"`, evil, "sip:x@"},
	} {
		t.Run(c.send, func(t *testing.T) {
			t.Parallel()
			opts := quiet()
			opts.LookupEnv = func(name string) (string, bool) {
				v, ok := map[string]string{"NAME": "value", "URI": "sip:192.0.2.8"}[name]
				return v, ok
			}
			cfg, diags := Parse("test.hcl", []byte(around+"rule \"x\" { send = "+c.send+" }\n"), opts)
			if diags != nil {
				t.Fatal(diags)
			}
			f := factsOf(t, c.wire)
			r := decide(cfg.Snapshot, f)
			if r == nil || len(r.Targets) != 1 || r.Targets[0].Kind != policy.ToURI {
				t.Fatalf("got %+v", r)
			}
			if got := string(r.Targets[0].URI(f)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// everything is a condition that reads every field and calls every function.
func everything() string {
	var parts []string
	for _, f := range fields {
		switch {
		case f.later, f.name == "header", f.name == "tls.peer": // that needs a listener of its own
		case f.name == "method":
			parts = append(parts, `method == PUBLISH`)
		case f.name == "src.ip":
			parts = append(parts, `within(src.ip, group.carrier)`)
		case strings.HasSuffix(f.name, ".port"), f.name == "time.hour", f.name == "time.minute":
			parts = append(parts, f.name+" * 3 % 7 == 8")
		default:
			parts = append(parts, `"${`+f.name+`}" == "~"`, `lower(`+f.name+`) == "~"`, `matches(`+f.name+`, "^~+$")`,
				`replace_prefix(`+f.name+`, "s", "t") == "~"`, `hash(`+f.name+`) == 1`, `like(`+f.name+`, "~.")`, `local(`+f.name+`)`)
		}
		if f.indexed && f.name != "header" {
			parts = append(parts, f.name+`["x"] == "~"`, `has(`+f.name+`["x"])`)
		}
	}
	for _, p := range []string{"dest", "from", "to", "contact"} {
		parts = append(parts, "within("+p+".domain, network.office)", p+`.domain == "~"`, "src.ip == "+p+".domain", "(has("+p+".user) && false)")
	}
	parts = append(parts, `original.dest.user == "~"`, `has(original.dest.params["x"])`, `original.header["Subject"] == "~"`, `original.dest.port == 1`)
	parts = append(parts, `header["Subject"] == "~"`, `header["X-Odd"] == "~"`, `has(header["Route"])`)
	return strings.Join(parts, " ||\n    ")
}

// TestOddMessages holds that an expression never fails, whatever the message: the
// torture messages, whole and cut at every 37th byte, parsed or refused.
func TestOddMessages(t *testing.T) {
	t.Parallel()
	c := load(t, around+"rule \"all\" {\n  when = (\n"+everything()+")\n  send = \"sip:${dest.user}x${contact.user}@192.0.2.9;a=${header[\"Subject\"]}\"\n}\nrule \"rest\" { send = \"sip:${from.user}@${dest.domain}\" }\n")
	files, err := filepath.Glob("../../sip/testdata/rfc*/*.sip")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d torture messages: %v", len(files), err)
	}
	var m sip.Message
	f := &policy.Facts{Msg: &m}
	for _, file := range files {
		wire, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n := len(wire); n > 0; n -= 37 {
			_ = m.Parse(wire[:n]) // what it refuses is just as good here
			if !m.IsRequest() {
				continue
			}
			f.Method, f.Dest = m.Method(), nil
			if u, err := m.URI(); err == nil {
				f.Dest = u
			}
			r := decide(c.Snapshot, f)
			if r == nil {
				t.Fatalf("%s: no rule", file)
			}
			_ = r.Targets[0].URI(f)
		}
	}
}

// TestCompiledExpressionsAllocateNothing is the allocation test of package
// policy over what the compiler makes.
func TestCompiledExpressionsAllocateNothing(t *testing.T) {
	c := load(t, around+"rule \"all\" {\n  when = (\n"+everything()+")\n  drop = true\n}\nrule \"rest\" { send = \"sip:${from.user}@192.0.2.9\" }\n")
	f := factsOf(t, strings.NewReplacer("Example.COM", "elsewhere.example", "example.com", "elsewhere.example", "bob@192.0.2.50:5066", "bob@203.0.113.1").Replace(invite))
	var r *policy.Rule
	decideOnce := func() {
		if r = decide(c.Snapshot, f); r != nil && r.Kind == policy.Send {
			r.Targets[0].URI(f)
		}
	}
	decideOnce()
	if n := testing.AllocsPerRun(100, decideOnce); n != 0 {
		t.Errorf("got %v allocations a decision, want 0", n)
	}
	if r == nil || r.Name != "rest" {
		t.Errorf("got %+v", r)
	}
}
