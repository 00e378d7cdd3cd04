package config

import (
	_ "embed"
	"path/filepath"
)

var (
	//go:embed default.hcl
	defaultFile []byte
	//go:embed demo.hcl
	demoFile []byte
)

// Default is the configuration of a start without a file: a proxy on loopback.
func Default() (*Config, Diagnostics) { return Parse("built-in", defaultFile, Options{}) }

// Demo is a registrar and proxy on loopback. Its users are in dir, in the file demo.users.
func Demo(dir string) (*Config, Diagnostics) {
	return Parse(filepath.Join(dir, "built-in"), demoFile, Options{})
}
