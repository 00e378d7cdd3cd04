package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/internal/location"
)

// Load is location.Store's. Rows whose time has passed are handed out too: whose
// clock is right, the caller knows.
func (s *Store) Load(see func(*location.Row) error) error {
	ctx := context.Background()
	rows, err := s.db.QueryContext(ctx, "SELECT "+bindingColumns+" FROM binding")
	if err != nil {
		return fmt.Errorf("sqlite: load: %w", err)
	}
	defer rows.Close()
	var r reading
	to := r.columns()
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return fmt.Errorf("sqlite: load: %w", err)
		}
		if err := see(r.row()); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("sqlite: load: %w", err)
	}
	return nil
}

// reading is one row as it comes from the file.
type reading struct {
	result location.Row
	texts  struct {
		aor, contact, params, callID, path, instance, userAgent sql.RawBytes
	}
	id, cseq, q, regID, keepalive int64
	nat, outbound                 bool
	protocol, local, remote       sql.RawBytes
}

// columns are the places of bindingColumns.
func (r *reading) columns() []any {
	t := &r.texts
	return []any{
		&r.id, &r.result.EndsAt, &r.result.UpdatedAt, &r.cseq, &t.aor, &t.contact, &t.params, &r.q, &t.callID, &t.path,
		&t.instance, &r.regID, &t.userAgent, &r.result.Binding.Since,
		&r.nat, &r.outbound, &r.keepalive, &r.protocol, &r.local, &r.remote,
	}
}

// row is what was read; its bytes are valid until the next row. An address that
// somebody has spoiled is no flow, and no reason not to start.
func (r *reading) row() *location.Row {
	t, b := &r.texts, &r.result.Binding
	r.result.AOR = t.aor
	b.Contact, b.Params, b.CallID, b.Path, b.Instance, b.UserAgent = t.contact, t.params, t.callID, t.path, t.instance, t.userAgent
	b.ID, b.CSeq, b.Q, b.RegID = uint64(r.id), uint32(r.cseq), uint16(r.q), uint32(r.regID)
	b.Flags = 0
	for _, f := range [...]struct {
		set  bool
		flag location.Flags
	}{{r.nat, location.NAT}, {r.outbound, location.Outbound}, {r.keepalive > 0, location.Keepalive}, {r.keepalive == 2, location.ByOptions}} {
		if f.set {
			b.Flags |= f.flag
		}
	}
	b.Flow = flow.Flow{Protocol: flow.ParseProtocol(r.protocol), Local: addrPort(r.local), Remote: addrPort(r.remote)}
	if b.Flow.Protocol == flow.None || !b.Flow.Remote.IsValid() {
		b.Flow = flow.Flow{}
	}
	return &r.result
}

func addrPort(text []byte) netip.AddrPort {
	a, _ := netip.ParseAddrPort(string(text)) // the zero AddrPort otherwise
	return a
}
