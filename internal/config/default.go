package config

import (
	_ "embed"
	"path/filepath"
)

//go:embed default.hcl
var defaultFile []byte

// DefaultUsers is the file, in the directory that Default is given, of the users
// of the built-in configuration, and their realm.
const (
	DefaultUsers = "demo.users"
	DefaultRealm = "viaduct.demo"
)

// Default is the configuration of a start without a file: a registrar and proxy on
// loopback, whose users are in dir.
func Default(dir string) (*Config, Diagnostics) {
	c, diags := Parse(filepath.Join(dir, "built-in"), defaultFile, Options{}) // its users are beside it
	if c != nil {
		c.File = "built-in"
	}
	return c, diags
}
