package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// steps lead from an empty file to the present schema; step n leads from version
// n to n+1. A step that has been released is never changed, only followed.
var steps = []string{bindings + users, usersRevision}

const bindings = `
CREATE TABLE binding (
	id         INTEGER PRIMARY KEY,
	expires    INTEGER NOT NULL,            -- milliseconds since 1970, like updated and since
	updated    INTEGER NOT NULL,            -- when the last REGISTER came
	cseq       INTEGER NOT NULL,            -- its CSeq
	aor        TEXT NOT NULL,               -- canonical: sip:alice@example.org
	contact    TEXT NOT NULL,               -- the URI as registered
	params     TEXT NOT NULL DEFAULT '',    -- parameters of the Contact
	q          INTEGER NOT NULL,            -- thousandths
	call_id    TEXT NOT NULL DEFAULT '',
	path       TEXT NOT NULL DEFAULT '',    -- RFC 3327, values joined by commas
	instance   TEXT NOT NULL DEFAULT '',    -- RFC 5626 +sip.instance
	reg_id     INTEGER NOT NULL DEFAULT 0,  -- RFC 5626
	user_agent TEXT NOT NULL DEFAULT '',
	since      INTEGER NOT NULL DEFAULT 0,  -- temporary GRUUs made from here on are valid
	nat        INTEGER NOT NULL DEFAULT 0,  -- 1: reached by its flow alone
	outbound   INTEGER NOT NULL DEFAULT 0,  -- 1: RFC 5626
	keepalive  INTEGER NOT NULL DEFAULT 0,  -- 1: the server sends keepalives, 2: by OPTIONS
	protocol   TEXT NOT NULL DEFAULT '',    -- of the flow: UDP, TCP, TLS, WS, WSS
	local      TEXT NOT NULL DEFAULT '',    -- its address here
	remote     TEXT NOT NULL DEFAULT ''     -- its address there
);
CREATE VIEW location AS
	SELECT aor, contact, q / 1000.0 AS q, datetime(expires / 1000, 'unixepoch') AS expires,
		datetime(updated / 1000, 'unixepoch') AS updated, user_agent, lower(protocol) || ' ' || remote AS flow, path
	FROM binding ORDER BY aor, q DESC, updated DESC;
`

const users = `
CREATE TABLE user (
	realm      TEXT NOT NULL,
	name       TEXT NOT NULL,
	md5        TEXT NOT NULL DEFAULT '',    -- RFC 8760 HA1 in hexadecimal, '': none
	sha256     TEXT NOT NULL DEFAULT '',
	sha512_256 TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (realm, name)
) WITHOUT ROWID;
`

// usersRevision counts the changes of the table of users, whoever makes them: a
// server that holds them in memory reads one row to see that it has missed none.
const usersRevision = `
CREATE TABLE user_revision (
	number INTEGER NOT NULL
);
INSERT INTO user_revision VALUES (1);
CREATE TRIGGER user_added AFTER INSERT ON user BEGIN UPDATE user_revision SET number = number + 1; END;
CREATE TRIGGER user_changed AFTER UPDATE ON user BEGIN UPDATE user_revision SET number = number + 1; END;
CREATE TRIGGER user_removed AFTER DELETE ON user BEGIN UPDATE user_revision SET number = number + 1; END;
`

// ErrNewer is the answer to a file that a newer version of the program made.
var ErrNewer = errors.New("sqlite: the file was made by a newer version")

// ErrForeign is the answer to a file that another program made.
var ErrForeign = errors.New("sqlite: the file is not one of this program")

// application marks the file as ours: "VIAD".
const application = 0x56494144

// migrate brings the file to the newest of steps, each step in a transaction.
func migrate(ctx context.Context, conn *sql.Conn, steps []string) error {
	for {
		done, err := migrateOne(ctx, conn, steps)
		if done || err != nil {
			return err
		}
	}
}

// migrateOne does the next step, under the write lock: another process may be at
// the same.
func migrateOne(ctx context.Context, conn *sql.Conn, steps []string) (done bool, err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return false, fmt.Errorf("sqlite: open: %w", err)
	}
	defer func() {
		if done || err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // nothing was done
		}
	}()
	var id, version, tables int
	for query, to := range map[string]*int{
		"PRAGMA application_id": &id, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(to); err != nil {
			return false, fmt.Errorf("sqlite: open: %w", err)
		}
	}
	switch {
	case id != application && (id != 0 || version != 0 || tables != 0):
		return false, ErrForeign
	case version > len(steps):
		return false, fmt.Errorf("%w: its schema is %d, this one's %d", ErrNewer, version, len(steps))
	case version == len(steps):
		return true, nil
	}
	step := fmt.Sprintf("%s; PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT", steps[version], version+1, application)
	if _, err := conn.ExecContext(ctx, step); err != nil {
		return false, fmt.Errorf("sqlite: schema %d: %w", version+1, err)
	}
	return false, nil
}
