package transaction

// state is a state of one of the four machines; each uses some of them.
type state uint8

const (
	none       state = iota // the next state of a cell that the figures do not show
	idle                    // not begun: reserved, or a CANCEL that is owed
	calling                 // INVITE client: no response yet
	trying                  // non-INVITE: no response yet
	proceeding              // provisional response sent or received; an INVITE server begins here
	completed               // final response sent or received
	confirmed               // INVITE server: the ACK came
	accepted                // RFC 6026: 2xx sent or received
	finished                // server: the layer above will not answer (RFC 4320 §4.2)
	terminated
	numStates
)

// underWay reports whether a transaction in s has no final response yet and is not
// given up.
func (s state) underWay() bool { return s >= idle && s <= proceeding }

// event is what can happen to a machine.
type event uint8

const (
	evStart   event = iota // created (server) or handed the request (client)
	evRequest              // server: a copy of the request
	evAck                  // INVITE server: an ACK
	ev1xx                  // server: the layer above responds; client: a response came
	ev2xx
	ev3456xx
	evResend // the timer of resending: A, E or G
	evLife   // the timer of the state: B, D, F, H, I, J, K, L or M
	evCancel // INVITE client: the layer above cancels
	evFinish // server: the layer above gives up without an answer
	evBroken // client: the transport failed (RFC 3261 §17.1.4)
	numEvents
)

// do is a set of actions. The interpreters perform them in the order given here.
type do uint32

const (
	doStopResend do = 1 << iota // stop A, E or G
	doStopB                     // RFC 3261 §17.1.1.2: timer B ends with the first 1xx
	doSend                      // send the message at hand
	doKeep                      // keep a copy of it, in place of what was kept
	doResend                    // send what is kept again
	doShrink                    // keep only the header part of the INVITE, which ACK and CANCEL need
	doAck                       // build the ACK, send it and keep it in place of the INVITE
	doForget                    // keep nothing
	doOwe                       // note that a CANCEL is owed
	doDisown                    // RFC 3261 §9.1: after a final response a CANCEL that is owed has no sense
	doCancel                    // send the CANCEL if it is owed, and give the INVITE 64*T1 from now
	doStartA                    // T1, then doubles without cap
	doStartE                    // T1, then doubles up to T2
	doStartT2                   // timer E at T2
	doStartG                    // T1, then doubles up to T2
	doStartB                    // 64*T1
	doStartF                    // 64*T1
	doStartH                    // 64*T1
	doStartL                    // 64*T1
	doStartM                    // 64*T1
	doStartD                    // at least 32 s, 0 on reliable transports
	doStartJ                    // 64*T1, 0 on reliable transports
	doStartI                    // T4, 0 on reliable transports
	doStartK                    // T4, 0 on reliable transports
	doStartAge                  // 64*T1 + T4: a non-INVITE that the layer above forgets
	doHasten                    // on reliable transports end now; else the age runs on
	doPassUp                    // hand the message to the layer above
	doInform                    // tell the layer above of the timeout
	doEnd                       // tell the layer above that it is over
	doRest                      // server: only its end is waited for now
	doFree                      // give the slot back
)

// cell is what one event does in one state.
type cell struct {
	next state
	do   do
}

// machine is a transition table: the RFC's figure as data.
type machine [numStates][numEvents]cell

// step returns the state after e and what to do. What the figure does not show
// changes nothing.
func (m *machine) step(s state, e event) (state, do) {
	c := m[s][e]
	if c.next == none {
		return s, 0
	}
	return c.next, c.do
}

// responseEvent is the event of a status code.
func responseEvent(status int) event {
	switch {
	case status < 200:
		return ev1xx
	case status < 300:
		return ev2xx
	}
	return ev3456xx
}
