package viaduct_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var updateTable = flag.Bool("update", false, "rewrite docs/conformance.md")

// The table of conformance is made from the tests: a line "Proves: TX-10, TX-11"
// stands above the test function, or in the ladder, that goes red when the
// behaviour breaks. docs/conformance-notes.txt gives the reason for the rest.
const (
	checklistFile = "docs/checklist.tsv"
	notesFile     = "docs/conformance-notes.txt"
	tableFile     = "docs/conformance.md"
)

// covered are the groups of the checklist in which every line has to be proven
// or explained by now.
var covered = []string{"SX", "UR", "VL", "RE", "RT", "TG", "FW", "RR", "RS", "FK", "BR", "RD", "CA", "TC", "TX", "NI", "LP", "TV", "TP", "SL", "TO", "RB", "EX", "AU", "PV", "NH", "WS", "RG", "PA", "OB", "GR", "SE"}

// requirement is a line of the checklist.
type requirement struct {
	id, source, level, text string
	proofs                  []string
	note                    string
}

func (r *requirement) group() string { return r.id[:strings.IndexByte(r.id, '-')] }

func TestConformanceTable(t *testing.T) {
	list, byID := readChecklist(t)
	for proof, ids := range collectProofs(t) {
		for _, id := range ids {
			r := byID[id]
			if r == nil {
				t.Errorf("%s proves %s, which is not in %s", proof, id, checklistFile)
				continue
			}
			r.proofs = append(r.proofs, proof)
		}
	}
	readNotes(t, byID)
	missing := 0
	for _, r := range list {
		slices.Sort(r.proofs)
		if slices.Contains(covered, r.group()) && len(r.proofs) == 0 && r.note == "" {
			t.Errorf("%s is neither proven nor explained: %s", r.id, r.text)
			missing++
		}
	}
	want := renderTable(list)
	if *updateTable {
		if err := os.WriteFile(tableFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(tableFile); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the tests say (%v); run: go test . -run Conformance -update", tableFile, err)
	}
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

func readChecklist(t *testing.T) (list []*requirement, byID map[string]*requirement) {
	t.Helper()
	byID = map[string]*requirement{}
	for _, line := range readLines(t, checklistFile) {
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			t.Fatalf("%s: not four columns: %s", checklistFile, line)
		}
		r := &requirement{id: f[0], source: f[1], level: f[2], text: f[3]}
		list, byID[r.id] = append(list, r), r
	}
	return list, byID
}

func readNotes(t *testing.T, byID map[string]*requirement) {
	t.Helper()
	for _, line := range readLines(t, notesFile) {
		id, note, ok := strings.Cut(line, "|")
		r := byID[strings.TrimSpace(id)]
		if !ok || r == nil {
			t.Errorf("%s: no such requirement: %s", notesFile, line)
			continue
		}
		if r.note != "" {
			t.Errorf("%s: %s is explained twice", notesFile, r.id)
		}
		r.note = strings.TrimSpace(note)
	}
}

var (
	provesLine = regexp.MustCompile(`^\s*(?://|#)\s*Proves:\s*(.+?)\.?\s*$`)
	testFunc   = regexp.MustCompile(`^func ((?:Test|Fuzz)\w+)\(`)
)

// collectProofs returns what each test and ladder says that it proves.
func collectProofs(t *testing.T) map[string][]string {
	t.Helper()
	proofs := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && (d.Name() == ".git" || d.Name() == "bin") {
				return filepath.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".ladder") {
			return proofsOf(path, proofs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return proofs
}

func proofsOf(path string, proofs map[string][]string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ladder := strings.HasSuffix(path, ".ladder")
	var open []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if m := provesLine.FindStringSubmatch(line); m != nil {
			for id := range strings.FieldsFuncSeq(m[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				open = append(open, id)
			}
			continue
		}
		if m := testFunc.FindStringSubmatch(line); m != nil && len(open) > 0 {
			name := filepath.ToSlash(filepath.Dir(path)) + " " + m[1]
			proofs[name], open = append(proofs[name], open...), nil
		}
	}
	if len(open) == 0 {
		return nil
	}
	if !ladder {
		return fmt.Errorf("%s: a Proves line without a test below it: %v", path, open)
	}
	proofs[filepath.ToSlash(path)] = open
	return nil
}

// renderTable writes the table.
func renderTable(list []*requirement) []byte {
	var b bytes.Buffer
	b.WriteString("# Conformance\n\nMade from the tests by `go test . -run Conformance -update`; do not edit. Requirements: `docs/checklist.tsv`,\n" +
		"reasons: `docs/conformance-notes.txt`. A bare § is RFC 3261. \"Later\" means that the part it belongs to is not built yet.\n\n")
	groups := map[string][2]int{}
	var order []string
	for _, r := range list {
		g := groups[r.group()]
		if g == [2]int{} {
			order = append(order, r.group())
		}
		g[0]++
		if len(r.proofs) > 0 {
			g[1]++
		}
		groups[r.group()] = g
	}
	b.WriteString("| group | requirements | proven by a test |\n|---|---|---|\n")
	for _, name := range order {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", name, groups[name][0], groups[name][1])
	}
	last := ""
	for _, r := range list {
		if r.group() != last {
			last = r.group()
			fmt.Fprintf(&b, "\n## %s\n\n| id | source | level | requirement | proven by, or reason |\n|---|---|---|---|---|\n", last)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.id, cell(r.source), cell(r.level), cell(r.text), cell(r.evidence()))
	}
	return b.Bytes()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func (r *requirement) evidence() string {
	parts := make([]string, 0, len(r.proofs)+1)
	for _, p := range r.proofs {
		parts = append(parts, "`"+strings.TrimPrefix(p, "internal/")+"`")
	}
	if r.note != "" {
		parts = append(parts, r.note)
	}
	if len(parts) == 0 {
		return "later"
	}
	return strings.Join(parts, ", ")
}

// A test that claims a requirement of a group that nobody has begun would be a
// mistake of the table, not of the code: the groups are known.
func TestConformanceGroups(t *testing.T) {
	list, _ := readChecklist(t)
	known := map[string]bool{}
	for _, r := range list {
		known[r.group()] = true
	}
	for _, g := range covered {
		if !known[g] {
			t.Errorf("group %s is not in the checklist, which has %v", g, slices.Sorted(maps.Keys(known)))
		}
	}
}
