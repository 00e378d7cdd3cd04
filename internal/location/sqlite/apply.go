package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/internal/location"
)

const (
	bindingColumns = `id, expires, updated, cseq, aor, contact, params, q, call_id, path, instance, reg_id, user_agent, since,
	nat, outbound, keepalive, protocol, local, remote`
	bindingArgs = 20

	putBinding = "INSERT OR REPLACE INTO binding (" + bindingColumns +
		") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	refreshBinding = "UPDATE binding SET expires = ?2, updated = ?3, cseq = ?4 WHERE id = ?1"
	deleteBinding  = "DELETE FROM binding WHERE id = ?1"
)

// Apply is location.Store's.
func (s *Store) Apply(ops []location.Op) error {
	ctx := context.Background()
	if _, err := s.writer.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		s.rollback(ctx)
		return fmt.Errorf("sqlite: begin: %w", err)
	}
	for i := range ops {
		if err := s.one(ctx, &ops[i]); err != nil {
			s.rollback(ctx)
			return err
		}
	}
	if _, err := s.writer.ExecContext(ctx, "COMMIT"); err != nil {
		s.rollback(ctx)
		return fmt.Errorf("sqlite: commit: %w", err)
	}
	return nil
}

// rollback ends a transaction that failed, so that the next one can begin. SQLite
// has ended some by itself: a full disk, for one.
func (s *Store) rollback(ctx context.Context) { _, _ = s.writer.ExecContext(ctx, "ROLLBACK") }

func (s *Store) one(ctx context.Context, op *location.Op) (err error) {
	r := &op.Row
	switch op.Kind {
	case location.Put:
		_, err = s.put.ExecContext(ctx, s.bind(r)...)
	case location.Refresh:
		var done sql.Result
		if done, err = s.fresh.ExecContext(ctx, s.bindTimes(r)...); err == nil {
			// A row that is not there would be a binding that is acknowledged and
			// not kept: somebody was at the file.
			if n, _ := done.RowsAffected(); n == 0 {
				_, err = s.put.ExecContext(ctx, s.bind(r)...)
			}
		}
	case location.Delete:
		_, err = s.remove.ExecContext(ctx, int64(r.Binding.ID))
	}
	if err != nil {
		return fmt.Errorf("sqlite: write: %w", err)
	}
	return nil
}

func (s *Store) bindTimes(r *location.Row) []any {
	a := s.args[:0]
	return append(a, int64(r.Binding.ID), r.EndsAt, r.UpdatedAt, int64(r.Binding.CSeq))
}

// bind lists the columns of r in the order of bindingColumns.
func (s *Store) bind(r *location.Row) []any {
	b := &r.Binding
	protocol := ""
	if b.Flow.Protocol != flow.None {
		protocol = b.Flow.Protocol.String()
	}
	return append(s.bindTimes(r), string(r.AOR), string(b.Contact), string(b.Params), int64(b.Q), string(b.CallID),
		string(b.Path), string(b.Instance), int64(b.RegID), string(b.UserAgent), b.Since,
		b.Flags&location.NAT != 0, b.Flags&location.Outbound != 0, keepalive(b.Flags),
		protocol, address(b.Flow.Local), address(b.Flow.Remote))
}

// keepalive is the column of that name.
func keepalive(f location.Flags) int64 {
	switch {
	case f&location.Keepalive == 0:
		return 0
	case f&location.ByOptions == 0:
		return 1
	}
	return 2
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
