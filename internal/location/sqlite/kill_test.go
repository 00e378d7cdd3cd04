package sqlite_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
)

// TestMain lets the test binary be the server that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		child(path, os.Getenv(childRole))
		return
	}
	os.Exit(m.Run())
}

const (
	childPath = "VIADUCT_TEST_SQLITE_PATH"
	childRole = "VIADUCT_TEST_SQLITE_ROLE"
)

func child(path, role string) {
	s, err := sqlite.Open(sqlite.Config{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	switch role {
	case "register":
		registerAll(s)
	case "full":
		fillDisk(s)
	}
}

const registrations = 10_000

// acks writes each acknowledged number to the parent, and nothing else: what the
// parent has read has been acknowledged. Each takes 64 bytes, so that no more than
// a thousand are on their way when the parent kills.
type acks struct {
	out   io.Writer
	moved chan struct{} // has something when there may be room in the queue again
}

const ackBytes = 64

func (a acks) Stored(token uint64, err error) {
	if err == nil {
		var b [ackBytes]byte
		binary.LittleEndian.PutUint64(b[:], token)
		_, _ = a.out.Write(b[:])
	}
	select {
	case a.moved <- struct{}{}:
	default: // nobody has looked since the last time
	}
}

// registerAll registers as fast as it can, each AOR 10 times: first a binding, then
// refreshes and replacements of it, each with the next CSeq.
func registerAll(s *sqlite.Store) {
	limits := location.Limits{Batch: 64, Gather: time.Millisecond, Pending: 256}
	a := acks{os.Stdout, make(chan struct{}, 1)}
	d := location.New(location.Config{Store: s, Limits: limits}, a)
	go d.Run(context.Background())
	for n := uint64(0); n < registrations; {
		if outcome, _ := registerOne(d, n); outcome == location.Refused {
			<-a.moved // the queue was full
			continue
		}
		n++
	}
	select {} // until the parent kills
}

const perAOR = 10

func registerOne(d *location.Directory, n uint64) (location.Outcome, error) {
	aor := fmt.Appendf(nil, "sip:u%d@example.org", n/perAOR)
	now := clock.Now()
	return d.Update(now, aor, n, func(e *location.Edit) bool {
		b := location.Binding{
			Contact: fmt.Appendf(nil, "sip:%d@192.0.2.1", n/3), CallID: []byte("x"), Q: 1000,
			CSeq: uint32(n), Expires: now.Add(time.Hour), Updated: now,
		}
		if len(e.Bindings()) == 0 {
			return e.Add(b) == nil
		}
		return e.Replace(0, b) == nil
	})
}

// Proves: RG-29
//
// The process is killed at a random moment in the middle of 10,000 registrations.
// Every acknowledged one must be there, and of those that were not yet
// acknowledged at most the ones that were under way: a state never mixes two.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := uint64(10)
	if testing.Short() {
		rounds = 2
	}
	for seed := range rounds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kill.db")
			r := rand.New(rand.NewPCG(seed, 4))
			acknowledged := killAfter(t, path, 1+r.IntN(registrations-1))
			compareWith(t, path, acknowledged)
		})
	}
}

// killAfter runs a child until it has acknowledged so many registrations, kills
// it, and returns the last number acknowledged of each AOR.
func killAfter(t *testing.T, path string, after int) map[uint64]uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path, childRole+"=register")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := map[uint64]uint64{}
	in := bufio.NewReader(out)
	for count := 0; ; count++ {
		if count == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		var b [ackBytes]byte
		if _, err := io.ReadFull(in, b[:]); err != nil {
			break // what was written before the end has been read
		}
		n := binary.LittleEndian.Uint64(b[:])
		last[n/perAOR] = n
	}
	_ = cmd.Wait()
	return last
}

func compareWith(t *testing.T, path string, acknowledged map[uint64]uint64) {
	t.Helper()
	s := open(t, path)
	defer closed(t, s)
	d := location.New(location.Config{Store: s}, nil)
	if err := d.Load(nil); err != nil {
		t.Fatal(err)
	}
	var found location.Found
	for aor, n := range acknowledged {
		if !d.Lookup(clock.Now(), fmt.Appendf(nil, "sip:u%d@example.org", aor), &found) {
			t.Errorf("AOR %d: its binding is lost", aor)
			continue
		}
		b := &found.Bindings[0]
		cseq := uint64(b.CSeq)
		if len(found.Bindings) != 1 || cseq < n || cseq/perAOR != aor {
			t.Errorf("AOR %d: got CSeq %d, acknowledged was %d", aor, cseq, n)
		}
		if want := fmt.Sprintf("sip:%d@192.0.2.1", cseq/3); string(b.Contact) != want {
			t.Errorf("AOR %d, CSeq %d: got %s, want %s", aor, cseq, b.Contact, want)
		}
	}
	// Later ones may be stored and not acknowledged, but without a gap: all AORs up
	// to the last one are there.
	if got := d.Stats().AORs; got < len(acknowledged) {
		t.Errorf("got %d AORs, acknowledged were %d", got, len(acknowledged))
	}
	for aor := range uint64(d.Stats().AORs) {
		if !d.Lookup(clock.Now(), fmt.Appendf(nil, "sip:u%d@example.org", aor), &found) {
			t.Errorf("AOR %d is missing between others", aor)
		}
	}
}
