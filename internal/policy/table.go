package policy

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// Table is data that rules look things up in: rows found by the value of one
// column, the key. Immutable once made.
type Table struct {
	Name    string
	Key     string
	Longest bool // the longest key that the value begins with, not only an equal one

	columns []Column
	keys    int // the index of the key in columns
	text    []byte
	rows    int
	written Index // by which Add finds a key that comes twice
}

// Index finds rows by one form of their keys. Immutable.
type Index struct {
	table   *Table
	rows    map[string]Row
	longest int // bytes of the longest key
}

// Column is one column. A row that does not have it reads as the empty text, 0 or
// false.
type Column struct {
	Name    string
	cells   []span // of all rows
	numbers []int64
	Number  bool // every value is a whole number, written in the usual way
	Truth   bool // every value is true or false
}

// span is a piece of a table's text.
type span struct{ from, to uint32 }

// Row is a row of a table by its number, from 1; 0 is no row.
type Row uint32

// Find is a compiled expression that finds a row.
type Find func(*Facts) Row

// KeyForm is how a value is compared with the keys.
type KeyForm uint8

const (
	AsWritten KeyForm = iota // byte by byte
	Folded                   // without regard to case, as domains are
	Numeric                  // addresses by value
)

// The faults of a table. A RowError says in which row they are.
var (
	ErrNoKey   = errors.New("has no key")
	ErrTwice   = errors.New("has a key that an earlier row has too")
	ErrTooMuch = errors.New("is beyond what a table can hold (4 GiB of text, 4 billion rows)")
	ErrAddress = errors.New("has a key that is no address")
)

// RowError is a fault of one row.
type RowError struct {
	Row int // from 1
	Key string
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %d %v", e.Row, e.Err) }
func (e *RowError) Unwrap() error { return e.Err }

// NewTable makes a table without rows; key is one of its columns.
func NewTable(name, key string, longest bool, columns ...string) *Table {
	t := &Table{Name: name, Key: key, Longest: longest}
	for i, c := range columns {
		t.columns = append(t.columns, Column{Name: c, Number: true, Truth: true})
		if c == key {
			t.keys = i
		}
	}
	t.written = Index{table: t, rows: map[string]Row{}}
	return t
}

// Add adds a row: a value for each column, in their order. The error is a *RowError.
func (t *Table) Add(values ...string) error {
	fail := func(err error) error { return &RowError{Row: t.rows + 1, Key: values[t.keys], Err: err} }
	key := values[t.keys]
	size := 0
	for _, v := range values {
		size += len(v)
	}
	switch {
	case key == "" && !t.Longest:
		return fail(ErrNoKey)
	case t.written.rows[key] != 0:
		return fail(ErrTwice)
	case len(t.text)+size > math.MaxUint32 || t.rows == math.MaxUint32-1:
		return fail(ErrTooMuch)
	}
	t.rows++
	for i, v := range values {
		c := &t.columns[i]
		from := uint32(len(t.text))
		t.text = append(t.text, v...)
		c.cells = append(c.cells, span{from, uint32(len(t.text))})
		n, ok := plainNumber(v)
		c.Number = c.Number && ok
		c.Truth = c.Truth && (v == "" || v == "true" || v == "false")
		if c.Number {
			c.numbers = append(c.numbers, n)
		} else {
			c.numbers = nil
		}
	}
	t.written.put(key, Row(t.rows))
	return nil
}

// plainNumber reads a number that is written as numbers are: a value such as 007 or
// +33 is a text. Nothing reads as 0.
func plainNumber(s string) (int64, bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

func (x *Index) put(key string, r Row) {
	x.rows[key] = r
	x.longest = max(x.longest, len(key))
}

// Rows is how many there are.
func (t *Table) Rows() int { return t.rows }

// Columns are the columns in their order; not to be changed.
func (t *Table) Columns() []Column { return t.columns }

// Column finds a column by its name, -1 when there is none.
func (t *Table) Column(name string) int {
	for i := range t.columns {
		if t.columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Index makes the keys ready to be compared in a form, when all rows are there.
// The error is a *RowError.
func (t *Table) Index(form KeyForm) (*Index, error) {
	if form == AsWritten {
		return &t.written, nil
	}
	x := &Index{table: t, rows: make(map[string]Row, t.rows)}
	for i := range t.rows {
		said := string(t.value(t.keys, Row(i+1)))
		key := strings.ToLower(said)
		if form == Numeric {
			a, err := netip.ParseAddr(strings.Trim(said, "[]"))
			if err != nil {
				return nil, &RowError{Row: i + 1, Key: said, Err: ErrAddress}
			}
			key = a.Unmap().WithZone("").String()
		}
		if x.rows[key] != 0 {
			return nil, &RowError{Row: i + 1, Key: said, Err: ErrTwice}
		}
		x.put(key, Row(i+1))
	}
	return x, nil
}

// find is the row for a value, 0 when there is none.
func (x *Index) find(value []byte) Row {
	if !x.table.Longest {
		return x.rows[string(value)]
	}
	for n := min(len(value), x.longest); n >= 0; n-- {
		if r := x.rows[string(value[:n])]; r != 0 {
			return r
		}
	}
	return 0
}

// value is what column c of row r says.
func (t *Table) value(c int, r Row) []byte {
	if r == 0 {
		return nil
	}
	s := t.columns[c].cells[r-1]
	return t.text[s.from:s.to:s.to]
}

// Lookup is table.N[key].
func Lookup(x *Index, key Text) Find { return func(f *Facts) Row { return x.find(key(f)) } }

// Found is has(row).
func Found(row Find) Bool { return func(f *Facts) bool { return row(f) != 0 } }

// ColumnText is a column of the row that was found.
func ColumnText(t *Table, c int, row Find) Text {
	return func(f *Facts) []byte { return t.value(c, row(f)) }
}

// ColumnNumber is ColumnText as a number; the column must be Number.
func ColumnNumber(t *Table, c int, row Find) Number {
	numbers := t.columns[c].numbers
	return func(f *Facts) int64 {
		if r := row(f); r != 0 {
			return numbers[r-1]
		}
		return 0
	}
}

// ColumnTruth is ColumnText as a bool; the column must be Truth.
func ColumnTruth(t *Table, c int, row Find) Bool {
	return func(f *Facts) bool { return string(t.value(c, row(f))) == "true" }
}

// KeyText is the key of the row that was found, as the table has it.
func KeyText(t *Table, row Find) Text { return ColumnText(t, t.keys, row) }
