package config

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// quiet are options that read nothing of the machine.
func quiet() Options {
	return Options{
		Check:     true,
		ReadFile:  func(string) ([]byte, error) { return nil, os.ErrNotExist },
		LookupEnv: func(string) (string, bool) { return "", false },
		Addresses: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")}, nil
		},
	}
}

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

// TestDiagnostics shows for each bad file what its author would see.
func TestDiagnostics(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".hcl"), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, diags := Parse(filepath.Base(file), src, quiet())
			if cfg != nil || len(diags) == 0 {
				t.Fatal("a bad file was taken")
			}
			var out bytes.Buffer
			diags.Print(&out, false)
			golden(t, strings.TrimSuffix(file, ".hcl")+".txt", out.Bytes())
		})
	}
}

// TestSecretsStayHidden holds that no diagnostic shows any part of a secret, in a
// file that parses and in one that does not.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		`server { secret = "hidden-1" }`,
		`server { secret = 47110815 }`,
		"server {\n  secret = [\n    \"hidden-1\",\n    \"hidden-2\", 4711]\n}",
		`server { secret = "hidden }`,
		"server {\n  secret = [\"hidden-1\",\n  \"hidden-2\n}",
		`server { secret = hidden }`,
		`server { secret = "hidden" + 1 }`,
	} {
		_, diags := Parse("x", []byte(src), quiet())
		var out bytes.Buffer
		diags.Print(&out, false)
		if got := out.String(); diags == nil || strings.Contains(got, "hidden") || strings.Contains(got, "4711") {
			t.Errorf("%s: got\n%s", src, got)
		}
	}
}
