package config

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/internal/authority"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// vault makes the files that listen blocks name.
func vault(t *testing.T) (dir string) {
	t.Helper()
	a := authority.New(t)
	dir = t.TempDir()
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	a.Write(dir, "good", nil, "sip:example.com", "sip:sip.example.com")
	a.Write(dir, "second", nil, "sip.example.com")
	a.Write(dir, "other", nil, "sip:example.net")
	a.Write(dir, "star", nil, "*.example.com")
	a.Write(dir, "old", past, "sip:example.com")
	for name, b := range map[string][]byte{"ca.pem": a.PEM, "junk.pem": []byte("junk")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "page"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// parseIn loads a text as a file of dir.
func parseIn(dir, text string) (*Config, Diagnostics) {
	return Parse(filepath.Join(dir, "viaduct.hcl"), []byte(text), Options{Check: true})
}

const secureServer = "server {\n  name = \"sip.example.com\"\n  domains = [\"example.com\"]\n  secret = \"a secret of the test bench\"\n}\nrule \"all\" { drop = true }\n"

// Proves: SE-2
func TestListenersWithCertificates(t *testing.T) {
	t.Parallel()
	dir := vault(t)
	cfg, bad := parseIn(dir, secureServer+`
network "balancers" { cidrs = ["10.9.9.0/24"] }
listen "udp" { address = "127.0.0.1:5060" }
listen "tls" {
  address        = "127.0.0.1:5061"
  certificate    = ["good.pem", "second.pem"]
  key            = ["good.key", "second.key"]
  client_ca      = "ca.pem"
  verify_client  = "required"
  ca             = "ca.pem"
  transport_tls  = true
  proxy_protocol = [network.balancers, "10.9.8.1"]
}
listen "wss" {
  address     = "127.0.0.1:443"
  certificate = "star.pem"
  key         = "star.key"
  origins     = ["https://phone.example.com", "http://localhost:8080"]
  files       = "page"
}
listen "ws" {
  address        = "127.0.0.1:80"
  origins        = "*"
  session_cookie = "sid"
  session        = "required"
}
group "secure" {
  target "sips:pbx.example" {}
  target "sips:pbx.example;transport=tcp" {}
  target "sip:pbx.example;maddr=192.0.2.1;transport=tls" {}
}
`)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	if len(cfg.Streams) != 4 {
		t.Fatalf("got %d settings", len(cfg.Streams))
	}
	udp, tls, wss, ws := cfg.Streams[0], cfg.Streams[1], cfg.Streams[2], cfg.Streams[3]
	if udp.TLS != nil || udp.WebSocket != nil || udp.Proxies != nil {
		t.Errorf("udp: %+v", udp)
	}
	if tls.WebSocket != nil || len(tls.Proxies) != 2 || len(tls.TLS.Expiries()) != 2 {
		t.Errorf("tls: %+v", tls)
	}
	if on := cfg.Snapshot.Listeners; on[0].TransportTLS || !on[1].TransportTLS {
		t.Errorf("transport_tls: %+v", on)
	}
	if len(wss.TLS.Expiries()) != 1 || len(wss.WebSocket.Origins) != 2 || wss.WebSocket.Files != filepath.Join(dir, "page") {
		t.Errorf("wss: %+v %+v", wss, wss.WebSocket)
	}
	if !ws.WebSocket.Session || ws.WebSocket.Cookie != "sid" || wss.WebSocket.Session || wss.WebSocket.Cookie != "" {
		t.Errorf("sessions: %+v %+v", ws.WebSocket, wss.WebSocket)
	}
	if ws.TLS != nil || len(ws.WebSocket.Origins) != 1 || ws.WebSocket.Files != "" {
		t.Errorf("ws: %+v %+v", ws, ws.WebSocket)
	}
}

// Proves: SE-2
func TestListenersThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := vault(t)
	for name, c := range map[string]struct{ lines, place, want string }{
		"no certificate":         {`key = "good.key"`, "9:1", `listen "tls" needs a certificate and its key`},
		"no key":                 {`certificate = "good.pem"`, "9:1", `listen "tls" needs a certificate and its key`},
		"expired":                {"certificate = \"old.pem\"\n  key = \"old.key\"", "11:17", "old.pem: the certificate has expired on"},
		"of another domain":      {"certificate = \"other.pem\"\n  key = \"other.key\"", "11:17", `is for "example.net", want one of "example.com", "sip.example.com"`},
		"a wildcard":             {"certificate = \"star.pem\"\n  key = \"star.key\"", "11:17", `is for "*.example.com"`},
		"the key of another":     {"certificate = \"good.pem\"\n  key = \"other.key\"", "12:9", "other.key: is not the key of"},
		"the second one":         {"certificate = [\"good.pem\", \"old.pem\"]\n  key = [\"good.key\", \"old.key\"]", "11:30", "has expired"},
		"a missing file":         {"certificate = \"none.pem\"\n  key = \"good.key\"", "11:17", "none.pem: cannot be read: no such file"},
		"one key for two":        {"certificate = [\"good.pem\", \"second.pem\"]\n  key = \"good.key\"", "12:9", "2 certificates and 1 keys"},
		"an empty list":          {"certificate = []\n  key = []", "9:1", "needs a certificate and its key"},
		"no authority":           {"certificate = \"good.pem\"\n  key = \"good.key\"\n  ca = \"junk.pem\"", "13:8", "junk.pem: there is no certificate in it"},
		"no such authority":      {"certificate = \"good.pem\"\n  key = \"good.key\"\n  client_ca = \"none.pem\"", "13:15", "none.pem cannot be read"},
		"clients of nobody":      {"certificate = \"good.pem\"\n  key = \"good.key\"\n  verify_client = \"required\"", "13:3", "verify_client needs client_ca"},
		"a word for clients":     {"certificate = \"good.pem\"\n  key = \"good.key\"\n  client_ca = \"ca.pem\"\n  verify_client = \"always\"", "14:19", `verify_client cannot be "always"`},
		"what is for WebSockets": {"certificate = \"good.pem\"\n  key = \"good.key\"\n  origins = [\"https://a.example\"]", "13:3", "origins means nothing for tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, bad := parseIn(dir, secureServer+"\n\nlisten \"tls\" {\n  address = \"127.0.0.1:5061\"\n  "+c.lines+"\n}\n")
			if len(bad) != 1 || !strings.Contains(bad.Error(), "viaduct.hcl:"+c.place+": ") || !strings.Contains(bad.Error(), c.want) {
				t.Errorf("got %v\nwant %s: %s", bad, c.place, c.want)
			}
		})
	}
	for name, c := range map[string]struct{ block, want string }{
		"a certificate for UDP":  {"listen \"udp\" {\n address = \"127.0.0.1:5062\"\n certificate = \"good.pem\"\n}", "certificate means nothing for udp"},
		"a word of TLS":          {"listen \"udp\" {\n address = \"127.0.0.1:5062\"\n transport_tls = true\n}", "transport_tls means nothing for udp"},
		"a proxy for UDP":        {"listen \"udp\" {\n address = \"127.0.0.1:5062\"\n proxy_protocol = \"10.0.0.1\"\n}", "proxy_protocol means nothing for udp"},
		"ca for wss":             {"listen \"wss\" {\n address = \"127.0.0.1:443\"\n certificate = \"good.pem\"\n key = \"good.key\"\n ca = \"ca.pem\"\n}", "ca means nothing for wss"},
		"an origin with a path":  {"listen \"ws\" {\n address = \"127.0.0.1:80\"\n origins = [\"https://a.example/\"]\n}", `"https://a.example/" is no origin`},
		"a host for an origin":   {"listen \"ws\" {\n address = \"127.0.0.1:80\"\n origins = \"a.example\"\n}", `"a.example" is no origin`},
		"a session for TCP":      {"listen \"tcp\" {\n address = \"127.0.0.1:80\"\n session_cookie = \"sid\"\n}", "session_cookie means nothing for tcp"},
		"no name of a cookie":    {"listen \"ws\" {\n address = \"127.0.0.1:80\"\n session_cookie = \"my sid\"\n}", `"my sid" cannot be the name of a cookie`},
		"a session of nothing":   {"listen \"ws\" {\n address = \"127.0.0.1:80\"\n session = \"required\"\n}", "session needs session_cookie"},
		"a word for sessions":    {"listen \"ws\" {\n address = \"127.0.0.1:80\"\n session_cookie = \"sid\"\n session = \"yes\"\n}", `session cannot be "yes"`},
		"a file for a directory": {"listen \"ws\" {\n address = \"127.0.0.1:80\"\n files = \"good.pem\"\n}", "good.pem is no directory"},
		"no directory":           {"listen \"ws\" {\n address = \"127.0.0.1:80\"\n files = \"none\"\n}", "there is no directory"},
		"a target by WebSocket":  {"group \"g\" {\n target \"sip:192.0.2.1;transport=ws\" {}\n}", "a WebSocket is opened by its client"},
		"a target without TLS":   {"group \"g\" {\n target \"sip:a.example;transport=tls\" {}\n}", "no listener speaks tls"},
		"a sips target":          {"group \"g\" {\n target \"sips:a.example\" {}\n}", "no listener speaks tls"},
		"a target by address": {
			"listen \"tls\" {\n address = \"127.0.0.1:5061\"\n certificate = \"good.pem\"\n key = \"good.key\"\n}\ngroup \"g\" {\n target \"sip:192.0.2.1;transport=tls\" {}\n}",
			"a certificate proves a name, not an address",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, bad := parseIn(dir, secureServer+"listen \"udp\" { address = \"127.0.0.1:5060\" }\n"+c.block+"\n")
			if len(bad) != 1 || !strings.Contains(bad.Error(), c.want) {
				t.Errorf("got %v\nwant %s", bad, c.want)
			}
		})
	}
}

