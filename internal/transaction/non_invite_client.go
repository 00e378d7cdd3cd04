package transaction

// nonInviteClient is figure 6 of RFC 3261. The CANCEL of an INVITE client runs by
// it too, inside that client's slot.
var nonInviteClient = machine{
	idle: {
		evStart:  {trying, doSend | doKeep | doStartE | doStartF},
		evBroken: {terminated, doFree},
	},
	trying: {
		evStart:  {trying, doSend | doKeep | doStartE | doStartF}, // over another transport, see Start
		ev1xx:    {proceeding, doPassUp},
		ev2xx:    {completed, doStopResend | doForget | doStartK | doPassUp},
		ev3456xx: {completed, doStopResend | doForget | doStartK | doPassUp},
		evResend: {trying, doResend | doStartE},
		evLife:   {terminated, doInform | doFree}, // timer F
		evBroken: {terminated, doFree},
	},
	proceeding: {
		ev1xx:    {proceeding, doPassUp},
		ev2xx:    {completed, doStopResend | doForget | doStartK | doPassUp},
		ev3456xx: {completed, doStopResend | doForget | doStartK | doPassUp},
		evResend: {proceeding, doResend | doStartT2},
		evLife:   {terminated, doInform | doFree}, // timer F
		evBroken: {terminated, doFree},
	},
	completed: {
		evLife:   {terminated, doEnd | doFree}, // timer K
		evBroken: {terminated, doFree},
	},
}
