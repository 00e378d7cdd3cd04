package engine

import (
	"context"
	"net/netip"
	"runtime"

	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
)

// bound is what a listener has on the network: one of the two, or none in a hole.
type bound struct {
	udp *transport.UDP
	tcp *transport.TCP // or what is spoken over it: TLS, WS, WSS
}

func (b bound) hole() bool { return b.udp == nil && b.tcp == nil }

func (b bound) protocol() flow.Protocol {
	switch {
	case b.udp != nil:
		return flow.UDP
	case b.tcp != nil:
		return b.tcp.Protocol()
	}
	return flow.None
}

// addr is the bound address with the port in use.
func (b bound) addr() netip.AddrPort {
	switch {
	case b.udp != nil:
		return b.udp.Addr()
	case b.tcp != nil:
		return b.tcp.Addr()
	}
	return netip.AddrPort{}
}

// close closes the sockets. Connections stay.
func (b bound) close() { // on the way out, or unused: there is nobody to tell of an error
	if b.udp != nil {
		_ = b.udp.Close()
	}
	if b.tcp != nil {
		_ = b.tcp.Close()
	}
}

// count puts the counters where they belong in l.
func (b bound) count(l *ListenerStats) {
	if b.udp != nil {
		for _, socket := range b.udp.Sockets() {
			l.Sockets = append(l.Sockets, socket.Counters())
		}
	}
	if b.tcp != nil {
		l.Streams = append(l.Streams, b.tcp.Counters())
	}
}

// total sums the counters of all sockets.
func (b bound) total() transport.Counters {
	var l ListenerStats
	b.count(&l)
	return l.Total()
}

// asDatagrams is what c has in common with the counters of a socket.
func asDatagrams(c *transport.StreamCounters) transport.Counters {
	return transport.Counters{
		Received: c.Received, ReceivedBytes: c.ReceivedBytes, Keepalives: c.Pings,
		Sent: c.Sent, SentBytes: c.SentBytes, SendErrors: c.SendErrors, DroppedFull: c.Overflows,
	}
}

// open binds one listener. The error names the address. The reload's lock is
// held, or nothing runs yet.
func (e *Engine) open(i flow.Listener, l *proxy.Listener, use transport.Settings) (b bound, err error) {
	if l.Protocol == flow.UDP {
		b.udp, err = transport.ListenUDP(context.Background(), transport.UDPConfig{Listener: i, Bind: l.Bind, Sockets: e.readers})
		return b, err
	}
	b.tcp, err = e.connections().ListenTCP(context.Background(), transport.TCPConfig{Listener: i, Bind: l.Bind, Protocol: l.Protocol, Settings: use})
	return b, err
}

// lanesPerP is how many turns of connections may be under way for each P. A turn
// does not wait, but it may be preempted, or find a shard locked.
const lanesPerP = 2

// connections makes what holds all connections, for the first listener that
// needs it.
func (e *Engine) connections() *transport.Streams {
	r := &e.reload
	if r.streams == nil {
		index := 0
		r.streams = transport.NewStreams(transport.StreamConfig{
			Limits: e.limits,
			Lanes:  lanesPerP * runtime.GOMAXPROCS(0),
			NewTurn: func() func(*transport.Batch) {
				w := e.newWorker(index)
				index++
				return w.turn
			},
		})
	}
	return r.streams
}

// start starts the readers of b, or those who accept. The reload's lock is held.
func (e *Engine) start(b bound) {
	r := &e.reload
	if b.udp != nil {
		for i, s := range b.udp.Sockets() {
			w := e.newWorker(i)
			w.reads = s
			r.group.Go(func() { e.read(w, s) })
		}
	}
	if b.tcp != nil {
		if !r.timing {
			r.timing = true
			r.group.Go(r.streams.Serve)
			r.group.Go(r.streams.Watch)
		}
		r.group.Go(b.tcp.Serve)
	}
}

// over tells all shards that a connection has ended: any of them may hold
// requests that came by it, or that wait for an answer.
func (w *worker) over(f flow.Flow) {
	if d := w.inForce.snapshot.Directory; d != nil {
		d.RemoveFlow(w.now, f) // RFC 5626 §7
	}
	for i := range w.e.shards {
		w.overShard(i, f)
	}
}

func (w *worker) overShard(i int, f flow.Flow) {
	defer w.contain("flow", w.mark())
	c := w.lock(i)
	c.FlowGone(w.now, f, &w.fx)
	w.unlock()
}
