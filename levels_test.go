// Package viaduct_test holds the shape of the whole module: which package may
// know which, and what the pure core must not contain.
package viaduct_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// levels says how high each package stands. Imports go strictly down.
var levels = map[string]int{
	"viaduct/sip":                      0,
	"viaduct/internal/clock":           0,
	"viaduct/internal/flow":            0,
	"viaduct/internal/slab":            0,
	"viaduct/internal/wheel":           1,
	"viaduct/internal/effect":          1,
	"viaduct/internal/host":            1,
	"viaduct/internal/certificate":     1,
	"viaduct/internal/overload":        1,
	"viaduct/internal/transaction":     2,
	"viaduct/internal/auth":            2,
	"viaduct/internal/identity":        2,
	"viaduct/internal/location":        2,
	"viaduct/internal/resolve":         2,
	"viaduct/internal/dispatch":        2,
	"viaduct/internal/call":            2,
	"viaduct/internal/location/sqlite": 3,
	"viaduct/internal/location/redis":  3,
	"viaduct/internal/registrar":       3,
	"viaduct/internal/policy":          3,
	"viaduct/internal/proxy":           4,
	"viaduct/internal/transport":       4,
	"viaduct/internal/users":           4,
	"viaduct/internal/kamailio":        5,
	"viaduct/internal/engine":          5,
	"viaduct/internal/config":          6,
	"viaduct/internal/observe":         6,
	"viaduct/internal/admin":           7,
	"viaduct/internal/reload":          7,
	"viaduct/internal/site":            7,
	"viaduct/cmd/viaduct":              8,
	"viaduct/internal/siptest":         testOnly,
	"viaduct/internal/authority":       testOnly,
	"viaduct/internal/mutate":          testOnly,
	"viaduct/e2e":                      testOnly,
	"viaduct/bench/connections":        testOnly,
	"viaduct":                          testOnly,
}

// testOnly packages may be imported by tests alone.
const testOnly = 100

// transportKnows is all that the transport may know: it stands beside the
// protocol core and has no idea that there is a proxy.
var transportKnows = []string{
	"viaduct/sip", "viaduct/internal/flow", "viaduct/internal/effect", "viaduct/internal/clock", "viaduct/internal/slab",
	"viaduct/internal/certificate",
}

// pure packages take bytes and the time and give back verdicts and effects.
var pure = []string{
	"viaduct/sip", "viaduct/internal/flow", "viaduct/internal/slab", "viaduct/internal/wheel", "viaduct/internal/effect",
	"viaduct/internal/transaction", "viaduct/internal/registrar", "viaduct/internal/policy", "viaduct/internal/proxy",
	"viaduct/internal/identity", "viaduct/internal/overload",
}

// impure are the standard packages by which the world would come in. (sync/atomic
// is among them on purpose: a shard's state has one lock and that is the shard's.)
var impure = []string{
	"context", "crypto/rand", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http",
	"os", "os/signal", "sync", "sync/atomic", "syscall", "viaduct/internal/transport",
}

// listed is what `go list -json` tells of a package, as far as it is needed.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

func TestImportsGoStrictlyDown(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		level, ok := levels[p.ImportPath]
		if !ok {
			t.Errorf("%s has no level: give it one", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, "viaduct/") {
				continue
			}
			if below, ok := levels[imp]; !ok || below >= level {
				t.Errorf("%s (level %d) imports %s (level %d)", p.ImportPath, level, imp, below)
			}
			if p.ImportPath == "viaduct/internal/transport" && !slices.Contains(transportKnows, imp) {
				t.Errorf("transport imports %s", imp)
			}
		}
	}
}

func TestPureCoreKnowsNoWorld(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if !slices.Contains(pure, p.ImportPath) {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains(impure, imp) {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
		}
		p.inspect(t, func(n ast.Node, at token.Position) {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine", at)
			case *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
				t.Errorf("%s: a channel", at)
			case *ast.SelectorExpr:
				if timeFunction(n, "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick") {
					t.Errorf("%s: a clock: time.%s", at, n.Sel.Name)
				}
			}
		})
	}
}

func TestOnlyTheClockPackageAsksForTheTime(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		if p.ImportPath == "viaduct/internal/clock" || levels[p.ImportPath] == testOnly {
			continue
		}
		p.inspect(t, func(n ast.Node, at token.Position) {
			if s, ok := n.(*ast.SelectorExpr); ok && timeFunction(s, "Now", "Since", "Until", "Sleep", "AfterFunc") {
				t.Errorf("%s: time.%s", at, s.Sel.Name)
			}
		})
	}
}

// inspect walks the syntax of the package's files, tests left out.
func (p *listed) inspect(t *testing.T, see func(n ast.Node, at token.Position)) {
	t.Helper()
	for _, name := range p.GoFiles {
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if n != nil {
				see(n, fset.Position(n.Pos()))
			}
			return true
		})
	}
}

// timeFunction reports whether a selector is one of the named functions of
// package time.
func timeFunction(n *ast.SelectorExpr, names ...string) bool {
	pkg, ok := n.X.(*ast.Ident)
	return ok && pkg.Name == "time" && slices.Contains(names, n.Sel.Name)
}
