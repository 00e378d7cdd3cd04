package config

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// meaning is the order in which the parts of a rule take effect, whatever the
// order of its lines; Format writes them in it.
var meaning = map[string]int{
	"when": 1, "let": 2, "limit": 3, "authenticate": 4, "identity": 5, "deny": 6,
	"set": 7, "header": 8, "response_header": 8, "ask": 9, "media": 10,
	"register": 11, "send": 11, "reply": 11, "drop": 11, "redirect": 11, "jump": 11, "next": 11,
	// the rest goes with the end, and stays in its order
	"otherwise": 13,
}

const beside = 12 // what goes with the end

// Format returns the canonical form of a configuration file: the layout of the
// library's formatter, and the parts of each rule in the order in which they take
// effect. Comments stay with what they stand above or beside. A file that cannot
// be parsed gives diagnostics instead; name is what they call it. Formatting twice
// changes nothing.
func Format(name string, src []byte) ([]byte, Diagnostics) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	l := newLoader(name, src, Options{})
	body := l.parse()
	if body == nil {
		return nil, l.diags.sorted()
	}
	out := hclwrite.Format(reorder(src, body))
	text := bytes.TrimRight(out, " \t\r\n")
	end := "\n"
	if bytes.HasPrefix(out[len(text):], []byte("\r\n")) {
		end = "\r\n"
	}
	if len(text) == 0 {
		return nil, nil
	}
	return append(text[:len(text):len(text)], end...), nil
}

// reorder puts the parts of all rules in order. Rules stand at the top and in
// route blocks.
func reorder(src []byte, body *hclsyntax.Body) []byte {
	var rules []*hclsyntax.Block
	var find func(*hclsyntax.Body)
	find = func(b *hclsyntax.Body) {
		for _, x := range b.Blocks {
			switch x.Type {
			case "rule":
				rules = append(rules, x)
			case "route":
				find(x.Body)
			}
		}
	}
	find(body)
	// from the last to the first, so that the positions of the others stay true
	slices.SortFunc(rules, func(a, b *hclsyntax.Block) int {
		return cmp.Compare(b.OpenBraceRange.Start.Byte, a.OpenBraceRange.Start.Byte)
	})
	for _, r := range rules {
		src = reorderRule(src, r)
	}
	return src
}

// part is one attribute or block of a rule with the comments above it.
type part struct {
	rank       int
	start, end int // whole lines
}

// reorderRule sorts the parts of a rule by meaning; equal ones keep their order.
func reorderRule(src []byte, r *hclsyntax.Block) []byte {
	var parts []part
	for name, a := range r.Body.Attributes {
		parts = append(parts, part{rank: rankOf(name), start: a.SrcRange.Start.Byte, end: a.SrcRange.End.Byte})
	}
	for _, b := range r.Body.Blocks {
		parts = append(parts, part{rank: rankOf(b.Type), start: b.TypeRange.Start.Byte, end: b.CloseBraceRange.End.Byte})
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.start, b.start) })
	begin := lineEnd(src, r.OpenBraceRange.Start.Byte)
	if len(parts) < 2 || parts[0].start < begin {
		return src
	}
	for i := range parts { // each part begins where the one before ended
		parts[i].start = begin
		begin = lineEnd(src, parts[i].end)
		parts[i].end = begin
	}
	sorted := slices.Clone(parts)
	slices.SortStableFunc(sorted, func(a, b part) int { return cmp.Compare(a.rank, b.rank) })
	if slices.Equal(sorted, parts) {
		return src
	}
	out := bytes.Clone(src[:parts[0].start])
	for i, p := range sorted {
		text := src[p.start:p.end]
		if i == 0 {
			text = bytes.TrimLeft(text, "\r\n")
		}
		out = append(out, text...)
	}
	return append(out, src[begin:]...)
}

func rankOf(name string) int {
	if rank, ok := meaning[name]; ok {
		return rank
	}
	return beside
}

// lineEnd is the beginning of the line after the one that holds at.
func lineEnd(src []byte, at int) int {
	if n := bytes.IndexByte(src[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(src)
}
