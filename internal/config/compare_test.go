package config

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/proxy"
)

const before = `
server {
  drain  = "32s"
  secret = "0123456789abcdef"
  timers { t1 = "500ms" }
}
listen "udp" { address = "127.0.0.1:5060" }
listen "udp" { address = "127.0.0.1:5070" }
network "office" { cidrs = ["10.0.0.0/16"] }
group "pbx" {
  target "sip:10.0.1.11" {}
}
rule "a" {
  when = method == INVITE
  send = "sip:${env("HOST")}"
}
rule "b" {
  when = method == OPTIONS
  send = group.pbx
}
rule "c" { reply = 404 }
`

func options(env string) Options {
	return Options{Check: true, LookupEnv: func(string) (string, bool) { return env, true }}
}

// reload loads text after running, which was loaded with env.
func reload(t *testing.T, running *Config, text, env string) *Config {
	t.Helper()
	opts := options(env)
	opts.Running = running
	c, diags := Parse("x", []byte(text), opts)
	if diags != nil {
		t.Fatal(diags)
	}
	return c
}

func TestCompare(t *testing.T) {
	t.Parallel()
	running, diags := Parse("x", []byte(before), options("127.0.0.1"))
	if diags != nil {
		t.Fatal(diags)
	}
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", []string{"nothing has changed"}},
		{"comments and layout", "rule \"b\" {\n", "# b\nrule \"b\" {\n\n  // why\n", []string{"nothing has changed"}},
		{"a setting", `"32s"`, `"1m"`, []string{`server.drain: "32s" → "1m"`}},
		{"a setting that is new", `drain  =`, "log = \"warn\"\n  drain  =", []string{`server.log: is now "warn"`}},
		{"a setting that is gone", `drain  = "32s"`, "", []string{`server.drain: no longer "32s"`}},
		{"a rule", "404", "403", []string{`rule "c" changed`}},
		{"a rule's name", `rule "c"`, `rule "d"`, []string{`rule "d" added`, `rule "c" removed`}},
		{"what comes from elsewhere", "${env(\"HOST\")}", "10.0.1.11", []string{`rule "a" changed`, `env("HOST") removed`}},
		{"a group", "10.0.1.11", "10.0.1.12", []string{`group "pbx" changed`}},
		{"a network", "10.0.0.0/16", "10.0.0.0/15", []string{`network "office" changed`}},
		{"a listener", "5070", "5071", []string{`listen "udp 127.0.0.1:5071" added`, `listen "udp 127.0.0.1:5070" removed`}},
		{"destinations", "network", "destinations { deny = \"192.0.2.1\" }\nnetwork", []string{`destinations.deny: is now "192.0.2.1"`}},
		{"the secret", "0123456789abcdef", "0123456789abcdeX", []string{
			"server.secret changed", "a key is gone: calls that began with it are not recognised any more", "a key is new",
		}},
		{"rotation", `"0123456789abcdef"`, `["another secret is", "0123456789abcdef"]`, []string{"server.secret changed", "a key is new"}},
		{"what needs a restart", `t1 = "500ms"`, `t1 = "300ms"`, []string{
			`server.timers.t1: "500ms" → "300ms"`, `needs a restart: server.timers.t1 = "300ms", which stays "500ms" until then`,
		}},
	} {
		next := reload(t, running, strings.Replace(before, c.old, c.new, 1), "127.0.0.1")
		d := Compare(running, next)
		if got := d.Lines(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	d := Compare(running, reload(t, running, before, "127.0.0.2"))
	if got := d.Lines(); !slices.Equal(got, []string{`env("HOST") changed`}) {
		t.Errorf("got %q", got)
	}
	moved := strings.Replace(before, "rule \"c\" { reply = 404 }\n", "", 1)
	moved = strings.Replace(moved, "rule \"a\"", "rule \"c\" {\n  when = method == BYE\n  reply = 404\n}\nrule \"a\"", 1)
	d = Compare(running, reload(t, running, moved, "127.0.0.1"))
	if got := d.Lines(); !slices.Equal(got, []string{`rule "c" changed`, "order of rules changed"}) {
		t.Errorf("got %q", got)
	}
}

// What a restart only can change stays as it is through any number of reloads.
func TestReloadKeepsWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	running, diags := Parse("x", []byte(before), options("127.0.0.1"))
	if diags != nil {
		t.Fatal(diags)
	}
	wanted := strings.Replace(before, "timers {", "limits { transactions = 1000 }\n  store = \"elsewhere\"\n  timers {", 1)
	wanted = strings.Replace(wanted, "500ms", "200ms", 1)
	for range 2 {
		running = reload(t, running, wanted, "127.0.0.1")
		d := Compare(running, running)
		if len(d.Changes) != 0 || len(d.Restart) != 3 {
			t.Errorf("got %q", d.Lines())
		}
		if running.Snapshot.Timers.T1 != 500*time.Millisecond || running.Transactions != 200_000 || running.Store != "" {
			t.Errorf("got %+v", running)
		}
	}
	if d := Compare(running, reload(t, running, before, "127.0.0.1")); len(d.Restart) != 0 {
		t.Errorf("got %q", d.Lines())
	}
}

// The engine tells which places are free.
func TestReloadTakesPlacesFromTheEngine(t *testing.T) {
	t.Parallel()
	running, diags := Parse("x", []byte(before), options("127.0.0.1"))
	if diags != nil {
		t.Fatal(diags)
	}
	listeners := slices.Clone(running.Snapshot.Listeners)
	listeners[0] = proxy.Listener{}
	next := reload(t, running.At(listeners), before, "127.0.0.1")
	if got := next.Bind(); len(got) != 2 || next.Snapshot.Listeners[0].Bind.Port() != 5060 || running.Snapshot.Listeners[0].Name == "" {
		t.Errorf("got %v", next.Snapshot.Listeners)
	}
}

// A key put in front of the key file signs from the next reload on, and the old
// one verifies; a file that has vanished is not made again.
func TestKeyFileIsRotatedByReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src := "server { store = \"" + dir + "\" }\nlisten \"udp\" { address = \"127.0.0.1:5060\" }\n"
	running, diags := Parse("x", []byte(src), Options{})
	if diags != nil {
		t.Fatal(diags)
	}
	path := filepath.Join(dir, keyFile)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(bytes.Repeat([]byte{1}, keySize), old...), 0o600); err != nil {
		t.Fatal(err)
	}
	next, diags := Parse("x", []byte(src), Options{Running: running})
	if diags != nil {
		t.Fatal(diags)
	}
	if d := Compare(running, next); !slices.Equal(d.Lines(), []string{"a key is new"}) || len(next.keys) != 2 || next.keys[1] != running.keys[0] {
		t.Errorf("got %q", d.Lines())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, diags = Parse("x", []byte(src), Options{Running: running}); !strings.Contains(diags.Error(), "key file") {
		t.Errorf("got %v", diags)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a reload made a key file")
	}
}
