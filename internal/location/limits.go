package location

import "time"

// Limits bound a Directory. A field that is 0 means its default.
type Limits struct {
	PerAOR       int           // bindings of one AOR; 10, at most 255
	Bindings     int           // bindings in all; 2,000,000
	BindingBytes int           // bytes of one binding, all its parts; 8192, at most 32768
	Pending      int           // changes that wait for the store; 16384
	Batch        int           // changes to one transaction; 1024
	Gather       time.Duration // how long a change waits for others to share its transaction; 4 ms
}

// What the layout of a record allows.
const (
	mostPerAOR = 255
	mostBytes  = 32768
	maxAOR     = 4096 // a URI is 2 KiB at most
)

func (l Limits) withDefaults() Limits {
	set := func(field *int, value, most int) {
		if *field <= 0 {
			*field = value
		}
		*field = min(*field, most)
	}
	set(&l.PerAOR, 10, mostPerAOR)
	set(&l.Bindings, 2_000_000, 1<<31)
	set(&l.BindingBytes, 8192, mostBytes)
	set(&l.Pending, 16384, 1<<20)
	set(&l.Batch, 1024, 1<<16)
	if l.Gather <= 0 {
		l.Gather = 4 * time.Millisecond
	}
	return l
}
