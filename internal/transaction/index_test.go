package transaction

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// found collects the slots under tag, sorted.
func (x *index) found(tag uint32) (slots []uint32) {
	for it := x.find(tag); it.next(); {
		slots = append(slots, it.slot)
	}
	slices.Sort(slots)
	return slots
}

// TestIndexAgainstMap compares with a map under random inserts and removals. Tags
// are drawn from few, so that many slots share one and buckets overflow.
func TestIndexAgainstMap(t *testing.T) {
	t.Parallel()
	for _, tags := range []uint32{3, 1000, 1 << 31} {
		r := rand.New(rand.NewPCG(uint64(tags), 1))
		x, plain := index{}, map[uint32][]uint32{}
		tagOf := map[uint32]uint32{} // of each slot in use
		var used []uint32
		for slot := range uint32(20_000) {
			tag := r.Uint32N(tags)
			if tags == 3 && slot > 300 {
				break // one chain holds a third of all
			}
			x.insert(tag, slot)
			plain[tag] = append(plain[tag], slot)
			tagOf[slot] = tag
			used = append(used, slot)
			if r.IntN(3) > 0 {
				continue
			}
			i := r.IntN(len(used))
			gone := used[i]
			used[i] = used[len(used)-1]
			used = used[:len(used)-1]
			x.remove(tagOf[gone], gone)
			of := plain[tagOf[gone]]
			plain[tagOf[gone]] = slices.DeleteFunc(of, func(s uint32) bool { return s == gone })
		}
		for tag, want := range plain {
			if got := x.found(tag); !slices.Equal(got, want) {
				t.Fatalf("%d tags: under %d got %v, want %v", tags, tag, got, want)
			}
		}
		for _, slot := range used {
			x.remove(tagOf[slot], slot)
		}
		if x.count != 0 || x.overflow.Used() != 0 {
			t.Errorf("%d tags: left behind %d entries, %d overflow buckets", tags, x.count, x.overflow.Used())
		}
	}
}

// Growth is by one bucket for a few inserts, never all at once.
func TestIndexGrowsByOneBucket(t *testing.T) {
	t.Parallel()
	var x index
	r := rand.New(rand.NewPCG(1, 1))
	before := uint32(1)
	for slot := range uint32(50_000) {
		x.insert(r.Uint32(), slot)
		buckets := x.mask + 1 + x.split
		if buckets > before+1 {
			t.Fatalf("at %d entries: %d buckets became %d", slot, before, buckets)
		}
		before = buckets
	}
	if got := 50_000 / float64(before); got > load {
		t.Errorf("got %.1f entries for each bucket, want at most %d", got, load)
	}
	if got := x.overflow.Used(); got > int(before)/5 {
		t.Errorf("%d of %d buckets overflow", got, before)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		got, want uintptr
	}{
		// A finished INVITE is a Server and a Client and nothing else, for 32 s.
		{"Server", unsafe.Sizeof(Server{}), 192},
		{"Client", unsafe.Sizeof(Client{}), 208},
		{"bucket, a cache line", unsafe.Sizeof(bucket{}), 64},
	} {
		if tc.got > tc.want {
			t.Errorf("%s: got %d bytes, want at most %d", tc.name, tc.got, tc.want)
		}
	}
}
