package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/format/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out, diags := Format(file, src)
		if diags != nil {
			t.Fatal(diags)
		}
		golden(t, strings.TrimSuffix(file, ".hcl")+".out", out)
		if again, _ := Format(file, out); !bytes.Equal(again, out) {
			t.Errorf("%s: formatting twice changes it:\n%s", file, again)
		}
	}
}

func TestFormatRefusesWhatCannotBeParsed(t *testing.T) {
	t.Parallel()
	out, diags := Format("x.hcl", []byte("rule \"a\" {\n"))
	if out != nil || len(diags) != 1 || diags[0].Line != 1 {
		t.Errorf("got %q, %v", out, diags)
	}
}

// FuzzParse holds that no text makes loading or formatting fail in any other way
// than by diagnostics, that diagnostics point into the text, and that formatting
// keeps the text parsable and is done after once.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.hcl", "../../examples/*.hcl", "default.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, diags := Parse("x.hcl", src, quiet())
		if (c == nil) == (diags == nil) {
			t.Fatalf("got %v and %v", c, diags)
		}
		var out bytes.Buffer
		diags.Print(&out, true)
		for _, d := range diags {
			if d.Line < 0 || d.Message == "" || d.start > d.end || d.end > len(d.text) {
				t.Fatalf("got %+v", d)
			}
		}
		if c != nil {
			facts := factsOf(t, invite)
			if r := decide(c.Snapshot, facts); r != nil {
				for _, target := range r.Targets {
					if target.URI != nil {
						target.URI(facts)
					}
				}
			}
		}
		once, refused := Format("x.hcl", src)
		if refused != nil {
			return
		}
		twice, refused := Format("x.hcl", once)
		if refused != nil {
			t.Fatalf("formatted text does not parse: %v\n%s", refused, once)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("formatting twice changes it:\n%s\n%s", once, twice)
		}
		if c != nil {
			if _, diags := Parse("x.hcl", once, quiet()); diags != nil {
				t.Fatalf("the formatted text is refused: %v\n%s", diags, once)
			}
		}
	})
}
