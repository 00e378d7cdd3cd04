// Package transaction is RFC 3261 §17 as amended by RFC 6026 and RFC 4320, and
// nothing else: it knows requests, responses and timers, and no routing.
//
//	          Request ┌─────────┐ NewRequest, CancelOf, AckPassUp, Unanswered
//	packets ─────────▶│         │──────────────────────────────────────────▶ verdict
//	         Response │  Table  │ PassUp, Absorbed, Stray                    to the
//	   due  ─────────▶│         │ TimedOut, Ended, ServerTimedOut            caller
//	 timers      Fire │ servers │
//	                  │ clients │◀── Respond, Finish             the layer above
//	                  └────┬────┘◀── Reserve, Start, Cancel      (the RFC's "TU")
//	                       └──▶ effect.List: what to send
//
// The four machines are tables of data: inviteServer (figure 7 with RFC 6026),
// nonInviteServer (figure 8 with RFC 4320), inviteClient (figure 5 with RFC 6026)
// and nonInviteClient (figure 6). One pure step looks a state and an event up;
// one interpreter for servers and one for clients perform what the cell asks for,
// in one fixed order. testdata holds each table as text.
//
// A server transaction is found by its Key, a keyed fingerprint of branch and
// sent-by. A client transaction is found by the Branch of our own Via, which
// prints its slot: a response costs no lookup, only a comparison with the nonce.
// One slot holds an INVITE client and the client of its CANCEL; CSeq tells them
// apart.
//
// A message is kept only while the RFC can still ask for it: a server keeps its
// last response until the ACK, or until timer J; an INVITE that got a 2xx keeps
// nothing, on neither side; an INVITE client drops the body at the first 1xx and
// keeps just the ACK after a non-2xx. Transport errors while responding change
// nothing (RFC 6026 §7.1), which is why no event stands for them.
//
// The package never waits and never looks at a clock: each call is told the time.
// A Table belongs to one shard; callers hold that shard's lock.
package transaction
