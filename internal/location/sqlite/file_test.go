package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
)

// The last transaction of the log was being written when the machine stopped.
func TestTornTailIsDropped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "live.db"))
	defer closed(t, s)
	apply(t, s, location.Op{Row: row(1)})
	before := logSize(t, dir)
	apply(t, s, location.Op{Row: row(2)}, location.Op{Row: row(3)}, location.Op{Row: row(4)})
	after := logSize(t, dir)
	for name, tear := range map[string]func([]byte) []byte{
		"cut in the middle":     func(log []byte) []byte { return log[:(before+after)/2] },
		"cut before its end":    func(log []byte) []byte { return log[:after-1] },
		"last bytes not there":  func(log []byte) []byte { clear(log[after-700:]); return log },
		"first bytes not there": func(log []byte) []byte { clear(log[before : before+700]); return log },
	} {
		t.Run(name, func(t *testing.T) {
			torn := filepath.Join(t.TempDir(), "torn.db")
			copyFile(t, filepath.Join(dir, "live.db"), torn, nil)
			copyFile(t, filepath.Join(dir, "live.db-wal"), torn+"-wal", tear)
			s := open(t, torn)
			defer closed(t, s)
			if got := load(t, s); len(got) != 1 || !reflect.DeepEqual(got[1], row(1)) {
				t.Errorf("got %+v", got)
			}
			apply(t, s, location.Op{Row: row(5)})
			if got := load(t, s); len(got) != 2 {
				t.Errorf("after one more: got %+v", got)
			}
		})
	}
}

func logSize(t *testing.T, dir string) int {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, "live.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

func copyFile(t *testing.T, from, to string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		b = change(b)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOneServerAtAFile(t *testing.T) {
	t.Parallel()
	c := sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db")}
	s := open(t, c.Path)
	if _, err := sqlite.Open(c); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	u, err := sqlite.OpenUsers(c) // the command line beside the server
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(u.Put(t.Context(), sqlite.User{Realm: "r", Name: "n"}), u.Close()); err != nil {
		t.Error(err)
	}
	apply(t, s, location.Op{Row: row(1)})
	closed(t, s)
	closed(t, open(t, c.Path))
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "x.db"))
	defer closed(t, s)
	apply(t, s, location.Op{Row: row(1)})
	if err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %o, want 600", entry.Name(), info.Mode().Perm())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// change runs SQL on a file as an operator would.
func change(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(context.Background(), text)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string
		want error
	}{
		"of another program":   {"CREATE TABLE x (y)", sqlite.ErrForeign},
		"marked by another":    {"PRAGMA application_id = 7", sqlite.ErrForeign},
		"of a newer version":   {"PRAGMA application_id = 1447641412; PRAGMA user_version = 1000", sqlite.ErrNewer},
		"an empty one is ours": {"PRAGMA cache_size = 10", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.db")
			change(t, path, c.sql)
			s, err := sqlite.Open(sqlite.Config{Path: path})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err == nil {
				closed(t, s)
			}
		})
	}
	t.Run("no database", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(path, []byte("this is a text that somebody keeps where the database should be"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the lock is given back
			if _, err := sqlite.Open(sqlite.Config{Path: path}); err == nil || errors.Is(err, sqlite.ErrInUse) {
				t.Errorf("got %v", err)
			}
		}
	})
	if _, err := sqlite.Open(sqlite.Config{Path: filepath.Join(t.TempDir(), "none", "x.db")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: got %v", err)
	}
}

// Somebody took a row out and spoiled another while the server ran.
func TestAnOperatorWasAtTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	defer closed(t, s)
	apply(t, s, location.Op{Row: row(1)}, location.Op{Row: row(2)})
	change(t, path, "DELETE FROM binding WHERE id = 1; UPDATE binding SET remote = 'over there' WHERE id = 2")
	apply(t, s, location.Op{Kind: location.Refresh, Row: row(1)})
	got := load(t, s)
	if !reflect.DeepEqual(got[1], row(1)) {
		t.Errorf("a refresh of a row that is gone: got %+v", got[1])
	}
	if b := got[2].Binding; b.Flow.Remote.IsValid() || string(b.Contact) != string(row(2).Binding.Contact) {
		t.Errorf("a spoiled address: got %+v", b)
	}
}

// A statement fails in the middle of a transaction: nothing of it is there, and the
// next one begins anew.
func TestFailureInTheMiddle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	defer closed(t, s)
	change(t, path, "CREATE TRIGGER no BEFORE INSERT ON binding WHEN new.id = 3 BEGIN SELECT raise(FAIL, 'no'); END")
	for range 2 {
		if err := s.Apply([]location.Op{{Row: row(1)}, {Row: row(2)}, {Row: row(3)}}); err == nil {
			t.Error("a transaction that cannot be is taken")
		}
	}
	if got := load(t, s); len(got) != 0 {
		t.Errorf("got %d rows of what failed", len(got))
	}
	change(t, path, "DROP TRIGGER no")
	apply(t, s, location.Op{Row: row(3)})
	if got := load(t, s); len(got) != 1 {
		t.Errorf("got %d rows", len(got))
	}
}

func TestViewForOperators(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	defer closed(t, s)
	apply(t, s, location.Op{Row: row(1)})
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var aor, contact, expires, flow string
	var q float64
	err = db.QueryRowContext(t.Context(), "SELECT aor, contact, q, expires, flow FROM location").Scan(&aor, &contact, &q, &expires, &flow)
	if err != nil || aor != "sip:u1@example.org" || q != 0.7 || expires != "2030-03-17 17:46:40" || flow != "udp [2001:db8::1]:5062" {
		t.Errorf("got %v %s %s %v %s %s", err, aor, contact, q, expires, flow)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	alice := sqlite.User{Realm: "example.org", Name: "alice", MD5: "5d", SHA256: "9f", SHA512_256: "ab"}
	other := sqlite.User{Realm: "example.net", Name: "alice", SHA256: "77"}
	bob := sqlite.User{Realm: "example.org", Name: "bob"}
	for _, u := range []sqlite.User{{Realm: "example.org", Name: "alice", MD5: "00"}, bob, other, alice} {
		if err := s.Put(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	s = open(t, path)
	defer closed(t, s)
	if got, ok, err := s.Get(ctx, "example.org", "alice"); got != alice || !ok || err != nil {
		t.Errorf("got %+v %v %v", got, ok, err)
	}
	if got, ok, err := s.Get(ctx, "example.org", "Alice"); ok || err != nil {
		t.Errorf("another case: got %+v %v %v", got, ok, err)
	}
	var all []sqlite.User
	list := func(most int) {
		all = nil
		if err := s.List(ctx, func(u sqlite.User) bool { all = append(all, u); return len(all) < most }); err != nil {
			t.Error(err)
		}
	}
	if list(9); !reflect.DeepEqual(all, []sqlite.User{other, alice, bob}) {
		t.Errorf("got %+v", all)
	}
	if list(1); len(all) != 1 {
		t.Errorf("got %d, asked for one", len(all))
	}
	for _, want := range []bool{true, false} {
		if got, err := s.Delete(ctx, "example.org", "alice"); got != want || err != nil {
			t.Errorf("Delete: got %v %v, want %v", got, err, want)
		}
	}
	if list(9); len(all) != 2 {
		t.Errorf("got %+v", all)
	}
}
