package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tableOf makes a table of rows written "key value".
func tableOf(t testing.TB, longest bool, rows ...string) *Table {
	t.Helper()
	p := NewTable("t", "key", longest, "value", "key")
	for _, r := range rows {
		key, value, _ := strings.Cut(r, " ")
		if err := p.Add(value, key); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestLookup(t *testing.T) {
	t.Parallel()
	exact := tableOf(t, false, "Example.COM 1", "192.0.2.1 2", "2001:DB8::1 3", "112 4")
	numbers := tableOf(t, true, " 0", "33 1", "336 2", "+33 3")
	addresses := tableOf(t, false, "192.0.2.1 2", "[2001:DB8::1] 3")
	for _, c := range []struct {
		table *Table
		form  KeyForm
		key   string
		want  string
	}{
		{exact, AsWritten, "112", "4"},
		{exact, AsWritten, "example.com", ""},
		{exact, AsWritten, "", ""},
		{exact, Folded, "example.com", "1"},
		{addresses, Numeric, "2001:db8::1", "3"},
		{addresses, Numeric, "192.0.2.1", "2"},
		{addresses, Numeric, "", ""},
		{numbers, AsWritten, "33612", "2"},
		{numbers, AsWritten, "331", "1"},
		{numbers, AsWritten, "33", "1"},
		{numbers, AsWritten, "+331", "3"},
		{numbers, AsWritten, "49", "0"},
		{numbers, AsWritten, "", "0"},
	} {
		x, err := c.table.Index(c.form)
		if err != nil {
			t.Fatal(err)
		}
		row := Lookup(x, Const(c.key))
		f := new(Facts)
		if got := string(ColumnText(c.table, 0, row)(f)); got != c.want {
			t.Errorf("%q: got %q, want %q", c.key, got, c.want)
		}
		if n := ColumnNumber(c.table, 0, row)(f); fmt.Sprint(n) != c.want && (n != 0 || c.want != "") {
			t.Errorf("%q: got %d, want %q", c.key, n, c.want)
		}
		if Found(row)(f) != (c.want != "") {
			t.Errorf("%q: found is wrong", c.key)
		}
	}
}

func TestTableFaults(t *testing.T) {
	t.Parallel()
	p := tableOf(t, false, "a 1")
	for values, want := range map[[2]string]error{{"2", "a"}: ErrTwice, {"2", ""}: ErrNoKey} {
		if err := p.Add(values[0], values[1]); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", values, err, want)
		}
	}
	if _, err := tableOf(t, false, "a 1", "A 2").Index(Folded); !errors.Is(err, ErrTwice) {
		t.Errorf("got %v", err)
	}
	bad := new(RowError)
	if _, err := tableOf(t, false, "192.0.2.1 1", "a 2").Index(Numeric); !errors.Is(err, ErrAddress) || !errors.As(err, &bad) || bad.Row != 2 || bad.Key != "a" {
		t.Errorf("got %v", err)
	}
}

func TestColumnKinds(t *testing.T) {
	t.Parallel()
	p := NewTable("t", "k", false, "k", "n", "padded", "flag", "text")
	for _, row := range [][]string{{"a", "1", "007", "true", "x"}, {"b", "-2", "7", "", "1"}, {"c", "", "8", "false", ""}} {
		if err := p.Add(row...); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range p.Columns() {
		got = append(got, fmt.Sprint(c.Name, " ", c.Number, " ", c.Truth))
	}
	if s := strings.Join(got, ", "); s != "k false false, n true false, padded false false, flag false true, text false false" {
		t.Errorf("got %s", s)
	}
	x, _ := p.Index(AsWritten)
	f := new(Facts)
	if row := Lookup(x, Const("a")); !ColumnTruth(p, 3, row)(f) || ColumnTruth(p, 3, Lookup(x, Const("b")))(f) || string(KeyText(p, row)(f)) != "a" {
		t.Error("a flag reads wrong")
	}
	if p.Column("flag") != 3 || p.Column("none") != -1 || p.Rows() != 3 {
		t.Errorf("got %d, %d", p.Column("flag"), p.Rows())
	}
}

// The longest key that a value begins with, as a plain search finds it.
func TestLongestMatch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfDistinct(rapid.StringMatching(`[12]{0,5}`), func(s string) string { return s }).Draw(t, "keys")
		p := NewTable("t", "k", true, "k")
		for _, k := range keys {
			if err := p.Add(k); err != nil {
				t.Fatal(err)
			}
		}
		x, _ := p.Index(AsWritten)
		value := rapid.StringMatching(`[12]{0,7}`).Draw(t, "value")
		want, found := "", false
		for _, k := range keys {
			if strings.HasPrefix(value, k) && (!found || len(k) > len(want)) {
				want, found = k, true
			}
		}
		row := Lookup(x, Const(value))
		f := new(Facts)
		if got := string(KeyText(p, row)(f)); got != want || Found(row)(f) != found {
			t.Fatalf("%q in %q: got %q, want %q", value, keys, got, want)
		}
	})
}

func TestParsedNumber(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"": 0, "0": 0, "12": 12, "-12": -12, "1x": 0, "-": 0, "9223372036854775808": 0} {
		if got := ParsedNumber(Const(s))(new(Facts)); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}
