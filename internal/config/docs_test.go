package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReference holds that docs/configuration.md names every word that can be
// written, and that its examples and those of the README load.
func TestReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	seen := map[*blockSpec]bool{} // an otherwise may hold another
	var visit func(s *blockSpec)
	visit = func(s *blockSpec) {
		if seen[s] {
			return
		}
		seen[s] = true
		for _, w := range s.words() {
			if !strings.Contains(doc, "`"+w+"`") && !strings.Contains(doc, "# "+w) && !strings.Contains(doc, "{ "+w) && !strings.Contains(doc, "`"+w+" ") {
				t.Errorf("the reference does not name %q of %q", w, s.name)
			}
		}
		for _, b := range s.blocks {
			if !b.later {
				visit(b)
			}
		}
	}
	visit(fileSpec)
	for _, f := range fields {
		if root, _, _ := strings.Cut(f.name, "."); f.later || root == "to" || root == "contact" {
			continue
		}
		if !strings.Contains(doc, "`"+f.name+"`") && !strings.Contains(doc, "`"+f.name+"[") {
			t.Errorf("the reference does not name the field %q", f.name)
		}
	}
	for _, f := range functions() {
		if !f.later && !strings.Contains(doc, "`"+f.name+"(") {
			t.Errorf("the reference does not name the function %q", f.name)
		}
	}
	for _, s := range timerSettings {
		if !strings.Contains(doc, "| `"+s.name+"` |") {
			t.Errorf("the reference does not name the timer %q", s.name)
		}
	}
}

var hclBlock = regexp.MustCompile("(?s)```hcl\n(.*?)```")

func TestExamplesInDocuments(t *testing.T) {
	t.Parallel()
	for file, least := range map[string]int{"../../docs/configuration.md": 3, "../../README.md": 1} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := hclBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) < least {
			t.Errorf("%s has %d examples", file, len(blocks))
		}
		for _, b := range blocks {
			src := b[1]
			if !strings.Contains(src, "listen ") {
				src += "\nlisten \"udp\" { address = \"192.0.2.1:5060\" }\n"
			}
			if _, diags := Parse(file, []byte(src), Options{Check: true, Addresses: quiet().Addresses}); diags != nil {
				var out strings.Builder
				diags.Print(&out, false)
				t.Errorf("%s: an example does not load:\n%s", file, out.String())
			}
		}
	}
}