// What a TLS listener shows in Record-Route is what its certificate proves. An
// address proves nothing, of which the file's author is warned.
//
// Proves: SE-18
func TestListenersProveWhatTheyShow(t *testing.T) {
	t.Parallel()
	dir := vault(t)
	const listen = "listen \"tls\" {\n  address = \"127.0.0.1:5061\"\n  certificate = %q\n  key = %q\n%s}\n"
	load := func(name, more string) (*Config, Diagnostics) {
		return parseIn(dir, secureServer+fmt.Sprintf(listen, name+".pem", name+".key", more))
	}
	for more, want := range map[string]string{
		"  advertise = \"SIP.example.com:5071\"\n": "",
		"  advertise = \"198.51.100.1\"\n":         "",
		"  advertise = \"edge.example.com\"\n":     `no certificate of this listener is for "edge.example.com": they are for "sip.example.com"`,
		"  advertise = {\n    \"10.0.0.0/8\" = \"in.example.com\"\n    default = \"sip.example.com\"\n  }\n": `is for "in.example.com"`,
	} {
		_, bad := load("second", more)
		if want == "" && len(bad) > 0 || want != "" && (len(bad) != 1 || !strings.Contains(bad.Error(), want)) {
			t.Errorf("%s: got %v, want %s", more, bad, want)
		}
	}
	cfg, bad := load("second", "")
	if len(bad) > 0 || len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings.Error(), "no certificate proves") {
		t.Errorf("%v, warned of %v", bad, cfg.Warnings)
	}
}

