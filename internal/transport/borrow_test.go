package transport

import (
	"testing"
	"testing/synctest"
	"time"
)

// What has waited for its turn is as old as it has waited; what found a lane free
// is new.
func TestWaitForATurnIsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStreams(StreamConfig{Lanes: 1, NewTurn: func() func(*Batch) { return func(*Batch) {} }})
		l := s.borrow()
		if l.batch.Age != 0 {
			t.Errorf("a free lane: %v old", l.batch.Age)
		}
		got := make(chan *lane)
		go func() { got <- s.borrow() }()
		time.Sleep(30 * time.Millisecond) // in the bubble's time
		s.lanes <- l
		if l = <-got; l.batch.Age < 30*time.Millisecond {
			t.Errorf("after 30 ms of waiting: %v old", l.batch.Age)
		}
		s.lanes <- l
		if l = s.borrow(); l.batch.Age != 0 {
			t.Errorf("free again: %v old", l.batch.Age)
		}
	})
}
