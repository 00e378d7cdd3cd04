package observe

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/flow"
	"viaduct/sip"
)

const (
	traceCalls = 1024 // calls followed at once; the oldest is forgotten for a new one
	traceQueue = 4096 // messages that wait to be printed
)

// Tracer prints the messages of one caller, callee, address or call as a ladder.
// A call of which one message matched is followed whole, by its Call-ID.
type Tracer struct {
	who   Who
	queue chan traced

	lost atomic.Uint64 // messages that the queue did not hold, since last told

	mu    sync.Mutex // guards what follows
	msg   sip.Message
	calls followed
}

// traced is one message as it is printed.
type traced struct {
	at       time.Time
	received bool
	hop      flow.Hop
	call     int       // number of the call
	opening  *openLine // with the first message of a call
	request  bool
	status   int
	label    string // method, or status and reason phrase
	detail   string // CSeq and, of a request, the Request-URI
}

// openLine introduces a call.
type openLine struct{ callID, from, to string }

// NewTracer returns a tracer for who. Nothing is printed until Run runs.
func NewTracer(who Who) *Tracer {
	return &Tracer{
		who:   who,
		queue: make(chan traced, traceQueue),
		calls: followed{numbers: map[string]int{}},
	}
}

// Message takes one message that came in or went out. wire is not kept.
func (t *Tracer) Message(at time.Time, received bool, hop flow.Hop, wire []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	faulty := t.msg.Parse(wire) != nil
	callID := t.msg.CallIDValue()
	number, known := t.calls.numbers[string(callID)]
	if !known && !t.who.matches(&t.msg, hop) {
		return
	}
	line := traced{at: at, received: received, hop: hop, call: number, request: t.msg.IsRequest(), status: t.msg.Status()}
	if !known {
		line.call = t.calls.follow(string(callID))
		line.opening = t.opening(callID)
	}
	line.label, line.detail = t.words(faulty)
	select {
	case t.queue <- line:
	default:
		t.lost.Add(1)
	}
}

func (t *Tracer) opening(callID []byte) *openLine {
	open := &openLine{callID: printable(callID)}
	if from, err := t.msg.FromAddress(); err == nil {
		open.from = printable(from.URI)
	}
	if to, err := t.msg.ToAddress(); err == nil {
		open.to = printable(to.URI)
	}
	return open
}

// words says what the message is, and the smaller print behind it.
func (t *Tracer) words(faulty bool) (label, detail string) {
	m := &t.msg
	if cseq, err := m.Sequence(); err == nil {
		detail = strconv.FormatUint(uint64(cseq.Number), 10) + " " + printable(cseq.Name)
	}
	switch {
	case m.IsRequest():
		label = printable(m.MethodName())
		detail += " " + printable(m.RequestURI())
	case m.Status() != 0:
		label = strconv.Itoa(m.Status()) + " " + printable(m.ReasonPhrase())
	}
	if faulty {
		label += " (malformed)"
	}
	return label, detail
}

// Run prints until ctx ends, then what is left. Its error is w's.
func (t *Tracer) Run(ctx context.Context, w io.Writer, colour bool) error {
	l := ladder{w: w, colour: colour}
	for {
		select {
		case m := <-t.queue:
			if err := t.print(&l, m); err != nil {
				return err
			}
		case <-ctx.Done():
			for len(t.queue) > 0 {
				if err := t.print(&l, <-t.queue); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

func (t *Tracer) print(l *ladder, m traced) error {
	if n := t.lost.Swap(0); n > 0 {
		l.remark(fmt.Sprintf("… %d messages not shown: they came faster than they could be printed", n))
	}
	l.message(m)
	return l.flush()
}

// followed is a bounded table of calls, in the order they were first seen.
type followed struct {
	numbers map[string]int
	ring    [traceCalls]string
	count   int
}

// follow gives a call its number, and takes the place of the oldest when all are
// taken.
func (f *followed) follow(callID string) int {
	place := &f.ring[f.count%traceCalls]
	if f.count >= traceCalls {
		delete(f.numbers, *place)
	}
	f.count++
	*place = callID
	f.numbers[callID] = f.count
	return f.count
}
