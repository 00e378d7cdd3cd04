package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxDepth is how deep brackets may nest. The parser and the compiler descend by
// calling themselves; the language has no use for more than a few.
const maxDepth = 64

// parse reads the grammar, or reports why it cannot and returns nil.
func (l *loader) parse() *hclsyntax.Body {
	if !l.shallow() {
		return nil
	}
	file, diags := hclsyntax.ParseConfig(l.src, l.name, hcl.InitialPos)
	if !diags.HasErrors() {
		return file.Body.(*hclsyntax.Body)
	}
	l.hideSecretText()
	var rest Diagnostics
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		x := l.syntax(d)
		if unclosed(d.Summary) {
			// what follows an unclosed quote or bracket cannot be trusted
			l.diags = Diagnostics{x}
			return nil
		}
		rest = append(rest, x)
	}
	l.diags = rest
	return nil
}

// shallow reports brackets and operators that nest too deep.
func (l *loader) shallow() bool {
	tokens, _ := hclsyntax.LexConfig(l.src, l.name, hcl.InitialPos)
	depth, signs := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
			signs = 0
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenTemplateSeqEnd:
			depth--
			signs = 0
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion:
			signs++
		case hclsyntax.TokenNewline:
			signs = 0
		}
		if depth+signs > maxDepth {
			l.report(t.Range, "", "brackets or operators nest more than %d deep", maxDepth)
			return false
		}
	}
	return true
}

// unclosed reports the faults of the library that come of an unclosed quote or bracket.
func unclosed(summary string) bool {
	for _, word := range []string{"Unclosed", "Unterminated", "Unbalanced", "Missing close", "Invalid multi-line string"} {
		if strings.HasPrefix(summary, word) {
			return true
		}
	}
	return false
}

// plainer is what we say for faults whose wording in the library would not help
// somebody who does not know HCL.
var plainer = map[string]struct{ message, hint string }{
	"Argument or block definition required":     {"this is neither an attribute nor a block", `attributes are written name = value, blocks name "label" { … }`},
	"Invalid block definition":                  {"this block is not written as one", `blocks are written name "label" { … }, each part of them on a line of its own`},
	"Missing newline after argument":            {"one attribute stands on one line", "begin a new line here"},
	"Missing newline after block definition":    {"a block ends its line", "begin a new line here"},
	"Invalid single-argument block definition":  {"a block on one line has one attribute at most", "write its attributes on lines of their own"},
	"Invalid multi-line string":                 {"the text does not end on its line", `close it with "`},
	"Unterminated template string":              {"the text is not closed", `close it with "`},
	"Unterminated string literal":               {"the text is not closed", `close it with "`},
	"Unclosed configuration block":              {"the block is not closed", "a } is missing"},
	"Unbalanced parentheses":                    {"the parenthesis is not closed", "a ) is missing"},
	"Unterminated function call":                {"the call is not closed", "a ) is missing"},
	"Unterminated tuple constructor expression": {"the list is not closed", "a ] is missing"},
	"Invalid expression":                        {"a value is missing or not written as one", ""},
	"Missing item separator":                    {"the items of a list are separated by commas", ""},
	"Missing argument separator":                {"the arguments of a function are separated by commas", ""},
	"Unsupported operator":                      {"this operator is not supported", "the operators are == != < <= > >= && || ! ?: + - * / %"},
	"Invalid escape sequence":                   {"this backslash escapes nothing", `in a text a backslash is written \\`},
}

// syntax is a fault found by the library in our words, or at least in our form.
func (l *loader) syntax(d *hcl.Diagnostic) Diagnostic {
	rng := hcl.Range{Filename: l.name, Start: hcl.InitialPos, End: hcl.InitialPos}
	if d.Subject != nil {
		rng = *d.Subject
	}
	if d.Summary == "Unbalanced parentheses" && d.Context != nil {
		// the library points at what stands where the ) should be
		rng.Start, rng.End = d.Context.Start, d.Context.Start
	}
	if at := l.source(rng); d.Summary == "Invalid expression" && (at == "" || at[0] == '\n' || at[0] == '\r') {
		return l.diagnostic(rng, "put ( ) around an expression that goes on in the next line", "a value is missing at the end of the line")
	}
	if p, ok := plainer[d.Summary]; ok {
		return l.diagnostic(rng, p.hint, p.message)
	}
	message := d.Summary
	if message != "" {
		message = strings.ToLower(message[:1]) + message[1:]
	}
	hint := strings.Join(strings.Fields(d.Detail), " ")
	if first, _, more := strings.Cut(hint, ". "); more && len(hint) > longHint {
		hint = first
	}
	return l.diagnostic(rng, strings.TrimSuffix(hint, "."), message)
}

// longHint is how long a hint of the library may be before only its first
// sentence is shown.
const longHint = 100
