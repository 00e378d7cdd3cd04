package config

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is allowed and most likely not meant is said with its place, and refuses
// nothing.
func TestDoubts(t *testing.T) {
	t.Parallel()
	const file = "testdata/doubtful/rules.hcl"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg, diags := Parse(filepath.Base(file), src, quiet())
	if diags != nil {
		t.Fatal(diags)
	}
	var out, log bytes.Buffer
	cfg.Warnings.Print(&out, false)
	golden(t, strings.TrimSuffix(file, ".hcl")+".txt", out.Bytes())
	cfg.Warnings.Log(slog.New(slog.NewTextHandler(&log, nil)))
	if lines := strings.Count(log.String(), "level=WARN msg=configuration file=rules.hcl"); lines != len(cfg.Warnings) || lines == 0 {
		t.Errorf("the log has %d lines, want %d:\n%s", lines, len(cfg.Warnings), log.String())
	}
}

// The examples that users begin with have nothing doubtful.
func TestExamplesAreBeyondDoubt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../examples/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if cfg, diags := Load(file, Options{Check: true, Addresses: quiet().Addresses}); diags == nil && len(cfg.Warnings) > 0 {
			t.Errorf("%s: %v", file, cfg.Warnings)
		}
	}
}
