package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"viaduct/internal/auth"
	"viaduct/internal/config"
	"viaduct/internal/location/sqlite"
	"viaduct/internal/site"
	"viaduct/internal/users"
)

// source says where users are: in a file, or in a store.
type source struct{ realm, store, config string }

// args counts arguments: those behind FILE, which stands there only when neither
// flag does.
func (s *source) args(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if s.store != "" || s.config != "" {
			return cobra.ExactArgs(n)(cmd, args)
		}
		return cobra.ExactArgs(n+1)(cmd, args)
	}
}

// book is the users of one realm at their source.
type book interface {
	add(ctx context.Context, user, password string) error
	passwd(ctx context.Context, user, password string) error
	remove(ctx context.Context, user string) error
	list(ctx context.Context) ([]string, error)
	close() error
}

// locate finds the file or the store directory, one of which is "".
func (s *source) locate(cmd *cobra.Command, args []string) (file, store string, err error) {
	switch {
	case s.store != "":
		return "", s.store, nil
	case s.config == "":
		return args[0], "", nil
	}
	cfg, diags := config.Load(s.config, config.Options{Check: true})
	if diags != nil {
		diags.Print(cmd.ErrOrStderr(), false)
		return "", "", &failure{exitConfig, nil}
	}
	var found []*config.Users
	var realms []string
	for i := range cfg.Users {
		realms = append(realms, cfg.Users[i].Realm.Realm)
		if s.realm == "" || s.realm == cfg.Users[i].Realm.Realm {
			found = append(found, &cfg.Users[i])
		}
	}
	if len(found) != 1 {
		return "", "", fmt.Errorf("name one of its realms with --realm: %s has %s", s.config, strings.Join(append(realms, "no other"), ", "))
	}
	s.realm = found[0].Realm.Realm
	switch {
	case found[0].File != "":
		return found[0].File, "", nil
	case found[0].SQL:
		return "", cfg.Store, nil
	}
	return "", "", fmt.Errorf("the users of %s are asked for by HTTP: change them there", s.realm)
}

// open opens the users, and asks for the realm when it cannot be known.
func (s *source) open(cmd *cobra.Command, args []string) (book, error) {
	file, dir, err := s.locate(cmd, args)
	if err != nil {
		return nil, err
	}
	if file != "" {
		return s.openFile(cmd, file)
	}
	store, err := site.UsersOf(dir)
	if err != nil {
		return nil, err
	}
	b := &storeBook{store, s.realm}
	if b.realm == "" {
		if b.realm, err = b.only(cmd.Context()); errors.Is(err, users.ErrRealm) {
			b.realm, err = ask(cmd, "Realm (the domain, as a rule):", fmt.Errorf("%w: name it with --realm", err))
		}
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	return b, nil
}

func (s *source) openFile(cmd *cobra.Command, file string) (book, error) {
	b := fileBook{file, s.realm}
	if b.realm != "" {
		return b, nil
	}
	if _, _, err := users.List(file, ""); err != nil && !strings.Contains(cmd.Use, "USER") {
		return b, nil // the command says it
	} else if err != nil {
		realm, err := ask(cmd, "Realm (the domain, as a rule):", nil)
		if err != nil || realm == "" {
			return b, err
		}
		b.realm = realm
	}
	return b, nil
}

// putAll puts users, of whatever realms, at their source.
func (s *source) putAll(cmd *cobra.Command, args []string, all []users.User) error {
	file, dir, err := s.locate(cmd, args)
	if err != nil {
		return err
	}
	if file != "" {
		return users.Edit(file, func(f *users.File) error { return f.PutAll(all) })
	}
	store, err := site.UsersOf(dir)
	if err != nil {
		return err
	}
	rows := make([]sqlite.User, 0, len(all))
	for i := range all {
		rows = append(rows, userRow(all[i].Realm, all[i].Name, &all[i].HA1))
	}
	return errors.Join(store.PutAll(cmd.Context(), rows...), store.Close())
}

// fileBook is the users of a file.
type fileBook struct{ path, realm string }

func (b fileBook) add(_ context.Context, user, password string) error {
	return users.Add(b.path, b.realm, user, password)
}

func (b fileBook) passwd(_ context.Context, user, password string) error {
	return users.Passwd(b.path, b.realm, user, password)
}

func (b fileBook) remove(_ context.Context, user string) error {
	return users.Delete(b.path, b.realm, user)
}

func (b fileBook) list(context.Context) ([]string, error) {
	names, _, err := users.List(b.path, b.realm)
	return names, err
}

func (b fileBook) close() error { return nil }

// storeBook is the users of a store.
type storeBook struct {
	store *sqlite.Users
	realm string
}

// only is the realm of the store when it has one only.
func (b *storeBook) only(ctx context.Context) (string, error) {
	var all []string
	err := b.store.List(ctx, func(u sqlite.User) bool {
		if !slices.Contains(all, u.Realm) {
			all = append(all, u.Realm)
		}
		return len(all) < 8
	})
	switch {
	case err != nil:
		return "", err
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return "", fmt.Errorf("%w The store has no user yet", users.ErrRealm)
	}
	return "", fmt.Errorf("%w The store has %s", users.ErrRealm, strings.Join(all, ", "))
}

func (b *storeBook) set(ctx context.Context, user, password string, there bool, wrong error) error {
	if err := users.CheckNames(user, b.realm); err != nil {
		return err
	}
	if password == "" {
		return errors.New("no password")
	}
	_, found, err := b.store.Get(ctx, b.realm, user)
	if err != nil {
		return err
	}
	if found != there {
		return fmt.Errorf("%s in %s: %w", user, b.realm, wrong)
	}
	h := auth.NewHA1(user, b.realm, password, auth.SHA256, auth.SHA512256, auth.MD5)
	return b.store.Put(ctx, userRow(b.realm, user, &h))
}

func (b *storeBook) add(ctx context.Context, user, password string) error {
	return b.set(ctx, user, password, false, users.ErrExists)
}

func (b *storeBook) passwd(ctx context.Context, user, password string) error {
	return b.set(ctx, user, password, true, users.ErrNoUser)
}

func (b *storeBook) remove(ctx context.Context, user string) error {
	gone, err := b.store.Delete(ctx, b.realm, user)
	if err == nil && !gone {
		err = fmt.Errorf("%s in %s: %w", user, b.realm, users.ErrNoUser)
	}
	return err
}

func (b *storeBook) list(ctx context.Context) (names []string, err error) {
	err = b.store.List(ctx, func(u sqlite.User) bool {
		if u.Realm == b.realm {
			names = append(names, u.Name)
		}
		return true
	})
	return names, err
}

func (b *storeBook) close() error { return b.store.Close() }

func userRow(realm, name string, h *auth.HA1) sqlite.User {
	text := func(a auth.Algorithm) string { return hex.EncodeToString(h.Get(a)) }
	return sqlite.User{Realm: realm, Name: name, MD5: text(auth.MD5), SHA256: text(auth.SHA256), SHA512_256: text(auth.SHA512256)}
}
