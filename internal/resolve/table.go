package resolve

// table is a bounded map. At the bound something goes that was not asked for
// since the hand came by (the clock algorithm): names in use stay, whatever a
// flood of other names asks for. Its user holds a lock.
type table[V any] struct {
	max     int
	index   map[string]int
	slots   []slot[V]
	hand    int
	evicted uint64
}

type slot[V any] struct {
	key   string
	value V
	used  bool
}

func newTable[V any](limit int) table[V] {
	return table[V]{max: max(limit, 1), index: make(map[string]int)}
}

// get returns the value of key, to be read or changed in place, or nil. It is
// valid until the next put.
func (t *table[V]) get(key []byte) *V {
	i, ok := t.index[string(key)]
	if !ok {
		return nil
	}
	t.slots[i].used = true
	return &t.slots[i].value
}

func (t *table[V]) put(key string, value V) {
	if i, ok := t.index[key]; ok {
		t.slots[i].value = value
		return
	}
	if len(t.slots) < t.max {
		t.index[key] = len(t.slots)
		t.slots = append(t.slots, slot[V]{key: key, value: value})
		return
	}
	for t.slots[t.hand].used {
		t.slots[t.hand].used = false
		t.hand = (t.hand + 1) % len(t.slots)
	}
	t.evicted++
	delete(t.index, t.slots[t.hand].key)
	t.index[key] = t.hand
	t.slots[t.hand] = slot[V]{key: key, value: value}
	t.hand = (t.hand + 1) % len(t.slots)
}

func (t *table[V]) len() int { return len(t.slots) }

func (t *table[V]) clear() {
	clear(t.index)
	clear(t.slots)
	t.slots, t.hand = t.slots[:0], 0
}
