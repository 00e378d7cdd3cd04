package siptest

import (
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

var update = flag.Bool("update", false, "rewrite the expectations of ladders and golden files from what happened")

// Updating reports whether the test runs with -update. Golden files of other
// packages use the same flag.
func Updating() bool { return *update }

// Run plays a ladder against the element that newElement builds, and audits the
// trace. source is the path of a .ladder file or the ladder itself.
func Run(t testing.TB, source string, newElement func(*Setup) Element) *Trace {
	t.Helper()
	name, path, text := t.Name(), "", source
	if !strings.Contains(source, "\n") {
		data, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		name, path, text = filepath.Base(source), source, string(data)
	}
	l, err := parseLadder(name, text)
	if err != nil {
		t.Fatal(err)
	}
	l.setup.TB = t
	r := newRunner(l, newElement(&l.setup), filepath.Dir(path))
	r.run()
	got := strings.Join(r.out, "\n") + "\n"
	want := strings.TrimSuffix(text, "\n") + "\n"
	switch {
	case len(r.problems) == 0:
	case *update && path != "" && !r.stuck:
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s is rewritten", path)
	default:
		t.Errorf("%s:\n  %s\nThe ladder as it is written (-) and as it happened (+):\n%s", name, strings.Join(r.problems, "\n  "), diff(want, got))
	}
	if r.stuck {
		return r.edge.trace
	}
	if bad := Audit(r.edge.trace, l.setup.Rules); len(bad) > 0 {
		t.Errorf("%s: the audit found\n%s\nin\n%s", name, describe(bad), r.edge.trace)
	}
	return r.edge.trace
}

// RunDir plays every ladder that the pattern names, each as a subtest.
func RunDir(t *testing.T, pattern string, newElement func(*Setup) Element) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no ladders at %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".ladder"), func(t *testing.T) { Run(t, path, newElement) })
	}
}

// runner plays one ladder.
type runner struct {
	ladder *ladder
	setup  *Setup
	edge   *edge
	dir    string // where files of raw input are looked for

	now      clock.Instant
	stepped  clock.Instant // before the last time step
	queue    []*Event      // sent, not yet expected
	calls    map[string]int
	branches int

	out      []string // the ladder as it happened
	batch    []result // expectations since the last input
	problems []string
	stuck    bool // the rest means nothing: an input could not be made, or there is no end
}

// result is one line of the ladder as it happened, and when.
type result struct {
	at    clock.Instant
	text  string
	plain bool // a comment or an empty line
}

func newRunner(l *ladder, element Element, dir string) *runner {
	return &runner{
		ladder: l, setup: &l.setup, edge: newEdge(&l.setup, element), dir: dir,
		now: l.setup.Start, stepped: l.setup.Start, calls: map[string]int{},
	}
}

func (r *runner) problem(ln *line, format string, args ...any) {
	where := "at the end"
	if ln != nil {
		first, _, _ := strings.Cut(ln.text, "\n")
		where = fmt.Sprintf("line %d: %s", ln.number, first)
	}
	r.problems = append(r.problems, where+": "+fmt.Sprintf(format, args...))
}

func (r *runner) run() {
	for i, ln := range r.ladder.lines {
		switch ln.kind {
		case lineText:
			r.batch = append(r.batch, result{r.lastAt(), ln.text, true})
			continue
		case lineExpect:
			r.expect(ln)
			continue
		}
		r.flush(ln)
		r.out = append(r.out, ln.text)
		if err := r.act(ln); err != nil {
			r.problem(ln, "%v", err)
			r.stuck = true
		}
		if r.stuck {
			for _, rest := range r.ladder.lines[i+1:] {
				r.out = append(r.out, rest.text)
			}
			return
		}
	}
	r.flush(nil)
	end, err := r.edge.drain(r.now, func(now clock.Instant, sent []*Event) {
		r.now = now
		r.settle(sent)
	})
	if err != nil && !r.setup.Rules.waived("idle") {
		r.problem(nil, "idle: %v", err)
	}
	r.edge.trace.End = end
}

func (r *runner) act(ln *line) error {
	switch ln.kind {
	case lineStep:
		return r.advance(ln.step)
	case lineInput, lineDirect:
		return r.input(ln)
	case lineCommand:
		return r.command(ln)
	}
	return nil // heads were read before; silence is what flush has just checked
}

// advance runs time on, each timer at its own instant.
func (r *runner) advance(d time.Duration) error {
	r.stepped = r.now
	target := r.now.Add(d)
	for range 1_000_000 {
		next, armed := r.edge.element.Next()
		if !armed || next > target || r.stuck {
			r.now = target
			return nil
		}
		r.now = max(r.now, next)
		r.settle(r.edge.expire(r.now))
	}
	return fmt.Errorf("timers fire without end at %s", since(r.setup.Start, r.now))
}

