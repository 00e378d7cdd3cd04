package users

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"viaduct/internal/auth"
)

// File is a file of users as text, to be changed: what is not changed stays as it
// is written, comments and order too.
type File struct {
	lines []string // each with its line end
}

func fileOf(text []byte) *File {
	f := &File{}
	for line := range bytes.Lines(text) {
		f.lines = append(f.lines, string(line))
	}
	return f
}

// algorithms are those that lines are written for: all, so that a realm can offer
// another one without new passwords.
var algorithms = [...]auth.Algorithm{auth.SHA256, auth.SHA512256, auth.MD5}

// Set gives a user its password: its lines are replaced, or put at the end. added
// tells that there was no such user.
func (f *File) Set(user, realm, password string) (added bool, err error) {
	for _, err := range []error{checkName("user", user), checkName("realm", realm)} {
		if err != nil {
			return false, err
		}
	}
	if password == "" {
		return false, errors.New("no password")
	}
	lines := linesOf(&User{user, realm, auth.NewHA1(user, realm, password, algorithms[:]...)})
	at := f.cut(user, realm)
	if added = at < 0; added {
		at = len(f.lines)
		if at > 0 && !strings.HasSuffix(f.lines[at-1], "\n") {
			f.lines[at-1] += "\n"
		}
	}
	f.lines = append(f.lines[:at:at], append(lines, f.lines[at:]...)...)
	return added, nil
}

// User is a user as a line of a file, or three, has it.
type User struct {
	Name, Realm string
	HA1         auth.HA1
}

// CheckNames tells what cannot be the names of a user and of a realm.
func CheckNames(user, realm string) error {
	return errors.Join(checkName("user", user), checkName("realm", realm))
}

func linesOf(u *User) (lines []string) {
	for _, a := range algorithms {
		if sum := u.HA1.Get(a); sum != nil {
			lines = append(lines, u.Name+":"+u.Realm+":"+a.String()+":"+hex.EncodeToString(sum)+"\n")
		}
	}
	return lines
}

// PutAll puts many users at the end, each once; their lines from before go.
func (f *File) PutAll(all []User) error {
	type key struct{ name, realm string }
	put := make(map[key]bool, len(all))
	for i := range all {
		if err := CheckNames(all[i].Name, all[i].Realm); err != nil {
			return err
		}
		put[key{all[i].Name, all[i].Realm}] = true
	}
	left := f.lines[:0:0]
	for _, line := range f.lines {
		if e, err := parseLine([]byte(line)); err != nil || !put[key{e.key.user, e.key.realm}] {
			left = append(left, line)
		}
	}
	if n := len(left); n > 0 && !strings.HasSuffix(left[n-1], "\n") {
		left[n-1] += "\n"
	}
	for i := range all {
		left = append(left, linesOf(&all[i])...)
	}
	f.lines = left
	return nil
}

// Remove takes a user out and reports whether it was there.
func (f *File) Remove(user, realm string) bool { return f.cut(user, realm) >= 0 }

// cut takes out the lines of a user and returns where the first of them was, -1
// when there was none.
func (f *File) cut(user, realm string) int {
	at, left := -1, f.lines[:0:0]
	for _, line := range f.lines {
		e, err := parseLine([]byte(line))
		if err != nil || e.key.user != user || e.key.realm != realm {
			left = append(left, line)
			continue
		}
		if at < 0 {
			at = len(left)
		}
	}
	f.lines = left
	return at
}

// Users are the names of the users of a realm, in the order of the file.
func (f *File) Users(realm string) (names []string) {
	seen := map[string]bool{}
	for _, line := range f.lines {
		e, err := parseLine([]byte(line))
		if err == nil && e.key.user != "" && e.key.realm == realm && !seen[e.key.user] {
			seen[e.key.user] = true
			names = append(names, e.key.user)
		}
	}
	return names
}

// Bytes is the text of the file.
func (f *File) Bytes() []byte { return []byte(strings.Join(f.lines, "")) }

// Edit changes a file of users: it is read, without faults or else left alone;
// changed by change; and replaced at once, so that whoever reads it sees the old
// or the new one. A new file is for its owner only; an old one keeps owner, group
// and mode, but nobody else may read it. Two edits wait for each other. When
// change returns an error, the file stays.
func Edit(path string, change func(*File) error) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the file is replaced, not the link
	}
	_, missing := os.Stat(path)
	held, err := hold(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && missing != nil {
			_ = os.Remove(path) // it was made for nothing; who waits for it makes another
		}
		_ = held.Close() // lets go of the lock
	}()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := Parse(path, text, ""); err != nil {
		return err
	}
	f := fileOf(text)
	if err := change(f); err != nil {
		return err
	}
	if out := f.Bytes(); !bytes.Equal(out, text) {
		return replace(path, out)
	}
	return nil
}

// hold opens the file, made if need be, and locks it. The file may have been
// replaced by who held the lock before: then it is the new one that counts.
func hold(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lock(f); err != nil {
			_ = f.Close() // the first error tells more
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		now, err := os.Stat(path)
		mine, err2 := f.Stat()
		if err == nil && err2 == nil && os.SameFile(now, mine) {
			return f, nil
		}
		_ = f.Close() // somebody else's by now
		if err := errors.Join(err, err2); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// replace writes a file beside path and puts it in its place.
func replace(path string, text []byte) (err error) {
	old, err := os.Stat(path)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()           // it is thrown away
			_ = os.Remove(f.Name()) // likewise
		}
	}()
	if err := keepOwner(f, old); err != nil {
		return fmt.Errorf("keep the owner of %s: %w", path, err)
	}
	if err := f.Chmod(old.Mode().Perm() & 0o660); err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // only synced
	return d.Sync()
}
