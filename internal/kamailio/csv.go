package kamailio

import (
	"encoding/csv"
	"errors"
	"io"
)

// readCSV reads lines of values behind a line of names.
func readCSV(from io.Reader, comma rune, see func(*Row) error) error {
	bound := &bounded{r: from, left: maxRecord}
	r := csv.NewReader(bound)
	r.Comma, r.ReuseRecord, r.FieldsPerRecord = comma, true, 0
	names, err := r.Read()
	if err != nil {
		return err
	}
	if len(names) > maxColumns {
		return errColumns
	}
	row := Row{columns: columnsOf(names)}
	for {
		bound.left = maxRecord
		values, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		for i, v := range values {
			if len(v) > maxValue {
				return errValue
			}
			if v == `\N` || v == "NULL" { // as mysql and psql write it
				values[i] = ""
			}
		}
		row.Line, _ = r.FieldPos(0)
		row.values = values
		if err := see(&row); err != nil {
			return err
		}
	}
}

// bounded ends a record that never ends.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRecord
	}
	n, err := b.r.Read(p)
	b.left -= n
	return n, err
}
