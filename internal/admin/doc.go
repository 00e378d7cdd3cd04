// Package admin is the way into a running server: HTTP over a Unix socket that
// only its owner may open, and the client of it that `viaduct ctl` is.
//
//	viaduct ctl ── Client ──▶ viaduct.sock (0600) ── Server ──▶ engine.Stats, metrics, log level, reload
//
//	GET /status       what the server is and does now, as JSON
//	GET /metrics      Prometheus text; JSON when asked for it
//	PUT /log/LEVEL    debug, info, warn or error, from now on
//	POST /reload      reads the configuration again; tells what has changed
//	GET /reload       tells what that would change
//
// The socket is never on the network: whoever can open it is the user that the
// server runs as, or root.
package admin
