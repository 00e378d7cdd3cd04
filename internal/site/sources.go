package site

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/config"
	"viaduct/internal/proxy"
	"viaduct/internal/users"
)

// description is all that the users of a realm are opened by: two equal ones are
// the same source, before and after a reload.
type description struct {
	realm, file    string
	url, token, ca string
	timeout, cache time.Duration
	sql            bool
}

func describe(u *config.Users) description {
	d := description{realm: u.Realm.Realm, file: u.File, sql: u.SQL}
	if u.HTTP != nil {
		d.url, d.token, d.ca = u.HTTP.URL, u.HTTP.Token, u.HTTP.CA
		d.timeout, d.cache = u.HTTP.Timeout, u.HTTP.Cache
	}
	return d
}

// source is where the users of a realm are found.
type source struct {
	auth.Users
	reload func() error // nil: there is nothing to read again
	run    func(ctx context.Context, log *slog.Logger)
	ask    func(user []byte, token uint64) error // nil: it always knows
	end    context.CancelFunc
}

// Equip gives the snapshot of cfg its realms, their users and the directory. What
// is described as before is kept, what is new is opened; an error names the users
// block and changes nothing that is in force.
func (s *Site) Equip(cfg *config.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := cfg.Snapshot
	snap.Directory = s.directory
	snap.Realms, snap.Users = nil, nil
	for i := range cfg.Users {
		u := &cfg.Users[i]
		realm, err := realmOf(u, snap, cfg.Nonces)
		if err == nil {
			var from *source
			if from, err = s.sourceOf(u); err == nil {
				snap.Realms, snap.Users = append(snap.Realms, realm), append(snap.Users, from)
				continue
			}
		}
		return fmt.Errorf("users %q: %w", u.Realm.Name, err)
	}
	return nil
}

// realmOf is a users block as the verifier needs it.
func realmOf(u *config.Users, snap *proxy.Snapshot, keys *auth.Keys) (*auth.Realm, error) {
	c := auth.RealmConfig{
		Name: u.Realm.Realm, Algorithms: u.Realm.Algorithms, AuthInt: u.Realm.AuthInt, NoQop: u.Realm.NoQop, Own: snap.Domains,
	}
	if u.Realm.Domains != nil {
		c.Domains = u.Realm.Domains
	}
	return auth.NewRealm(c, keys)
}

// sourceOf finds or opens a source.
func (s *Site) sourceOf(u *config.Users) (*source, error) {
	d := describe(u)
	if old := s.sources[d]; old != nil {
		return old, nil
	}
	from, err := s.open(&d)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(s.life)
	from.end = end
	s.sources[d] = from
	s.running.Go(func() { from.run(life, s.log) })
	return from, nil
}

func (s *Site) open(d *description) (*source, error) {
	switch {
	case d.file != "":
		file, err := users.Open(d.file, d.realm)
		if err != nil {
			return nil, err
		}
		return &source{Users: file, run: file.Run, reload: file.Reload}, nil
	case d.url != "":
		web, err := users.NewHTTP(users.HTTPConfig{
			URL: d.url, Realm: d.realm, Token: d.token, CA: d.ca, Log: s.log, Limits: users.Limits{Timeout: d.timeout, Kept: d.cache},
		}, s.sink)
		if err != nil {
			return nil, err
		}
		return &source{Users: web, ask: web.Ask, run: func(ctx context.Context, _ *slog.Logger) { web.Run(ctx) }}, nil
	case s.store == nil:
		return nil, fmt.Errorf("there is no store to take them from")
	}
	table, err := openTable(s.life, &s.store.Users, d.realm)
	if err != nil {
		return nil, err
	}
	return &source{Users: table, run: table.run}, nil
}

// Keep ends the sources that cfg, which is in force now, does not name: those of
// the one before, and those that a refused one had opened.
func (s *Site) Keep(cfg *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	named, asked := map[description]bool{}, map[string]*source{}
	for i := range cfg.Users {
		d := describe(&cfg.Users[i])
		named[d] = true
		from := s.sources[d]
		if from == nil {
			continue
		}
		if from.ask != nil {
			asked[d.realm] = from
		}
		if from.reload != nil { // also one that has lost most of its users: this is on purpose
			if err := from.reload(); err != nil {
				s.log.Error("users not read again, those known stay in force", "realm", d.realm, "error", err)
			}
		}
	}
	s.asked.Store(&asked)
	for d, from := range s.sources {
		if !named[d] {
			from.end()
			delete(s.sources, d)
		}
	}
}

// Ask is of engine.Users: it asks the source of a realm.
func (s *Site) Ask(realm string, user []byte, token uint64) error {
	from := (*s.asked.Load())[realm]
	if from == nil {
		return users.ErrStopped
	}
	return from.ask(user, token)
}
