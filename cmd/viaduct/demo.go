package main

import (
	"io"
	"os"
	"path/filepath"

	"viaduct/internal/config"
	"viaduct/internal/users"
)

// demo is what the built-in configuration needs beside itself: two users with
// passwords by chance, in a directory of their own, which lasts as long as the
// process.
type demo struct {
	dir       string
	passwords map[string]string // by user
}

// load reads the file named in args, or the built-in configuration with its
// users, and prints what is wrong with it.
func load(errout io.Writer, args []string) (*config.Config, *demo, error) {
	if len(args) > 0 {
		cfg, diags := config.Load(args[0], config.Options{})
		return cfg, nil, refused(errout, diags)
	}
	d, err := newDemo()
	if err != nil {
		return nil, nil, err
	}
	cfg, diags := config.Default(d.dir)
	return cfg, d, refused(errout, diags)
}

func newDemo() (*demo, error) {
	dir, err := os.MkdirTemp("", "viaduct-demo-")
	if err != nil {
		return nil, err
	}
	d := &demo{dir: dir, passwords: map[string]string{}}
	for _, user := range []string{"alice", "bob"} {
		d.passwords[user] = users.Password()
		if err := users.Add(filepath.Join(dir, config.DefaultUsers), config.DefaultRealm, user, d.passwords[user]); err != nil {
			d.remove()
			return nil, err
		}
	}
	return d, nil
}

// remove takes away what was made; a nil demo has nothing.
func (d *demo) remove() {
	if d != nil {
		_ = os.RemoveAll(d.dir) // what is left holds no password, and nobody else may read it
	}
}
