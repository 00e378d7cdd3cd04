package proxy

import (
	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// FlowGone says that the connection of f has ended. What was unsent on it has
// been told with Broken.
func (c *Core) FlowGone(now clock.Instant, f flow.Flow, fx *effect.List) {}
