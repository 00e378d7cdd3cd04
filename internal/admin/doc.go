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
//	GET /livez        200
//	GET /readyz       200, or 503 and which part is not ready
//
//	GET /registrations?from=N          a page of all; its next is the from of the one behind it
//	GET /registrations/{aor}           one
//	DELETE /registrations/{aor}        ends its bindings; ?contact=URI: that one
//	POST /registrations                adds those of a list
//
// The socket is never on the network: whoever can open it is the user that the
// server runs as, or root. An admin block opens the same on a loopback address,
// for who has its token; /livez and /readyz need none.
package admin
