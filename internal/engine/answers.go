package engine

import (
	"net/netip"
	"sync"

	"viaduct/internal/effect"
	"viaduct/internal/resolve"
)

// DNS is whom the engine asks about names.
type DNS struct {
	Servers   []netip.AddrPort
	Hosts     *resolve.Hosts    // names that need no DNS; nil: none
	Exchanger resolve.Exchanger // nil: the network
}

// answer is what came back from those who work for the core.
type answer struct {
	handle effect.Handle
	hops   resolve.Hops
	err    error
}

// answers are those that no worker has taken yet. There are no more of them than
// questions may be open, which those who work bound.
type answers struct {
	wake chan struct{} // holds one: there is something to take

	mu   sync.Mutex
	list []answer // guarded by mu
}

// add is called by any goroutine and does not wait.
func (a *answers) add(x answer) {
	a.mu.Lock()
	a.list = append(a.list, x)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take returns what there is, and keeps the room of spare for what comes.
func (a *answers) take(spare []answer) []answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = spare[:0]
	return list
}

// Resolved is of resolve.Sink: the token is the handle of the question.
func (a *answers) Resolved(token uint64, hops resolve.Hops, err error) {
	a.add(answer{handle: effect.Handle(token), hops: hops, err: err})
}

// SetDNS changes whom the engine asks about names.
func (e *Engine) SetDNS(servers []netip.AddrPort, hosts *resolve.Hosts) {
	e.resolver.Reload(servers, hosts)
}

// listen gives answers to the shards that asked, until done is closed.
func (e *Engine) listen(done <-chan struct{}) {
	w := e.newWorker(0)
	var list []answer
	for {
		select {
		case <-done:
			return
		case <-e.answers.wake:
		}
		list = e.answers.take(list)
		w.begin()
		for i := range list {
			w.answer(&list[i])
		}
		clear(list)
		w.finish()
	}
}

// answer takes one answer to its shard.
func (w *worker) answer(a *answer) {
	defer w.contain("answer", w.mark())
	if int(a.handle.Shard()) >= len(w.e.shards) {
		return
	}
	c := w.lock(int(a.handle.Shard()))
	c.Resolved(w.now, a.handle, a.hops, a.err, &w.fx)
	w.unlock()
}

// inquire puts the questions of a step. One that is refused is answered so.
func (w *worker) inquire() {
	defer w.contain("ask", w.mark())
	for i := range w.fx.Asks {
		ask := &w.fx.Asks[i]
		q, ok := resolve.ParseQuery(ask.Bytes)
		switch {
		case !ok:
			w.e.answers.add(answer{handle: ask.Handle, err: resolve.ErrNoName})
		case ask.Handle == 0:
			_ = w.e.resolver.Refresh(q) // at a bound it is done another time
		default:
			if err := w.e.resolver.Ask(q, uint64(ask.Handle)); err != nil {
				w.e.answers.add(answer{handle: ask.Handle, err: err})
			}
		}
	}
}
