package users

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestTheCommandsOnAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "u")
	list := func(realm string) string {
		names, of, err := List(path, realm)
		return fmt.Sprint(names, of, err)
	}
	for i, step := range []struct {
		err, want error
	}{
		{Passwd(path, realm, "alice", "x"), os.ErrNotExist},
		{Delete(path, realm, "alice"), os.ErrNotExist},
		{Add(path, "", "alice", "x"), ErrRealm},
		{Delete(path, realm, "alice"), os.ErrNotExist}, // the file was not made
		{Add(path, realm, "alice", "x"), nil},
		{Add(path, "", "alice", "x"), ErrExists},
		{Add(path, "", "bob", "x"), nil},
		{Passwd(path, "", "alice", "y"), nil},
		{Passwd(path, "", "carol", "y"), ErrNoUser},
		{Delete(path, "", "carol"), ErrNoUser},
		{Delete(path, "", "alice"), nil},
		{Add(path, "example.net", "bob", "x"), nil},
		{Add(path, "", "carol", "x"), ErrRealm},
	} {
		if !errors.Is(step.err, step.want) {
			t.Errorf("step %d: got %v, want %v", i, step.err, step.want)
		}
	}
	if got, want := list("example.net"), "[bob]example.net<nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, _, err := List(path, ""); !errors.Is(err, ErrRealm) || err.Error() != "which realm? The file has example.com, example.net" {
		t.Errorf("two realms: %v", err)
	}
	if _, _, err := List(path+"x", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
