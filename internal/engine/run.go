package engine

import (
	"context"
	"sync"
	"time"

	"viaduct/internal/registrar"
	"viaduct/internal/transport"
)

// Run serves until ctx ends and the drain that follows is over, or until Stop.
// It returns nil then, and an error when a socket fails. All goroutines have
// ended and all sockets are closed when it returns. It can be called once.
func (e *Engine) Run(ctx context.Context) error {
	var ticker sync.WaitGroup // and those who answer
	done := make(chan struct{})
	e.serve()
	ticker.Go(func() { e.tick(done) })
	ticker.Go(func() { e.listen(done) })
	asking, still := context.WithCancel(context.Background())
	ticker.Go(func() { e.resolver.Run(asking) })

	var err error
	refused := 0
	select {
	case <-ctx.Done():
		refused, err = e.wind()
	case <-e.stop:
	case err = <-e.failed:
	}
	e.end()
	still()
	close(done)
	ticker.Wait()
	e.farewell(refused, err)
	return err
}

// read serves one socket; the first failure of any is reported.
func (e *Engine) read(w *worker, s *transport.Socket) {
	if err := s.Serve(w.turn); err != nil {
		select {
		case e.failed <- err:
		default: // one is enough to stop
		}
	}
}

// tick runs the timers while no messages come: readers do it after each batch.
func (e *Engine) tick(done <-chan struct{}) {
	w := e.newWorker(0)
	t := time.NewTicker(backstop)
	defer t.Stop()
	var keep registrar.Keepalives
	g := newGovernor()
	defer g.apply(g.most)
	for {
		select {
		case <-done:
			return
		case <-t.C:
			w.begin()
			w.expire(true)
			w.keepOpen(&keep)
			w.finish()
			if spent, ok := cpuTime(); ok {
				g.apply(g.look(time.Duration(w.now), spent))
			}
			e.beats.Add(1)
			e.dropSieves(w.now)
			e.retire(w.now)
		}
	}
}

// Stop ends Run at once, whatever is in setup: the second signal.
func (e *Engine) Stop() { e.stopOnce.Do(func() { close(e.stop) }) }

// wind lets what is in setup come to its end while new dialogs are refused
// (safety.md rule 17). It ends when setup has been empty for the grace time,
// which lets the ACKs of the last answers through, or when the drain time is
// over; then what is left is cancelled and answered, and it tells how many.
func (e *Engine) wind() (refused int, err error) {
	e.draining.Store(true)
	longest := time.Duration(e.drain.Load())
	e.log.Info("draining", "in_setup", e.inSetup(func(c core) { c.Drain(true) }), "longest", longest)
	over := time.NewTimer(longest)
	defer over.Stop()
	look := time.NewTicker(min(backstop, e.grace))
	defer look.Stop()
	for empty := time.Duration(0); empty < e.grace; {
		select {
		case <-look.C:
			empty += min(backstop, e.grace)
			if e.inSetup(nil) > 0 {
				empty = 0
			}
		case <-over.C:
			return e.cut()
		case <-e.stop:
			return 0, nil
		case err := <-e.failed:
			return 0, err
		}
	}
	return 0, nil
}

// cut ends what is in setup and stays for the last messages about it.
func (e *Engine) cut() (refused int, err error) {
	w := e.newWorker(0)
	w.begin()
	for i := range e.shards {
		refused += w.stopShard(i)
	}
	w.finish()
	if refused == 0 {
		return 0, nil
	}
	last := time.NewTimer(e.grace)
	defer last.Stop()
	select {
	case <-last.C:
	case <-e.stop:
	case err = <-e.failed:
	}
	return refused, err
}

// stopShard cancels and answers what shard i has in setup.
func (w *worker) stopShard(i int) (n int) {
	defer w.contain("stop", w.mark())
	c := w.lock(i)
	n = c.Stop(w.now, &w.fx)
	w.unlock()
	return n
}

// inSetup sums the requests that have no final response yet. first, when given,
// is done to each core before it is asked.
func (e *Engine) inSetup(first func(core)) int {
	n := 0
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		if first != nil {
			first(s.core)
		}
		n += s.core.InSetup()
		s.mu.Unlock()
	}
	return n
}

// farewell is the last line of the log.
func (e *Engine) farewell(refused int, err error) {
	s := e.Stats()
	wire := e.reload.closed // nobody reloads any more
	for i := range s.Listeners {
		wire.Add(s.Listeners[i].Total())
	}
	if err != nil {
		e.log.Error("stopped", "error", err, "received", wire.Received, "sent", wire.Sent, "panics", s.Panics, "in_setup", s.InSetup)
		return
	}
	e.log.Info("stopped", "refused", refused, "received", wire.Received, "sent", wire.Sent, "panics", s.Panics, "in_setup", s.InSetup)
}
