// Package observe turns what the engine counts, notes and carries into what a
// person or a monitoring system reads. Only sinks live here: the events are the
// effect package's, and nothing below knows that anybody is looking.
//
//	engine.Stats ──▶ Collector ──▶ Prometheus text
//	effect.Note  ──▶ Notes ──────▶ log lines, one a second for each class and source
//	wire bytes   ──▶ Tracer ─────▶ a ladder on the terminal
//
// What is called on the message path (Notes.Note, Tracer.Message) never waits:
// it takes a short lock, copies what it needs into a bounded queue, and counts
// what the queue does not hold. The writing is done by a Run that its caller owns.
//
// Nothing from the network is printed as it came: control characters and bytes
// that are no text are escaped. Headers other than those that name a call, and
// bodies, are never printed at all.
package observe
