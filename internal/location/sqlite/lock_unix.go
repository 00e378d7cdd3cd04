//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrInUse is the answer to a file that another server has open: each would hold
// only half of the bindings in its memory.
var ErrInUse = errors.New("sqlite: another server is at the file")

// takeLock makes sure that there is one server at a file. The lock ends with the
// process, however that ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("sqlite: lock: %w", err), f.Close())
	}
	return f, nil
}
