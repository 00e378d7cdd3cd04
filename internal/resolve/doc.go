// Package resolve is RFC 3263: from the host of a URI to the addresses that a
// request can be sent to, in order. It brings its own cache and nothing of SIP
// beyond that.
//
//	             Get ┌───────┐ Hit, Stale, Negative, Failed: go on at once
//	core ───────────▶│ Cache │───────────────────────────────▶ Hops, in order
//	                 └───────┘ Miss: an ask, and the request waits
//	                     ▲ put
//	        Ask, Refresh │        begin ┌─────────┐ Exchange
//	shell ───────▶ Resolver ── walk ───▶│ lookups │──────────▶ servers (UDP, TCP)
//	      ◀───────   Run                └─────────┘
//	        Sink.Resolved                one flight for each name and type
//
// Nothing on the way of a message waits. Get holds a leaf lock for a moment; Ask
// queues; the rest is done by goroutines that Run owns. Each Query has a budget
// of 2 s, whatever its servers do, and holds up no other Query; an answer counts
// until then, however slow its server is. Hops that have expired are used for 10
// minutes more while they are looked up again or the servers are silent, so that
// a failure of DNS is not one of calls.
//
// The walk of a Query (walk.go) reads like RFC 3263 §4: a numeric host needs no
// DNS; a port or an entry in the hosts file means A and AAAA only; a transport
// parameter means its SRV records; a bare name means NAPTR, then SRV, then the
// addresses of the name itself. One transport is selected, and its hops are all
// there is: the other services that a domain may have are not tried after them.
//
// Where the RFCs leave a choice:
//
//   - Without NAPTR records UDP comes before TCP for a sip URI, and a sips URI is
//     for TLS alone. A server that does not speak UDP sends sip URIs by TCP,
//     or by TLS if it has nothing else.
//   - Of each target IPv6 and IPv4 addresses are tried in turn, IPv6 first,
//     of the families that the transport has a listener for.
//   - A server that fails to answer for NAPTR is taken as one that does not know
//     the type. One that fails for SRV is not: the addresses of the bare name may
//     be those of a web server.
//   - WebSocket is never located (RFC 7118 §5.3): its clients are reached by the
//     connection that they opened.
//
// Every answer is bounded: 16 hops, 256 records, 8 aliases, an hour. What comes
// out of DNS is a proposal by a stranger: whether an address may be spoken to is
// decided by those who send.
package resolve
