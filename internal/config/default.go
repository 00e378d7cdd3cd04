package config

import _ "embed"

//go:embed default.hcl
var defaultFile []byte

// Default is the configuration of a start without a file, as text: a proxy on
// loopback. The name is for diagnostics.
func Default() (name string, src []byte) { return "default.hcl", defaultFile }
