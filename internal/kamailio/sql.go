package kamailio

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"strings"
)

// kind is what a token is.
type kind uint8

const (
	end    kind = iota
	word        // bare, lower case, or quoted, as it is
	text        // a string
	number      // also what begins like one
	mark        // one character
)

type token struct {
	kind kind
	text string
}

func (t token) is(s string) bool { return (t.kind == word || t.kind == mark) && t.text == s }

// scanner reads the statements of a dump, of which it knows three: CREATE TABLE,
// INSERT and COPY. All others are passed over.
type scanner struct {
	r       *bufio.Reader
	line    int
	mysql   bool // a backslash escapes in strings
	table   string
	columns map[string]int
	see     func(*Row) error
	row     Row
	err     error // of the reader, or a bound
}

// dump reads all statements.
func (s *scanner) dump() error {
	for {
		t := s.next()
		var err error
		switch {
		case s.err != nil && !errors.Is(s.err, io.EOF):
			return s.err
		case t.kind == end:
			return nil
		case t.is(";"):
			continue
		case t.is("create"):
			err = s.create()
		case t.is("insert"), t.is("replace"):
			err = s.insert()
		case t.is("copy"):
			err = s.copyIn()
		default:
			s.skip()
		}
		if err != nil {
			return err
		}
		if s.err != nil && !errors.Is(s.err, io.EOF) {
			return s.err
		}
	}
}

// skip passes over the rest of a statement.
func (s *scanner) skip() {
	for t := s.next(); t.kind != end && !t.is(";"); t = s.next() {
	}
}

// name reads the name of a table, without the schema it is in, and what follows.
func (s *scanner) name(t token) (string, token) {
	for {
		next := s.next()
		if !next.is(".") {
			return t.text, next
		}
		t = s.next()
	}
}

// create learns the columns of the table.
func (s *scanner) create() error {
	t := s.next()
	if !t.is("table") {
		if !t.is(";") {
			s.skip()
		}
		return nil
	}
	t = s.next()
	for t.is("if") || t.is("not") || t.is("exists") {
		t = s.next()
	}
	name, t := s.name(t)
	if !strings.EqualFold(name, s.table) || !t.is("(") {
		if !t.is(";") {
			s.skip()
		}
		return nil
	}
	columns, depth, first := map[string]int{}, 1, true
	for t = s.next(); t.kind != end && !t.is(";"); t = s.next() {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.is(",") && depth == 1:
			first = true
			continue
		case first && depth == 1 && t.kind == word && !constraint(t.text):
			if len(columns) == maxColumns {
				return errColumns
			}
			columns[strings.ToLower(t.text)] = len(columns)
		}
		first = false
	}
	s.columns = columns
	return nil
}

// constraint reports whether a word begins a line of CREATE TABLE that is no
// column. (No column of these tables has such a name.)
func constraint(w string) bool {
	switch strings.ToLower(w) {
	case "primary", "unique", "key", "index", "constraint", "check", "foreign", "fulltext":
		return true
	}
	return false
}

// insert reads INSERT INTO table (columns) VALUES (…), (…);
func (s *scanner) insert() error {
	t := s.next()
	for t.is("into") || t.is("ignore") || t.is("or") || t.is("replace") {
		t = s.next()
	}
	name, t := s.name(t)
	if !strings.EqualFold(name, s.table) {
		if !t.is(";") {
			s.skip()
		}
		return nil
	}
	columns := s.columns
	if t.is("(") {
		names, err := s.names()
		if err != nil {
			return err
		}
		columns, t = columnsOf(names), s.next()
	}
	if len(columns) == 0 {
		return errColumn
	}
	s.row.columns = columns
	for t.kind != end && !t.is(";") {
		if t.is("(") {
			if err := s.values(); err != nil {
				return err
			}
		}
		t = s.next()
	}
	return nil
}

// names reads names up to the parenthesis that closes.
func (s *scanner) names() (names []string, err error) {
	for t := s.next(); t.kind != end && !t.is(")"); t = s.next() {
		if t.kind != word {
			continue
		}
		if len(names) == maxColumns {
			return nil, errColumns
		}
		names = append(names, t.text)
	}
	return names, nil
}

// values reads a row up to the parenthesis that closes, and hands it out. Of a
// value that is computed nothing is known: it reads as "".
func (s *scanner) values() error {
	values, value, depth := s.row.values[:0], "", 0
	for t := s.next(); ; t = s.next() {
		switch {
		case t.kind == end && s.err != nil && !errors.Is(s.err, io.EOF):
			return s.err
		case t.kind == end:
			return io.ErrUnexpectedEOF
		case t.is("("):
			depth++
		case t.is(")") && depth > 0:
			depth--
			value = ""
		case depth > 0:
		case t.is(",") || t.is(")"):
			if len(values) == maxColumns {
				return errColumns
			}
			values, value = append(values, value), ""
			if t.text == ")" {
				s.row.Line, s.row.values = s.line, values
				return s.see(&s.row)
			}
		case t.kind == text || t.kind == number:
			if value += t.text; len(value) > maxValue {
				return errValue
			}
		case t.is("-"):
			value = "-"
		}
	}
}

