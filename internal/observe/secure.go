package observe

import (
	"viaduct/internal/engine"
	"viaduct/internal/transport"
)

// secureFamilies are the metrics of TLS, of WebSockets and of the PROXY protocol.
func secureFamilies() []family {
	type counters = transport.StreamCounters
	return []family{
		byStream("tls_handshakes_total", "Handshakes of TLS that succeeded, of either side.", counter, func(c *counters) float64 { return float64(c.Handshakes) }),
		{"handshakes_refused_total", "Connections that came no further than a handshake of TLS or of a WebSocket, or their PROXY header, by reason: timeout, closed (by the peer), " +
			"busy (no place to compute), protocol (no version or suite in common), certificate (of the peer: none, unsound, or for another domain), " +
			"refused_by_peer (an alert), proxy_header, request (of HTTP), origin, subprotocol.", counter, []string{"listener", "reason"}, func(s *engine.Stats, emit emitter) {
			eachStream(s, func(listener string, c *counters) {
				for reason := range transport.Refusals {
					emit(float64(c.Refused[reason]), listener, reason.String())
				}
			})
		}},
		{"certificate_expiry_timestamp_seconds", "When a certificate in use ends, as seconds since 1970.", gauge, []string{"listener", "file"}, func(s *engine.Stats, emit emitter) {
			eachStream(s, func(listener string, c *counters) {
				for _, e := range c.Expiries {
					emit(float64(e.End.Unix()), listener, e.File)
				}
			})
		}},
		{"websockets_closed_total", "WebSockets that ended with a Close frame, by who sent it first and its status code (RFC 6455 §7.4); 1005: it had none.", counter, []string{"listener", "by", "code"}, func(s *engine.Stats, emit emitter) {
			eachStream(s, func(listener string, c *counters) {
				for who, by := range [...]string{"peer", "server"} {
					for code := range transport.CloseCodes {
						emit(float64(c.Closes[who][code]), listener, by, transport.CloseCode(code))
					}
				}
			})
		}},
		byStream("files_served_total", "Files served beside a WebSocket.", counter, func(c *counters) float64 { return float64(c.Files) }),
	}
}
