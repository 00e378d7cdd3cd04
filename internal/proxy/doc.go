// Package proxy is RFC 3261 §16, chapter by chapter.
//
//	            ┌───────────────────────────────────────────────────────────┐
//	 request ──▶│ validate.go    §16.3   syntax, scheme, hops, loop, options │
//	            │ preprocess.go  §16.4   route information                   │
//	            │ targets.go     §16.5   the target set, by policy           │
//	            │ forward.go     §16.6   twelve steps, one branch a target   │──▶ effect.List
//	response ──▶│ response.go    §16.7   ten steps, the best answer upstream │
//	   timer ──▶│ timers.go      §16.8   timer C, 100 Trying, ringing limit  │
//	 failure ──▶│ errors.go      §16.9   transport errors                    │
//	  CANCEL ──▶│ cancel.go      §16.10  to every branch that is pending     │
//	     ACK ──▶│ stateless.go   §16.11  what is forwarded and forgotten     │
//	            └───────────────────────────────────────────────────────────┘
//
// A Core is the proxy of one shard: a transaction table, the response contexts
// of the requests that it forwards, and the timers of both. What enters is a
// message with its flow, or a timer, or the news that something could not be
// sent; each time with the hour. What leaves is a list of effects. It refuses
// to know sockets, goroutines, clocks, locks and logs, and so a recorded input
// replays a call exactly.
//
// A configuration reaches it as a Snapshot, immutable, with each step; a request
// keeps the one that it began with.
package proxy
