package location

import "encoding/binary"

// arena keeps records in chunks, one behind the other, so that the garbage
// collector sees a few chunks and no records.
//
//	chunk  [record│record│░░gone░░│record│        ]
//	                                     └ the next record goes here
//
// A record that ends leaves a gap. When the gaps are a quarter of a chunk, what
// is left of it is moved behind the newest record, and the chunk is free: at most
// 24 KiB are copied at once, whatever the size of the directory.
type arena struct {
	chunks []chunk
	spare  []uint32 // numbers plus one of chunks without bytes
	newest uint32   // number plus one of the chunk where records are added, 0: none yet
	live   int      // bytes of records
	held   int      // bytes of chunks
}

type chunk struct {
	bytes []byte // len: up to the last record
	live  int    // bytes of these that are records
}

// place says where a record is. The zero place is none.
type place struct{ chunk, offset uint32 } // chunk is its number plus one

const (
	smallest = 2 << 10  // the first chunks of an arena, so that a small directory is small
	largest  = 32 << 10 // of all others; a record of more than a quarter has a chunk of its own
)

// at returns the record at p, up to the end of its chunk.
func (a *arena) at(p place) record { return a.chunks[p.chunk-1].bytes[p.offset:] }

// add makes room for a record of size bytes and returns it, not cleared.
func (a *arena) add(size int) (place, record) {
	number := a.newest
	switch {
	case size > largest/4: // alone, so that no chunk ends with much room
		number = a.open(size)
	case number == 0 || cap(a.chunks[number-1].bytes)-len(a.chunks[number-1].bytes) < size:
		number = a.open(max(size, min(max(a.held/8, smallest), largest)))
		a.newest = number
	}
	c := &a.chunks[number-1]
	p := place{number, uint32(len(c.bytes))}
	c.bytes = c.bytes[:len(c.bytes)+size]
	c.live += size
	a.live += size
	return p, c.bytes[p.offset:]
}

// open makes a chunk with so much room and returns its number plus one.
func (a *arena) open(room int) (number uint32) {
	c := chunk{bytes: make([]byte, 0, room)}
	a.held += room
	if n := len(a.spare); n > 0 {
		number, a.spare = a.spare[n-1], a.spare[:n-1]
		a.chunks[number-1] = c
		return number
	}
	a.chunks = append(a.chunks, c)
	return uint32(len(a.chunks))
}

// remove ends the record at p. If its chunk should be emptied, it returns the
// number of the chunk plus one.
func (a *arena) remove(p place) (emptied uint32) {
	c := &a.chunks[p.chunk-1]
	r := record(c.bytes[p.offset:])
	size := r.size()
	r.setOwner(noSlot)
	c.live -= size
	a.live -= size
	if p.chunk == a.newest { // records are still added to it
		if c.live == 0 {
			c.bytes = c.bytes[:0]
		}
		if 4*(len(c.bytes)-c.live) < 3*cap(c.bytes) {
			return 0
		}
		a.newest = 0
	}
	if 4*(cap(c.bytes)-c.live) < cap(c.bytes) {
		return 0
	}
	return p.chunk
}

// empty moves the records of a chunk that is not the newest behind the newest
// record and frees it; moved hears the new place of each.
func (a *arena) empty(number uint32, moved func(owner uint32, to place)) {
	old := a.chunks[number-1].bytes
	for len(old) > 0 {
		r := record(old)
		size := r.size()
		if owner := r.owner(); owner != noSlot {
			p, to := a.add(size)
			copy(to, r[:size])
			moved(owner, p)
			a.live -= size
		}
		old = old[size:]
	}
	c := &a.chunks[number-1]
	a.held -= cap(c.bytes)
	*c = chunk{}
	a.spare = append(a.spare, number)
}

// record is the packed form of an AOR and its bindings; record.go has the layout.
type record []byte

const noSlot = ^uint32(0)

func (r record) size() int            { return int(binary.LittleEndian.Uint32(r)) }
func (r record) owner() uint32        { return binary.LittleEndian.Uint32(r[4:]) }
func (r record) setOwner(slot uint32) { binary.LittleEndian.PutUint32(r[4:], slot) }
