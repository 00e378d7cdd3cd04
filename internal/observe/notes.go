package observe

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

const (
	notePeriod = time.Second // one line in this time for each class and source
	// noteSources bounds the table: a flood from forged addresses must not fill
	// the log with one line for each. What comes beyond shares a line by class.
	noteSources = 256
	noteQueue   = 512 // lines that wait to be written
)

// Notes writes the core's notes to the log: one line a second for each class and
// source, with a count of the rest.
type Notes struct {
	log   *slog.Logger
	queue chan noteLine

	unlogged atomic.Uint64 // lines that the queue did not hold

	mu   sync.Mutex
	seen map[noteKey]*noteState
}

// noteKey is a class and a source. The zero source stands for all that the table
// had no room for.
type noteKey struct {
	kind   effect.NoteKind
	status uint16
	detail string
	source netip.Addr
}

type noteState struct {
	last clock.Instant // when its last line was made
	rest uint64        // notes since, not written
	peer flow.Hop      // of the last one
}

type noteLine struct {
	key  noteKey
	peer flow.Hop
	rest uint64 // notes of the same class and source that had no line of their own
}

// NewNotes returns a sink that writes to log while Run runs.
func NewNotes(log *slog.Logger) *Notes {
	return &Notes{log: log, queue: make(chan noteLine, noteQueue), seen: map[noteKey]*noteState{}}
}

// Note takes one note. It never waits for the log.
func (s *Notes) Note(n effect.Note) { s.note(clock.Now(), n) }

// Unlogged is how many lines were lost because the log was slower than they came.
func (s *Notes) Unlogged() uint64 { return s.unlogged.Load() }

// Run writes the lines until ctx ends, then what is left.
func (s *Notes) Run(ctx context.Context) {
	tick := time.NewTicker(notePeriod)
	defer tick.Stop()
	for {
		select {
		case line := <-s.queue:
			s.write(line)
		case <-tick.C:
			s.sweep(clock.Now(), notePeriod)
		case <-ctx.Done():
			s.sweep(clock.Now(), 0)
			for len(s.queue) > 0 {
				s.write(<-s.queue)
			}
			return
		}
	}
}

func (s *Notes) note(now clock.Instant, n effect.Note) {
	key := noteKey{kind: n.Kind, status: n.Status, detail: n.Detail, source: n.Peer.Remote.Addr()}
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state(&key)
	state.peer = n.Peer
	if state.last != 0 && now.Sub(state.last) < notePeriod {
		state.rest++
		return
	}
	s.post(key, state, now)
}

// state finds or makes the entry of key, which loses its source when the table
// is full.
func (s *Notes) state(key *noteKey) *noteState {
	if state := s.seen[*key]; state != nil {
		return state
	}
	if len(s.seen) >= noteSources {
		key.source = netip.Addr{}
		if state := s.seen[*key]; state != nil {
			return state
		}
	}
	state := new(noteState)
	s.seen[*key] = state
	return state
}

// post queues the line of key and starts its next second.
func (s *Notes) post(key noteKey, state *noteState, now clock.Instant) {
	line := noteLine{key: key, peer: state.peer, rest: state.rest}
	state.last, state.rest = now, 0
	select {
	case s.queue <- line:
	default:
		s.unlogged.Add(1)
	}
}

// sweep writes the counts of those that fell silent and forgets the others.
func (s *Notes) sweep(now clock.Instant, quiet time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, state := range s.seen {
		switch {
		case now.Sub(state.last) < quiet:
		case state.rest > 0:
			state.rest-- // the line itself stands for one of them
			s.post(key, state, now)
		default:
			delete(s.seen, key)
		}
	}
}

// noteWords says how each kind of note reads and how loud it is.
var noteWords = map[effect.NoteKind]struct {
	level slog.Level
	text  string
}{
	effect.NoteRejected:    {slog.LevelInfo, "request refused"},
	effect.NoteDropped:     {slog.LevelInfo, "message dropped"},
	effect.NoteTimeout:     {slog.LevelInfo, "transaction timed out"},
	effect.NoteUnreachable: {slog.LevelWarn, "next hop unreachable"},
	effect.NoteLoop:        {slog.LevelWarn, "loop found"},
	effect.NoteFull:        {slog.LevelWarn, "limit reached"},
}

func (s *Notes) write(line noteLine) {
	words, ok := noteWords[line.key.kind]
	if !ok {
		return
	}
	attrs := make([]slog.Attr, 0, 4)
	if line.key.source.IsValid() {
		attrs = append(attrs, slog.String("peer", line.peer.String()))
	} else if line.peer.Remote.IsValid() {
		attrs = append(attrs, slog.String("peer", "several"))
	}
	if line.key.status != 0 {
		attrs = append(attrs, slog.Int("status", int(line.key.status)))
	}
	if line.key.detail != "" {
		attrs = append(attrs, slog.String("detail", line.key.detail))
	}
	if line.rest > 0 {
		attrs = append(attrs, slog.Uint64("more", line.rest))
	}
	s.log.LogAttrs(context.Background(), words.level, words.text, attrs...)
}
