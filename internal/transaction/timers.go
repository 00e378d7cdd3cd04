package transaction

import "time"

// Timer kinds of this package in the shared wheel; a user of the same wheel starts
// at KindEnd.
const (
	kindServerResend uint8 = iota
	kindServerLife
	kindClient
	kindClientCancel
	KindEnd
)

// timers are the values of RFC 3261 table 4, with the changes of RFC 6026 §8.11.
type timers struct {
	t1, t2, t4 time.Duration
}

const (
	defaultT1 = 500 * time.Millisecond
	defaultT2 = 4 * time.Second
	defaultT4 = 5 * time.Second

	// minD is the least timer D on unreliable transports (RFC 3261 §17.1.1.2): the
	// other side's timer H by its own T1, which we do not know.
	minD = 32 * time.Second
)

func newTimers(cfg *Config) timers {
	t := timers{cfg.T1, cfg.T2, cfg.T4}
	if t.t1 <= 0 {
		t.t1 = defaultT1
	}
	if t.t2 <= 0 {
		t.t2 = defaultT2
	}
	if t.t4 <= 0 {
		t.t4 = defaultT4
	}
	return t
}

// long is 64*T1, the time after which a transaction is given up.
func (t *timers) long() time.Duration { return 64 * t.t1 }

// life is what d sets the timer of the state to; ok is false when it does not.
func (t *timers) life(d do, reliable bool) (span time.Duration, ok bool) {
	switch {
	case d&(doStartB|doStartF|doStartH|doStartL|doStartM) != 0:
		return t.long(), true
	case d&doStartAge != 0:
		return t.long() + t.t4, true
	case d&(doStartD|doStartJ|doStartI|doStartK) == 0:
		return 0, d&doHasten != 0 && reliable
	case reliable: // nothing repeats there, so there is nothing to wait for
		return 0, true
	case d&doStartD != 0:
		return max(t.long(), minD), true
	case d&doStartJ != 0:
		return t.long(), true
	}
	return t.t4, true // I and K
}

// resend is the next interval of the timer of resending after last, 0 for none.
func (t *timers) resend(d do, last time.Duration) time.Duration {
	switch {
	case d&doStartT2 != 0:
		return t.t2
	case last == 0:
		return t.t1
	case d&doStartA != 0:
		return 2 * last
	}
	return min(2*last, max(t.t1, t.t2)) // E and G
}

// resends are the actions that set the timer of resending, on unreliable
// transports only (RFC 3261 §17.1.1.2, §17.1.2.2, §17.2.1).
const resends = doStartA | doStartE | doStartT2 | doStartG
