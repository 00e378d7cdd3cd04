//go:build !linux

package engine

import "time"

// cpuTime is not known here: all processors stay in use.
func cpuTime() (time.Duration, bool) { return 0, false }
