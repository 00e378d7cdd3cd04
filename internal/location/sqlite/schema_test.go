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
	u, err := OpenUsers(c)
	if err != nil {
		t.Fatal(err)
	}
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
