package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"viaduct/internal/admin"
	"viaduct/internal/location"
	"viaduct/internal/site"
)

// says runs a command and returns what it prints.
func says(t *testing.T, cmd *cobra.Command, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader("secret\n"))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const locationDump = "CREATE TABLE `location` (`id` int, `username` text, `domain` text, `contact` text, `expires` text, `received` text, `socket` text, `q` float);\n" +
	"INSERT INTO `location` VALUES (1,'alice','','sip:alice@192.0.2.7:5062','2126-11-24 12:00:00',NULL,'udp:127.0.0.1:5060',-1),\n" +
	"(2,'bob','example.com','sip:bob@10.0.0.1','2126-11-24 12:00:00','sip:192.0.2.9:1024','udp:127.0.0.1:5060',0.5),\n" +
	"(3,'carl','','sip:carl@10.0.0.1','2126-11-24 12:00:00','sip:192.0.2.9:1024;transport=tcp','tcp:127.0.0.1:5060',1),\n" +
	"(4,'dora','','sip:dora@10.0.0.1','2016-11-24 12:00:00',NULL,'',1);\n"

// serving answers at a control socket with the bindings of a store.
func serving(t *testing.T) (socket string) {
	t.Helper()
	store, err := site.OpenOffline(t.TempDir(), location.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "s")
	l, err := admin.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	s := admin.NewServer(admin.Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Bindings: store})
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		end()
		if err := errors.Join(<-ended, store.Close()); err != nil {
			t.Error(err)
		}
	})
	return socket
}

// The same commands, by a running server and on a store at rest.
func TestRegistrations(t *testing.T) {
	t.Parallel()
	dump := file(t, "location.sql", locationDump)
	for name, at := range map[string][]string{"server": {"--socket", serving(t)}, "store": {"--store", t.TempDir()}} {
		run := func(args ...string) (string, error) {
			return says(t, registrationsCommand(), append(args, at...)...)
		}
		out, err := run("import", dump, "--domain", "example.com", "--dry-run")
		if err != nil || !strings.Contains(out, "4 rows, 2 contacts can be taken over\n") || !strings.Contains(out, "1  expired (line 5: dora)") {
			t.Errorf("%s: dry run: got %q, %v", name, out, err)
		}
		if out, err := run("list"); err != nil || strings.Contains(out, "sip:") {
			t.Errorf("%s: after a dry run: got %q, %v", name, out, err)
		}
		for _, want := range []string{"4 rows, 2 contacts taken over\n", "4 rows, 0 contacts taken over\n       2  there already"} {
			if out, err := run("import", dump, "--domain", "example.com"); err != nil || !strings.Contains(out, want) {
				t.Errorf("%s: got %q, %v, want %q", name, out, err, want)
			}
		}
		out, err = run("list", "-o", "json")
		if err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, `"aor":"sip:bob@example.com"`) {
			t.Errorf("%s: list: got %q, %v", name, out, err)
		}
		var shown admin.Registration
		out, err = run("show", "bob@EXAMPLE.com", "-o", "json")
		if err := errors.Join(err, json.Unmarshal([]byte(out), &shown)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c := shown.Contacts[0]; !c.NAT || c.Remote != "192.0.2.9:1024" || c.Q != 0.5 {
			t.Errorf("%s: got %+v", name, c)
		}
		if out, err := run("show", "alice@example.com"); err != nil || !strings.Contains(out, "sip:alice@192.0.2.7:5062") || !strings.Contains(out, "reached by  its contact") {
			t.Errorf("%s: show: got %q, %v", name, out, err)
		}
		if out, err := run("remove", "alice@example.com", "--contact", "sip:else@where"); !errors.Is(err, admin.ErrNoRegistration) {
			t.Errorf("%s: another contact: got %q, %v", name, out, err)
		}
		if out, err := run("remove", "sip:alice@example.com"); err != nil || out != "removed 1\n" {
			t.Errorf("%s: remove: got %q, %v", name, out, err)
		}
		if _, err := run("show", "alice@example.com"); !errors.Is(err, admin.ErrNoRegistration) {
			t.Errorf("%s: one that is gone: got %v", name, err)
		}
	}
}

func TestRegistrationsOfAStoreInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := site.OpenOffline(dir, location.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := says(t, registrationsCommand(), "list", "--store", dir); err == nil || !strings.Contains(err.Error(), "a server runs") {
		t.Errorf("got %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := says(t, registrationsCommand(), "list", "--socket", filepath.Join(dir, "none")); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("got %v", err)
	}
}

// The same commands on a file and on a store.
func TestUsers(t *testing.T) {
	t.Parallel()
	dump := file(t, "subscriber.csv", "username,domain,password,ha1\ncarl,example.com,x,\ndora,example.com,,\nerna,b.example,,0123456789abcdef0123456789abcdef\ncarl,example.com,y,\n")
	for name, at := range map[string][]string{"file": {filepath.Join(t.TempDir(), "a.users")}, "store": {"--store", t.TempDir()}} {
		run := func(command string, args ...string) (string, error) {
			return says(t, userCommand(), append(append([]string{command}, at...), args...)...)
		}
		if _, err := run("add", "alice"); err == nil {
			t.Errorf("%s: a user of no realm was added", name)
		}
		if out, err := run("add", "alice", "--realm", "example.com"); err != nil || len(out) != 17 {
			t.Errorf("%s: add: got %q, %v", name, out, err)
		}
		if _, err := run("add", "alice", "--stdin"); err == nil {
			t.Errorf("%s: the same user was added twice", name)
		}
		for _, x := range []struct {
			command string
			args    []string
			out     string
		}{
			{"add", []string{"bob", "--stdin"}, ""},
			{"passwd", []string{"alice", "--stdin"}, ""},
			{"list", nil, "alice\nbob\n"},
			{"delete", []string{"bob"}, ""},
			{"list", nil, "alice\n"},
			{"import", []string{dump, "--dry-run"}, "4 rows, 2 users can be taken over\n"},
			{"list", nil, "alice\n"},
			{"import", []string{dump}, "4 rows, 2 users taken over\n       1  no password and no ha1 (line 3: dora@example.com)\n"},
			{"list", []string{"--realm", "example.com"}, "alice\ncarl\n"},
			{"remove", []string{"erna", "--realm", "b.example"}, ""},
		} {
			if out, err := run(x.command, x.args...); err != nil || !strings.HasPrefix(out, x.out) || x.out == "" && out != "" {
				t.Errorf("%s: %s %q: got %q, %v, want %q", name, x.command, x.args, out, err, x.out)
			}
		}
		for _, command := range []string{"passwd", "remove"} {
			if _, err := run(command, "nobody"); err == nil {
				t.Errorf("%s: %s of nobody", name, command)
			}
		}
	}
}

func TestUsersOfAConfiguration(t *testing.T) {
	t.Parallel()
	cfg := file(t, "a.hcl", `server { domains = ["example.com"] }
listen "udp" { address = "127.0.0.1:5060" }
users "staff" {
  realm = "example.com"
  file  = "staff.users"
}
`)
	if _, err := says(t, userCommand(), "add", "--config", cfg, "alice"); err != nil {
		t.Fatal(err)
	}
	if out, err := says(t, userCommand(), "list", filepath.Join(filepath.Dir(cfg), "staff.users")); err != nil || out != "alice\n" {
		t.Errorf("got %q, %v", out, err)
	}
	f := (*failure)(nil)
	if _, err := says(t, userCommand(), "list", "--config", file(t, "b.hcl", "what")); !errors.As(err, &f) || f.code != exitConfig {
		t.Errorf("got %v, want the exit code of a configuration", err)
	}
	if _, err := says(t, userCommand(), "list"); err == nil || errors.As(err, &f) && f.code != exitUsage {
		t.Errorf("no place: got %v", err)
	}
}
