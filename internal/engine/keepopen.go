package engine

import (
	"crypto/rand"

	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
)

// mostKept is how many keepalives one tick of 50 ms sends: 20,000 a second, which
// is a round of 25 s over half a million phones.
const mostKept = 1000

// keepOpen sends the keepalives that are due into the flows of phones behind NAT
// (RFC 5626 §4.4; registrar.Keepalives spreads them over time). The bindings are
// handed out under a lock of the directory, so the messages only go to the list.
func (w *worker) keepOpen(k *registrar.Keepalives) {
	defer w.contain("keepalive", w.mark())
	d := w.inForce.snapshot.Directory
	if d == nil {
		return
	}
	k.Due(w.now, d, mostKept, func(b *location.Binding) {
		hop := b.Flow.Hop()
		if w.socket(&hop) == nil { // its listener is not there any more
			return
		}
		if b.Flags&location.ByOptions == 0 {
			w.fx.Send(hop, w.fx.Copy(registrar.Empty), 0)
			return
		}
		w.options(&hop, b)
	})
}

// options asks a phone whether it is there. Its answer belongs to no transaction, and
// the core only counts it; that it came has kept the flow open.
func (w *worker) options(hop *flow.Hop, b *location.Binding) {
	word := []byte(rand.Text())
	sentBy := w.inForce.snapshot.AppendSentBy(nil, hop)
	o := registrar.Options{
		Protocol: hop.Protocol, SentBy: sentBy, CallID: word, Tag: word[:10],
		Branch: append([]byte(registrar.OptionsBranch), word...), From: append([]byte("sip:"), sentBy...),
	}
	w.fx.Send(*hop, w.fx.Commit(registrar.AppendOptions(w.fx.Begin(1024), b, &o)), 0)
}
