package location

// Store keeps the bindings over a restart. Its methods are called one at a time.
type Store interface {
	// Load hands out every row once. What it hands out is valid during the call.
	Load(see func(*Row) error) error

	// Apply does all of ops in one transaction, in order, or on an error none of
	// them. When it returns nil they survive the end of the process. It keeps no
	// view of them.
	Apply(ops []Op) error

	Close() error
}

// Sink hears the ends of changes. It is called from the goroutine of Run, must
// not block for long, and hears the token of each Update that was Pending
// exactly once: with nil when lookups see the change and it is stored, with an
// error when it was undone.
type Sink interface {
	Stored(token uint64, err error)
}

// Row is a binding as a Store keeps it. Its times are milliseconds since 1970 by
// the wall clock; those of Binding, like Listener and Conn of its Flow, mean
// nothing outside of the process.
type Row struct {
	AOR       []byte
	Binding   Binding
	EndsAt    int64
	UpdatedAt int64
}

// Op is one step of a transaction.
type Op struct {
	Kind OpKind
	Row  Row
}

// OpKind says what an Op does to the row with its ID.
type OpKind uint8

// The kinds of ops.
const (
	Put     OpKind = iota // is added, or replaced
	Refresh               // changes EndsAt, UpdatedAt and CSeq, nothing else
	Delete                // is taken out if it is there; only its ID is told
)
