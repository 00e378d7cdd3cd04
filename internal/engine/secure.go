package engine

import (
	"bytes"
	"log/slog"
	"sync"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/transport"
	"viaduct/sip"
)

// fits does for a message what only TLS and WebSockets ask for; false when it has
// been refused.
func (w *worker) fits(p *transport.Packet) bool {
	switch p.From.Protocol {
	case flow.WS, flow.WSS:
		// RFC 7118 §5: the WebSocket message tells the length. What is left over behind
		// the body would be a second message that nobody has looked at.
		if n := len(bytes.TrimLeft(p.Wire, "\r\n")) - len(w.m.Wire()); n > 0 {
			w.malformed(p, &sip.SyntaxError{Status: 400, Offset: len(p.Wire) - n, What: "Content-Length Is Not That Of The Message"})
			return false
		}
	case flow.TLS:
		w.alias(p.From)
	}
	return true
}

// alias has the connection of a request used for requests to its sent-by, as its
// top Via asks (RFC 5923 §8.2). Who may ask is the transport's to know.
func (w *worker) alias(from flow.Flow) {
	if !w.m.IsRequest() {
		return
	}
	v, err := w.m.TopVia()
	if err != nil || !v.Params.Has("alias") {
		return
	}
	port := v.Port
	if port == 0 {
		port = from.Protocol.DefaultPort()
	}
	if b := w.inForce.listeners[from.Listener]; b.tcp != nil {
		b.tcp.Streams().Alias(from, port)
	}
}

// Peer returns the SIP domains that the far end of a connection has proven to
// speak for (transport.Streams.Peer).
func (e *Engine) Peer(f flow.Flow) []string {
	list := e.inForce.Load().listeners
	if int(f.Listener) >= len(list) || list[f.Listener].tcp == nil {
		return nil
	}
	return list[f.Listener].tcp.Streams().Peer(f)
}

// notices limits what is logged of connections and certificates: a line a second
// for each kind, with a count of the rest (safety.md rule 16).
type notices struct {
	mu   sync.Mutex // guards what follows
	seen map[string]*noticed
}

type noticed struct {
	last   clock.Instant
	hidden uint64
}

// due reports whether a notice of a kind may have a line now, and how many had
// none since the last.
func (n *notices) due(kind string, now clock.Instant) (hidden uint64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[string]*noticed{}
	}
	s := n.seen[kind]
	if s == nil { // kinds are constants of the transport
		s = new(noticed)
		n.seen[kind] = s
	}
	if s.last != 0 && now.Sub(s.last) < time.Second {
		s.hidden++
		return 0, false
	}
	hidden, s.last, s.hidden = s.hidden, now, 0
	return hidden, true
}

// notice logs one thing that happened to connections or certificates. What is
// about certificates of our own is rare and never left out.
func (e *Engine) notice(n *transport.Notice) {
	list := e.inForce.Load().snapshot.Listeners
	name := ""
	if int(n.Listener) < len(list) {
		name = list[n.Listener].Name
	}
	args := []any{slog.String("listener", name)}
	if !n.Remote.IsValid() {
		if n.Err != nil {
			e.log.Error(n.What, append(args, "error", n.Err)...)
		} else {
			e.log.Info(n.What, append(args, "file", n.Renewed.File, "expires", n.Renewed.End)...)
		}
		return
	}
	hidden, ok := e.told.due(n.What, clock.Now())
	if !ok {
		return
	}
	e.log.Warn(n.What, append(args, "remote", n.Remote.String(), "error", n.Err, "not_logged", hidden)...)
}
