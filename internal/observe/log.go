package observe

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes to w, one line a record, in the given
// format. Lines below level are left out; a *slog.LevelVar can be changed while
// the program runs.
func NewLogger(w io.Writer, format string, level slog.Leveler) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("unknown log format %q: use text or json", format)
}

// ParseLevel reads debug, info, warn or error, in any case.
func ParseLevel(name string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return 0, fmt.Errorf("unknown log level %q: use debug, info, warn or error", name)
	}
	return level, nil
}
