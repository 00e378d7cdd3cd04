package engine

import (
	"bytes"
	"net/netip"
	"sync"

	"viaduct/internal/auth"
	"viaduct/internal/effect"
	"viaduct/internal/resolve"
)

// DNS is whom the engine asks about names.
type DNS struct {
	Servers   []netip.AddrPort
	Hosts     *resolve.Hosts    // names that need no DNS; nil: none
	Exchanger resolve.Exchanger // nil: the network
}

// Users is whom the engine asks about users of a realm.
type Users interface {
	// Ask returns at once. On nil the Answers hear the token exactly once.
	Ask(realm string, user []byte, token uint64) error
}

// answer is what came back from those who work for the core.
type answer struct {
	kind   answerKind
	handle effect.Handle
	hops   resolve.Hops
	err    error
}

type answerKind uint8

const (
	ofName answerKind = iota
	ofStore
	ofUser
)

// Answers takes what those have found who work for the core: it is a Sink of
// resolve, location and users. Any goroutine may call it, and none waits. It holds
// no more than there are questions open, which those who work bound.
type Answers struct {
	wake chan struct{} // holds one: there is something to take

	mu   sync.Mutex
	list []answer // guarded by mu
}

// NewAnswers is made before those who work and before the engine.
func NewAnswers() *Answers { return &Answers{wake: make(chan struct{}, 1)} }

func (a *Answers) add(x answer) {
	a.mu.Lock()
	a.list = append(a.list, x)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take returns what there is, and keeps the room of spare for what comes.
func (a *Answers) take(spare []answer) []answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = spare[:0]
	return list
}

// Resolved is of resolve.Sink: the token is the handle of the question.
func (a *Answers) Resolved(token uint64, hops resolve.Hops, err error) {
	a.add(answer{kind: ofName, handle: effect.Handle(token), hops: hops, err: err})
}

// Stored is of location.Sink.
func (a *Answers) Stored(token uint64, err error) {
	a.add(answer{kind: ofStore, handle: effect.Handle(token), err: err})
}

// Found is of users.Sink. What was found is in the memory of who found it.
func (a *Answers) Found(token uint64, _ *auth.HA1, _ auth.Answer) {
	a.add(answer{kind: ofUser, handle: effect.Handle(token)})
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
	switch a.kind {
	case ofName:
		c.Resolved(w.now, a.handle, a.hops, a.err, &w.fx)
	case ofStore:
		c.Stored(w.now, a.handle, a.err, &w.fx)
	case ofUser:
		c.UserKnown(w.now, a.handle, &w.fx)
	}
	w.unlock()
}

// inquire puts the questions of a step. One that is refused is answered so.
func (w *worker) inquire() {
	defer w.contain("ask", w.mark())
	for i := range w.fx.Asks {
		switch ask := &w.fx.Asks[i]; ask.Kind {
		case effect.AskResolve:
			w.askName(ask)
		case effect.AskUser:
			w.askUser(ask)
		}
	}
}

func (w *worker) askName(ask *effect.Ask) {
	q, ok := resolve.ParseQuery(ask.Bytes)
	err := resolve.ErrNoName
	switch {
	case ok && ask.Handle == 0:
		_ = w.e.resolver.Refresh(q) // at a bound it is done another time
		return
	case ok:
		err = w.e.resolver.Ask(q, uint64(ask.Handle))
	}
	if err != nil {
		w.e.answers.add(answer{kind: ofName, handle: ask.Handle, err: err})
	}
}

func (w *worker) askUser(ask *effect.Ask) {
	realm, user, _ := bytes.Cut(ask.Bytes, []byte{0})
	if w.e.users == nil || w.e.users.Ask(string(realm), user, uint64(ask.Handle)) != nil {
		w.e.answers.add(answer{kind: ofUser, handle: ask.Handle})
	}
}
