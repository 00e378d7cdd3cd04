// Command mutate breaks named behaviours of the server, one at a time, and runs
// the tests that should notice: a break that stays green is a hole in the tests.
//
//	go run ./internal/mutate             all breaks
//	go run ./internal/mutate -run loop   those whose name has "loop" in it
//
// The breaks stand in breaks.txt beside this file. Nothing in the tree is
// changed: the compiler is given the broken file as an overlay.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed breaks.txt
var breaksFile string

// mutation is one break: in file, old becomes with.
type mutation struct {
	name, group string
	file        string
	old, with   string
	packages    []string
}

func main() {
	only := flag.String("run", "", "only breaks whose name contains this")
	flag.Parse()
	list, err := parse(breaksFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	survived, ran := 0, 0
	groups := map[string]bool{}
	for _, m := range list {
		if !strings.Contains(m.name, *only) {
			continue
		}
		ran++
		groups[m.group] = true
		verdict, detail := m.try()
		fmt.Printf("%-8s %-3s %s: %s\n", verdict, m.group, m.name, detail)
		if verdict != "red" {
			survived++
		}
	}
	fmt.Printf("%d breaks in %d groups, %d noticed, %d not\n", ran, len(groups), ran-survived, survived)
	if survived > 0 || ran == 0 {
		os.Exit(1)
	}
}

// parse reads breaks.txt: a break begins with "== name (GROUP)"; then "file",
// "test", lines of old text after "-" and of new text after "+".
func parse(text string) ([]mutation, error) {
	var list []mutation
	for n, line := range strings.Split(text, "\n") {
		key, rest, _ := strings.Cut(line, " ")
		if key == "==" {
			name, group, ok := strings.Cut(rest, " (")
			if !ok {
				return nil, fmt.Errorf("breaks.txt:%d: no group", n+1)
			}
			list = append(list, mutation{name: name, group: strings.TrimSuffix(group, ")")})
			continue
		}
		if len(list) == 0 || line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := &list[len(list)-1]
		switch {
		case key == "file":
			m.file = rest
		case key == "test":
			m.packages = strings.Fields(rest)
		case line[0] == '-':
			m.old += line[1:] + "\n"
		case line[0] == '+':
			m.with += line[1:] + "\n"
		default:
			return nil, fmt.Errorf("breaks.txt:%d: what is %q?", n+1, line)
		}
	}
	return list, nil
}

// try runs the tests with the break in place. "red" is what it should say.
func (m *mutation) try() (verdict, detail string) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return "missing", err.Error()
	}
	if strings.Count(string(source), m.old) != 1 {
		return "stale", fmt.Sprintf("the text stands %d times in %s", strings.Count(string(source), m.old), m.file)
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "failed", err.Error()
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system's temporary files are swept anyway
	overlay, err := m.overlay(dir, string(source))
	if err != nil {
		return "failed", err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", append([]string{"test", "-short", "-failfast", "-timeout", "100s", "-vet=off", "-overlay", overlay}, m.packages...)...).CombinedOutput()
	switch text := string(out); {
	case err == nil:
		return "GREEN", "nothing noticed"
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return "broken", "it does not compile: " + firstLines(text)
	default:
		return "red", noticed(text)
	}
}

// overlay writes the broken file and what tells the compiler to use it.
func (m *mutation) overlay(dir, source string) (string, error) {
	broken := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(broken, []byte(strings.Replace(source, m.old, m.with, 1)), 0o600); err != nil {
		return "", err
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// noticed names the first tests that failed.
func noticed(out string) string {
	var names []string
	for line := range strings.Lines(out) {
		if _, name, ok := strings.Cut(line, "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " ")
			names = append(names, strings.TrimSpace(name))
		}
	}
	if len(names) == 0 {
		return firstLines(out)
	}
	if len(names) > 3 {
		names = append(names[:3], fmt.Sprintf("and %d more", len(names)-3))
	}
	return strings.Join(names, ", ")
}

func firstLines(out string) string {
	lines := strings.SplitN(strings.TrimSpace(out), "\n", 4)
	return strings.Join(lines[:min(3, len(lines))], " / ")
}
