// Package engine is the shell around the protocol core: sockets, goroutines,
// the clock and the locks that the core does not know.
//
//	reader (one per socket and P)                 ticker (50 ms)    drain
//	   │ transport.Batch                              │               │
//	   ▼                                              ▼               ▼
//	┌─────────────────────────── worker ────────────────────────────────────┐
//	│ Parse ─▶ PlaceOf ─▶ lock │ Core.Packet  │ unlock ─▶ … next packet     │
//	│ due shards ───────▶ lock │ Core.Expire  │ unlock                      │
//	│ flush: trace, send by listener, notes                                 │
//	│ what failed ──────▶ lock │ Core.Broken  │ unlock ─▶ flush again       │
//	└───────────────────────────────────────────────────────────────────────┘
//
// A message is run to completion on the goroutine that received it. A shard is
// one lock and the core under it; a worker holds one shard lock at a time, and
// under it nothing happens but the core's own work. Every step of the core is
// contained: a panic in it is counted and logged, its effects are dropped, and
// the next message finds the lock free (safety.md rule 5).
//
// Run owns every goroutine. When its context ends the server drains: new
// dialogs are refused, what is in setup goes on until it has its final response
// or the drain time is over.
package engine
