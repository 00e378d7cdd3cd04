// Package wheel is a timing wheel: it arms, moves and stops a timer in constant
// time, whatever the number of timers, and starts no goroutine for any of them.
//
//	           near: 4096 slots of one tick      far: 4096 slots of 4096 ticks
//	due ◀──── [cur+1] [cur+2] … [cur+4095] ◀──── [41 s … 82 s] [82 s …] … 46 h
//	 │        a slot that is reached becomes      a slot that is reached is
//	 ▼        due as it is                        spread over near
//	Due
//
// A Timer is a node embedded in what it times, so arming allocates nothing. The
// longest timers of RFC 3261 §17 (64*T1, 32 s) fit near and are never touched
// between arming and firing; what lasts longer (timer C, expiries) is moved once,
// in groups of 41 s. Bitmaps tell which slots are in use, so a wheel that was
// silent for an hour does not walk the hour.
//
// A tick is 10 ms. A timer never fires early: its instant is rounded up to a
// tick. The wheel reads no clock; it is told the time, and its own time never
// goes back even when it is driven from two places whose readings differ a little.
// It belongs to one shard and is guarded by its lock.
package wheel
