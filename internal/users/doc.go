// Package users says who the users of a realm are: from a file, or from a service
// that is asked by HTTP. It is of the shell: what is slow happens here, in
// goroutines that a Run owns.
//
//	             Find ┌───────┐ Known, Unknown: go on at once
//	core ────────────▶│ Table │ of a File, immutable, swapped whole
//	                  └───────┘
//	             Find ┌───────┐ Known, Unknown, Failed
//	core ────────────▶│ cache │ Ask: the request waits
//	                  └───────┘
//	                      ▲ put
//	             Ask ┌────┴───┐ GET url?realm=…&user=…
//	shell ──────────▶│  HTTP  │──────────────────────▶ service
//	      ◀──────────└────────┘ one flight for each user
//	        Sink.Found
//
// Neither holds a password: only H(user:realm:password), by algorithm. That is
// enough to be the user in this realm, and in no other.
//
// A file in use is looked at every few seconds; a faulty one changes nothing, and
// one that has lost more than half of its users is not believed until the server
// is told to reload.
package users