// settle delivers what the element sent: to the actors, back to the element
// when it sends to itself, and as a failure when the actor is down.
func (r *runner) settle(sent []*Event) {
	for loops := 0; len(sent) > 0; {
		ev := sent[0]
		sent = sent[1:]
		r.queue = append(r.queue, ev)
		if ev.loops {
			loops++
		}
		if loops > 200 { // Max-Forwards and the loop check are there to end it before
			r.problem(nil, "the element talks to itself without end")
			r.queue, r.stuck = nil, true
			return
		}
		switch {
		case ev.Kind == Failed && ev.about != 0:
			sent = append(sent, r.edge.broken(r.now, ev.about)...)
		case ev.Kind == Failed:
		case ev.loops:
			sent = append(sent, r.edge.receive(r.now, ev.From, ev.Flow, ev.Wire)...)
		case ev.actor != nil:
			ev.actor.hear(r.call(ev.Message(), 0), ev.Message())
		}
	}
}

// call numbers the calls of a ladder by their Call-ID.
func (r *runner) call(m *Message, number int) int {
	id := m.CallID()
	if number > 0 {
		r.calls[id] = number
	}
	if n, ok := r.calls[id]; ok {
		return n
	}
	r.calls[id] = 100 + len(r.calls) // a call nobody numbered
	return r.calls[id]
}

func (r *runner) command(ln *line) error {
	a := r.setup.Actor(ln.words[1].text)
	switch ln.words[0].text {
	case "down":
		a.Down = true
	case "up":
		a.Down = false
	case "close":
		c, ok := r.edge.element.(FlowCloser)
		if !ok {
			return fmt.Errorf("the element has no FlowGone")
		}
		i, _ := r.setup.listener(r.setup.Listeners[0].Name, a)
		c.FlowGone(r.now, a.flow(i, r.setup.Listeners[i].Addr), &r.edge.fx)
		r.settle(r.edge.collect(r.now))
	case "do":
		d, ok := r.edge.element.(Doer)
		if !ok {
			return fmt.Errorf("the element has no Do")
		}
		words := make([]string, 0, len(ln.words))
		for _, w := range ln.words[1:] {
			words = append(words, w.text)
		}
		err := d.Do(r.now, words, &r.edge.fx)
		r.settle(r.edge.collect(r.now))
		return err
	}
	return nil
}

// input makes the message of a line and delivers it.
func (r *runner) input(ln *line) error {
	a := r.setup.Actor(ln.from)
	if a == nil {
		return fmt.Errorf("%s is no actor", ln.from)
	}
	number := 1
	for _, w := range ln.words {
		if w.key == "call" {
			n, err := strconv.Atoi(w.value)
			if err != nil {
				return err
			}
			number = n
		}
	}
	wire, err := r.compose(ln, a, a.leg(number))
	if err != nil {
		return err
	}
	m := ReadMessage(wire)
	r.call(m, number)
	if ln.kind == lineDirect {
		to := r.setup.Actor(ln.to)
		if to == nil {
			return fmt.Errorf("%s is neither actor nor listener", ln.to)
		}
		to.hear(number, m)
		return nil
	}
	i, ok := r.setup.listener(ln.to, a)
	if !ok {
		return fmt.Errorf("%s has no listener for %s", ln.to, a.Protocol)
	}
	r.settle(r.edge.receive(r.now, a.Name, r.source(ln, a, i), wire))
	return r.advanceNow()
}

// source is the flow an input arrives by; the word source=ADDRESS moves its sender.
func (r *runner) source(ln *line, a *Actor, i flow.Listener) flow.Flow {
	f := a.flow(i, r.setup.Listeners[i].Addr)
	for _, w := range ln.words {
		if addr, err := netip.ParseAddrPort(w.value); w.key == "source" && err == nil {
			f.Remote = addr
		}
	}
	return f
}

// advanceNow runs what is due at once, without moving time.
func (r *runner) advanceNow() error {
	stepped := r.stepped
	err := r.advance(0)
	r.stepped = stepped
	return err
}

// flush ends a run of expectations: what was sent and not named is a problem.
func (r *runner) flush(next *line) {
	trailing := len(r.batch)
	for trailing > 0 && r.batch[trailing-1].plain {
		trailing--
	}
	tail := slices.Clone(r.batch[trailing:])
	r.batch = r.batch[:trailing]
	for _, ev := range r.queue {
		text := r.write(ev)
		r.problem(next, "before it, unexpected: %s", text)
		r.batch = append(r.batch, result{ev.At, text, false})
	}
	r.queue = r.queue[:0]
	slices.SortStableFunc(r.batch, func(a, b result) int { return cmp.Compare(a.at, b.at) })
	for _, list := range [][]result{r.batch, tail} {
		for _, line := range list {
			r.out = append(r.out, line.text)
		}
	}
	r.batch = r.batch[:0]
}

// lastAt is the time of the last expectation that was met, or now.
func (r *runner) lastAt() clock.Instant {
	if n := len(r.batch); n > 0 {
		return r.batch[n-1].at
	}
	return r.stepped
}
