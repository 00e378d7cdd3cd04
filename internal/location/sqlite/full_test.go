//go:build linux

package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
)

// results hands the ends of changes to a test that waits for each.
type results chan error

func (r results) Stored(_ uint64, err error) { r <- err }

// fillDisk runs in a child whose files may not grow beyond a bound, which is what a
// full disk looks like to SQLite, and tells what happens.
func fillDisk(s *sqlite.Store) {
	signal.Ignore(unix.SIGXFSZ)
	ends := make(results, 1)
	d := location.New(location.Config{Store: s}, ends)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { d.Run(ctx); close(done) }()
	n := uint64(0)
	register := func() error {
		if outcome, err := registerOne(d, n*perAOR); outcome != location.Pending {
			return fmt.Errorf("not taken: %w", err)
		}
		n++
		return <-ends
	}
	for range 20 {
		must(register())
	}
	fmt.Println("registered 20")
	limitFiles(300 << 10)
	for register() == nil {
	}
	full := n - 1
	for range 3 {
		if register() == nil {
			fmt.Println("a registration was taken on a full disk")
		}
	}
	var found location.Found
	for aor := range n {
		seen := d.Lookup(clock.Now(), fmt.Appendf(nil, "sip:u%d@example.org", aor), &found)
		if seen != (aor < full) {
			fmt.Println("lookup of", aor, seen)
		}
	}
	if rows := rowsOf(s); rows != int(full) {
		fmt.Println("rows on the full disk:", rows, "want", full)
	}
	fmt.Println("full")
	limitFiles(unix.RLIM_INFINITY)
	must(register())
	fmt.Println("space again, rows as acknowledged:", rowsOf(s) == int(full)+1)
	cancel()
	<-done
	must(s.Close())
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func rowsOf(s *sqlite.Store) (rows int) {
	must(s.Load(func(*location.Row) error { rows++; return nil }))
	return rows
}

func limitFiles(size uint64) {
	var limit unix.Rlimit
	must(unix.Getrlimit(unix.RLIMIT_FSIZE, &limit))
	limit.Cur = min(size, limit.Max)
	must(unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
}

// Proves: RG-21
func TestFullDisk(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+filepath.Join(t.TempDir(), "full.db"), childRole+"=full")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := "registered 20\nfull\nspace again, rows as acknowledged: true\n"
	if got := string(out); got != want {
		t.Errorf("got\n%swant\n%s", strings.TrimSpace(got)+"\n", want)
	}
}
