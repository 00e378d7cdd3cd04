package transaction

import "viaduct/internal/slab"

// index finds slots by tag. It is a table of linear hashing (Litwin 1980): it
// grows by one bucket at a time, so that no step ever pays for rehashing all.
//
//	0 … split-1 │ split … mask │ mask+1 … mask+split
//	  split     │  not yet     │  the other halves of those split
//
// A bucket is one cache line. The tag stands beside the slot, so that a slot is
// looked at only when it is the right one, or once in 2^17 otherwise.
type index struct {
	segments []*[segment]bucket
	overflow slab.Slots[bucket]
	mask     uint32 // buckets at the start of this round, less one
	split    uint32 // buckets split in this round
	count    int
}

// entry is one slot in the index: its number plus one, 0 for no entry.
type entry struct{ tag, slot uint32 }

type bucket struct {
	entries [7]entry
	more    uint32 // number of an overflow bucket plus one, 0: none
	_       uint32
}

const (
	segment = 256 // buckets, 16 KiB
	load    = 4   // entries for each bucket, so that few overflow
)

// bucket is where tag belongs now.
func (x *index) bucket(tag uint32) *bucket {
	i := tag & x.mask
	if i < x.split {
		i = tag & (x.mask<<1 | 1)
	}
	return x.at(i)
}

func (x *index) at(i uint32) *bucket {
	if int(i/segment) == len(x.segments) {
		x.segments = append(x.segments, new([segment]bucket))
	}
	return &x.segments[i/segment][i%segment]
}

// insert adds slot under tag.
func (x *index) insert(tag, slot uint32) {
	x.count++
	x.put(entry{tag, slot + 1})
	if x.count > load*int(x.mask+1+x.split) {
		x.grow()
	}
}

func (x *index) put(e entry) {
	for b := x.bucket(e.tag); ; b = x.overflow.At(b.more - 1) {
		for i := range b.entries {
			if b.entries[i].slot == 0 {
				b.entries[i] = e
				return
			}
		}
		if b.more == 0 {
			o, n := x.overflow.Take()
			*o = bucket{}
			b.more = n + 1
		}
	}
}

// grow splits the next bucket in two.
func (x *index) grow() {
	b := x.at(x.split)
	old := *b
	*b = bucket{}
	x.at(x.mask + 1 + x.split) // make room
	if x.split++; x.split > x.mask {
		x.mask, x.split = x.mask<<1|1, 0
	}
	for {
		for _, e := range old.entries {
			if e.slot != 0 {
				x.put(e)
			}
		}
		if old.more == 0 {
			return
		}
		n := old.more - 1
		old = *x.overflow.At(n)
		x.overflow.Give(n)
	}
}

// remove takes slot out, which was inserted under tag.
func (x *index) remove(tag, slot uint32) {
	want := entry{tag, slot + 1}
	link := (*uint32)(nil) // what points to b, when b is an overflow bucket
	for b := x.bucket(tag); ; link, b = &b.more, x.overflow.At(b.more-1) {
		for i := range b.entries {
			if b.entries[i] != want {
				continue
			}
			b.entries[i] = entry{}
			x.count--
			if link != nil && b.entries == [7]entry{} {
				n := *link
				*link = b.more
				x.overflow.Give(n - 1)
			}
			return
		}
		if b.more == 0 {
			panic("transaction: a server is not in the index")
		}
	}
}

// matches walks the slots under tag.
//
//	for it := x.find(tag); it.next(); { use(it.slot) }
type matches struct {
	x    *index
	b    *bucket
	i    int
	tag  uint32
	slot uint32
}

func (x *index) find(tag uint32) matches { return matches{x: x, b: x.bucket(tag), tag: tag} }

func (it *matches) next() bool {
	for {
		for it.i < len(it.b.entries) {
			e := it.b.entries[it.i]
			it.i++
			if e.slot != 0 && e.tag == it.tag {
				it.slot = e.slot - 1
				return true
			}
		}
		if it.b.more == 0 {
			return false
		}
		it.b, it.i = it.x.overflow.At(it.b.more-1), 0
	}
}
