// Package wheel: CONTRACT (temporary file), see the owner's real files.
package wheel

import "viaduct/internal/clock"

// Timer is an intrusive node: embed it in what it times. Kind and Slot are the owner's, set before Arm.
type Timer struct {
	next, prev *Timer
	tick       int64
	Slot       uint32
	Kind       uint8
}

func (t *Timer) Armed() bool { panic("contract") }

// Wheel: hierarchical, tick 10 ms, O(1) arm and stop. Its clock never goes back: a `now` older than the newest seen counts as the newest.
type Wheel struct{ armed int }

func New(now clock.Instant) *Wheel                 { panic("contract") }
func (w *Wheel) Arm(t *Timer, at clock.Instant)    { panic("contract") } // moves an armed timer; never fires early
func (w *Wheel) Stop(t *Timer)                     { panic("contract") } // harmless when not armed
func (w *Wheel) Due(now clock.Instant) *Timer      { panic("contract") } // pops one due timer, nil when none; call until nil
func (w *Wheel) Next() (at clock.Instant, ok bool) { panic("contract") } // when the next call of Due can find something (lower bound, at most the true due time)
func (w *Wheel) Len() int                          { panic("contract") } // armed timers
