package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"viaduct/internal/engine"
	"viaduct/internal/transport"
)

// byStream is a metric of each listener of streams.
func byStream(name, help string, kind prometheus.ValueType, read func(c *transport.StreamCounters) float64) family {
	return family{name, help, kind, []string{"listener"}, func(s *engine.Stats, emit emitter) {
		eachStream(s, func(listener string, c *transport.StreamCounters) { emit(read(c), listener) })
	}}
}

func eachStream(s *engine.Stats, f func(listener string, c *transport.StreamCounters)) {
	for i := range s.Listeners {
		l := &s.Listeners[i]
		for j := range l.Streams {
			f(l.Name, &l.Streams[j])
		}
	}
}

// streamFamilies are the metrics of connections (RFC 3261 §18).
func streamFamilies() []family {
	type counters = transport.StreamCounters
	all := []family{
		byStream("connections", "Connections, those being made included.", gauge, func(c *counters) float64 { return float64(c.Open) }),
		{"connections_ended_total", "Connections that ended, by reason: peer, error, idle, silent (no byte in time), slow (a message not whole in time), " +
			"framing, overflow (its queue was full), stuck (the peer did not read), evicted (made room without having sent a message), " +
			"connect (never made), handshake (that of TLS or of a WebSocket failed), served (it had asked for a file), listener (closed by a reload), shutdown.", counter, []string{"listener", "reason"}, func(s *engine.Stats, emit emitter) {
			eachStream(s, func(listener string, c *counters) {
				for reason := transport.EndPeer; reason < transport.Endings; reason++ {
					emit(float64(c.Ended[reason]), listener, reason.String())
				}
			})
		}},
	}
	for _, f := range []struct {
		name, help string
		read       func(c *counters) uint64
	}{
		{"connections_accepted_total", "Connections accepted.", func(c *counters) uint64 { return c.Accepted }},
		{"connections_opened_total", "Connections made to others.", func(c *counters) uint64 { return c.Opened }},
		{"connections_refused_total", "Connections closed as they were accepted, or not made, because there were as many as there may be.", func(c *counters) uint64 { return c.RefusedFull }},
		{"connections_refused_source_total", "Connections closed as they were accepted because their source had as many as one may have.", func(c *counters) uint64 { return c.RefusedSource }},
		{"accept_errors_total", "Accepts that failed, for want of descriptors as a rule.", func(c *counters) uint64 { return c.AcceptErrors }},
		{"stream_messages_received_total", "Messages received by connections.", func(c *counters) uint64 { return c.Received }},
		{"stream_bytes_received_total", "Bytes received by connections.", func(c *counters) uint64 { return c.ReceivedBytes }},
		{"stream_reads_total", "Receives on connections that brought something.", func(c *counters) uint64 { return c.Reads }},
		{"stream_pings_total", "CRLF keepalives answered (RFC 5626 §4.4.1).", func(c *counters) uint64 { return c.Pings }},
		{"stream_messages_sent_total", "Messages that the kernel took for connections.", func(c *counters) uint64 { return c.Sent }},
		{"stream_bytes_sent_total", "Bytes that the kernel took for connections.", func(c *counters) uint64 { return c.SentBytes }},
		{"stream_messages_queued_total", "Messages that had to wait for a connection, or for a peer to read.", func(c *counters) uint64 { return c.Queued }},
		{"stream_fallbacks_total", "Responses that went to the sent-by, and ACKs to the Contact, because the connection that they were for had ended.", func(c *counters) uint64 { return c.Fallbacks }},
		{"stream_queue_overflows_total", "Messages lost to a full queue of a connection.", func(c *counters) uint64 { return c.Overflows }},
		{"stream_send_errors_total", "Messages that could not be sent, or were unsent when their connection ended.", func(c *counters) uint64 { return c.SendErrors }},
	} {
		all = append(all, byStream(f.name, f.help, counter, func(c *counters) float64 { return float64(f.read(c)) }))
	}
	return append(all, secureFamilies()...)
}
