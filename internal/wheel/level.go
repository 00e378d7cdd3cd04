package wheel

import "math/bits"

// slots is the number of slots of a level: 64 words of 64 bits, so that one word
// summarises which words have a bit.
const slots = 64 * 64

// level is a ring of slots, each a list of timers, the one armed last in front. A
// timer is added and taken out without a look at any but its neighbours: with
// hundreds of thousands of them each is a cache miss.
type level struct {
	summary uint64     // bit w: words[w] is not 0
	words   [64]uint64 // bit i of word w: slot w*64+i holds a timer
	first   [slots]*Timer
}

func (l *level) add(t *Timer) {
	word, bit := t.index/64, t.index%64
	l.summary |= 1 << word
	l.words[word] |= 1 << bit
	pushFront(&l.first[t.index], t)
}

func (l *level) remove(t *Timer) {
	takeOut(&l.first[t.index], t)
	if l.first[t.index] == nil {
		l.clear(t.index)
	}
}

// take empties slot i and returns its list.
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

// pushFront puts t at the head of a list.
func pushFront(first **Timer, t *Timer) {
	f := *first
	if f != nil {
		f.prev = t
	}
	t.next = f
	*first = t
}

// takeOut takes t, which is in the list, out of it.
func takeOut(first **Timer, t *Timer) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		*first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
}

// turn reverses a list: of what was armed last in front it makes the order of arming.
func turn(first *Timer) (turned *Timer) {
	for first != nil {
		t := first
		takeOut(&first, t)
		pushFront(&turned, t)
	}
	return turned
}
