package config

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostic is one thing wrong with a configuration file.
type Diagnostic struct {
	File    string
	Line    int // from 1; 0 when the file could not be read at all
	Column  int // from 1, in characters
	Message string
	Hint    string // what to do about it, or ""
	Warning bool   // it is allowed, and most likely not meant

	text  string // the line
	start int    // where the fault begins in text, in bytes
	end   int
}

// Diagnostics is everything wrong with a file, in the order of its lines. Empty
// means that nothing is.
type Diagnostics []Diagnostic

// Error makes Diagnostics an error: the messages alone, one a line.
func (d Diagnostics) Error() string {
	var b strings.Builder
	for i := range d {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d[i].place() + d[i].Message)
	}
	return b.String()
}

// ANSI attributes of the parts of a diagnostic.
const (
	bold  = "\x1b[1m"
	red   = "\x1b[1;31m"
	amber = "\x1b[1;33m"
	dim   = "\x1b[2m"
	reset = "\x1b[0m"
)

// Print writes the diagnostics for a person: for each its place and message,
// the line, and a caret line with the hint; at the end how many there are.
func (d Diagnostics) Print(w io.Writer, color bool) {
	paint := func(attribute, s string) string {
		if !color || s == "" {
			return s
		}
		return attribute + s + reset
	}
	errors, warnings := 0, 0
	for i := range d {
		x := &d[i]
		hue, word := red, ""
		if errors++; x.Warning {
			errors--
			warnings++
			hue, word = amber, "warning: "
		}
		fmt.Fprintf(w, "%s%s\n", paint(bold, x.place()), paint(hue, word+x.Message))
		if x.Line == 0 {
			if x.Hint != "" {
				fmt.Fprintf(w, "   %s\n", x.Hint)
			}
			continue
		}
		fmt.Fprintf(w, "%s%s\n", paint(dim, fmt.Sprintf("%5d |", x.Line)), space(x.text))
		fmt.Fprintf(w, "%s %s", paint(dim, "      |"), x.indent())
		fmt.Fprint(w, paint(hue, strings.Repeat("^", x.width())))
		if x.Hint != "" {
			fmt.Fprint(w, " "+x.Hint)
		}
		fmt.Fprintln(w)
	}
	count(w, errors, "error")
	count(w, warnings, "warning")
}

func count(w io.Writer, n int, what string) {
	switch n {
	case 0:
	case 1:
		fmt.Fprintf(w, "1 %s\n", what)
	default:
		fmt.Fprintf(w, "%d %ss\n", n, what)
	}
}

// Log writes a line for each, where there is nobody to print them for.
func (d Diagnostics) Log(log *slog.Logger) {
	for i := range d {
		x := &d[i]
		level, kind := slog.LevelError, "error"
		if x.Warning {
			level, kind = slog.LevelWarn, "warning"
		}
		log.Log(context.Background(), level, "configuration", "file", x.File, "line", x.Line, "column", x.Column, kind, x.Message, "hint", x.Hint)
	}
}

// space sets a line off from its bar; an empty line leaves no trailing blank.
func space(line string) string {
	if line == "" {
		return ""
	}
	return " " + line
}

func (x *Diagnostic) place() string {
	if x.Line == 0 {
		return x.File + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", x.File, x.Line, x.Column)
}

// indent is as wide as the text before the fault; tabs stay tabs, so that it
// is so at any tab width.
func (x *Diagnostic) indent() string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case unicode.Is(unicode.Mn, r):
			return -1
		}
		return ' '
	}, x.text[:x.start])
}

// width is how many carets show the fault; at least one.
func (x *Diagnostic) width() int {
	return max(1, len([]rune(x.text[x.start:x.end])))
}

// report adds a fault at rng. hint may be "".
func (l *loader) report(rng hcl.Range, hint, format string, args ...any) {
	l.diags = append(l.diags, l.diagnostic(rng, hint, fmt.Sprintf(format, args...)))
}

// diagnostic describes a fault; what of rng lies beyond its first line is not shown.
func (l *loader) diagnostic(rng hcl.Range, hint, message string) Diagnostic {
	at := min(rng.Start.Byte, len(l.src))
	first := bytes.LastIndexByte(l.src[:at], '\n') + 1
	last := len(l.src)
	if n := bytes.IndexByte(l.src[at:], '\n'); n >= 0 {
		last = at + n
	}
	line := l.mask(strings.TrimSuffix(string(l.src[first:last]), "\r"), first)
	start := min(at-first, len(line))
	end := min(max(rng.End.Byte-first, start), len(line))
	// each piece by itself, because a replacement may be longer than what it replaces
	before, fault, after := printable(line[:start]), printable(line[start:end]), printable(line[end:])
	return Diagnostic{
		File: l.name, Line: rng.Start.Line, Column: rng.Start.Column, Message: printable(message), Hint: printable(hint),
		text: before + fault + after, start: len(before), end: len(before) + len(fault),
	}
}

// mask hides what a `secret` attribute says: diagnostics may end in a log.
func (l *loader) mask(line string, first int) string {
	b := []byte(line)
	for _, s := range l.secretRanges {
		for i := max(s.Start.Byte-first, 0); i < min(s.End.Byte-first, len(b)); i++ {
			if b[i] != '\t' {
				b[i] = '*'
			}
		}
	}
	return string(b)
}

// printable replaces control characters, which could drive the terminal, and what
// is no UTF-8.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return '?'
		}
		return r
	}, line)
}

// sorted puts the diagnostics in the order of the file and drops repetitions.
func (d Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(d, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.start, b.start))
	})
	return slices.CompactFunc(d, func(a, b Diagnostic) bool {
		return a.Line == b.Line && a.start == b.start && a.Message == b.Message
	})
}
