package site

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
	"viaduct/internal/location/sqlite"
)

// look is how often the users in the store are looked at: what `viaduct user add`
// writes there is in force within that time.
const look = 5 * time.Second

// table is the users of a realm in the store, an auth.Users.
type table struct {
	store *sqlite.Users
	realm string
	state atomic.Pointer[map[string]*auth.HA1]
	seen  int64 // sqlite.Users.Revision of state; of run only

	faults atomic.Uint64 // reads that failed
}

func openTable(ctx context.Context, store *sqlite.Users, realm string) (*table, error) {
	t := &table{store: store, realm: realm}
	return t, t.read(ctx)
}

// read takes all users of the realm over when there was a change.
func (t *table) read(ctx context.Context) error {
	revision, err := t.store.Revision(ctx) // before they are listed: a later change is seen the next time
	if err != nil || revision == t.seen {
		return err
	}
	found := map[string]*auth.HA1{}
	err = t.store.List(ctx, func(u sqlite.User) bool {
		if u.Realm != t.realm {
			return true
		}
		h := new(auth.HA1)
		for a, sum := range map[auth.Algorithm]string{auth.MD5: u.MD5, auth.SHA256: u.SHA256, auth.SHA512256: u.SHA512_256} {
			if sum != "" {
				h.SetHex(a, sum)
			}
		}
		found[u.Name] = h
		return true
	})
	if err == nil {
		t.state.Store(&found)
		t.seen = revision
	}
	return err
}

// Find is auth.Users.
func (t *table) Find(_ clock.Instant, user []byte) (*auth.HA1, auth.Answer) {
	if h := (*t.state.Load())[string(user)]; h != nil {
		return h, auth.Known
	}
	return nil, auth.Unknown
}

func (t *table) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := t.read(ctx); err != nil && ctx.Err() == nil {
			t.faults.Add(1)
			log.Error("users in the store not read, those known stay in force", "realm", t.realm, "error", err)
		}
	}
}
