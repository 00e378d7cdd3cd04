package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each break names one place of the source as it is now, changes it, and says which
// tests are to notice.
func TestBreaksAreCurrent(t *testing.T) {
	t.Parallel()
	const root = "../.."
	list, err := parse(breaksFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("there are none")
	}
	names := map[string]bool{}
	for _, m := range list {
		if names[m.name] {
			t.Errorf("%s: there are two", m.name)
		}
		names[m.name] = true
		source, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if n := strings.Count(string(source), m.old); m.old == "" || n != 1 {
			t.Errorf("%s: the text stands %d times in %s", m.name, n, m.file)
		}
		if m.old == m.with {
			t.Errorf("%s: nothing is broken", m.name)
		}
		if len(m.packages) == 0 {
			t.Errorf("%s: no tests are named", m.name)
		}
		for _, p := range m.packages {
			if info, err := os.Stat(filepath.Join(root, p)); err != nil || !info.IsDir() {
				t.Errorf("%s: there is no package %s", m.name, p)
			}
		}
	}
}
