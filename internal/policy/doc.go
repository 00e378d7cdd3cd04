// Package policy is the configured routing: an ordered list of rules, each a
// condition and an end, compiled to closures over a view of the message.
//
//	         config ──▶ Program{ Rules, Reads }        built once, immutable
//	                       │
//	message, flow ──▶ Facts ──▶ Decide ──▶ *Rule       send · reply · drop · redirect
//	                       │                  │
//	                       └── Scratch ◀── Text.URI    strings built for this decision
//
// The first rule whose condition holds decides; the caller carries out its end.
// An expression is pure and total: it has no loop over input that could grow, no
// assignment, no input but the Facts, and it cannot fail. What a message does
// not have reads as the empty text, 0 or false. The same evaluator can
// therefore serve calls, explanations, tests and replay.
//
// The package knows nothing of the language that rules are written in, of
// transactions or of sockets. Compiling is done by its caller with the functions
// of field.go, text.go, number.go and match.go, which combine small closures
// into larger ones; whatever can be prepared (regular expressions, dial plans, prefix tables, lower
// case) is prepared there, so that a decision allocates nothing.
package policy
