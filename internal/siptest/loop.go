package siptest

import (
	"container/heap"
	"time"

	"viaduct/internal/clock"
)

// loop is a discrete event loop: what is due runs in the order of its instants,
// and of its arrival where these are equal. It reads no clock.
type loop struct {
	now   clock.Instant
	tasks tasks
	count uint64
}

type task struct {
	at  clock.Instant
	seq uint64
	run func()
}

// after runs f when d has passed.
func (l *loop) after(d time.Duration, f func()) {
	l.count++
	heap.Push(&l.tasks, task{l.now.Add(max(d, 0)), l.count, f})
}

// next is when the next task is due.
func (l *loop) next() (clock.Instant, bool) {
	if len(l.tasks) == 0 {
		return 0, false
	}
	return l.tasks[0].at, true
}

// step moves time to the next task and runs it.
func (l *loop) step() {
	t := heap.Pop(&l.tasks).(task)
	l.now = max(l.now, t.at)
	t.run()
}

// tasks is a heap by instant and order.
type tasks []task

func (t tasks) Len() int { return len(t) }
func (t tasks) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].seq < t[j].seq
}
func (t tasks) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)   { *t = append(*t, x.(task)) }
func (t *tasks) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = task{}
	*t = old[:len(old)-1]
	return last
}
