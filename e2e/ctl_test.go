package e2e

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"viaduct/internal/admin"
)

func TestStatusMetricsAndLogLevel(t *testing.T) {
	t.Parallel()
	at := network(t)
	s := start(t, configure(t, everywhere, at(1)))
	uas := callee(t, calleeXML, at(3), 10)
	caller(t, callerXML, at(2), at(1)+":5060", at(3)+":5070", 10, rate).succeed(t, 10)
	uas.succeed(t, 10)

	table := s.ctl(t, "status")
	for _, want := range []string{"running", "udp", at(1) + ":5060"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in the status:\n%s", want, table)
		}
	}
	var status admin.Status
	if err := json.Unmarshal([]byte(s.ctl(t, "status", "-o", "json")), &status); err != nil {
		t.Errorf("ctl status -o json: %v", err)
	}
	if status.State != "running" || len(status.Listeners) != 1 || status.Listeners[0].Received == 0 {
		t.Errorf("ctl status -o json says %+v", status)
	}

	exposition := s.ctl(t, "metrics", "-o", "prometheus")
	for _, want := range []string{
		`(?m)^# HELP viaduct_`, `(?m)^viaduct_transactions\{`, `(?m)^viaduct_transactions_limit `,
		`(?m)^viaduct_requests_received_total\{method="INVITE"\} 10$`,
	} {
		if !regexp.MustCompile(want).MatchString(exposition) {
			t.Errorf("no %s in the metrics:\n%s", want, exposition)
		}
	}
	if table := s.ctl(t, "metrics"); !strings.Contains(table, "viaduct_transactions_limit") {
		t.Errorf("no viaduct_transactions_limit in:\n%s", table)
	}

	if got := s.ctl(t, "log", "debug"); !strings.Contains(got, "DEBUG") {
		t.Errorf("ctl log debug said %q", got)
	}
	if got := s.status(t).LogLevel; got != "DEBUG" {
		t.Errorf("log level is %v, want DEBUG", got)
	}
	if said := fails(t, 1, "ctl", "--socket", s.socket, "log", "loud"); !strings.Contains(said, "loud") {
		t.Errorf("an unknown level was answered with %q", said)
	}

	info, err := os.Stat(s.socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the control socket has mode %o, want 600", got)
	}
}

func TestCtlWithoutAServer(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/viaduct.sock"
	if said := fails(t, 1, "ctl", "--socket", path, "status"); !strings.Contains(said, path) {
		t.Errorf("it does not say where nobody answers:\n%s", said)
	}
}
