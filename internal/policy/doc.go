// Package policy is the configured routing: ordered lists of rules, each a
// condition, what it asks and changes, and an end, compiled to closures over a
// view of the message.
//
//	         config ──▶ Program{ Rules, Routes, Realms, Reads }   built once, immutable
//	                       │
//	message, flow ──▶ Facts ──▶ Decide ──▶ Step   NeedUser: authenticate, decide on
//	   users found ──────▲ │      │ ▲                 Refuse, NoMatch: answer
//	                       │   Cursor: how far        Match: Rule.End, and End.After when it fails
//	                       └── Edits, NewURI          what the rules have changed
//	                       └── Scratch ◀── Text.URI   strings built for this decision
//
// The first rule whose condition holds decides; the caller carries out its end. A
// rule goes through when, let, authenticate, deny, set and header edits, in this
// order; one that ends in `next` leaves its edits to the rules behind it, and one
// that ends in `jump` goes on in a route and does not come back. What a decision
// cannot know is a step that the caller answers: the Cursor is a small value that
// can be kept meanwhile, and Restore makes the facts of a request, filled anew,
// those of a decision that had come so far.
//
// An expression is pure and total: it has no loop over input that could grow, no
// assignment, no input but the Facts, and it cannot fail. What a message does
// not have reads as the empty text, 0 or false. The same evaluator can
// therefore serve calls, explanations, tests and replay. It is also why Restore
// may walk the way again instead of keeping what was found on it.
//
// The package knows nothing of the language that rules are written in, of
// transactions, passwords or sockets. Compiling is done by its caller with the functions
// of field.go, text.go, number.go, match.go, let.go and table.go, which combine small closures
// into larger ones; whatever can be prepared (regular expressions, dial plans, prefix tables, lower
// case, the keys of tables) is prepared there, so that a decision allocates nothing.
package policy
