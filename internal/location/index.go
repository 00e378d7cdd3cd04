package location

// index finds numbers by hash: open addressing with linear probing. It doubles
// when three quarters are in use; a stripe's part of a million AORs is 4,000
// entries, so that doubling takes some 20 µs.
type index struct {
	entries []entry // a power of two
	used    int
}

// entry is one number under its hash; number is plus one, 0: free.
type entry struct{ hash, number uint32 }

// find returns the first number under hash for which is says yes.
func (x *index) find(hash uint32, is func(number uint32) bool) (number uint32, ok bool) {
	if x.used == 0 {
		return 0, false
	}
	mask := uint32(len(x.entries) - 1)
	for i := hash & mask; x.entries[i].number != 0; i = (i + 1) & mask {
		if e := x.entries[i]; e.hash == hash && is(e.number-1) {
			return e.number - 1, true
		}
	}
	return 0, false
}

func (x *index) insert(hash, number uint32) {
	if 4*(x.used+1) > 3*len(x.entries) {
		x.resize(max(8, 2*len(x.entries)))
	}
	x.put(entry{hash, number + 1})
	x.used++
}

func (x *index) resize(size int) {
	old := x.entries
	x.entries = make([]entry, size)
	for _, e := range old {
		if e.number != 0 {
			x.put(e)
		}
	}
}

func (x *index) put(e entry) {
	mask := uint32(len(x.entries) - 1)
	i := e.hash & mask
	for x.entries[i].number != 0 {
		i = (i + 1) & mask
	}
	x.entries[i] = e
}

// remove takes out number, which is there, and closes the gap: whoever stands
// behind it and is not at home moves up.
func (x *index) remove(hash, number uint32) {
	mask := uint32(len(x.entries) - 1)
	i := hash & mask
	for x.entries[i].number != number+1 {
		i = (i + 1) & mask
	}
	x.used--
	for j := (i + 1) & mask; x.entries[j].number != 0; j = (j + 1) & mask {
		home := x.entries[j].hash & mask
		if (j-home)&mask >= (j-i)&mask {
			x.entries[i] = x.entries[j]
			i = j
		}
	}
	x.entries[i] = entry{}
	if size := len(x.entries); size > 64 && 8*x.used < size {
		x.resize(size / 4)
	}
}
