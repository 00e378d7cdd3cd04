package location_test

import (
	"errors"
	"sync"
	"testing"

	"viaduct/internal/location"
)

var errDisk = errors.New("the disk is full")

// memory is a Store in memory that fails when it is told to.
type memory struct {
	t    testing.TB
	mu   sync.Mutex
	rows map[uint64]location.Row
	full bool
}

func newMemory(t testing.TB) *memory { return &memory{t: t, rows: map[uint64]location.Row{}} }

func (m *memory) Load(see func(*location.Row) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if err := see(&r); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Apply(ops []location.Op) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return errDisk
	}
	for i := range ops {
		m.one(&ops[i])
	}
	return nil
}

// fails has it fail from now on, or not; nil is fine.
func (m *memory) fails(full bool) {
	if m != nil {
		m.mu.Lock()
		m.full = full
		m.mu.Unlock()
	}
}

func (m *memory) one(op *location.Op) {
	id := op.Row.Binding.ID
	switch op.Kind {
	case location.Put:
		m.rows[id] = copyRow(&op.Row)
	case location.Refresh:
		r, ok := m.rows[id]
		if !ok {
			m.t.Errorf("a refresh of row %d, which is not there", id)
		}
		r.EndsAt, r.UpdatedAt, r.Binding.CSeq = op.Row.EndsAt, op.Row.UpdatedAt, op.Row.Binding.CSeq
		m.rows[id] = r
	case location.Delete:
		delete(m.rows, id)
	}
}

func (m *memory) Close() error { return nil }

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows)
}

func copyRow(r *location.Row) location.Row {
	c := *r
	c.AOR = append([]byte{}, r.AOR...)
	b := &c.Binding
	for _, text := range []*[]byte{&b.Contact, &b.Params, &b.CallID, &b.Path, &b.Instance, &b.UserAgent} {
		*text = append([]byte{}, *text...)
	}
	return c
}

// ends remembers how changes ended, and calls seen, if any, as each one does.
type ends struct {
	mu   sync.Mutex
	all  map[uint64]error
	seen func(token uint64, err error)
}

func newEnds() *ends { return &ends{all: map[uint64]error{}} }

func (e *ends) Stored(token uint64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, twice := e.all[token]; twice {
		panic("a token was told twice")
	}
	e.all[token] = err
	if e.seen != nil {
		e.seen(token, err)
	}
}

// of returns whether and how a change ended.
func (e *ends) of(token uint64) (ended bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	err, ended = e.all[token]
	return ended, err
}
