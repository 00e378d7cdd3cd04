package resolve

import "errors"

// The ways in which a question ends without hops. The first three are answers
// and count as "no address" (408, RFC 3261 §16.6 step 7); the others are errors
// (503).
var (
	ErrNoName     = errors.New("resolve: no such name")
	ErrNoAddress  = errors.New("resolve: the name has no address that can be reached")
	ErrNoService  = errors.New("resolve: the domain says that it does not offer SIP") // RFC 2782: target "."
	ErrNoProtocol = errors.New("resolve: nothing here speaks the transport that is asked for")
	ErrSilent     = errors.New("resolve: no server answered in time")
	ErrServers    = errors.New("resolve: the servers could not answer")
	ErrFull       = errors.New("resolve: too many questions are waiting")
	ErrStopped    = errors.New("resolve: the resolver has stopped")
)

// isAnswer reports whether err says something about the name, and not about
// those who were asked.
func isAnswer(err error) bool {
	return errors.Is(err, ErrNoName) || errors.Is(err, ErrNoAddress) || errors.Is(err, ErrNoService)
}

// StateOf is how the error that a Sink heard reads to a request: Hit for none,
// Negative, or Failed.
func StateOf(err error) State {
	switch {
	case err == nil:
		return Hit
	case isAnswer(err):
		return Negative
	}
	return Failed
}
