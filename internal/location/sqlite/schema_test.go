package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
)

// A file of schema 1 goes forward through all steps that there are, each once, and
// stays where it was when one fails.
func TestMigrate(t *testing.T) {
	t.Parallel()
	c := Config{Path: filepath.Join(t.TempDir(), "x.db")}
	u := first(t, c)
	defer u.Close()
	if err := u.Put(t.Context(), User{Realm: "r", Name: "n", MD5: "00"}); err != nil {
		t.Fatal(err)
	}
	to := func(more ...string) error {
		return withConn(u.db, func(ctx context.Context, conn *sql.Conn) error {
			return migrate(ctx, conn, append(steps[:1:1], more...))
		})
	}
	version := func() (n int) {
		if err := u.db.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	second, third := "ALTER TABLE user ADD COLUMN note TEXT NOT NULL DEFAULT 'x'", "UPDATE user SET note = note || 'y'"
	if err := to(second, "ALTER TABLE user ADD COLUMN more; UPDATE nobody SET x = 1"); err == nil || version() != 2 {
		t.Errorf("a step that fails: got %v, version %d", err, version())
	}
	for range 2 {
		if err := to(second, third); err != nil || version() != 3 {
			t.Errorf("got %v, version %d", err, version())
		}
	}
	var note string
	if err := u.db.QueryRowContext(t.Context(), "SELECT note FROM user WHERE name = 'n'").Scan(&note); err != nil || note != "xy" {
		t.Errorf("got %v, note %q", err, note)
	}
	var columns int
	if err := u.db.QueryRowContext(t.Context(), "SELECT count(*) FROM pragma_table_info('user') WHERE name = 'more'").Scan(&columns); err != nil || columns != 0 {
		t.Errorf("half of a step that failed is there: %v %d", err, columns)
	}
}

// first makes a file of schema 1.
func first(t *testing.T, c Config) *Users {
	t.Helper()
	db, err := sql.Open("sqlite", c.dsn())
	if err != nil {
		t.Fatal(err)
	}
	if err := withConn(db, func(ctx context.Context, conn *sql.Conn) error { return migrate(ctx, conn, steps[:1]) }); err != nil {
		t.Fatal(err)
	}
	return &Users{db}
}

// A file of schema 1 gets its revision, and keeps its users.
func TestRevisionOfUsers(t *testing.T) {
	t.Parallel()
	c := Config{Path: filepath.Join(t.TempDir(), "x.db")}
	old := first(t, c)
	if err := old.Put(t.Context(), User{Realm: "r", Name: "n", MD5: "00"}); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	u, err := OpenUsers(c)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	revision := func() int64 {
		n, err := u.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got, ok, err := u.Get(t.Context(), "r", "n"); err != nil || !ok || got.MD5 != "00" {
		t.Errorf("after the step: got %+v, %v, %v", got, ok, err)
	}
	seen := map[int64]bool{revision(): true}
	if again := revision(); !seen[again] {
		t.Errorf("got %d without a change", again)
	}
	remove := func() error { _, err := u.Delete(t.Context(), "r", "n"); return err }
	none := func() error { _, err := u.Delete(t.Context(), "r", "nobody"); return err }
	for what, change := range map[string]func() error{
		"added":   func() error { return u.Put(t.Context(), User{Realm: "r", Name: "other", MD5: "01"}) },
		"changed": func() error { return u.Put(t.Context(), User{Realm: "r", Name: "n", MD5: "02"}) },
		"several": func() error { return u.PutAll(t.Context(), User{Realm: "r", Name: "a"}, User{Realm: "r", Name: "b"}) },
		"by hand": func() error { _, err := u.db.ExecContext(t.Context(), "UPDATE user SET md5 = '03'"); return err },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if n := revision(); seen[n] {
			t.Errorf("%s: the revision is %d again", what, n)
		} else {
			seen[n] = true
		}
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	after := revision()
	if seen[after] {
		t.Errorf("removed: the revision is %d again", after)
	}
	if err := none(); err != nil || revision() != after {
		t.Errorf("nothing removed: %v, the revision is %d, was %d", err, revision(), after)
	}
}
