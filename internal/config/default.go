package config

import _ "embed"

//go:embed default.hcl
var defaultFile []byte

// Default is the configuration of a start without a file: a proxy on loopback.
func Default() (*Config, Diagnostics) { return Parse("built-in", defaultFile, Options{}) }
