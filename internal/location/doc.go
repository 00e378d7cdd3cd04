// Package location is the location service of RFC 3261 §10: which bindings an
// address-of-record has. It knows no REGISTER and no proxy.
//
//	               Lookup ┌─────────────┐ bindings, by q
//	proxy ───────────────▶│  Directory  │───────────────▶ Found (copies)
//	                      │ 256 stripes │
//	               Update │  in memory  │ Done, Pending, Refused
//	registrar ───────────▶│             │───────────────▶
//	                      └─────────────┘
//	                        │ queue  ▲ visible when stored
//	                        ▼        │
//	                      Run: one transaction for all of 4 ms ──▶ Store ──▶ Sink.Stored
//
// Lookup and Update may be called under a shard's lock. They take one leaf lock for
// the time of a look or a change in memory, and wait for nothing. Run owns the one
// goroutine; it alone speaks with the Store, and with the Sink.
//
// # What is acknowledged is durable
//
// An Update begins with the newest state of its AOR: what lookups see, or what the
// last change leads to that still waits for the store. So changes of one AOR are
// in one order, whatever shards they come from, and the CSeq rule holds among
// those that are under way (RFC 3261 §10.3). Lookups see a change when its
// transaction is committed, and only then the Sink is told and the 200 leaves: a
// call right after it finds the binding. When the commit fails, those changes and
// all that were made on top of them are undone, and each is told an error:
// lookups have never seen anything of them. Without a Store a change is Done, and
// seen, at once.
//
// # How it is kept
//
// A record is an AOR and its bindings in one run of bytes (record.go), in chunks
// that the garbage collector sees as a few large things without pointers (arena.go).
// A phone takes some 460 bytes with all that belongs to it at a million, and a
// collection then 2 ms. Lookup copies the record out and does not allocate.
//
// What has expired is not found any more from that moment on; Expire, which Run
// calls every second, takes it out of memory and store, some at a time. The end of
// a binding is an instant of the monotonic clock in memory and a time of the wall
// clock in the store, so that neither a step of the clock nor a restart makes it
// live longer. The rows of what could not be removed are left out at the next
// start.
//
// Everything has a bound (Limits): at each the answer is an error that leaves all
// bindings as they were.
package location
