package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"viaduct/internal/clock"
	"viaduct/internal/kamailio"
)

// tally counts what an import does.
type tally struct {
	out, err io.Writer
	what     string
	rows     int
	taken    int
	reasons  []string
	counts   map[string]int
	examples map[string]string

	shows bool // how far it is, on a terminal
	shown clock.Instant
}

func newTally(cmd *cobra.Command, what string) *tally {
	return &tally{
		out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), what: what,
		counts: map[string]int{}, examples: map[string]string{},
		shows: cmd.ErrOrStderr() == os.Stderr && terminal(os.Stderr), shown: clock.Now(),
	}
}

// row counts a row, and on a terminal tells how many they are, once a second.
func (t *tally) row() {
	if t.rows++; !t.shows || t.rows%256 != 0 {
		return
	}
	if now := clock.Now(); now.Sub(t.shown) >= time.Second {
		t.shown = now
		fmt.Fprintf(t.err, "\r%d rows", t.rows)
	}
}

// not counts something that was not taken, or not wholly.
func (t *tally) not(why, example string) {
	if t.counts[why]++; t.counts[why] == 1 {
		t.reasons, t.examples[why] = append(t.reasons, why), example
	}
}

// print tells the result.
func (t *tally) print(dry bool) error {
	if t.shows {
		fmt.Fprint(t.err, "\r\x1b[K")
	}
	verb := "taken over"
	if dry {
		verb = "can be taken over"
	}
	_, err := fmt.Fprintf(t.out, "%d rows, %d %s %s\n", t.rows, t.taken, t.what, verb)
	slices.SortStableFunc(t.reasons, func(a, b string) int { return t.counts[b] - t.counts[a] })
	for _, why := range t.reasons {
		fmt.Fprintf(t.out, "%8d  %s (%s)\n", t.counts[why], visible(why), visible(t.examples[why]))
	}
	return err
}

// readDump reads a dump from a file, or from in for "-".
func readDump(file string, in io.Reader, table string, see func(*kamailio.Row) error) error {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	if err := kamailio.Rows(in, table, see); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// visible is text from the network, without what would move a terminal.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// terminal reports whether somebody looks at a file.
func terminal(file *os.File) bool {
	info, err := file.Stat()
	null, wrong := os.Stat(os.DevNull) // a character device, too
	return err == nil && wrong == nil && info.Mode()&os.ModeCharDevice != 0 && !os.SameFile(info, null)
}

// writeLines writes each value as a line of JSON.
func writeLines[T any](w io.Writer, all []T) error {
	enc := json.NewEncoder(w)
	for i := range all {
		if err := enc.Encode(&all[i]); err != nil {
			return err
		}
	}
	return nil
}
