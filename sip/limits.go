package sip

// Bounds on what is accepted, checked before anything is kept.
const (
	MaxMessage    = 64 << 10 // bytes in a whole message
	MaxHeaderPart = 32 << 10 // bytes from the start line to the empty line, included
	MaxHeaders    = 256      // header lines
	MaxVias       = 70       // Via values
	MaxRoutes     = 70       // Route values
	MaxParams     = 32       // parameters of one value (the received of a Via and the tag of a To apart), URI, or URI headers part
	MaxURI        = 2 << 10  // bytes of a URI
	MaxUser       = 256      // bytes of a user part
	MaxTag        = 256      // bytes of a From or To tag
)

// What a proxy adds to a message that was within the bounds; see ParseSent.
const (
	addedHeaders = 16
	addedBytes   = 2 << 10
)

// SyntaxError says what is wrong with a message, where, and which response it
// deserves (400, 413, 505, 513 …; for a response message it means: drop).
type SyntaxError struct {
	Status int    // response code for a request with this fault
	Offset int    // byte offset in Message.Wire, or in the text given to a Parse function
	What   string // constant text: becomes the reason phrase, e.g. "Bad CSeq"
}

// Error is the text for logs: the reason phrase only.
func (e *SyntaxError) Error() string { return "sip: " + e.What }

// fault is a SyntaxError on its way: no allocation, and what == "" means none.
type fault struct {
	what string
	pos  int
}

// export turns a fault into an error of a Parse function.
func (f fault) export() error {
	if f.what == "" {
		return nil
	}
	return &SyntaxError{Status: 400, Offset: f.pos, What: f.what}
}
