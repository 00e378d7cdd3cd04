package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// User is who may authenticate in a realm: the HA1 of RFC 8760 for each algorithm
// in hexadecimal, empty when there is none. The password itself is not kept.
type User struct {
	Realm, Name             string
	MD5, SHA256, SHA512_256 string
}

// Users are the users in the file. Several processes may be at them at once.
type Users struct{ db *sql.DB }

// OpenUsers opens the file for its users alone, beside a server perhaps, and makes
// it when there is none.
func OpenUsers(c Config) (*Users, error) {
	if err := private(c.Path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", c.dsn())
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := withConn(db, func(ctx context.Context, conn *sql.Conn) error { return migrate(ctx, conn, steps) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Users{db}, nil
}

// connections bounds what is open at once: the writer and some readers.
const connections = 4

// private makes sure that a new file can be read by its owner alone: it holds what
// is as good as passwords. SQLite gives its other files the same mode.
func private(path string) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: open: %w", err)
	}
	return f.Close()
}

func withConn(db *sql.DB, f func(context.Context, *sql.Conn) error) error {
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlite: open: %w", err)
	}
	return errors.Join(f(ctx, conn), conn.Close())
}

// Close closes the file.
func (u *Users) Close() error { return u.db.Close() }

const (
	userColumns = "realm, name, md5, sha256, sha512_256"
	putUser     = "INSERT INTO user (" + userColumns + `) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
		SET md5 = excluded.md5, sha256 = excluded.sha256, sha512_256 = excluded.sha512_256`
)

// Get returns a user; false when there is none.
func (u *Users) Get(ctx context.Context, realm, name string) (User, bool, error) {
	var found User
	err := found.scan(u.db.QueryRowContext(ctx, "SELECT "+userColumns+" FROM user WHERE realm = ? AND name = ?", realm, name).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return User{}, false, nil
	case err != nil:
		return User{}, false, fmt.Errorf("sqlite: user: %w", err)
	}
	return found, true, nil
}

func (u *User) scan(scan func(...any) error) error {
	return scan(&u.Realm, &u.Name, &u.MD5, &u.SHA256, &u.SHA512_256)
}

// Revision changes with every change of the users: what was listed at the same
// revision is still so.
func (u *Users) Revision(ctx context.Context) (number int64, err error) {
	if err := u.db.QueryRowContext(ctx, "SELECT number FROM user_revision").Scan(&number); err != nil {
		return 0, fmt.Errorf("sqlite: users: %w", err)
	}
	return number, nil
}

// Put adds a user, or replaces the one of the same realm and name.
func (u *Users) Put(ctx context.Context, user User) error {
	return u.PutAll(ctx, user)
}

// PutAll is Put for many users in one transaction.
func (u *Users) PutAll(ctx context.Context, all ...User) (err error) {
	tx, err := u.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlite: users: %w", err)
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // nothing was done
		}
	}()
	for i := range all {
		x := &all[i]
		if _, err := tx.ExecContext(ctx, putUser, x.Realm, x.Name, x.MD5, x.SHA256, x.SHA512_256); err != nil {
			return fmt.Errorf("sqlite: users: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqlite: users: %w", err)
	}
	return nil
}

// Delete takes a user out and reports whether there was one.
func (u *Users) Delete(ctx context.Context, realm, name string) (bool, error) {
	result, err := u.db.ExecContext(ctx, "DELETE FROM user WHERE realm = ? AND name = ?", realm, name)
	if err != nil {
		return false, fmt.Errorf("sqlite: user: %w", err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// List hands out all users by realm and name, until see returns false.
func (u *Users) List(ctx context.Context, see func(User) bool) error {
	rows, err := u.db.QueryContext(ctx, "SELECT "+userColumns+" FROM user ORDER BY realm, name")
	if err != nil {
		return fmt.Errorf("sqlite: users: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var user User
		if err := user.scan(rows.Scan); err != nil {
			return fmt.Errorf("sqlite: users: %w", err)
		}
		if !see(user) {
			return nil
		}
	}
	return rows.Err()
}
