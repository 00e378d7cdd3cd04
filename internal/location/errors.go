package location

import "errors"

// The answers at a bound. Each leaves every binding as it was.
var (
	ErrTooMany  = errors.New("location: too many bindings of this AOR")      // Limits.PerAOR: 403, or 503
	ErrTooLarge = errors.New("location: binding is too large")               // Limits.BindingBytes: 513, or 403
	ErrFull     = errors.New("location: directory is full")                  // Limits.Bindings: 503
	ErrBusy     = errors.New("location: too many changes wait for the disk") // Limits.Pending: 503
	ErrStopped  = errors.New("location: stopped")                            // 503
)

// ErrUndone is told of a change that was made on top of one that could not be
// stored: it was undone with it (RFC 3261 §10.3: 500).
var ErrUndone = errors.New("location: a change before this one could not be stored")