// Rules ask whom the certificate of a peer is for; that it is asked for is checked
// when the file is loaded, and so is what can be said of it.
//
// Proves: SE-8, SE-22
func TestRulesReadThePeer(t *testing.T) {
	t.Parallel()
	dir := vault(t)
	const (
		secret = "server {\n  domains = [\"example.com\"]\n  secret = \"a secret of the test bench\"\n}\n"
		listen = "listen \"tls\" {\n  address = \"127.0.0.1:5061\"\n  certificate = \"good.pem\"\n  key = \"good.key\"\n%s}\n"
		asking = "  client_ca = \"ca.pem\"\n"
	)
	decides := func(when, from string, proven ...string) bool {
		t.Helper()
		cfg, bad := parseIn(dir, secret+fmt.Sprintf(listen, asking)+"rule \"r\" {\n  when = "+when+"\n  drop = true\n}\n")
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		var m sip.Message
		if err := m.Parse([]byte("INVITE sip:bob@example.com SIP/2.0\r\nFrom: <" + from + ">;tag=1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		f := policy.Facts{Msg: &m, Method: sip.INVITE, From: flow.Flow{Protocol: flow.TLS, Domain: flow.MakeProven(proven)}}
		var r *policy.Rule
		for x := range cfg.Snapshot.Program.All {
			r = x
		}
		return r.When(&f)
	}
	for _, c := range []struct {
		when, from string
		proven     []string
		want       bool
	}{
		{"tls.peer == from.domain", "sip:a@Partner.example", []string{"other.example", "partner.example"}, true},
		{"from.domain == tls.peer", "sip:a@partner.example", []string{"partner.example"}, true},
		{"tls.peer == from.domain", "sip:a@sub.partner.example", []string{"partner.example"}, false},
		{"tls.peer == from.domain", "sip:a@partner.example", nil, false},
		{"tls.peer != from.domain", "sip:a@partner.example", nil, true},
		{`one_of(tls.peer, "a.example", "Partner.Example")`, "sip:a@x.example", []string{"partner.example"}, true},
		{"has(tls.peer)", "sip:a@x.example", []string{"partner.example"}, true},
		{"has(tls.peer)", "sip:a@x.example", nil, false},
		{`original.tls.peer == "partner.example"`, "sip:a@x.example", []string{"partner.example"}, true},
	} {
		if got := decides(c.when, c.from, c.proven...); got != c.want {
			t.Errorf("%s, with %q from %s: %v", c.when, c.proven, c.from, got)
		}
	}
	for when, want := range map[string]string{
		`tls.peer == "*.example.com"`:    "is the name of nobody",
		`"${tls.peer}" == "a.example"`:   "the names of a peer stands in a text",
		`tls.peer == 5`:                  "cannot compare the names of a peer with the number 5",
		`tls.peer == tls.peer`:           "cannot compare the names of a peer with the names of a peer",
		`lower(tls.peer) == "a"`:         "the names of a peer stands in lower(…)",
		`tls.per == "a.example"`:         `unknown field "tls.per"`,
		`has(tls.peer["sip:a.example"])`: "tls.peer has no parts",
	} {
		_, bad := parseIn(dir, secret+fmt.Sprintf(listen, asking)+"rule \"r\" {\n  when = "+when+"\n  drop = true\n}\n")
		if len(bad) != 1 || !strings.Contains(bad.Error(), want) {
			t.Errorf("%s: got %v, want %s", when, bad, want)
		}
	}
	_, bad := parseIn(dir, secret+fmt.Sprintf(listen, "")+"rule \"r\" {\n  when = has(tls.peer)\n  drop = true\n}\n")
	if len(bad) != 1 || !strings.Contains(bad.Error(), "no listener asks for client certificates") {
		t.Errorf("nobody is asked: %v", bad)
	}
}

// A certificate that was renewed is a change that a reload tells of.
func TestRenewalIsADifference(t *testing.T) {
	t.Parallel()
	dir := vault(t)
	const text = secureServer + "listen \"tls\" {\n  address = \"127.0.0.1:5061\"\n  certificate = \"good.pem\"\n  key = \"good.key\"\n}\n"
	before, bad := parseIn(dir, text)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	same, bad := Parse(before.File, []byte(text), Options{Check: true, Running: before})
	if d := Compare(before, same); len(bad) > 0 || !d.None() {
		t.Errorf("%v, got %q", bad, d.Lines())
	}
	authority.New(t).Write(dir, "good", nil, "sip:example.com")
	after, bad := Parse(before.File, []byte(text), Options{Check: true, Running: before})
	if d := Compare(before, after); len(bad) > 0 || len(d.Changes) != 1 || !strings.Contains(d.Changes[0], "good.pem") {
		t.Errorf("%v, got %q", bad, d.Lines())
	}
	if bytes.Contains([]byte(strings.Join(before.Summary(), " ")), []byte("PRIVATE")) {
		t.Error("a key is shown")
	}
}
