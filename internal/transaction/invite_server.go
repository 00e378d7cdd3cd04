package transaction

// inviteServer is figure 7 of RFC 3261 with state Accepted and timer L of
// RFC 6026 §7.1. Transport errors are not in it: they leave the state.
var inviteServer = machine{
	idle: {
		evStart: {proceeding, 0},
	},
	proceeding: {
		evRequest: {proceeding, doResend},
		ev1xx:     {proceeding, doSend | doKeep},
		// RFC 6026 §7.1: the layer above repeats a 2xx, never this machine, so
		// that nothing is kept.
		ev2xx:    {accepted, doSend | doForget | doStartL | doRest},
		ev3456xx: {completed, doSend | doKeep | doStartG | doStartH},
		evFinish: {finished, doForget | doStartL | doRest},
	},
	completed: {
		evRequest: {completed, doResend},
		evAck:     {confirmed, doStopResend | doForget | doStartI | doRest},
		ev2xx:     {completed, doSend}, // RFC 3261 §16.7 step 5: a fork's late 2xx passes; the state stays
		evResend:  {completed, doResend | doStartG},
		evLife:    {terminated, doInform | doFree}, // timer H
	},
	confirmed: {
		evAck:  {confirmed, 0},
		ev2xx:  {confirmed, doSend},          // as in Completed
		evLife: {terminated, doEnd | doFree}, // timer I
	},
	accepted: {
		evRequest: {accepted, 0},
		evAck:     {accepted, doPassUp},
		ev2xx:     {accepted, doSend},
		evLife:    {terminated, doEnd | doFree}, // timer L
	},
	finished: {
		evRequest: {finished, 0},
		evLife:    {terminated, doEnd | doFree},
	},
}
