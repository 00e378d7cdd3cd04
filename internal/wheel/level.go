package wheel

import "math/bits"

// slots is the number of slots of a level: 64 words of 64 bits, so that one word
// summarises which words have a bit.
const slots = 64 * 64

// level is a ring of slots, each a ring of timers.
type level struct {
	summary uint64     // bit w: words[w] is not 0
	words   [64]uint64 // bit i of word w: slot w*64+i holds a timer
	first   [slots]*Timer
}

func (l *level) add(t *Timer) {
	word, bit := t.index/64, t.index%64
	l.summary |= 1 << word
	l.words[word] |= 1 << bit
	push(&l.first[t.index], t)
}

func (l *level) remove(t *Timer) {
	remove(&l.first[t.index], t)
	if l.first[t.index] == nil {
		l.clear(t.index)
	}
}

// take empties slot i and returns its ring.
func (l *level) take(i uint16) *Timer {
	first := l.first[i]
	l.first[i] = nil
	l.clear(i)
	return first
}

func (l *level) clear(i uint16) {
	word, bit := i/64, i%64
	l.words[word] &^= 1 << bit
	if l.words[word] == 0 {
		l.summary &^= 1 << word
	}
}

// next returns how many slots after slot i, going round, the next one in use is:
// 1 to 4095. Slot i itself is never in use when it is asked for.
func (l *level) next(i uint16) (steps uint16, ok bool) {
	if l.summary == 0 {
		return 0, false
	}
	word, bit := i/64, i%64
	if rest := l.words[word] >> bit; rest != 0 {
		return uint16(bits.TrailingZeros64(rest)), true
	}
	// Turned so that the word after this one is bit 0, and this one, whose slots
	// below i come last of all, is bit 63.
	turned := bits.RotateLeft64(l.summary, -int(word)-1)
	word = (word + 1 + uint16(bits.TrailingZeros64(turned))) % 64
	found := word*64 + uint16(bits.TrailingZeros64(l.words[word]))
	return (found - i) % slots, true
}

// push appends t to the ring.
func push(first **Timer, t *Timer) {
	f := *first
	if f == nil {
		t.next, t.prev = t, t
		*first = t
		return
	}
	t.next, t.prev = f, f.prev
	f.prev.next = t
	f.prev = t
}

// remove takes t, which is in the ring, out of it.
func remove(first **Timer, t *Timer) {
	if t.next == t {
		*first = nil
	} else {
		t.prev.next, t.next.prev = t.next, t.prev
		if *first == t {
			*first = t.next
		}
	}
	t.next, t.prev = nil, nil
}
