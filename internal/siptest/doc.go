// Package siptest is the test bench of the protocol core: call flows as text, a
// network in memory, and an audit that every trace has to pass.
//
//	ladder (text)          network, sim (seed)
//	     │ messages, time        │ callers, callees, links
//	     ▼                       ▼
//	┌─────────────────── edge ───────────────────┐
//	│  Element: Receive, Expire, Next            │──▶ Trace ──▶ Audit
//	└────────────────────────────────────────────┘
//	     │ effects               │
//	     ▼                       ▼
//	expectations, diff     calls that end as they should
//
// It drives anything that is an Element; package proxy's Core becomes one in a
// few lines. It reads messages by a slow reader of its own, so that a mistake in
// package sip does not hide itself.
//
//   - Run and RunDir play ladders: see README.md for the language.
//   - NewNetwork builds a simulation in given time: thousands of calls over
//     links that lose, delay, double and reorder, the same for the same seed.
//   - Sim runs the same network on goroutines and channels, for testing/synctest.
//   - Audit holds a trace against the cross-message rules; Run and the network
//     call it themselves.
//
// Only tests import this package.
package siptest
