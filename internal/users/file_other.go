//go:build !unix

package users

import (
	"io/fs"
	"os"
)

// lock does nothing where files cannot be locked: the last of two edits wins.
func lock(*os.File) error { return nil }

// keepOwner does nothing where a new file belongs to who has the directory.
func keepOwner(*os.File, fs.FileInfo) error { return nil }
