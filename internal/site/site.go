package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"viaduct/internal/config"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
	"viaduct/internal/proxy"
	"viaduct/internal/users"
)

// StoreFile is the name of the file in the store directory.
const StoreFile = "viaduct.db"

// Sink hears the answers of those who work for the core: engine.Answers.
type Sink interface {
	location.Sink
	users.Sink
}

// Site is what a server holds beside its engine.
type Site struct {
	// set at construction, then constant
	log       *slog.Logger
	sink      Sink
	store     *sqlite.Store // nil: bindings live as long as the process
	directory *location.Directory
	bindings  Bindings
	life      context.Context // of sources
	end       context.CancelFunc
	running   sync.WaitGroup

	asked atomic.Pointer[map[string]*source] // those that are asked, by realm

	mu      sync.Mutex
	sources map[description]*source // guarded by mu
}

// Open opens the store of cfg, reads the bindings in it and tells progress, and
// equips the snapshot of cfg. Run, or else Close, must follow.
func Open(cfg *config.Config, sink Sink, log *slog.Logger, progress func(rows int)) (*Site, error) {
	s := &Site{log: log, sink: sink, sources: map[description]*source{}}
	s.life, s.end = context.WithCancel(context.Background())
	c := location.Config{Listener: listenerOf(cfg.Snapshot.Listeners), Limits: location.Limits{PerAOR: mostContacts(cfg)}}
	if cfg.Store != "" {
		var err error
		if s.store, err = openStore(cfg.Store); err != nil {
			return nil, err
		}
		c.Store = s.store
	}
	s.directory = location.New(c, s)
	s.bindings.directory, s.bindings.listener = s.directory, c.Listener
	if err := s.directory.Load(progress); err != nil {
		return nil, errors.Join(fmt.Errorf("bindings of %s: %w", cfg.Store, err), s.Close())
	}
	if err := s.Equip(cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Keep(cfg)
	return s, nil
}

func openStore(dir string) (*sqlite.Store, error) {
	if err := makeStore(dir); err != nil {
		return nil, err
	}
	store, err := sqlite.Open(sqlite.Config{Path: storeFile(dir)})
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", dir, err)
	}
	return store, nil
}

// makeStore makes the directory when there is none.
func makeStore(dir string) error { return os.MkdirAll(dir, 0o700) }

func storeFile(dir string) string { return filepath.Join(dir, StoreFile) }

// mostContacts is the most bindings that any rule allows an AOR.
func mostContacts(cfg *config.Config) int {
	most := 10
	for r := range cfg.Snapshot.Program.All {
		most = max(most, r.Register.MaxContacts)
	}
	return most
}

// listenerOf finds the listener that a stored flow came in by: the one that is
// bound where it arrived. The connections of an earlier process are gone.
func listenerOf(listeners []proxy.Listener) func(flow.Flow) (flow.Listener, bool) {
	return func(f flow.Flow) (flow.Listener, bool) {
		if f.Protocol.Reliable() {
			return 0, false
		}
		for i := range listeners {
			bind := listeners[i].Bind
			here := bind.Addr() == f.Local.Addr() || bind.Addr().IsUnspecified() && bind.Addr().Is4() == f.Local.Addr().Is4()
			if listeners[i].Protocol == f.Protocol && bind.Port() == f.Local.Port() && here {
				return flow.Listener(i), true
			}
		}
		return 0, false
	}
}

// Directory is the location service.
func (s *Site) Directory() *location.Directory { return s.directory }

// Run works until ctx ends, stores what was taken, and closes everything.
func (s *Site) Run(ctx context.Context) error {
	s.directory.Run(ctx)
	return s.Close()
}

// Close ends the sources and closes the store.
func (s *Site) Close() error {
	s.end()
	s.running.Wait()
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}
