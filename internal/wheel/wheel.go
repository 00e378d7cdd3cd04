package wheel

import (
	"time"

	"viaduct/internal/clock"
)

// Tick is the resolution of a wheel.
const Tick = 10 * time.Millisecond

// Timer is an intrusive node: embed it in what it times. Kind and Slot are the
// owner's, set before Arm: they tell what a due timer is about. The zero Timer
// is not armed. An armed Timer must not be copied or overwritten.
type Timer struct {
	next, prev *Timer // in its list
	tick       int64  // when it is due
	Slot       uint32
	Kind       uint8
	list       list
	index      uint16 // slot of the level it is in
}

// list tells where a timer is.
type list uint8

const (
	nowhere list = iota // not armed
	near                // due within 4095 ticks
	far                 // later
	due                 // its tick has come; Due has not yet handed it out
)

// Armed reports whether t waits in a wheel, due timers included.
func (t *Timer) Armed() bool { return t.list != nowhere }

// Wheel holds timers. Make one with New.
type Wheel struct {
	cur     int64  // every timer of a tick up to this one is due or gone
	seen    int64  // the newest time told, in ticks
	due     *Timer // timers whose tick has come, first to hand out
	lastDue *Timer // of them the last, when there are any
	armed   int
	near    level
	far     level
}

// New returns an empty wheel whose time is now.
func New(now clock.Instant) *Wheel {
	return &Wheel{cur: floor(now), seen: floor(now)}
}

// floor is the last tick that began by i: its timers are due.
func floor(i clock.Instant) int64 { return int64(max(i, 0)) / int64(Tick) }

// ceil is the first tick that begins at i or later, so that no timer is early.
func ceil(i clock.Instant) int64 {
	t := floor(i)
	if clock.Instant(t*int64(Tick)) < i {
		t++
	}
	return t
}

// Arm makes t due at the given instant, rounded up to a tick; one that has
// passed is due at once. An armed timer is moved.
func (w *Wheel) Arm(t *Timer, at clock.Instant) {
	w.Stop(t)
	t.tick = ceil(at)
	w.armed++
	w.place(t)
}

// place puts t where its distance from the current tick wants it.
func (w *Wheel) place(t *Timer) {
	switch distance := t.tick - w.cur; {
	case distance <= 0:
		w.append(t)
	case distance < slots:
		t.list, t.index = near, uint16(t.tick%slots)
		w.near.add(t)
	default:
		// Beyond the far level (46 h) the last slot takes it; when that is
		// spread, it is placed anew.
		block := min(t.tick/slots, w.cur/slots+slots-1)
		t.list, t.index = far, uint16(block%slots)
		w.far.add(t)
	}
}

// append puts t behind those that are due.
func (w *Wheel) append(t *Timer) {
	t.list = due
	if w.due == nil {
		w.due = t
	} else {
		w.lastDue.next, t.prev = t, w.lastDue
	}
	w.lastDue = t
}

// Stop disarms t. It is harmless when t is not armed.
func (w *Wheel) Stop(t *Timer) {
	switch t.list {
	case nowhere:
		return
	case near:
		w.near.remove(t)
	case far:
		w.far.remove(t)
	case due:
		if t == w.lastDue {
			w.lastDue = t.prev
		}
		takeOut(&w.due, t)
	}
	t.list = nowhere
	w.armed--
}

// Due disarms and returns one timer that is due at now, earlier ticks first, or
// nil when there is none. A now older than the newest told counts as that one.
func (w *Wheel) Due(now clock.Instant) *Timer {
	w.seen = max(w.seen, floor(now))
	for w.due == nil && w.cur < w.seen {
		w.advance()
	}
	t := w.due
	if t != nil {
		w.Stop(t)
	}
	return t
}

// advance moves the current tick to the next slot in use, or to the newest time
// told when that comes first, and makes due what it finds there.
func (w *Wheel) advance() {
	tick, ok := w.nextTick()
	if !ok || tick > w.seen {
		w.cur = w.seen
		return
	}
	w.cur = tick
	if tick%slots == 0 {
		w.spread(uint16(tick / slots % slots))
	}
	first := turn(w.near.take(uint16(tick % slots)))
	for first != nil {
		t := first
		takeOut(&first, t)
		w.append(t)
	}
}

// spread places the timers of a far slot anew.
func (w *Wheel) spread(index uint16) {
	first := turn(w.far.take(index))
	for first != nil {
		t := first
		takeOut(&first, t)
		w.place(t)
	}
}

// nextTick is the next tick after the current one with work to do.
func (w *Wheel) nextTick() (tick int64, ok bool) {
	if steps, found := w.near.next(uint16(w.cur % slots)); found {
		tick, ok = w.cur+int64(steps), true
	}
	block := w.cur / slots
	if steps, found := w.far.next(uint16(block % slots)); found {
		if begin := (block + int64(steps)) * slots; !ok || begin < tick {
			tick, ok = begin, true
		}
	}
	return tick, ok
}

// Next returns when Due may next find a timer: never later than it really does,
// and earlier only for timers more than 40 s away. ok is false when none is armed.
func (w *Wheel) Next() (at clock.Instant, ok bool) {
	if w.due != nil {
		return clock.Instant(w.cur * int64(Tick)), true
	}
	tick, ok := w.nextTick()
	return clock.Instant(tick * int64(Tick)), ok
}

// Len is the number of armed timers.
func (w *Wheel) Len() int { return w.armed }
