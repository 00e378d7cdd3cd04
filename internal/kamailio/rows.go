package kamailio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The bounds of a dump: what is larger is none.
const (
	maxValue   = 64 << 10
	maxColumns = 256
	maxRecord  = 1 << 20 // of CSV
)

var (
	errValue   = fmt.Errorf("a value has more than %d bytes", maxValue)
	errColumns = fmt.Errorf("a row has more than %d columns", maxColumns)
	errRecord  = fmt.Errorf("a row has more than %d bytes: a quote is missing before", maxRecord)
	errColumn  = errors.New("the dump does not name the columns: it needs CREATE TABLE, or names in INSERT")
)

// Row is a row of a table.
type Row struct {
	Line    int // of the dump, where it ends
	columns map[string]int
	values  []string
}

// Get returns a column, "" where it is NULL or there is none.
func (r *Row) Get(column string) string {
	if i, ok := r.columns[column]; ok && i < len(r.values) {
		return r.values[i]
	}
	return ""
}

// Has reports whether the table has a column.
func (r *Row) Has(column string) bool {
	_, ok := r.columns[column]
	return ok
}

// Rows hands out the rows of a table in a dump of SQL, in which other tables are
// passed over, or in CSV, whose first line names the columns. It ends with the
// error of see. A Row is valid during the call.
func Rows(dump io.Reader, table string, see func(*Row) error) error {
	r := bufio.NewReaderSize(dump, 64<<10)
	if bom, _ := r.Peek(3); string(bom) == "\xef\xbb\xbf" {
		_, _ = r.Discard(3) // they are there
	}
	if comma, ok := separator(r); ok {
		return readCSV(r, comma, see)
	}
	s := &scanner{r: r, line: 1, table: table, see: see, columns: map[string]int{}}
	if err := s.dump(); err != nil {
		return fmt.Errorf("line %d: %w", s.line, err)
	}
	return nil
}

// separator looks whether the first line is a header of CSV: names, of which one
// is username.
func separator(r *bufio.Reader) (rune, bool) {
	head, _ := r.Peek(4096) // a short dump is no error
	line, _, _ := bytes.Cut(head, []byte("\n"))
	for _, comma := range ",;\t" {
		found, names := false, true
		for name := range strings.SplitSeq(string(line), string(comma)) {
			name = columnName(name)
			found = found || name == "username"
			names = names && !strings.ContainsAny(name, " ().;\t'")
		}
		if found && names {
			return comma, true
		}
	}
	return 0, false
}

func columnName(name string) string {
	return strings.ToLower(strings.Trim(name, " \t\r\"'`"))
}

func columnsOf(names []string) map[string]int {
	columns := make(map[string]int, len(names))
	for i, name := range names {
		columns[columnName(name)] = i
	}
	return columns
}
