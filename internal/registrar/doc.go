// Package registrar is RFC 3261 §10.3 with Path (RFC 3327), Service-Route (RFC
// 3608), Outbound (RFC 5626), GRUU (RFC 5627) and the sips rules of RFC 5630.
//
//	                 ┌──────────────────────────────────────┐
//	REGISTER, flow ─▶│ Begin     read.go, contact.go,       │─▶ Refused: status, reason, header lines
//	                 │           outbound.go, path.go       │─▶ Query:   answer from the list as it is
//	                 │                                      │─▶ Change:  ▼
//	  the list as    │                                      │
//	  it is ────────▶│ Apply     apply.go: all or nothing   │─▶ the list as it shall be, or Refused
//	                 │                                      │
//	  the list once  │                                      │
//	  it is durable ▶│ AppendOK  answer.go                  │─▶ header lines of the 200
//	                 └──────────────────────────────────────┘
//
// The directory calls Apply while it holds the AOR, so that registrations of one
// AOR come one after the other, each whole or not at all. What Apply gives back
// is committed first and answered afterwards: a 200 says that the bindings are
// safe. The list lives in package location; nothing of it is kept here.
//
// GRUUs need no storage either (gruu.go). A public one is the AOR with the
// instance; a temporary one is the AOR's user, the instance and a mark of the
// registration, encrypted; what it leads to is decided when it is used.
//
// A Registrar belongs to one shard; callers hold that shard's lock. It is told the
// time, and knows no transaction, no socket and no password: who may change which
// AOR was decided before (RFC 3261 §10.3 steps 1, 3 and 4 belong to the rules).
package registrar
