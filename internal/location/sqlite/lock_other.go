//go:build !unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
)

// ErrInUse is the answer to a file that another server has open; here nothing
// tells.
var ErrInUse = errors.New("sqlite: another server is at the file")

// takeLock opens the file of the lock.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	return f, nil
}
