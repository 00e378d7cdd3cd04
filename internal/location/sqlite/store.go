package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver
)

// Config is where a Store is, and how much it is to bear.
type Config struct {
	Path string // of the file; its -wal, -shm and -lock stand beside it

	// PowerSafe has each transaction wait for the disk, so that not even a loss of
	// power loses what was acknowledged. Without it that may lose the last moments,
	// never the file; the end of the process, however hard, loses nothing.
	PowerSafe bool
}

// Store is a location.Store, and the users, in one file.
type Store struct {
	Users
	writer *sql.Conn
	lock   *os.File
	put    *sql.Stmt
	fresh  *sql.Stmt
	remove *sql.Stmt
	args   [bindingArgs]any
}

// Open opens the file for a server, which is the only one at it, and makes it
// when there is none. ErrInUse is the answer when another has it.
func Open(c Config) (*Store, error) {
	lock, err := takeLock(c.Path + "-lock")
	if err != nil {
		return nil, err
	}
	users, err := OpenUsers(c)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s := &Store{Users: *users, lock: lock}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare takes the one connection by which bindings are written.
func (s *Store) prepare() (err error) {
	ctx := context.Background()
	if s.writer, err = s.db.Conn(ctx); err != nil {
		return fmt.Errorf("sqlite: open: %w", err)
	}
	for text, to := range map[string]**sql.Stmt{putBinding: &s.put, refreshBinding: &s.fresh, deleteBinding: &s.remove} {
		if *to, err = s.writer.PrepareContext(ctx, text); err != nil {
			return fmt.Errorf("sqlite: prepare: %w", err)
		}
	}
	return nil
}

// Close writes the log into the file and closes it.
func (s *Store) Close() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(append(errs, s.Users.Close(), s.lock.Close())...)
}

// dsn names the file and sets up each connection.
//
//   - Pages of 1 KiB hold three bindings: a refresh, which meets a page of its own
//     as a rule, writes and sums up that much.
//   - The log is written into the file at 8 MiB (8000 pages).
//   - Another process (a command line that adds a user, a sqlite3 that reads) may
//     hold the file for a moment.
func (c Config) dsn() string {
	synchronous := "NORMAL"
	if c.PowerSafe {
		synchronous = "FULL"
	}
	q := url.Values{"_pragma": {
		"busy_timeout(2000)", "page_size(1024)", "journal_mode(WAL)", "synchronous(" + synchronous + ")",
		"cache_size(-16000)", "wal_autocheckpoint(8000)", "journal_size_limit(67108864)",
	}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: c.Path}).EscapedPath(), RawQuery: q.Encode()}).String()
}
