package users

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
)

// Poll is how often a file in use is looked at.
const Poll = 5 * time.Second

// guarded is from how many users on a file that has lost more than half of them is
// taken for an accident.
const guarded = 100

// Live is a file of users in use, an auth.Users: what is written to the file is
// in force within Poll, without a reload.
type Live struct {
	path, realm string
	table       atomic.Pointer[Table]
	faults      atomic.Uint64

	mu    sync.Mutex  // held while the file is read
	state fs.FileInfo // guarded by mu: of the file that was looked at last, nil when there was none
}

// Open reads a file of users and keeps it.
func Open(path, realm string) (*Live, error) {
	l := &Live{path: path, realm: realm}
	info, err := os.Stat(path) // before it is read: a later change is seen
	if err != nil {
		return nil, err
	}
	t, err := Load(path, realm)
	if err != nil {
		return nil, err
	}
	l.state = info
	l.table.Store(t)
	return l, nil
}

// Table is what is in force.
func (l *Live) Table() *Table { return l.table.Load() }

// Faults counts the changes of the file that were not taken.
func (l *Live) Faults() uint64 { return l.faults.Load() }

// Find is auth.Users.
func (l *Live) Find(now clock.Instant, user []byte) (*auth.HA1, auth.Answer) {
	return l.table.Load().Find(now, user)
}

// Run looks at the file until ctx ends and logs what it finds.
func (l *Live) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			changed, err := l.refresh()
			switch {
			case err != nil:
				log.Error("users file not taken, the one before stays in force", "file", l.path, "err", err)
			case changed:
				log.Info("users file read", "file", l.path, "realm", l.realm, "users", l.Table().Len())
			}
		}
	}
}

// Reload reads the file now and takes it even when most users are gone from it. On
// an error what was in force stays so.
func (l *Live) Reload() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	t, err := Load(l.path, l.realm)
	if err != nil {
		return err
	}
	l.state = info
	l.table.Store(t)
	return nil
}

// refresh reads the file when it has changed. Each state of the file is judged
// once, so that a fault is not told again and again.
func (l *Live) refresh() (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := os.Stat(l.path)
	if err != nil {
		if l.state == nil {
			return false, nil // told before
		}
		l.state = nil
		l.faults.Add(1)
		return false, err
	}
	if same(l.state, info) {
		return false, nil
	}
	l.state = info
	t, err := Load(l.path, l.realm)
	if had := l.Table().Len(); err == nil && had >= guarded && 2*t.Len() < had {
		err = fmt.Errorf("%d of %d users are gone: reload to have it so", had-t.Len(), had)
	}
	if err != nil {
		l.faults.Add(1)
		return false, err
	}
	l.table.Store(t)
	return true, nil
}

func same(a, b fs.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}
