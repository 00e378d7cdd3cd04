// Package overload decides what a server does not take on when it is behind.
//
//	age of the oldest datagram,          ┌──────┐
//	datagrams lost for want of room ────▶│ Gate │──▶ Take, Refuse (503), Drop (stale)
//	the first bytes of a message ──▶ Class ──┘ │
//	                                     └──────┘
//
// A server that is offered more than it can do is behind on everything, unless it
// says no early and cheaply: a call that is begun and then given up costs most.
// So the queue in front of the reader is kept short. As long as it is longer than
// Target for Interval, new work is refused, the least wanted first; what belongs
// to calls under way goes on. Whether a message is new work is told by its first
// bytes, without parsing it.
//
// Where even to refuse takes too long, a Valve in front of the queue says what share of
// the new work may come at all, and a Sieve is the program by which the kernel drops
// the rest unread:
//
//	refused, taken ──▶ Valve ──▶ share ──▶ Sieve ──▶ socket filter
//
// The package holds no clock and knows no socket: it is told ages.
package overload
