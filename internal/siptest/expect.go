package siptest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/internal/clock"
)

// late is how much later than "at" says a message may leave: timers of a wheel
// fire at its next tick.
const late = 20 * time.Millisecond

// expect takes the next message from ln.from to ln.to out of the queue and holds
// it against the words of the line.
func (r *runner) expect(ln *line) {
	times := 1
	for _, w := range ln.words {
		if w.key == "times" {
			times, _ = strconv.Atoi(w.value) // a bad number reads as none and is then missing
		}
	}
	text := ln.text
	met, at := 0, r.lastAt()
	for ; met < times; met++ {
		i := slices.IndexFunc(r.queue, func(ev *Event) bool { return ev.From == ln.from && ev.To == ln.to })
		if i < 0 {
			break
		}
		ev := r.queue[i]
		r.queue = slices.Delete(r.queue, i, i+1)
		if bad := r.check(ln, ev); len(bad) > 0 {
			r.problem(ln, "%s", strings.Join(bad, "; "))
			text = r.rewrite(ln, ev)
		}
		if met > 0 {
			continue // the line stands at the time of its first message
		}
		if at = ev.At; at < r.lastAt() {
			r.problem(ln, "out of order: this was sent at %s, before the line above", since(r.stepped, at))
		}
	}
	if met < times {
		r.problem(ln, "missing: %s", r.missing(ln, met, times))
		text = strings.Replace(text, fmt.Sprintf("times=%d", times), fmt.Sprintf("times=%d", met), 1)
	}
	if met > 0 {
		r.batch = append(r.batch, result{at, text, false})
	}
}

// missing says what came instead.
func (r *runner) missing(ln *line, met, times int) string {
	what := "nothing was sent there"
	if times > 1 {
		what = fmt.Sprintf("%d of %d were sent", met, times)
	}
	var others []string
	for _, ev := range r.queue {
		others = append(others, r.write(ev))
	}
	if len(others) > 0 {
		what += "; what was sent: " + strings.Join(others, " | ")
	}
	return what
}

// check returns what of the line does not hold for ev.
func (r *runner) check(ln *line, ev *Event) []string {
	m := ev.Message()
	var bad []string
	if got := what(m); got != ln.what {
		bad = append(bad, fmt.Sprintf("got %s", got))
	}
	if ln.uri != "" && ln.uri != m.URI {
		bad = append(bad, fmt.Sprintf("got Request-URI %s", m.URI))
	}
	if ln.lost != (ev.Kind == Failed) {
		bad = append(bad, fmt.Sprintf("got arrow %s", arrow(ev)))
	}
	for _, w := range ln.words {
		if ok, got := r.holds(w, ev); !ok {
			if bad = append(bad, w.text+" does not hold"); w.hasValue || got != "" {
				bad[len(bad)-1] = fmt.Sprintf("want %s, got %q", w.text, got)
			}
		}
	}
	return bad
}

func what(m *Message) string {
	if m.IsRequest() {
		return m.Method
	}
	return strconv.Itoa(m.Status)
}

func arrow(ev *Event) string {
	if ev.Kind == Failed {
		return "-x"
	}
	return "->"
}

// holds tells whether one word is true of ev, and for words with a value which
// value would be.
func (r *runner) holds(w word, ev *Event) (ok bool, got string) {
	m := ev.Message()
	story := r.edge.trace.storyAt(ev)
	last := len(story.events) - 1
	switch w.key {
	case "times":
		return true, ""
	case "at":
		return r.holdsAt(w.value, ev.At)
	case "via+1":
		origin := story.origin(last)
		return m.IsRequest() && origin != nil && story.own(m.TopVia()), ""
	case "via-1":
		return !m.IsRequest() && story.origin(last) != nil, ""
	case "local":
		return story.origin(last) == nil, ""
	case "same-branch":
		return r.sameBranch(ev), ""
	case "new-branch":
		return r.newBranch(ev), ""
	case "copy":
		return r.isCopy(ev), ""
	case "record-route":
		return r.recordRouted(m), ""
	case "no-record-route":
		return !r.recordRouted(m), ""
	case "to-tag":
		return m.Tag("To") != "", ""
	case "no-to-tag":
		return m.Tag("To") == "", ""
	case "of":
		return m.isFrom(w.value), m.Tag("To")
	case "body":
		if !w.hasValue {
			origin := story.origin(last)
			return origin != nil && m.Body != "" && m.Body == origin.Message().Body, ""
		}
		return match(strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(w.value), m.Body), strconv.Quote(m.Body)
	}
	return r.holdsField(w, m)
}

// holdsField is holds for the words about one field of the message.
func (r *runner) holdsField(w word, m *Message) (ok bool, got string) {
	switch w.key {
	case "max-forwards":
		got = m.Get("Max-Forwards")
		return got == w.value, got
	case "ruri":
		return match(w.value, m.URI), m.URI
	case "route":
		got = strings.Join(m.All("Route"), ",")
		return match(w.value, got), got
	case "reason":
		return match(w.value, m.Reason), m.Reason
	case "cseq":
		number, method := m.CSeq()
		if _, err := strconv.Atoi(w.value); err == nil {
			return strconv.Itoa(number) == w.value, strconv.Itoa(number)
		}
		return method == w.value, method
	case "call":
		got = strconv.Itoa(r.call(m, 0))
		return got == w.value, got
	}
	if name, is := strings.CutPrefix(w.key, "no:"); is {
		return !m.Has(name), m.Get(name)
	}
	if w.key != "" && w.key[0] >= 'A' && w.key[0] <= 'Z' {
		got = strings.Join(m.All(w.key), ", ")
		return m.Has(w.key) && (!w.hasValue || match(w.value, got)), got
	}
	return false, "(no such word)"
}

func (r *runner) holdsAt(value string, at clock.Instant) (bool, string) {
	want, err := time.ParseDuration(strings.TrimPrefix(value, "+"))
	after := at.Sub(r.stepped)
	return err == nil && after >= want && after <= want+late, "at " + since(r.stepped, at)
}

// sameBranch reports whether ev has the branch of the INVITE that went to the
// same place before, as a CANCEL and the ACK of a non-2xx have.
func (r *runner) sameBranch(ev *Event) bool {
	story := r.edge.trace.storyAt(ev)
	invite := story.inviteOf(len(story.events) - 1)
	return invite != nil && invite != ev && invite.To == ev.To
}

func (r *runner) newBranch(ev *Event) bool {
	for _, e := range r.edge.trace.Events {
		if e == ev {
			return true
		}
		if e.leaves() && e.Message().IsRequest() && e.Message().Branch() == ev.Message().Branch() {
			return false
		}
	}
	return true
}

func (r *runner) isCopy(ev *Event) bool {
	for _, e := range r.edge.trace.Events {
		if e == ev {
			return false
		}
		if e.leaves() && e.To == ev.To && e.Message().Wire == ev.Message().Wire {
			return true
		}
	}
	return false
}

// recordRouted reports whether the element put itself into Record-Route: on top
// in a request, anywhere in a response.
func (r *runner) recordRouted(m *Message) bool {
	for _, value := range m.All("Record-Route") {
		if r.edge.trace.ownURI(value) {
			return true
		}
		if m.IsRequest() {
			return false
		}
	}
	return false
}

// match compares with "*" standing for any text.
func match(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