// copyIn reads COPY table (columns) FROM stdin; and the lines of values behind it,
// up to "\.", as pg_dump writes them.
func (s *scanner) copyIn() error {
	name, t := s.name(s.next())
	columns := s.columns
	if t.is("(") {
		names, err := s.names()
		if err != nil {
			return err
		}
		columns, t = columnsOf(names), s.next()
	}
	stdin := false
	for ; t.kind != end && !t.is(";"); t = s.next() {
		stdin = stdin || t.is("stdin")
	}
	if !stdin {
		return nil
	}
	s.row.columns = columns
	if _, err := s.lineOf(); err != nil { // the rest of the statement's
		return nil
	}
	for {
		line, err := s.lineOf()
		switch {
		case err != nil:
			return err
		case line == `\.`:
			return nil
		case !strings.EqualFold(name, s.table):
			continue
		case len(columns) == 0:
			return errColumn
		}
		s.row.Line, s.row.values = s.line-1, s.row.values[:0]
		for v := range strings.SplitSeq(line, "\t") {
			if len(s.row.values) == maxColumns {
				return errColumns
			}
			s.row.values = append(s.row.values, copied(v))
		}
		if err := s.see(&s.row); err != nil {
			return err
		}
	}
}

// lineOf reads a line without its end.
func (s *scanner) lineOf() (string, error) {
	var line []byte
	for {
		c, err := s.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return "", io.ErrUnexpectedEOF
		case err != nil && !errors.Is(err, io.EOF):
			return "", err
		case err != nil || c == '\n':
			s.line++
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		if line = append(line, c); len(line) > maxRecord {
			return "", errRecord
		}
	}
}

// copied is a value of COPY without its escapes.
func copied(v string) string {
	if v == `\N` {
		return ""
	}
	return unescape(v)
}

func unescape(v string) string {
	if !strings.Contains(v, `\`) {
		return v
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
			out = append(out, escaped(v[i]))
			continue
		}
		out = append(out, v[i])
	}
	return string(out)
}

// escaped is what a character means behind a backslash.
func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'Z':
		return 0x1a
	}
	return c
}

func (s *scanner) byte() (byte, bool) {
	if s.err != nil {
		return 0, false
	}
	c, err := s.r.ReadByte()
	if err != nil {
		s.err = err
		return 0, false
	}
	if c == '\n' {
		s.line++
	}
	return c, true
}

func (s *scanner) peek() byte {
	if b, err := s.r.Peek(1); err == nil {
		return b[0]
	}
	return 0
}

// next reads a token; comments are none.
func (s *scanner) next() token {
	for {
		c, ok := s.byte()
		switch {
		case !ok:
			return token{}
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '-' && s.peek() == '-', c == '#':
			s.comment()
		case c == '/' && s.peek() == '*':
			s.blockComment()
		case c == '\'':
			return token{text, s.quoted('\'', s.mysql)}
		case c == '`':
			s.mysql = true
			return token{word, s.quoted('`', false)}
		case c == '"':
			return token{word, s.quoted('"', false)}
		case c-'0' < 10:
			return token{number, s.bare(c)}
		case wordByte(c):
			return s.word(c)
		default:
			return token{mark, string(c)}
		}
	}
}

// word is a bare word, or a string that one stands before: E'…', X'…', _utf8'…'.
func (s *scanner) word(c byte) token {
	w := strings.ToLower(s.bare(c))
	if s.peek() != '\'' {
		return token{word, w}
	}
	_, _ = s.byte()
	v := s.quoted('\'', s.mysql || w == "e")
	if w == "x" {
		if b, err := hex.DecodeString(v); err == nil {
			v = string(b)
		}
	}
	return token{text, v}
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c-'0' < 10 || (c|0x20)-'a' < 26
}

// bare reads a word or number on from its first character.
func (s *scanner) bare(first byte) string {
	b := []byte{first}
	for c := s.peek(); wordByte(c) || c == '.' && first-'0' < 10; c = s.peek() {
		if _, ok := s.byte(); !ok {
			break
		}
		if b = append(b, c); len(b) > maxValue {
			s.err = errValue
			break
		}
	}
	return string(b)
}

// quoted reads on from the quote that opens to the one that closes; two of them
// are one that is meant.
func (s *scanner) quoted(quote byte, backslash bool) string {
	var b []byte
	for {
		c, ok := s.byte()
		switch {
		case !ok:
			if errors.Is(s.err, io.EOF) {
				s.err = io.ErrUnexpectedEOF
			}
			return ""
		case c == '\\' && backslash:
			if c, ok = s.byte(); ok {
				c = escaped(c)
			}
		case c == quote && s.peek() == quote:
			_, _ = s.byte()
		case c == quote:
			return string(b)
		}
		if b = append(b, c); len(b) > maxValue {
			s.err = errValue
			return ""
		}
	}
}

// comment passes over a line. mysqldump names itself in the first one.
func (s *scanner) comment() {
	var head []byte
	for {
		c, ok := s.byte()
		if !ok || c == '\n' {
			break
		}
		if len(head) < 32 {
			head = append(head, c)
		}
	}
	if h := string(head); strings.Contains(h, "MySQL dump") || strings.Contains(h, "MariaDB dump") {
		s.mysql = true
	}
}

func (s *scanner) blockComment() {
	last := byte(0)
	_, _ = s.byte() // the star
	for {
		c, ok := s.byte()
		if !ok || last == '*' && c == '/' {
			return
		}
		last = c
	}
}
