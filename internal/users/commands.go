package users

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// What the commands on a file can say.
var (
	ErrExists = errors.New("there is such a user")
	ErrNoUser = errors.New("there is no such user")
	ErrRealm  = errors.New("which realm?")
)

// Add puts a new user into a file, which is made when there is none. Without a
// realm it is the one of the file, when it has one only.
func Add(path, realm, user, password string) error {
	return Edit(path, func(f *File) error {
		realm, err := f.realm(realm)
		if err != nil {
			return err
		}
		added, err := f.Set(user, realm, password)
		if err == nil && !added {
			err = fmt.Errorf("%s in %s: %w", user, realm, ErrExists)
		}
		return err
	})
}

// Passwd gives a user of a file another password.
func Passwd(path, realm, user, password string) error {
	return onExisting(path, realm, func(f *File, realm string) error {
		added, err := f.Set(user, realm, password)
		if err == nil && added {
			err = fmt.Errorf("%s in %s: %w", user, realm, ErrNoUser)
		}
		return err
	})
}

// Delete takes a user out of a file.
func Delete(path, realm, user string) error {
	return onExisting(path, realm, func(f *File, realm string) error {
		if !f.Remove(user, realm) {
			return fmt.Errorf("%s in %s: %w", user, realm, ErrNoUser)
		}
		return nil
	})
}

// onExisting is Edit for a file that is not made when there is none.
func onExisting(path, realm string, change func(f *File, realm string) error) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	return Edit(path, func(f *File) error {
		realm, err := f.realm(realm)
		if err != nil {
			return err
		}
		return change(f, realm)
	})
}

// List returns the users of a realm in the order of the file, and the realm.
func List(path, realm string) (names []string, of string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	if _, err := Parse(path, text, realm); err != nil {
		return nil, "", err
	}
	f := fileOf(text)
	if realm, err = f.realm(realm); err != nil {
		return nil, "", err
	}
	return f.Users(realm), realm, nil
}

// realm is the one that was named, or the only one of the file.
func (f *File) realm(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	var all []string
	for _, line := range f.lines {
		e, err := parseLine([]byte(line))
		if err == nil && e.key.user != "" && !slices.Contains(all, e.key.realm) {
			all = append(all, e.key.realm)
		}
	}
	switch len(all) {
	case 0:
		return "", fmt.Errorf("%w The file has no user yet", ErrRealm)
	case 1:
		return all[0], nil
	}
	return "", fmt.Errorf("%w The file has %s", ErrRealm, strings.Join(all, ", "))
}
