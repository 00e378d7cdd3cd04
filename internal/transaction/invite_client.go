package transaction

// inviteClient is figure 5 of RFC 3261 with state Accepted and timer M of
// RFC 6026 §7.2, and the CANCEL of §9.1.
var inviteClient = machine{
	idle: {
		evStart:  {calling, doSend | doKeep | doStartA | doStartB},
		evBroken: {terminated, doFree},
	},
	calling: {
		evStart:  {calling, doSend | doKeep | doStartA | doStartB}, // over another transport, see Start
		ev1xx:    {proceeding, doStopResend | doStopB | doShrink | doCancel | doPassUp},
		ev2xx:    {accepted, doStopResend | doForget | doDisown | doStartM | doPassUp},
		ev3456xx: {completed, doStopResend | doAck | doDisown | doStartD | doPassUp},
		evResend: {calling, doResend | doStartA},
		evLife:   {terminated, doInform | doFree}, // timer B
		evCancel: {calling, doOwe},                // RFC 3261 §9.1: not before a 1xx
		evBroken: {terminated, doFree},
	},
	proceeding: {
		ev1xx:    {proceeding, doPassUp},
		ev2xx:    {accepted, doForget | doStartM | doPassUp},
		ev3456xx: {completed, doAck | doStartD | doPassUp},
		evLife:   {terminated, doInform | doFree}, // armed only by doCancel, RFC 3261 §9.1
		evCancel: {proceeding, doOwe | doCancel},
		evBroken: {terminated, doFree},
	},
	completed: {
		ev3456xx: {completed, doResend},
		// A proxy below that forks may send a 2xx after its own final response
		// (RFC 3261 §16.7 step 5), and a 2xx is always worth relaying.
		ev2xx:    {completed, doPassUp},
		evLife:   {terminated, doEnd | doFree}, // timer D
		evBroken: {terminated, doFree},
	},
	accepted: {
		ev2xx:    {accepted, doPassUp},
		evLife:   {terminated, doEnd | doFree}, // timer M
		evBroken: {terminated, doFree},
	},
}
