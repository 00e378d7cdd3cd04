package transaction

// nonInviteServer is figure 8 of RFC 3261. RFC 4320 §4.2 adds the end without an
// answer: state finished absorbs copies for as long as the client repeats them.
var nonInviteServer = machine{
	idle: {
		evStart: {trying, doStartAge},
	},
	trying: {
		evRequest: {trying, 0},
		ev1xx:     {proceeding, doSend | doKeep},
		ev2xx:     {completed, doSend | doKeep | doStartJ | doRest},
		ev3456xx:  {completed, doSend | doKeep | doStartJ | doRest},
		evFinish:  {finished, doHasten | doRest},
		evLife:    {terminated, doInform | doFree}, // nobody answered
	},
	proceeding: {
		evRequest: {proceeding, doResend},
		ev1xx:     {proceeding, doSend | doKeep},
		ev2xx:     {completed, doSend | doKeep | doStartJ | doRest},
		ev3456xx:  {completed, doSend | doKeep | doStartJ | doRest},
		evFinish:  {finished, doForget | doHasten | doRest},
		evLife:    {terminated, doInform | doFree},
	},
	completed: {
		evRequest: {completed, doResend},
		evLife:    {terminated, doEnd | doFree}, // timer J
	},
	finished: {
		evRequest: {finished, 0},
		evLife:    {terminated, doEnd | doFree},
	},
}

// mayAnswer reports whether RFC 4320 lets a non-INVITE be answered with status.
func mayAnswer(status int) bool {
	switch {
	case status == 408: // §4.2: by then the client has given up; it would be a stray to everyone on the path
		return false
	case status < 200: // §4.1: 100 is the only provisional
		return status == 100
	}
	return true
}
