package flow

import "unique"

// Session is the session cookie with which the WebSocket of a Flow was opened (RFC
// 7118 §7). It is one word and comparable. The zero Session is none.
type Session struct{ value unique.Handle[string] }

// MakeSession is the Session of a cookie's value.
func MakeSession(value string) Session {
	if value == "" {
		return Session{}
	}
	return Session{unique.Make(value)}
}

// String is the value, "" for none.
func (s Session) String() string {
	if s == (Session{}) {
		return ""
	}
	return s.value.Value()
}
