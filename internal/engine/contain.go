package engine

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
)

// contain is deferred by every step (safety.md rule 5: a panic is an outage).
// It frees the shard and drops what the step had asked for after before.
func (w *worker) contain(step string, before mark) {
	r := recover()
	if r == nil {
		return
	}
	if w.held != nil {
		w.unlock()
	}
	clear(w.fx.Sends[before.sends:])
	w.fx.Sends = w.fx.Sends[:before.sends]
	w.fx.Notes = w.fx.Notes[:before.notes]
	w.fx.Asks = w.fx.Asks[:before.asks]
	w.e.panics.report(w.e.log, w.now, step, r)
}

// mark is how much the effects hold at a moment.
type mark struct{ sends, notes, asks int }

func (w *worker) mark() mark {
	return mark{sends: len(w.fx.Sends), notes: len(w.fx.Notes), asks: len(w.fx.Asks)}
}

// panics counts what was contained and logs one a second with its stack.
type panics struct {
	count atomic.Uint64

	mu     sync.Mutex // guards what follows
	logged clock.Instant
	hidden uint64
}

func (p *panics) report(log *slog.Logger, now clock.Instant, step string, r any) {
	p.count.Add(1)
	p.mu.Lock()
	if p.logged != 0 && now.Sub(p.logged) < time.Second {
		p.hidden++
		p.mu.Unlock()
		return
	}
	hidden := p.hidden
	p.logged, p.hidden = now, 0
	p.mu.Unlock()
	log.Error("panic contained", "step", step, "panic", fmt.Sprint(r), "not_logged", hidden, "stack", string(debug.Stack()))
}
